"""Measure KL against the number of training patients on simulated EEG, for the figure in docs/demo.md.

The recipe is 'quick', with more patients than the demo, so that the demo is a point on the curve.
"""

import argparse
from pathlib import Path

from _machine import machine
from ictal.experiments.ablation import ablate
from ictal.recipes import load_recipe
from ictal.report.ablation_figures import curve_figure

FIGURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "learning-curve.svg"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arms", default="features")
    parser.add_argument("--patients", type=int, default=240, help="patients with 6 EEGs each; a sixth is held out")
    parser.add_argument("--out", type=Path, required=True, help="run folder; an interrupted run resumes")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--write", action="store_true", help="also write the figure of the documentation")
    options = parser.parse_args()
    arms = options.arms.split(",")
    recipe = load_recipe("quick", [f"data.sim.patients={options.patients}"])
    run = ablate("sim", recipe, arms, options.out, cache=options.cache, learning_curve=arms)
    assert run.learning_curve is not None
    print(machine())
    print(run.learning_curve.to_frame().round(3).to_string(index=False))
    if options.write:
        FIGURE.write_text(curve_figure(run.learning_curve, run.comparison), encoding="utf-8")


if __name__ == "__main__":
    main()
