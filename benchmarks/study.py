"""Answer the study's question on real EEG, whether training the two networks jointly helps.

Each arm is trained on the same simulated windows to the same budget, with several seeds, and evaluated on the real
segments next to the project, which no network is trained on. The script needs the extra 'imagenet'. An interrupted
run resumes. With --write, the figures go into docs/study.md.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

import _study_training as training
from _machine import SHARED, machine
from _page import DOCS, between
from ictal.core.atomic_files import write_json, write_text
from ictal.core.labels import VOTE_COLUMNS
from ictal.core.predictions import ID_COLUMNS, PROBABILITY_COLUMNS, Predictions, concatenate, mean_of
from ictal.core.windows import CENTRE_S
from ictal.errors import RunError
from ictal.evaluation import Difference, PatientBootstrap, calibrate_out_of_fold, compare, kl_divergence
from ictal.evaluation.baselines import PRIOR, baseline
from ictal.evaluation.differences import paired_differences
from ictal.models.arms import trained_arms
from ictal.preprocessing.input_needs import Needs
from real_eeg import VOTED, real_array, real_folds, sets_of

PAGE = DOCS / "study.md"
BEGIN, END = "<!-- FIGURES: made by benchmarks/study.py -->", "<!-- END OF FIGURES -->"
SINGLE, JOINT, AVERAGE = ("temporal", "spatial"), ("fusion", "fusion-finetuned"), "both"
PLANNED = (
    *((AVERAGE, one) for one in SINGLE),
    *((one, AVERAGE) for one in JOINT),
    *(("fusion", one) for one in SINGLE),
)
"""The differences that the study asks for, one family of tests."""
FURTHER = (("temporal", "spatial"), *product(("volume", "symmetric", "features"), (*SINGLE, AVERAGE)))
PERFECT = "a perfect prediction"
"""Its KL is zero, so that the difference from it is the KL of an arm, with an interval that also covers seeds."""
ORDER = (*SINGLE, AVERAGE, *JOINT, "volume", "symmetric", "features")
FOLDS = 5
WAYS = ("as it is", "calibrated")
ALL = "all"
OF_OTHERS = {"raw_eeg": "that of the model of the raw EEG", "spectrogram": "that of the model of the spectrogram"}

Pair = tuple[str, str]


def predictions(study: training.Study, arms: Sequence[str]) -> Predictions:
    """Return the predictions of all networks, and of the average, for the real segments."""
    array = real_array(Needs(seen_s=CENTRE_S), training.STANDARDISE, study.folder / "real")
    found = []
    for arm, seed in product(arms, range(study.seeds)):
        frame = array.labels[[*ID_COLUMNS, *VOTE_COLUMNS]].copy()
        frame["split"], frame["fold"], frame["arm"], frame["seed"] = "cv", real_folds(array.labels, FOLDS), arm, seed
        frame[[*PROBABILITY_COLUMNS]] = training.answers(study, arm, seed, array)
        found.append(Predictions.make(frame))
    table = concatenate(found)
    if {*SINGLE} <= {*arms}:
        table = concatenate([table, mean_of([table.select(arm=one) for one in SINGLE], AVERAGE)])
    return table


def calibrated(table: Predictions) -> Predictions:
    """Return the predictions with a temperature and biases that were fitted on the other folds of patients.

    Each network has its own.
    """
    parts = []
    for _, rows in table.frame.groupby(["arm", "seed"], sort=False):
        part = Predictions(rows.reset_index(drop=True))
        changed = calibrate_out_of_fold(part.votes, part.probabilities, part.weights, part.folds, with_bias=True)
        parts.append(part.frame.assign(**dict(zip(PROBABILITY_COLUMNS, changed.T, strict=True))))
    return Predictions.make(pd.concat(parts, ignore_index=True))


def differences(table: Predictions, families: Sequence[Sequence[Pair]]) -> dict[Pair, Difference]:
    """Return the differences of KL in families of pairs, with intervals over patients and seeds.

    Each segment has the same weight. Pairs with an arm that is not in the table are left out.
    """
    tables = {arm: _sorted(table.select(arm=arm)) for arm in table.arms}
    first = next(iter(tables.values()))
    tables[PRIOR] = baseline(first, PRIOR)
    losses = {arm: kl_divergence(own.votes, own.probabilities) for arm, own in tables.items()}
    losses[PERFECT] = np.zeros(len(first))
    measured: dict[str, Any] = {arm: {} for arm in losses}  # only KL is compared
    bootstrap = PatientBootstrap(first.patients, first.weights)
    found = {}
    for family in families:
        pairs = [pair for pair in family if {*pair} <= {*losses}]
        for one in paired_differences(pairs, losses, measured, bootstrap, seeds=first.seeds):
            found[one.a, one.b] = one
    return found


def _sorted(table: Predictions) -> Predictions:
    return Predictions(table.frame.sort_values(["window_id", "seed"]).reset_index(drop=True))


def of_seeds(table: Predictions, arm: str) -> npt.NDArray[np.float64]:
    """Return the mean KL of an arm with each seed."""
    own = table.select(arm=arm)
    kl = pd.Series(kl_divergence(own.votes, own.probabilities))
    return kl.groupby(own.seeds).mean().to_numpy()


def verdict(found: Mapping[Pair, Difference]) -> str:
    """Return the answer to the study's question by the differences of `PLANNED`, as part of a sentence.

    A joint network helps if it is better than the average of the two networks, decided by the interval and by the
    corrected test. The average helps if it is better than each of the two.
    """
    joint = {pair[0]: _side(found[pair]) for pair in PLANNED if pair[0] in JOINT and pair[1] == AVERAGE}
    better, worse = ([arm for arm, side in joint.items() if side == sign] for sign in (-1, 1))
    if better and not worse:
        said = f"joint training helps ({' and '.join(better)})"
    elif worse and not better:
        said = f"joint training is worse than averaging ({' and '.join(worse)})"
    elif better:
        said = f"it depends on how the joint network is trained ({better[0]} is better, {worse[0]} worse)"
    else:
        said = "we cannot tell whether joint training helps"
    sides = {_side(found[AVERAGE, one]) for one in SINGLE}
    averaging = "we cannot tell whether averaging beats the better single network"
    if sides == {-1}:
        averaging = "averaging beats both single networks"
    elif 1 in sides:
        averaging = "averaging does not beat the better single network"
    return f"{said}, and {averaging}"


def _side(one: Difference) -> int:
    return int(np.sign(one.estimate.value)) if one.decided else 0


def table_lines(study: training.Study, table: Predictions) -> tuple[list[str], dict[str, Any]]:
    """Return the table of the page as lines, and all figures for JSON."""
    ways = dict(zip(WAYS, (table, calibrated(table)), strict=True))
    chosen = {(way, name): _of_set(own, name) for (way, own), name in product(ways.items(), (ALL, *VOTED))}
    kl = [(arm, PERFECT) for arm in (*(arm for arm in ORDER if arm in table.arms), PRIOR)]
    found = {key: differences(own, (kl, PLANNED, FURTHER)) for key, own in chosen.items()}
    columns = [("as it is", ALL), *(("as it is", name) for name in VOTED), ("calibrated", ALL)]
    sizes = {name: len(chosen["as it is", name].frame["window_id"].unique()) for name in (ALL, *VOTED)}
    titles = [f"{'all' if name == ALL else name} {sizes[name]}, {way}" for way, name in columns]
    lines = [f"| KL | {' | '.join(titles)} | by seed | simulated |", "|---" * (len(titles) + 3) + "|"]
    for arm, _ in kl:
        cells = [f"{found[column][arm, PERFECT].estimate}" for column in columns]
        title, by_seed, simulated = "votes of other patients", "–", "–"
        if arm != PRIOR:
            seeds = of_seeds(table, arm)
            title, by_seed = f"`{arm}`", f"{seeds.min():.3f} to {seeds.max():.3f}"
            simulated = f"{training.simulated_kl(study, arm):.3f}"
        lines.append(f"| {title} | {' | '.join(cells)} | {by_seed} | {simulated} |")
    for pair in (*PLANNED, *FURTHER):
        if pair in found[columns[0]]:
            cells = [_bold(found[column][pair]) for column in columns]
            lines.append(f"| {pair[0]} − {pair[1]} | {' | '.join(cells)} | – | – |")
    figures: dict[str, Any] = {
        f"{way}, {name}": [one.to_json() for one in own.values()] for (way, name), own in found.items()
    }
    if {*PLANNED} <= {*found[columns[0]]}:
        figures["verdicts"] = {way: verdict(found[way, ALL]) for way in WAYS}
        lines += ["", sentence(figures["verdicts"], found[columns[0]])]
    return lines, figures


def _of_set(table: Predictions, name: str) -> Predictions:
    chosen = (name == ALL) | (sets_of(table.patients) == name)
    return Predictions(table.frame[chosen].reset_index(drop=True))


def _bold(one: Difference) -> str:
    return f"**{one.estimate}**" if one.decided else f"{one.estimate}"


def sentence(verdicts: Mapping[str, str], found: Mapping[Pair, Difference]) -> str:
    """Return the verdict as one sentence, with the difference that such data would show."""
    plain, after = (verdicts[way] for way in WAYS)
    said = plain if plain == after else f"{plain}; after calibration, {after}"
    detectable = [found[arm, AVERAGE].detectable for arm in JOINT]
    shown = " (there are too few patients to decide anything)"
    if None not in detectable:
        shown = f" (four of five such studies would find a difference of {max(filter(None, detectable)):.2f})"
    return f"**On real EEG, {said}**{shown}."


def published() -> str:
    """Return what averaging gains for two models that others trained on real EEG."""
    made = compare(
        {name: SHARED / "oof" / f"{name}.csv.gz" for name in OF_OTHERS},
        SHARED / "hms" / "train_votes.csv.gz",
        average=True,
        allow_partial=True,
    )
    found = {one.b: one for one in made.differences if one.a == "mean"}
    told = " and ".join(f"{found[name].estimate} from {what}" for name, what in OF_OTHERS.items())
    return (
        "For two published models of the competition of HMS (Harvard Medical School), evaluated out of fold on "
        f"{made.tables[0].n_patients:,} patients, the KL of their mean differs by {told}."
    )


def report(
    study: training.Study, arms: Sequence[str], peaks: Mapping[str, float]
) -> tuple[list[str], dict[str, Any]]:
    """Return the figures of the page as lines, and as numbers."""
    table = predictions(study, arms)
    table.write(study.folder / "predictions.parquet")
    rows, figures = table_lines(study, table)
    lines = [*rows, ""]
    if (SHARED / "oof").exists():
        lines += [published(), ""]
    rates = ", ".join(f"{arm} {peak:g}" for arm, peak in peaks.items())
    lines.append(f"{study.n_windows:,} windows; number of seeds: {study.seeds}; peak learning rates: {rates}.")
    return lines, figures | {"peaks": dict(peaks)}


def claim(study: training.Study) -> None:
    """Refuse a folder with another run."""
    path, own = study.folder / "settings.json", study.settings()
    if path.exists() and json.loads(path.read_text(encoding="utf-8")) != own:
        raise RunError(f"{study.folder}: has a run with other windows or recipes; choose another --out")
    study.folder.mkdir(parents=True, exist_ok=True)
    write_json(path, own)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=24_576, help="simulated windows to train each arm on")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--arm", action="append", choices=training.TRAINED, help="train only this; may be repeated")
    parser.add_argument("--workers", type=int, default=2, help="processes, of one thread each")
    parser.add_argument("--out", type=Path, default=Path("runs/study"), help="run folder; an interrupted run resumes")
    parser.add_argument("--write", action="store_true", help="write the figures into docs/study.md")
    options = parser.parse_args()
    print(machine(), flush=True)
    arms = trained_arms(options.arm or training.TRAINED)
    study = training.Study(options.out.absolute(), options.windows, options.seeds, options.workers)
    claim(study)
    training.simulate_all(study)
    peaks = training.train_all(study, arms)
    lines, figures = report(study, arms, peaks)
    write_json(study.folder / "figures.json", figures)
    print("\n".join(lines))
    if options.write:
        write_text(PAGE, between(PAGE.read_text(encoding="utf-8"), BEGIN, END, ["", *lines, ""]))


if __name__ == "__main__":
    main()
