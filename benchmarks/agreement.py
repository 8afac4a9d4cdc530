"""Check that speed does not cost accuracy: ictal's recipe `paper` and the Keras reference on one simulated data set.

Both train from random weights on the same folds, for the same epochs at the same rates. Only sizes of ictal's recipe
are changed. The Kullback-Leibler (KL) divergence on windows of held-out patients is compared by the bootstrap of
`ictal compare`. With few data and epochs, it takes about 40 minutes on two cores. It can detect a reference that is
much better or worse; the last column is the difference that it would have detected.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from _machine import machine
from _page import publish
from _sides import hold_to
from _table import markdown
from ictal.core.atomic_files import write_json
from ictal.core.predictions import Predictions, mean_of
from ictal.data import assign_folds
from ictal.evaluation import ColumnNames, compare_tables, read_table
from ictal.evaluation.differences import Difference
from ictal.experiments.ablation import ablate
from ictal.experiments.data_source import DataSource
from ictal.preprocessing.input_needs import ALL
from ictal.preprocessing.settings import StandardiseSettings
from ictal.recipes import Recipe, load_recipe

TRAINER = Path(__file__).with_name("train_reference.py")
ARMS = ("temporal", "spatial", "both")
HEADER = ("arm", "KL, Keras reference", "KL, ictal", "ictal minus Keras", "verdict", "detectable")


def recipe_of(options: argparse.Namespace) -> Recipe:
    """Return the recipe 'paper' at the requested size."""
    rates = {"temporal": options.epochs[0] * [1e-3] + 2 * [1e-4], "spatial": options.epochs[1] * [1e-3] + 2 * [1e-4]}
    trained = [f"training.{arm}.learning_rates={list(value)}" for arm, value in rates.items()]
    batches = [f"training.{arm}.batch_size={options.batch}" for arm in rates]
    made = [f"data.sim.patients={options.patients}", f"data.sim.eegs_per_patient={options.eegs}"]
    folded = [f"data.folds={options.folds}", "data.test_share=0"]
    return load_recipe("paper", [*trained, *batches, *made, *folded, 'models.spatial.efficientnet.pretrained="no"'])


def reference_tables(recipe: Recipe, out: Path, image: str) -> dict[str, Predictions]:
    """Train the reference on unfiltered windows, and return its tables by arm."""
    plain = StandardiseSettings(band_hz=None, fill="mean")
    source = DataSource("sim", recipe.data, plain, ALL, False, out / "cache")
    array = source.prepare(source.open())
    folds = assign_folds(array.labels, recipe.data.folds, recipe.data.test_share, recipe.seed)
    np.save(out / "windows.npy", array.signals)
    array.labels.assign(fold=folds).to_parquet(out / "labels.parquet")
    keras_arms = {"temporal": "temporal", "spatial": "spatial, tiled" if image == "tiled" else "spatial"}
    training = {arm: recipe.training_of(arm) for arm in keras_arms}
    arms = {
        keras_arms[arm]: {"rates": [rate for _, rate in settings.epochs], "batch": settings.batch_size}
        for arm, settings in training.items()
    }
    write_json(out / "training.json", {"arms": arms, "seed": recipe.seed})
    subprocess.run([sys.executable, TRAINER, out], check=True)
    tables = {arm: Predictions.read(out / f"keras-{arm}.parquet") for arm in keras_arms}
    return tables | {"both": mean_of(list(tables.values()), "both")}


def compared(ours: Predictions, theirs: Predictions, out: Path) -> tuple[list[str], Difference]:
    """Compare two tables as 'ictal compare' does, and keep them in the folder."""
    arm = theirs.arms[0]
    paths = {"Keras": out / f"keras-{arm}.parquet", "ictal": out / f"ictal-{arm}.parquet"}
    for path, table in zip(paths.values(), (theirs, ours), strict=True):
        table.write(path)
    tables = {name: read_table(path, ColumnNames()) for name, path in paths.items()}
    result = compare_tables(tables, weight="eeg")
    difference = result.differences[0]
    kls = [f"{table.kl:.3f}" for table in result.tables]
    detectable = "–" if difference.detectable is None else f"{difference.detectable:.3f}"
    return [arm, *kls, f"{difference.estimate:.3f}", verdict(difference), detectable], difference


def verdict(difference: Difference) -> str:
    """Return the verdict on a difference of KL in words."""
    if not difference.estimate.excludes_zero:
        return "agree within the interval"
    return f"ictal is {'lower' if difference.estimate.value < 0 else 'higher'}, as trained here"


def main(asked: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path("runs/bench"))
    parser.add_argument("--write", action="store_true", help="also write the figures into docs/side-by-side.md")
    parser.add_argument("--patients", type=int, default=60)
    parser.add_argument("--eegs", type=int, default=3, help="EEGs per patient")
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument(
        "--epochs", type=int, nargs=2, default=[6, 10], help="epochs at 1e-3 of WaveNet and EfficientNet"
    )
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument(
        "--image",
        choices=("chains", "tiled"),
        default="chains",
        help="image of the reference; tiled takes 8 times as long",
    )
    options = parser.parse_args(asked)
    hold_to(options.threads)
    recipe, out = recipe_of(options), options.folder / "agreement"
    made = ablate("sim", recipe, ARMS, out / "ictal", cache=out / "cache", threads=options.threads)
    ours = Predictions.read(made.folder / "predictions.parquet")
    theirs = reference_tables(recipe, out, options.image)
    rows, differences = zip(*(compared(ours.select(arm=arm), theirs[arm], out) for arm in ARMS), strict=True)
    n_windows = len(theirs["both"])
    image = {"chains": "4 x 128 x 256", "tiled": "512 x 512 x 3"}[options.image]
    about = (
        f"{machine()}; {n_windows} simulated windows of {options.patients} patients, {options.folds} folds; "
        f"the reference's image is {image}; batches of {options.batch}; {options.epochs[0]} and {options.epochs[1]} "
        "epochs at 1e-3, 2 at 1e-4."
    )
    lines = [about, "", *markdown(HEADER, rows)]
    publish("agreement", lines, [one.to_json() for one in differences], options.folder, write=options.write)


if __name__ == "__main__":
    main()
