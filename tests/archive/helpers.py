"""Small archives, and processes that score them and can be killed."""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from ictal.archive.ledger import ledger_table, read_ledger
from ictal.archive.partition import KINDS
from ictal.core.montage import CHANNELS
from ictal.io.edf.writer import write_edf
from tests.scoring.helpers import eeg, exported, recording_of

SECONDS = 12
"""A recording of this length is one window, completed by mirror images."""


def edf(path: Path, seconds: float = SECONDS, seed: int = 0) -> Path:
    """Write a recording of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_edf(path, recording_of(eeg(seconds, seed=seed).clip(-3000, 3000)))
    return path


def make_source(folder: Path, n: int, seconds: float = SECONDS) -> Path:
    """Write so many recordings."""
    for number in range(n):
        edf(folder / f"ward{number % 3}" / f"r{number:04d}.edf", seconds, number)
    return folder


def bomb(path: Path) -> Path:
    """Write a file of some kilobytes that unfolds into 2.4 GB: constants, of which Parquet keeps one."""
    n_rows = 15_000_000
    constants = pa.array(np.zeros(n_rows))
    table = pa.table(dict.fromkeys(CHANNELS, constants))
    pq.write_table(table, path, row_group_size=n_rows, compression="zstd", write_statistics=False)
    return path


def command(source: Path | str, out: Path, *more: object, workers: int = 2) -> list[str]:
    """Return the command that scores an archive with the smallest model."""
    options = ("--out", out, "--model", exported(), "--workers", workers, *more)
    return [sys.executable, "-m", "ictal", "score-archive", str(source), *map(str, options)]


def archive_command(name: str, out: Path, *more: object) -> list[str]:
    """Return a command on an archive."""
    return [sys.executable, "-m", "ictal", "archive", name, str(out), *map(str, more)]


def run(arguments: Sequence[str], **more: Any) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(arguments, capture_output=True, text=True, timeout=600, **more)


def workers_of(process: psutil.Process) -> list[psutil.Process]:
    """Return the processes that score for a process."""
    return [one for one in process.children() if "spawn_main" in " ".join(one.cmdline())]


def wait_for(happens: Callable[[], object], running: "subprocess.Popen[Any]", seconds: float = 120) -> None:
    """Wait until something happens while a process runs."""
    begun = time.monotonic()
    while not happens():
        assert running.poll() is None, f"it ended too early: {running.returncode}"
        assert time.monotonic() - begun < seconds, "it did not happen"
        time.sleep(0.02)


def ledger(out: Path) -> pd.DataFrame:
    """Return the rows that count, by recording."""
    return ledger_table(read_ledger(out).values()).set_index("recording").sort_index()


def n_lines(out: Path) -> int:
    """Return how many whole lines a ledger has; 0 where there is none yet."""
    path = out / "ledger.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def check_adds_up(out: Path, recordings: set[str], bad: set[str]) -> pd.DataFrame:
    """See that every recording is in the ledger, and that just what is done is in every data set, once."""
    rows = ledger(out)
    assert set(rows.index) == recordings
    assert set(rows.index[rows["state"] != "done"]) == bad
    assert (rows.loc[sorted(bad), "reason"] != "").all()
    for kind in KINDS:
        table = pd.read_parquet(out / kind)
        key = {"scores": ["start_s"], "events": ["pattern", "start_s"], "burden": ["pattern"]}[kind]
        assert not table.duplicated(["recording", *key]).any()
        found = set(table["recording"])
        assert found == recordings - bad if kind != "events" else found <= recordings - bad
        assert len(list((out / kind).rglob("*.parquet"))) == len(recordings - bad)
    assert not list(out.rglob("*.part"))
    pd.testing.assert_frame_equal(pd.read_parquet(out / "ledger.parquet").set_index("recording").sort_index(), rows)
    return rows
