"""Measure how often a difference is declared where there is none.

First kind (--seeds): one arm is trained many times, from different seeds, on the same simulated patients. Some of
these trainings are called arm A, others arm B. Both are the same arm, so a verdict about arms must declare them
different in at most 5 % of draws. The script also shows how often two single trainings differ. This is why a verdict
from one seed is only about the trained networks. With --work, an interrupted run resumes.

Second kind (default): repeats of sim:null, each on new data. The EEG contains no information about the votes, so no
arm can be better than the prior.
"""

import argparse
import tempfile
from collections import Counter
from pathlib import Path
from time import perf_counter

import numpy as np
from scipy.stats import beta

from _machine import machine
from ictal.core.predictions import Predictions
from ictal.evaluation import PatientBootstrap, kl_divergence
from ictal.evaluation.differences import FEWEST_SEEDS, paired_differences
from ictal.experiments.ablation import ablate
from ictal.recipes import load_recipe
from ictal.training.run_folder import PREDICTIONS

RESAMPLES = 500
"""Resamples per draw; with several seeds, only the spread of the resampled values is used."""


def bound(count: int, repeats: int) -> str:
    """Return a share with its upper bound (Clopper-Pearson)."""
    most = beta.ppf(0.95, count + 1, repeats - count) if count < repeats else 1.0
    return f"{count} ({count / repeats:.1%}; 95 % upper bound {most:.1%})"


def losses_of(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the KL of each seed and window, [seed, window], and the patient and weight of each window."""
    frame = Predictions.read(folder / PREDICTIONS).average().select(split="cv").frame
    table = Predictions(frame.sort_values(["seed", "window_id"]).reset_index(drop=True))
    n_seeds = table.frame["seed"].nunique()
    kl = kl_divergence(table.votes, table.probabilities).reshape(n_seeds, -1)
    n_windows = kl.shape[1]
    return kl, table.patients[:n_windows], table.weights[:n_windows]


def declared(
    kl: np.ndarray, patients: np.ndarray, weights: np.ndarray, n_seeds: int, rng: np.random.Generator
) -> bool:
    """Return whether two sets of trainings, drawn from all trainings of one arm, are declared different."""
    drawn = rng.permutation(len(kl))[: 2 * n_seeds]
    one, other = kl[drawn[:n_seeds]].ravel(), kl[drawn[n_seeds:]].ravel()
    seeds = np.repeat(np.arange(n_seeds), kl.shape[1])
    bootstrap = PatientBootstrap(
        np.tile(patients, n_seeds), np.tile(weights, n_seeds), RESAMPLES, int(rng.integers(2**31))
    )
    (found,) = paired_differences([("a", "b")], {"a": one, "b": other}, {"a": {}, "b": {}}, bootstrap, "cv", seeds)
    return found.decided


def same_arm(options: argparse.Namespace, work: Path) -> None:
    """Train one arm from many seeds on several sets of patients, and compare it with itself."""
    counts: Counter[int] = Counter()
    for data in range(options.data_sets):
        overrides = [
            f"data.sim.patients={options.patients}",
            f"data.sim.eegs_per_patient={options.eegs}",
            f"data.sim.seed={data}",
            "data.folds=2",
            "data.test_share=0",
            f"seeds={options.seeds}",
            "evaluation.n_resamples=200",
            *options.set,
        ]
        begun, folder = perf_counter(), work / f"seeds-{data}"
        ablate("sim", load_recipe(options.recipe, overrides), [options.arm], folder, cache=work / "cache", threads=1)
        kl, patients, weights = losses_of(folder)
        means = np.average(kl, axis=1, weights=weights)
        spread = f"KL of {len(kl)} trainings {means.min():.3f} to {means.max():.3f}, SD {means.std(ddof=1):.3f}"
        print(f"patients of seed {data}: {spread} ({perf_counter() - begun:.0f} s)", flush=True)
        for n_seeds in options.of_each:
            rng = np.random.default_rng((data, n_seeds))
            counts[n_seeds] += sum(declared(kl, patients, weights, n_seeds, rng) for _ in range(options.draws))
    repeats = options.draws * options.data_sets
    print(f"\nnumber of draws, of {repeats}, in which {options.arm} is declared different from itself:")
    for n_seeds in options.of_each:
        whom = "arms (at most 5 %)" if n_seeds >= FEWEST_SEEDS else "trained networks only"
        print(f"  {n_seeds} seeds per side, a verdict about {whom}: {bound(counts[n_seeds], repeats)}")


def nothing_to_learn(options: argparse.Namespace, work: Path) -> None:
    """Train arms on EEG that is unrelated to the votes, and count how often they beat the prior."""
    arms = options.arms.split(",")
    better: Counter[str] = Counter()
    for repeat in range(options.repeats):
        overrides = [
            f"data.sim.patients={options.patients}",
            f"data.sim.eegs_per_patient={options.eegs}",
            "data.folds=2",
            "data.test_share=0",
            "evaluation.n_resamples=2000",
            f"seed={repeat}",
            f"data.sim.seed={repeat}",
            *options.set,
        ]
        recipe = load_recipe(options.recipe, overrides)
        result = ablate("sim:null", recipe, arms, work / str(repeat), cache=work / "cache").comparison
        better.update(d.a for d in result.differences if d.b == "prior" and d.decided and d.estimate.value < 0)
        print(f"{repeat + 1} of {options.repeats}: {dict(better)}", flush=True)
    print(f"\nnumber of repeats, of {options.repeats}, in which an arm is declared better than the prior:")
    for arm in arms:
        print(f"  {arm:<18} {bound(better[arm], options.repeats)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=24)
    parser.add_argument("--eegs", type=int, default=2, help="EEGs per patient")
    parser.add_argument("--recipe", default="quick")
    parser.add_argument("--set", action="append", default=[], help="override a key of the recipe")
    parser.add_argument("--work", type=Path, help="folder to keep trained networks in [default: a temporary one]")
    parser.add_argument("--repeats", type=int, default=40, help="repeats of sim:null")
    parser.add_argument("--arms", default="temporal,spatial,both,fusion,symmetric", help="arms to train on sim:null")
    parser.add_argument(
        "--seeds", type=int, help="train one arm from this number of seeds, and compare it with itself"
    )
    parser.add_argument("--arm", default="symmetric", help="arm to train, with --seeds")
    parser.add_argument("--data-sets", type=int, default=4, help="sets of patients, with --seeds")
    parser.add_argument("--of-each", type=int, nargs="+", default=[1, 3, 5], help="seeds per side, with --seeds")
    parser.add_argument("--draws", type=int, default=250, help="draws per set of patients, with --seeds")
    options = parser.parse_args()
    if options.seeds and options.seeds < 2 * max(options.of_each):
        parser.error(
            f"--seeds {options.seeds}: give at least twice the largest of --of-each, {2 * max(options.of_each)}"
        )
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        (same_arm if options.seeds else nothing_to_learn)(options, options.work or Path(folder))


if __name__ == "__main__":
    main()
