"""Measure time and memory of scoring a day of EEG: a simulated recording of 21 channels at 256 Hz.

Weights are random, because they cost the same, unless a model is given. The script prints the cost of 'ictal score'
from the shell, the start-up of the command line, the cost of the same windows one by one in torch, and the difference
between scoring in pieces and in one piece.
"""

import argparse
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.signal import resample_poly

from _commands import watched
from _machine import machine
from ictal.core.montage import CHANNELS
from ictal.core.recording import Recording, Signal
from ictal.core.windows import RATE_HZ, WINDOW_SAMPLES
from ictal.io import open_recording
from ictal.io.edf.writer import write_edf
from ictal.models.build import build
from ictal.models.checkpoint import Card, save_model
from ictal.models.hub import find_model
from ictal.models.model_settings import ModelSettings
from ictal.preprocessing.channel_mapping import map_channels
from ictal.preprocessing.runs import recorded_runs
from ictal.preprocessing.settings import StandardiseSettings
from ictal.recipes import load_recipe
from ictal.scoring import pipeline
from ictal.scoring.engines import WindowBatch, exported, open_engine
from ictal.scoring.export import export_model
from ictal.scoring.pipeline import score
from ictal.simulator import simulate_recording

RATE = 256
LIMIT_S, LIMIT_GIB, LIMIT_FIRST_S = 120, 1.0, 5.0
WAVENETS = {
    "quick": load_recipe("quick", []).models.temporal.wavenet,
    "reference": ModelSettings().temporal.wavenet.model_copy(update={"edges": "drop"}),
}
"""The temporal network of the recipe 'quick', and the stronger variant of the reference with dropped edges."""


