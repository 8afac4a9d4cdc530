"""Fit the raters and the mix of kinds to the votes of a real panel, and print the values for `simulator.raters`.

The script simulates windows of each kind. It then finds the weights of the kinds (by non-negative least squares) with
which pairs of raters agree and disagree as real ones do, and the slope, bias and lapse that fit the entropies.
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple
from itertools import product, repeat
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import nnls

from _machine import SHARED, machine
from ictal.core.labels import N_PATTERNS, VOTE_COLUMNS
from ictal.simulator import simulate_eeg
from ictal.simulator.fitted_parameters import KINDS
from ictal.simulator.raters import N_RATERS, Evidence, rater_distributions

REAL = SHARED / "iiic" / "votes_50697.csv.gz"
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
LEAST = 0.002
"""Smallest share of windows of each kind, so that every kind occurs."""
IMPORTANCE = np.array([2.0, 1, 1, 1, 1, 1])[:, None]
"""Weights in the fit of a second rater's vote given the first: seizures are the rarest, and matter most."""
Floats = npt.NDArray[np.float64]


def real_votes(path: Path) -> npt.NDArray[np.int64]:
    """Return votes [segment, 6] of all panels of two or more."""
    votes = pd.read_csv(path)[list(VOTE_COLUMNS)].to_numpy()
    return votes[votes.sum(axis=1) >= 2]


def pairs(votes: Floats) -> Floats:
    """Return how often two raters of a panel choose each pair of patterns, [6, 6], unbiased by panel size."""
    size = votes.sum(axis=1)
    together = np.einsum("si,sj->sij", votes, votes) - np.einsum("si,ij->sij", votes, np.eye(N_PATTERNS))
    return (together / (size * (size - 1))[:, None, None]).mean(axis=0)


def entropy(votes: Floats) -> Floats:
    """Return the entropy of each panel's votes (natural logarithm), [segment]."""
    shares = votes / votes.sum(axis=1, keepdims=True)
    return -(shares * np.log(np.maximum(shares, 1e-12))).sum(axis=1)


def simulate(per_kind: int, seed: int) -> npt.NDArray:
    """Return the evidence of this number of windows of each kind, [kind, window, coordinate]."""
    with ProcessPoolExecutor() as pool:
        rows = list(pool.map(_evidence, repeat(seed), range(len(KINDS) * per_kind), repeat(per_kind), chunksize=50))
    return np.array(rows).reshape(len(KINDS), per_kind, -1)


