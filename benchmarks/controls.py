"""Evaluate the arms on the four controls, for which it is known what each arm can see.

The sign of waves ('temporal') is visible in waveforms, but not in power. The place of a rhythm ('spatial') is at
electrodes that are not in the eight derivations of the temporal network. On 'joint', the class is whether both
agree. No average of networks that see only one of the two can recognise it; a network trained on both together can.
"""

import argparse
from pathlib import Path

from _machine import machine
from ictal.experiments.ablation import ablate
from ictal.recipes import load_recipe
from ictal.report.verdicts import verdict_of_arms
from ictal.simulator import CONTROLS

ARMS = ("temporal", "spatial", "both", "fusion", "fusion-finetuned", "volume", "symmetric")
SEES = {
    "temporal": ("temporal", "both", "fusion", "fusion-finetuned", "symmetric"),
    "spatial": ("spatial", "both", "fusion", "fusion-finetuned", "volume", "symmetric"),
    "joint": ("fusion", "fusion-finetuned", "symmetric"),
    "null": (),
}
"""Arms that can solve each control. All others should stay at the prior, or be worse if they learn noise."""
LONGER = (
    "training.temporal.learning_rates=[0.003,0.003,0.003,0.001,0.0005]",
    "models.spatial.spectrogram.n_mels=32",
    "models.spatial.spectrogram.width=48",
    "models.fusion.drop_rate=0.4",
    f"training.fusion.learning_rates={[0.001] * 6 + [0.0005] * 10 + [0.0002] * 3 + [0.0001]}".replace(" ", ""),
    "training.fusion.batch_size=8",
    "training.fusion.augment.reverse=0.5",
    "training.fusion.augment.shift=0.5",
    "training.fusion.augment.scale=0.5",
    "training.symmetric.learning_rates=[0.002,0.004,0.004,0.004,0.004,0.004,0.004,0.004,0.003,0.0015,0.0006,0.0003]",
    "training.symmetric.batch_size=8",
)
"""Waves under a background, and an exclusive or of two markers, need more epochs than 'quick' has. For the exclusive
or, each branch of fusion must find its marker before either helps. The image network tends to learn the patients by
heart; smaller images, augmentation and a low rate prevent this."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=160)
    parser.add_argument("--eegs", type=int, default=8, help="per patient")
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--only", choices=CONTROLS, action="append", help="one control; may be repeated")
    parser.add_argument("--set", action="append", default=[], help="override a key of the recipe")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/controls"), help="run folder; an interrupted run resumes"
    )
    options = parser.parse_args()
    overrides = [
        f"data.sim.patients={options.patients}",
        f"data.sim.eegs_per_patient={options.eegs}",
        f"data.folds={options.folds}",
        "data.test_share=0",
        f"seed={options.seed}",
        f"data.sim.seed={options.seed}",
        *LONGER,
        *options.set,
    ]
    print(machine())
    arms = options.arms.split(",")
    for control in options.only or CONTROLS:
        recipe = load_recipe("quick", overrides)
        result = ablate(f"sim:{control}", recipe, arms, options.out / control, cache=options.out / "cache").comparison
        prior = result.baselines[0]
        to_prior = {d.a: d for d in result.differences if d.b == prior.name}
        print(f"\nsim:{control}   prior {prior.cv}   floor {result.floor.cv if result.floor else '–'}")
        print(f"  {'arm':<18} {'can see':<8} {'KL':<24} {'minus prior':<26} {'way to floor'}")
        ways = {way.arm: way.estimate for way in result.ways}
        for arm in result.arms:
            can = "yes" if arm.name in SEES[control] else "no"
            way = f"{ways[arm.name].value:.0%}" if ways.get(arm.name) else "–"
            print(f"  {arm.name:<18} {can:<8} {arm.cv!s:<24} {to_prior[arm.name].estimate!s:<26} {way}")
        print(f"  {verdict_of_arms(result)}")


if __name__ == "__main__":
    main()
