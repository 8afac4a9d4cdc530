"""Measure how often intervals contain the true value and tests find false differences, on simulated clustered losses.

Sizes of patients are drawn from those of the HMS competition (../shared/data/hms/train_votes.csv.gz), in which a few
patients have most of the windows. If that file is absent, they are drawn uniformly from 1 to 30. The loss of a window
has a part that its patient's windows share, which is larger than its own part.

1. 95 % intervals of a mean difference: the expanded percentile interval with the effective number of patients, which
   ictal reports, and plain percentiles. First, differences do not depend on size; then they grow with it, so that the
   mean depends on large patients who may be missing from a small sample.
2. Three comparisons without any difference: how often one of them is declared.
3. Two equal arms, each trained from a few seeds, with random variation between seeds: how often they are declared
   different, and how often if one has a KL that is larger by 0.1.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from _machine import SHARED, machine
from ictal.evaluation import PatientBootstrap, holm, permutation_p
from ictal.evaluation.differences import paired_differences

VOTES = SHARED / "hms" / "train_votes.csv.gz"
TIED = 0.1
"""Growth of a patient's difference with the logarithm of the patient's size."""
PATIENT, WINDOW = 0.3, 0.3
"""Spread of differences over patients (t with 5 degrees of freedom, as KL has long tails) and over windows."""
SEED_SD = (0.0, 0.02, 0.05)
"""Standard deviation of the mean KL over training seeds; in real small networks it is 0.02 to 0.05."""


def sizes_of(path: Path) -> np.ndarray:
    """Return the number of windows of each patient."""
    if not path.exists():
        print(f"{path} does not exist: sizes are drawn from 1 to 30 instead of those of HMS")
        return np.arange(1, 31)
    return pd.read_csv(path, usecols=["patient_id"])["patient_id"].value_counts().to_numpy()


def effective(weights: np.ndarray) -> float:
    return float(weights.sum() ** 2 / (weights**2).sum())


def intervals(n_patients: int, population: np.ndarray, options: argparse.Namespace) -> None:
    rng = np.random.default_rng((options.seed, n_patients))
    middle = np.log(population).mean()
    truth = {
        "equal": 0.0,
        "tied": TIED * float((population * (np.log(population) - middle)).sum() / population.sum()),
    }
    kinds = ("equal", "tied")
    held, plain, weights = dict.fromkeys(kinds, 0), dict.fromkeys(kinds, 0), []
    found = 0
    for repeat in range(options.repeats):
        sizes = rng.choice(population, n_patients).astype(np.float64)
        # Only a patient's mean counts: one row per patient, weighted by the patient's windows.
        gaps = rng.standard_t(5, (4, n_patients)) * PATIENT + rng.normal(0, WINDOW, (4, n_patients)) / np.sqrt(sizes)
        gaps[1] += TIED * (np.log(sizes) - middle)
        bootstrap = PatientBootstrap(np.arange(n_patients).astype(object), sizes, options.resamples, repeat)
        weights.append(bootstrap.n_effective)
        for kind, gap in zip(kinds, gaps[:2], strict=True):
            estimate = bootstrap.mean(gap)
            held[kind] += estimate.low <= truth[kind] <= estimate.high
            low, high = np.quantile(bootstrap.means(gap)[:, 0], [0.025, 0.975])
            plain[kind] += low <= truth[kind] <= high
        p_values = [
            permutation_p(gap, bootstrap.patients, sizes, options.resamples, repeat) for gap in (gaps[0], *gaps[2:])
        ]
        found += min(holm(p_values)) < 0.05
    counts = [held["equal"], plain["equal"], held["tied"], plain["tied"], found]
    shares = " | ".join(f"{100 * count / options.repeats:.1f}" for count in counts)
    print(f"| {n_patients} | {np.mean(weights):.0f} | {shares} |", flush=True)


def arms(n_patients: int, n_seeds: int, seed_sd: float, options: argparse.Namespace) -> None:
    """Compare two arms that differ only by seeds, on patients whose differences are noise."""
    rng = np.random.default_rng((options.seed, n_patients, n_seeds, int(1000 * seed_sd)))
    seeds, patients = np.repeat(np.arange(n_seeds), n_patients), np.tile(np.arange(n_patients), n_seeds)
    counts = {0.0: 0, 0.1: 0}
    for repeat in range(options.repeats):
        shape = n_seeds, n_patients
        one, other = (rng.normal(0, seed_sd, (n_seeds, 1)) + rng.normal(0, 0.15, shape) for _ in range(2))
        bootstrap = PatientBootstrap(patients.astype(object), np.ones(len(patients)), 500, repeat)
        for gap in counts:
            losses = {"a": (one + gap).ravel(), "b": other.ravel()}
            (found,) = paired_differences([("a", "b")], losses, {"a": {}, "b": {}}, bootstrap, "cv", seeds)
            counts[gap] += found.decided
    alike, apart = (100 * count / options.repeats for count in counts.values())
    print(f"| {n_patients} | {n_seeds} | {seed_sd:g} | {alike:.1f} | {apart:.1f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=1000)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--patients", type=int, nargs="+", default=[10, 20, 30, 50, 100, 300])
    parser.add_argument("--seeds", type=int, nargs="+", default=[3, 5, 10])
    parser.add_argument("--votes", type=Path, default=VOTES, help="table whose sizes of patients are drawn from")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    population = sizes_of(options.votes)
    print(f"{machine()}\n{options.repeats} repeats, {options.resamples} resamples, seed {options.seed}")
    print(f"{len(population)} patients are worth {effective(population):.0f} equal ones\n")
    titles = "contains the truth, %", "plain percentiles", "tied to size", "plain percentiles", "declared of three, %"
    print(f"| patients | effective | {' | '.join(titles)} |\n|---|---|---|---|---|---|---|")
    for n_patients in options.patients:
        intervals(n_patients, population, options)
    print("\n| patients | seeds | seed SD | equal, declared different, % | 0.1 apart, declared different, % |")
    print("|---|---|---|---|---|")
    for n_patients in [n for n in options.patients if n in (30, 100)]:
        for n_seeds in options.seeds:
            for seed_sd in SEED_SD:
                arms(n_patients, n_seeds, seed_sd, options)


if __name__ == "__main__":
    main()
