"""What the arms make of the four controls, in which it is known what each can see.

On 'joint', where no average of the two arms can tell, one more run gives the temporal network all derivations of
the double banana: it then sees both markers, and is a stand-in for joint training.
"""

import argparse
import tempfile
from pathlib import Path

from _machine import machine
from ictal.report.words import difference_in_words, way_in_words
from ictal.simulate import CONTROLS
from ictal.study import ablate
from ictal.training import load_recipe

LONGER = "training.temporal.learning_rates=[0.003,0.003,0.003,0.001,0.0005]"
"""Waves under a background take the temporal network longer than the three epochs of 'quick'."""
SEES_BOTH = "models.temporal.waveform.montage=double_banana"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=120)
    parser.add_argument("--eegs", type=int, default=5, help="per patient")
    parser.add_argument("--folds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=CONTROLS, action="append", help="one control; may be repeated")
    options = parser.parse_args()
    size = [
        f"data.sim.patients={options.patients}",
        f"data.sim.eegs_per_patient={options.eegs}",
        f"data.folds={options.folds}",
        "data.test_share=0",
        f"seed={options.seed}",
        f"data.sim.seed={options.seed}",
        LONGER,
    ]
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        for control in options.only or CONTROLS:
            runs = [(control, [], ["temporal", "spatial", "both"])]
            if control == "joint":
                runs.append((f"{control}, temporal sees both markers", [SEES_BOTH], ["temporal"]))
            for number, (title, more, arms) in enumerate(runs):
                place = Path(folder) / f"{control}{number}"
                result = ablate(f"sim:{control}", load_recipe("quick", [*size, *more]), arms, place, Path(folder))
                print(f"\nsim:{title}")
                for arm in result.comparison.rows:
                    print(f"  {arm.name:<10} {arm.cv}")
                for way in result.comparison.ways:
                    print(f"  {way_in_words(way)}")
                for difference in result.comparison.differences:
                    if difference.b == "prior":
                        print(f"  {difference_in_words(difference)}")


if __name__ == "__main__":
    main()
