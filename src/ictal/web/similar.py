"""Similar windows, by the network's features: simulated windows and windows with votes."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from platformdirs import user_cache_path

from ictal.core.atomic_files import atomic_write
from ictal.core.labels import N_PATTERNS, PATTERN_TITLES, PATTERNS, distribution
from ictal.core.progress import Progress, silent
from ictal.core.recording import Signal
from ictal.core.windows import cut
from ictal.data.simulated import VERSION as SIMULATOR
from ictal.preprocessing.settings import StandardiseSettings
from ictal.preprocessing.standardise import standardise
from ictal.simulator import simulate_eeg
from ictal.simulator.fitted_parameters import KINDS, Kind

SEED = 77_000
"""Seed of the simulated windows; no recipe uses it, so no model was trained on them."""
N_SIMULATED = 240
BATCH = 8
N_SHOWN = 6
SHIPPED_NEIGHBOURS = "similar.npz"
"""Simulated windows with their features, in the folder of a model that ships with ictal."""
PREPARING = "windows for comparison"

Floats = npt.NDArray[np.float64]
LabelledWindows = tuple[list[str], Floats, Signal]
"""Names of windows, distributions of their votes [window, 6], and their features [window, feature]."""


@dataclass
class Neighbours:
    """Labelled windows with their features.

    Attributes
    ----------
    names
        Name of each simulated window.
    votes
        Distribution of the votes on each, [window, 6].
    features
        Features of each, [window, feature].
    """

    names: list[str]
    votes: Floats
    features: Signal
    _voted: dict[tuple[str, float], Signal] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, key: tuple[str, float], features: Signal) -> None:
        """Store the features [feature] of a window with votes."""
        with self._lock:
            self._voted[key] = features

    def nearest(
        self, features: Signal, voted: Mapping[tuple[str, float], tuple[str, Floats]], without: tuple[str, float]
    ) -> list[dict[str, Any]]:
        """Return the most similar windows, nearest first.

        Distances are root mean square differences of features, scaled to unit variance over the simulated windows.
        Unrelated windows are about 1.4 apart.

        Parameters
        ----------
        features
            Features of the window in question, [feature].
        voted
            Name and vote counts [6] of each window with votes.
        without
            The window itself, which is left out.
        """
        with self._lock:
            known = [key for key in voted if key in self._voted and key != without]
            others = np.array([self._voted[key] for key in known], dtype=np.float32)
        every = np.concatenate([self.features, others.reshape(-1, self.features.shape[1])])
        spread = self.features.std(axis=0)
        used = spread > 1e-6 * max(float(spread.max()), 1e-12)
        apart = (every[:, used] - features[used]) / spread[used]
        distances = np.sqrt((apart.astype(np.float64) ** 2).mean(axis=1))
        sources = ["simulated"] * len(self.names) + ["voted"] * len(known)
        names = [*self.names, *(voted[key][0] for key in known)]
        counts = np.array([voted[key][1] for key in known]).reshape(-1, N_PATTERNS)
        shares = np.concatenate([self.votes, distribution(counts)])
        return [
            {
                "source": sources[row],
                "id": names[row],
                "distance": round(float(distances[row]), 3),
                "votes": dict(zip(PATTERNS, shares[row].round(3).tolist(), strict=True)),
            }
            for row in np.argsort(distances, kind="stable")[:N_SHOWN].tolist()
        ]


def simulated_neighbours(
    make: Callable[[range], LabelledWindows],
    weights: str,
    n_windows: int = N_SIMULATED,
    cache: Path | None = None,
    progress: Progress = silent,
) -> Neighbours:
    """Return simulated windows of all kinds with their features, from the cache if they are there.

    Parameters
    ----------
    make
        Makes some of the windows, see `ictal.web.explainer.Explainer.simulated`.
    weights
        Weights hash of the model whose features are used.
    n_windows
        Number of windows.
    cache
        Cache folder; None: the user's cache.
    progress
        Called after every few windows; an exception that it raises ends the work.
    """
    path = (cache or user_cache_path("ictal") / "similar") / f"{weights[:16]}-{SIMULATOR}-{n_windows}.npz"
    if path.is_file():
        return read_neighbours(path)
    made = []
    for begin in range(0, n_windows, BATCH):
        progress(PREPARING, begin, n_windows)
        made.append(make(range(begin, min(begin + BATCH, n_windows))))
    names, votes, features = zip(*made, strict=True)
    found = Neighbours([name for some in names for name in some], np.concatenate(votes), np.concatenate(features))
    with atomic_write(path) as part:
        write_neighbours(found, part)
    return found


def read_neighbours(path: Path) -> Neighbours:
    """Read simulated windows from a file."""
    with np.load(path, allow_pickle=False) as kept:
        return Neighbours(kept["names"].tolist(), kept["votes"], kept["features"].astype(np.float32))


def write_neighbours(neighbours: Neighbours, path: Path) -> None:
    """Write simulated windows as a file; features as float16, whose rounding moves no distance by more than 0.001."""
    features = neighbours.features.astype(np.float16)
    with path.open("wb") as file:
        np.savez_compressed(file, names=np.array(neighbours.names), votes=neighbours.votes, features=features)


def simulated_windows(numbers: range, settings: StandardiseSettings) -> tuple[list[str], Floats, list[Signal]]:
    """Return the names, the distributions of votes, and the signals of some simulated windows."""
    made = [simulate_eeg(SEED, number, 0, kind=KINDS[number % len(KINDS)]) for number in numbers]
    names = [
        f"simulated patient {number + 1}: {_title(each.kind)}" for number, each in zip(numbers, made, strict=True)
    ]
    windows = [cut(standardise(each.recording, settings).signal, 0)[0] for each in made]
    return names, np.array([each.probabilities for each in made]), windows


def _title(kind: Kind | None) -> str:
    """Return the title of a requested kind: one pattern, or a mixture of two."""
    return " or ".join(dict.fromkeys(PATTERN_TITLES[name] for name in kind or ()))
