"""How often an arm is declared better where no EEG tells anything: repeats of sim:null, each on new data."""

import argparse
import tempfile
from collections import Counter
from pathlib import Path

from scipy.stats import beta

from _machine import machine
from ictal.study import ablate
from ictal.training import load_recipe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--patients", type=int, default=24)
    parser.add_argument("--eegs", type=int, default=2, help="per patient")
    parser.add_argument("--arms", default="temporal,spatial,both,fusion,symmetric")
    parser.add_argument("--recipe", default="quick")
    parser.add_argument("--set", action="append", default=[], help="override a key of the recipe")
    options = parser.parse_args()
    arms = options.arms.split(",")
    better: Counter[str] = Counter()
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
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
            recipe, place = load_recipe(options.recipe, overrides), Path(folder)
            result = ablate("sim:null", recipe, arms, place / str(repeat), place / "cache").comparison
            better.update(d.a for d in result.differences if d.b == "prior" and d.decided and d.estimate.value < 0)
            print(f"{repeat + 1} of {options.repeats}: {dict(better)}", flush=True)
    print(f"\ndeclared better than the prior in so many of {options.repeats} repeats:")
    for arm in arms:
        most = beta.ppf(0.95, better[arm] + 1, options.repeats - better[arm]) if better[arm] < options.repeats else 1
        print(f"  {arm:<18} {better[arm]} ({better[arm] / options.repeats:.1%}; 95 % upper bound {most:.1%})")


if __name__ == "__main__":
    main()