@dataclass(frozen=True)
class Faster:
    """A simulated recording at 256 Hz with a 21st channel, made minute by minute."""

    recording: Recording

    def read(self, start: int, stop: int, rows: Sequence[int] | None = None) -> Signal:
        """Return samples `start` to `stop`, which must be at whole seconds."""
        slow = self.recording.read(start * RATE_HZ // RATE, stop * RATE_HZ // RATE)
        fast = resample_poly(slow, 32, 25, axis=1).astype(np.float32)
        return np.vstack([fast, fast[:1] - fast[1:2]])


def write_night(path: Path, hours: float) -> None:
    made = simulate_recording(1, 0, hours)
    n_samples = round(made.duration_s) * RATE
    write_edf(path, Recording("night", (*CHANNELS, "A1"), RATE, n_samples, Faster(made), made.start))


def settings_of(wavenet: str, width: int) -> ModelSettings:
    settings = ModelSettings()
    spectrogram = settings.spatial.spectrogram.model_copy(update={"width": width})
    return settings.model_copy(
        update={
            "temporal": settings.temporal.model_copy(update={"wavenet": WAVENETS[wavenet]}),
            "spatial": settings.spatial.model_copy(update={"spectrogram": spectrogram}),
        }
    )


def write_model(path: Path, settings: ModelSettings, standardise: StandardiseSettings | None = None) -> None:
    """Save and export a model 'both' with random weights."""
    torch.manual_seed(0)
    network = build("both", settings, initial=False).eval()
    common = {"data": "none", "data_fingerprint": "0", "recipe": "none", "seed": 0, "ictal_version": "benchmark"}
    card = Card(arm="both", models=settings, standardise=standardise or StandardiseSettings(), **common)
    save_model(path, network, card)
    export_model(path)


def measure_whole(night: Path, model: Path, out: Path, engine: str, hours: float) -> float:
    """Print what a command takes, and return its peak memory in GiB."""
    cost = watched("score", night, "--model", model, "--out", out, "--engine", engine)
    told = json.loads((out / f"{night.stem}_summary.json").read_text())
    first_s = told["manifest"]["seconds"]["first_scores"]
    n_windows = round((hours * 3600 - 50) / 10) + 1
    print(
        f"{hours:g} h, {engine}: {cost.seconds:.1f} s in total ({cost.seconds / n_windows * 1e3:.1f} ms per window), "
        f"of which scoring took {told['manifest']['seconds']['all']:.1f} s; {cost.cpu_s:.1f} s of processor time, "
        f"{cost.gib:.2f} GiB, first scores after {first_s:.1f} s of scoring"
    )
    return cost.gib


def measure_torch(night: Path, model: Path, n_windows: int = 24) -> None:
    """Print the cost of a window in torch and in each engine, over the same span."""
    recording = open_recording(night)
    engines = {name: open_engine(model, name) for name in ("torch", "onnxruntime", "openvino")}
    contract = engines["torch"].contract
    mapping = map_channels(recording, contract.needs.derivations)
    run = recorded_runs(recording, mapping, contract.standardise.fill)[0]
    starts = [number * 10 * RATE_HZ for number in range(n_windows)]
    signal = run.standardised(0, starts[-1] + WINDOW_SAMPLES, contract.standardise)[0].signal
    piece, answers, times = WindowBatch(signal, starts), {}, {name: [] for name in engines}
    for _ in range(4):
        for name, engine in engines.items():
            begun = time.perf_counter()
            answers[name] = engine(piece).probabilities
            times[name].append((time.perf_counter() - begun) / n_windows * 1e3)
    for name, engine in engines.items():
        off = abs(answers[name] - answers["torch"]).max()
        ours, theirs = (statistics.median(times[key][1:]) for key in (name, "torch"))
        print(
            f"network, {name} ({engine.described['precision']}): {ours:.1f} ms per window, "
            f"{theirs / ours:.2f} x torch's speed, differs from it by {off:.1e}"
        )


def measure_pieces(night: Path, model: Path) -> None:
    whole_recording = open_recording(night)
    hour = Recording.from_array(
        whole_recording.read(0, min(1800 * RATE, whole_recording.n_samples)), whole_recording.channels, RATE
    )
    streamed = score(hour, model).frame
    pipeline.FIRST_WINDOWS = exported.SHARING = 10**6
    whole = score(hour, model).frame
    columns = [name for name in whole if name.endswith("_probability")]
    off = abs(streamed[columns] - whole[columns]).max().max()
    print(f"scored in pieces and in one piece: probabilities differ by {off:.1e}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, nargs="+", default=[6, 24])
    parser.add_argument("--wavenet", choices=WAVENETS, default="quick")
    parser.add_argument("--width", type=int, default=256, help="width of the images; with 250, windows share columns")
    parser.add_argument("--model", help="a trained model, such as 'default', in place of random weights")
    parser.add_argument("--engine", default="onnxruntime")
    parser.add_argument("--folder", type=Path, help="folder to keep recordings and model in for another run")
    options = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        model = find_model(options.model) if options.model else folder / f"both_{options.wavenet}_{options.width}"
        if not (model / "card.json").is_file():
            write_model(model, settings_of(options.wavenet, options.width))
        nights = {hours: folder / f"night{hours:g}.edf" for hours in options.hours}
        for hours, night in nights.items():
            if not night.is_file():
                write_night(night, hours)
            print(f"{night.name}: {night.stat().st_size / 1e9:.2f} GB")
        help_s = statistics.median(watched("--help").seconds for _ in range(5))
        info_s = statistics.median(watched("info", nights[options.hours[0]]).seconds for _ in range(5))
        print(f"start-up: --help {help_s:.2f} s, info {info_s:.2f} s")
        memory = [
            measure_whole(night, model, folder / "out", options.engine, hours) for hours, night in nights.items()
        ]
        if len(memory) > 1:
            print(f"memory: {max(memory) / min(memory) - 1:.1%} between the shortest and the longest recording")
        print(f"limits: 24 h within {LIMIT_S} s and {LIMIT_GIB} GiB; first scores within {LIMIT_FIRST_S} s")
        measure_torch(nights[options.hours[0]], model)
        measure_pieces(nights[options.hours[0]], model)
        print(f"this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    main()
