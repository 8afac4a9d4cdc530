"""Small makers of input, used by several test modules."""

import importlib
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import edfio
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import strategies as st

from ictal.core.labels import N_PATTERNS, VOTE_COLUMNS
from ictal.core.montage import CHANNELS
from ictal.core.recording import Recording
from ictal.evaluation import Difference, Estimate

EDF_STEPS = 2**16 - 1
BDF_STEPS = 2**24 - 1
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")

panels = st.lists(st.integers(0, 20), min_size=N_PATTERNS, max_size=N_PATTERNS).filter(any)
"""Strategy: the votes of one panel, at least one."""


def benchmark(name: str) -> ModuleType:
    """Import a script of the folder `benchmarks`, and the modules beside it that it uses."""
    folder = str(Path(__file__).parents[1] / "benchmarks")
    sys.path.insert(0, folder)
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(folder)


def noise(n_samples: int, seed: int = 0, n_channels: int = len(CHANNELS)) -> npt.NDArray[np.float32]:
    """Return noise [channel, time] that stays within +-400 µV."""
    rng = np.random.default_rng(seed)
    return rng.normal(0, 60, (n_channels, n_samples)).clip(-400, 400).astype(np.float32)


def recording(n_samples: int, rate_hz: float = 200, seed: int = 0, name: str = "noise") -> Recording:
    """Return a recording of noise of all 20 channels."""
    return Recording.from_array(noise(n_samples, seed), CHANNELS, rate_hz, name)


def edf_signals(
    samples: npt.NDArray[np.floating],
    channels: Sequence[str],
    rate_hz: float,
    limit: float = 500,
    unit: str = "uV",
    kind: type = edfio.EdfSignal,
) -> list[edfio.EdfSignal]:
    """Return EDF signals whose digital steps spread evenly over +-limit."""
    return [
        kind(
            row.astype(np.float64),
            rate_hz,
            label=name,
            physical_dimension=unit,
            physical_range=(-limit, limit),
        )
        for row, name in zip(samples, channels, strict=True)
    ]


def manifest(rows: Sequence[Sequence[object]], **more: object) -> pd.DataFrame:
    """Return a manifest from rows of (file, start_s, patient_id), each with the votes 3, 0, 1, 0, 0, 0."""
    table = pd.DataFrame(rows, columns=["file", "start_s", "patient_id"])
    votes = dict(zip(VOTE_COLUMNS, (3, 0, 1, 0, 0, 0), strict=True))
    return table.assign(**votes, **more)


def save(table: pd.DataFrame, path: Path) -> Path:
    """Write a table as CSV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False)
    return path


def difference(a: str, b: str, split: str, estimate: Estimate, p_holm: float = 0.001, **more: Any) -> Difference:
    """Return a difference whose test agrees with what is asked for."""
    return Difference(a, b, estimate, p_holm, p_holm, 0.1, {}, split, **more)


def chromium_path() -> Path | None:
    """Return the browser that `$ICTAL_CHROMIUM` names, else one that is on the PATH."""
    named = os.environ.get("ICTAL_CHROMIUM")
    found = next(filter(None, map(shutil.which, [named] if named else BROWSERS)), None)
    return Path(found) if found else None


@contextmanager
def undrawn() -> Iterator[None]:
    """Leave the figures of ablation reports undrawn: they take most of the time of a small run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ictal.report.ablation_figures.to_svg", lambda *_, **__: "<svg></svg>")
        yield


def forget(module: ModuleType) -> None:
    """Empty the caches of a module's functions, so that all is made anew."""
    for cached in vars(module).values():
        if hasattr(cached, "cache_clear"):
            cached.cache_clear()
