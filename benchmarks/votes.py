"""Compare the votes of simulated and real panels: class shares, entropy, and which pairs are confused."""

import argparse
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from _machine import machine
from fit_raters import REAL, entropy, pairs, real_votes
from ictal.core.labels import PATTERNS
from ictal.simulator import simulate_eeg

Floats = npt.NDArray[np.float64]


def simulated_votes(n_windows: int, seed: int) -> npt.NDArray[np.int64]:
    """Return votes [window, 6] of panels of ten and more, each window from a different patient."""
    with ProcessPoolExecutor() as pool:
        return np.stack(list(pool.map(_votes, repeat(seed), range(n_windows), chunksize=100)))


def _votes(seed: int, patient: int) -> npt.NDArray[np.int64]:
    return simulate_eeg(seed, patient, 0, few_share=0).votes


def figures(votes: Floats) -> tuple[Floats, float, Floats]:
    """Return class shares, median entropy, and the vote of a second rater given that of a first, [6, 6]."""
    shares = (votes / votes.sum(axis=1, keepdims=True)).mean(axis=0)
    together = pairs(votes)
    return shares, float(np.median(entropy(votes))), together / together.sum(axis=1, keepdims=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--votes", type=Path, default=REAL)
    arguments = parser.parse_args()
    every = real_votes(arguments.votes)
    real = every[every.sum(axis=1) >= 10]
    simulated = simulated_votes(arguments.windows, arguments.seed)
    (shares, middle, confused), (own_shares, own_middle, own_confused) = figures(real), figures(simulated)
    print(machine())
    print(f"panels of 10 and more votes: {len(real)} real, {len(simulated)} simulated, seed {arguments.seed}")
    table = pd.DataFrame({"real": shares, "simulated": own_shares}, index=PATTERNS) * 100
    print(table.assign(difference=table["simulated"] - table["real"]).round(1).to_string())
    print(f"largest difference of a class share: {100 * abs(own_shares - shares).max():.1f} points (at most 2)")
    print(f"median entropy: {middle:.3f} real, {own_middle:.3f} simulated (within 0.05)")
    difference = 100 * (own_confused - confused)
    print("vote of another rater, given one rater's vote (row), simulated minus real, points (at most 3):")
    print(pd.DataFrame(difference, PATTERNS, PATTERNS).round(1).to_string())
    print(f"largest: {abs(difference).max():.1f}")


if __name__ == "__main__":
    main()
