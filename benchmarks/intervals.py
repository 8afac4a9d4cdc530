"""How often intervals hold the truth and tests find what is not there, on simulated losses of clustered windows.

Sizes of patients are drawn from those of the HMS competition (../shared/data/hms/train_votes.csv.gz), whose few
largest patients have most of the windows; where that file is absent, from 1 to 30, each as likely. The loss of a
window has a part of its patient, larger than its own.

1. Intervals of a mean difference of 95 %: the expanded percentile interval with the effective number of patients,
   which ictal reports, beside plain percentiles. Once differences have nothing to do with size, and once they grow
   with it: then the mean hangs on large patients whom a small sample may lack.
2. Three comparisons without any difference: how often one of them is declared.
3. Two arms that are alike, each trained from a few seeds, each seed with a luck of its own: how often they are
   declared different, and how often where one has a KL that is larger by 0.1.
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
"""How much a patient's difference grows with the logarithm of the patient's size."""
PATIENT, WINDOW = 0.3, 0.3
"""Spread of the differences of patients (t with 5 degrees of freedom, as KL has long tails) and of windows."""
LUCK = (0.0, 0.02, 0.05)
"""Spread of the mean KL over seeds of training; that of real small networks is 0.02 to 0.05."""


def sizes_of(path: Path) -> np.ndarray:
    """Return how many windows each patient has."""
    if not path.exists():
        print(f"{path} is not here: sizes are 1 to 30, each as likely, and not those of HMS")
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
        # A patient's mean is all that counts: a row per patient, as heavy as the patient's windows.
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


def arms(n_patients: int, n_seeds: int, luck: float, options: argparse.Namespace) -> None:
    """Two arms whose trainings differ by luck, on patients who find them alike but for noise."""
    rng = np.random.default_rng((options.seed, n_patients, n_seeds, int(1000 * luck)))
    seeds, patients = np.repeat(np.arange(n_seeds), n_patients), np.tile(np.arange(n_patients), n_seeds)
    counts = {0.0: 0, 0.1: 0}
    for repeat in range(options.repeats):
        shape = n_seeds, n_patients
        one, other = (rng.normal(0, luck, (n_seeds, 1)) + rng.normal(0, 0.15, shape) for _ in range(2))
        bootstrap = PatientBootstrap(patients.astype(object), np.ones(len(patients)), 500, repeat)
        for gap in counts:
            losses = {"a": (one + gap).ravel(), "b": other.ravel()}
            (found,) = paired_differences([("a", "b")], losses, {"a": {}, "b": {}}, bootstrap, "cv", seeds)
            counts[gap] += found.decided
    alike, apart = (100 * count / options.repeats for count in counts.values())
    print(f"| {n_patients} | {n_seeds} | {luck:g} | {alike:.1f} | {apart:.1f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=1000)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--patients", type=int, nargs="+", default=[10, 20, 30, 50, 100, 300])
    parser.add_argument("--seeds", type=int, nargs="+", default=[3, 5, 10])
    parser.add_argument("--votes", type=Path, default=VOTES, help="table whose patients have the sizes to draw from")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    population = sizes_of(options.votes)
    print(f"{machine()}\n{options.repeats} repeats, {options.resamples} resamples, seed {options.seed}")
    print(f"{len(population)} patients weigh as {effective(population):.0f} equal ones\n")
    titles = "holds the truth, %", "plain percentiles", "tied to size", "plain percentiles", "declared of three, %"
    print(f"| patients | effective | {' | '.join(titles)} |\n|---|---|---|---|---|---|---|")
    for n_patients in options.patients:
        intervals(n_patients, population, options)
    print("\n| patients | seeds | luck of a seed | alike, declared different, % | 0.1 apart, declared different, % |")
    print("|---|---|---|---|---|")
    for n_patients in [n for n in options.patients if n in (30, 100)]:
        for n_seeds in options.seeds:
            for luck in LUCK:
                arms(n_patients, n_seeds, luck, options)


if __name__ == "__main__":
    main()