def _evidence(seed: int, number: int, per_kind: int) -> tuple[float, ...]:
    return astuple(simulate_eeg(seed, number, 0, kind=KINDS[number // per_kind]).evidence)


def panel_votes(raters: Floats, sizes: npt.NDArray, rng: np.random.Generator) -> Floats:
    """Draw votes [window, 6] of a panel for each window, from the raters' distributions [window, rater, 6]."""
    votes = np.zeros((len(raters), N_PATTERNS))
    for row, (own, size) in enumerate(zip(raters, rng.choice(sizes, len(raters)), strict=True)):
        panel = own[rng.choice(N_RATERS, min(size, N_RATERS), replace=False)]
        chosen = (rng.random((len(panel), 1)) > panel.cumsum(axis=1)).sum(axis=1)
        votes[row] = np.bincount(np.minimum(chosen, N_PATTERNS - 1), minlength=N_PATTERNS)
    return votes


def fit(
    evidence: npt.NDArray, real: Floats, by_entropy: bool, options: tuple[float, float, float]
) -> tuple[Floats, float]:
    """Return the weights of the kinds for a slope, bias and lapse, and the misfit."""
    rng = np.random.default_rng(0)
    sizes = real.sum(axis=1).astype(int)
    limits = np.quantile(entropy(real), QUANTILES)
    # The fit is of a second rater's vote given the first, so that rare patterns count as much as others.
    target_pairs = pairs(real)
    rows_of = target_pairs.sum(axis=1, keepdims=True)
    columns = []
    for rows in evidence:
        raters = np.stack([rater_distributions(Evidence(*row), *options) for row in rows])
        mean = raters.mean(axis=1)
        both = (N_RATERS**2 * np.einsum("wi,wj->ij", mean, mean) - np.einsum("wri,wrj->ij", raters, raters)) / (
            N_RATERS * (N_RATERS - 1) * len(rows)
        )
        below = [(entropy(panel_votes(raters, sizes, rng)) <= limit + 1e-9).mean() for limit in limits]
        columns.append(
            [*(IMPORTANCE * both / rows_of).ravel(), *both.sum(axis=1) * 3, *(np.array(below) * 0.5 * by_entropy)]
        )
    reached = [(entropy(real) <= limit + 1e-9).mean() for limit in limits]
    target = [
        *(IMPORTANCE * target_pairs / rows_of).ravel(),
        *rows_of[:, 0] * 3,
        *(np.array(reached) * 0.5 * by_entropy),
    ]
    # The last row makes the weights sum to one.
    matrix = np.vstack([np.array(columns).T, np.full(len(KINDS), 3.0)])
    weights, residual = nnls(matrix, np.array([*target, 3.0]) - LEAST * matrix.sum(axis=1))
    return (weights + LEAST) / (weights + LEAST).sum(), residual


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=150, help="windows per kind")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--votes", type=Path, default=REAL)
    parser.add_argument(
        "--evidence", type=Path, help="file (.npy) to keep the simulated evidence in, or to read it from"
    )
    arguments = parser.parse_args()
    print(machine())
    votes = real_votes(arguments.votes)
    size = votes.sum(axis=1)
    if arguments.evidence and arguments.evidence.exists():
        evidence = np.load(arguments.evidence)
    else:
        evidence = simulate(arguments.windows, arguments.seed)
        if arguments.evidence:
            np.save(arguments.evidence, evidence)
    for row, kind in enumerate(KINDS):
        print(f"{'-'.join(kind):16}", np.quantile(evidence[row], 0.5, axis=0).round(1))
    grid = list(product((1.6, 2.0, 2.6, 3.2), (0.9, 1.0, 1.1, 1.2), (0.005, 0.015)))
    results = [fit(evidence, votes[size >= 10], True, options)[1] for options in grid]
    order = np.argsort(results)
    for index in order[:6]:
        print("slope, bias, lapse", grid[index], f"misfit {results[index]:.4f}")
    best = grid[order[0]]
    few, many = size < 10, size >= 10
    singles = pd.read_csv(arguments.votes)[list(VOTE_COLUMNS)].sum(axis=1)
    singles_share = float((singles == 1).sum() / (singles < 10).sum())
    sizes = {
        "FEW_SIZES": {1: singles_share} | {k: v * (1 - singles_share) for k, v in _shares(size[few]).items()},
        "MANY_SIZES": _shares(size[many]),
    }
    print("# paste into src/ictal/simulator/fitted_parameters.py")
    for name, value in zip(("SLOPE", "BIAS", "LAPSE"), best, strict=True):
        print(f"{name} = {value}")
    for name, chosen in (("FEW_SHARES", few), ("MANY_SHARES", many)):
        weights, misfit = fit(evidence, votes[chosen], name == "MANY_SHARES", best)
        named = {"-".join(kind): round(float(weight), 4) for kind, weight in zip(KINDS, weights, strict=True)}
        print(f"{name} = {named}  # misfit {misfit:.4f}")
    for name, numbers in sizes.items():
        print(f"{name} = { {key: round(value, 4) for key, value in numbers.items() if value > 2e-4} }")


def _shares(sizes: npt.NDArray) -> dict[int, float]:
    numbers = pd.Series(sizes).value_counts(normalize=True).sort_index()
    return {int(key): float(value) for key, value in numbers.items()}


if __name__ == "__main__":
    main()
