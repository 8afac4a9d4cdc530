"""A recording with scores, the viewer as a program of its own, and a Chromium to look at it."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import numpy as np
import pandas as pd
import pytest

from ictal.core.labels import PATTERN_TITLES, PATTERNS
from ictal.core.predictions import PROBABILITY_COLUMNS
from ictal.io import open_recording
from ictal.io.edf.writer import write_edf
from ictal.measurement.columns import MEASURED_COLUMNS, measured_columns
from ictal.measurement.signal import measured_signal
from ictal.preprocessing.standardise import resample
from ictal.scoring.engines import open_engine
from ictal.scoring.pipeline import score
from ictal.scoring.scores import Scores
from ictal.simulator import simulate_recording
from ictal.simulator.timeline import timeline
from tests.scoring.helpers import exported

FLAGS = ["--no-sandbox", "--disable-gpu"]
SEED = 1
TITLES = {title: name for name, title in PATTERN_TITLES.items()}


@dataclass(frozen=True)
class Night:
    """A simulated recording and the folder of its scores."""

    edf: Path
    out: Path
    model: Path
    scores: Scores


def make_night(folder: Path, hours: float, arm: str = "temporal") -> Night:
    """Simulate a patient with seizures and LPD, and score the EEG.

    Quality, spectra, what is measured and all that is asked of the model are real. The probabilities are not the
    model's, which is untrained, but follow from the simulator's annotations, so that there are events to look at.
    For the pictures of the documentation `$ICTAL_SCREENSHOT_MODEL` names a trained model, which then explains.
    """
    edf, out = folder / "night.edf", folder / "out"
    model = Path(os.environ["ICTAL_SCREENSHOT_MODEL"]) if "ICTAL_SCREENSHOT_MODEL" in os.environ else exported(arm)
    write_edf(edf, simulate_recording(SEED, eventful_patient(3600 * hours), hours))
    scores = score(open_recording(edf), open_engine(model, threads=1))
    frame = scores.frame.copy()
    frame[list(PROBABILITY_COLUMNS)] = foretold(scores)
    frame["spread"] = 1 - (frame[list(PROBABILITY_COLUMNS)] ** 2).sum(axis=1)
    patterns = [PATTERNS[leading] for leading in frame[list(PROBABILITY_COLUMNS)].to_numpy().argmax(axis=1)]
    measured = measured_columns(
        measured_signal(resample(open_recording(edf), "linear")),
        frame["start_s"].tolist(),
        ["" if pattern == "other" else pattern for pattern in patterns],
    )
    frame[list(MEASURED_COLUMNS)] = pd.DataFrame(measured)[list(MEASURED_COLUMNS)]
    told = replace(scores, frame=frame)
    out.mkdir()
    told.write(out / "night_scores.parquet")
    return Night(edf, out, model, told)


def eventful_patient(before_s: float) -> int:
    """Return the first patient who has a seizure and two other episodes early enough."""
    for patient in range(50):
        titles = [episode.title for episode in timeline(SEED, patient) if 60 < episode.onset_s < before_s - 120]
        if len(titles) >= 3 and any(title.startswith("Seizure") for title in titles):
            return patient
    return pytest.fail("no patient has three early episodes: widen the search")


def foretold(scores: Scores) -> np.ndarray:
    """Return probabilities [window, pattern] that follow the annotations, with noise and blurred borders."""
    rng = np.random.default_rng(0)
    middles = scores.frame[["start_s", "stop_s"]].mean(axis=1).to_numpy()
    logits = rng.normal([-2.2] * 5 + [0.6], 0.35, (len(middles), 6))
    for onset_s, duration_s, text in scores.recording.annotations:
        inside = 1 / (1 + np.exp((onset_s - middles) / 4)) / (1 + np.exp((middles - onset_s - duration_s) / 4))
        for name, weight in zip(text.removeprefix("possible ").split(" or "), (3.6, 2.4), strict=False):
            logits[:, PATTERNS.index(TITLES[name])] += weight * inside
    shares = np.exp(logits)
    return np.asarray(shares / shares.sum(axis=1, keepdims=True), dtype=np.float32)


@contextmanager
def viewing(*arguments: object) -> Iterator[str]:
    """Run `ictal view` and give its address; it must end cleanly on Ctrl-C."""
    with _serving("view", *arguments) as address:
        yield address


@contextmanager
def watching(*arguments: object) -> Iterator[str]:
    """Run `ictal watch` and give its address; it must end cleanly on Ctrl-C."""
    with _serving("watch", *arguments) as address:
        yield address


@contextmanager
def _serving(name: str, *arguments: object) -> Iterator[str]:
    command = [sys.executable, "-u", "-m", "ictal", name, *map(str, arguments), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as program:
        try:
            yield _address(program)
        finally:
            program.send_signal(signal.SIGINT)
            program.communicate(timeout=20)
    assert program.returncode == 0


def _address(program: "subprocess.Popen[str]") -> str:
    told = []
    for line in program.stdout or ():
        told.append(line)
        if found := re.search(r"http://\S+", line):
            return found[0]
    return pytest.fail("".join(told))


def ask(url: str, path: str) -> Any:
    """Return what the server says, without a browser."""
    address, token = re.split(r"/\w*\?token=", url)
    with urlopen(Request(f"{address}/api/{path}", headers={"X-Ictal-Token": token})) as answer:
        return answer.read()


def artifacts(folder: Path) -> Path:
    """Return where screenshots are kept: `$ICTAL_SCREENSHOTS`, else with the test's own files."""
    kept = Path(os.environ.get("ICTAL_SCREENSHOTS", folder))
    kept.mkdir(parents=True, exist_ok=True)
    return kept


def axe_source(folder: Path) -> str:
    """Return axe-core, fetched by npm; skip where npm cannot have it."""
    try:
        subprocess.run(
            ["npm", "pack", "--silent", "axe-core@4"], cwd=folder, check=True, capture_output=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"axe-core cannot be fetched by npm: {error}")
    (archive,) = folder.glob("axe-core-*.tgz")
    subprocess.run(["tar", "xzf", archive.name, "package/axe.min.js"], cwd=folder, check=True)
    return (folder / "package" / "axe.min.js").read_text(encoding="utf-8")
