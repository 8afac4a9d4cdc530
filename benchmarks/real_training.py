"""Bring the model 'simulated' to real EEG, choose how, and judge the result by cross-validation by patient.

Four ways are compared on the labelled segments and the clips next to the project: the model as it is; a calibration
of it; the recipe 'default', which trains its weights on real and simulated windows together; and that with a
calibration. A way is judged on patients whom neither its weights nor its calibration have seen. (One exception: the
calibration of trained models is fitted to what they predict for the patients of other folds, and the models that
predict for these were trained on all other folds.) The way with the lowest KL is chosen among those that separate
seizures from other EEG at least as well as the model before. The choice is nested: that for a fold's patients is made
on all others. The way that is chosen on all patients is then applied to all of them: this is the model that ships.

All results are kept in the folder: a run that was interrupted continues.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from _machine import SHARED, machine
from ictal.core.atomic_files import write_json
from ictal.core.labels import VOTE_COLUMNS, distribution
from ictal.core.predictions import PROBABILITY_COLUMNS, Predictions
from ictal.evaluation import PatientBootstrap, kl_divergence
from ictal.evaluation.calibration import Calibration
from ictal.evaluation.calibration_check import mean_shares
from ictal.evaluation.calibration_trial import choose_calibration
from ictal.experiments.model_calibration import save_with_card
from ictal.experiments.network_calibration import as_settings
from ictal.experiments.train_model import train
from ictal.models.checkpoint import load_model
from ictal.models.hub import CARD
from real_eeg import CLIPS, VOTED, real_folds, real_predictions, real_windows, sets_of, write_manifest
from real_seizures import OTHERS, SEIZURE, scored, told

N_FOLDS = 5
FEW, PANEL = 10, 10
"""Panels of fewer votes are replaced by the panel of ten that they make likely."""
CLIP_PANELS = {
    "seizure": {"seizure": 7, "lpd": 1, "gpd": 1, "other": 1},
    "after": {"grda": 1, "other": 9},
    "healthy": {"other": 10},
}
"""Votes of a window of a clip. The words of one annotator also stand for a panel that is not quite unanimous."""
WAYS = ("simulated", "calibrated", "trained", "trained and calibrated")

Floats = npt.NDArray[np.float64]


def expected_shares(votes: Floats, panels: Floats) -> Floats:
    """Return the shares of votes of a large panel, given the votes of a few of its experts, [window, 6].

    A further expert votes like the experts of real panels do, given that one of them votes for a pattern; that counts
    as one vote.

    Parameters
    ----------
    votes
        [window, 6], of few experts each.
    panels
        Votes of large panels on other segments, [segment, 6].
    """
    shares = distribution(panels)
    given = shares.T @ shares / shares.sum(axis=0)[:, None]  # [one expert's vote, another's]
    return np.asarray((votes + distribution(votes) @ given) / (votes.sum(axis=1, keepdims=True) + 1))


def whole_votes(shares: Floats, n_votes: int) -> npt.NDArray[np.int64]:
    """Return whole numbers of votes in these proportions, [window, 6], by the largest remainder."""
    exact = shares * n_votes
    votes = np.floor(exact).astype(np.int64)
    for row, remainder in enumerate(exact - votes):
        votes[row, np.argsort(-remainder, kind="stable")[: n_votes - votes[row].sum()]] += 1
    return votes


def training_windows() -> pd.DataFrame:
    """Return the real windows of all sets, with panels of at least `PANEL` votes."""
    windows = real_windows(panels=CLIP_PANELS)
    votes = windows[[*VOTE_COLUMNS]].to_numpy()
    few = votes.sum(axis=1) < FEW
    panels = pd.read_csv(SHARED / "iiic" / "votes_50697.csv.gz")[[*VOTE_COLUMNS]].to_numpy()
    panels = panels[panels.sum(axis=1) >= FEW]
    votes[few] = whole_votes(expected_shares(votes[few], panels), PANEL)
    return windows.assign(**dict(zip(VOTE_COLUMNS, votes.T, strict=True)))


class Folder:
    """The folder of a run: models, and what they predict."""

    def __init__(self, path: Path, simulated: Path) -> None:
        self.path, self.simulated = path, simulated
        self.windows = training_windows()
        self.folds = real_folds(self.windows, N_FOLDS)

    def trained(self, fold: int | None) -> Path:
        """Return the model that is trained on all patients but those of a fold (None: on all); train it if needed."""
        name = "all" if fold is None else f"fold{fold}"
        chosen = self.windows if fold is None else self.windows[self.folds != fold]
        manifest = write_manifest(chosen, self.path / "manifests" / f"{name}.csv")
        place = self.path / "models" / name
        if not (place / CARD).exists():
            print(f"training on {chosen['patient_id'].nunique()} patients: {place}", flush=True)
            train(str(manifest), None, "default", place, begin_with=self.simulated, cache=self.path / "cache")
        return place

    def predictions(self, model: Path, name: str) -> pd.DataFrame:
        """Return the predictions of a model for segments and clips; 'kind' is empty for segments."""
        kept = self.path / "predictions" / f"{name}.parquet"
        if not kept.exists():
            segments = real_predictions(model, self.path / "segments").frame
            clips = scored(load_model(model), SHARED / CLIPS)
            clips = clips.assign(patient_id=f"{CLIPS}-" + clips["patient"])
            frame = pd.concat([segments.assign(kind=""), clips], ignore_index=True)
            kept.parent.mkdir(parents=True, exist_ok=True)
            frame.to_parquet(kept)
        return pd.read_parquet(kept)

    def fold_of(self, patients: pd.Series) -> npt.NDArray[np.int64]:
        """Return the fold of each patient."""
        known = dict(zip(self.windows["patient_id"], self.folds, strict=True))
        return patients.map(known).to_numpy()


def out_of_fold(folder: Folder) -> dict[str, pd.DataFrame]:
    """Return what each way predicts for patients that it has not seen."""
    plain = folder.predictions(folder.simulated, "simulated")
    folds = folder.fold_of(plain["patient_id"])
    trained = plain.copy()
    for fold in range(N_FOLDS):
        of_fold = folder.predictions(folder.trained(fold), f"fold{fold}")
        trained[folds == fold] = of_fold[folds == fold]
    ways = (plain, calibrated(plain, folds), trained, calibrated(trained, folds))
    return dict(zip(WAYS, ways, strict=True))


def calibrated(predictions: pd.DataFrame, folds: npt.NDArray[np.int64]) -> pd.DataFrame:
    """Return predictions, each calibrated by a fit to the other folds."""
    columns, changed = [*PROBABILITY_COLUMNS], predictions.copy()
    for fold in range(N_FOLDS):
        own = folds == fold
        calibration = fitted(predictions[~own])
        changed.loc[own, columns] = calibration.apply(predictions.loc[own, columns].to_numpy())
    return changed


def fitted(predictions: pd.DataFrame) -> Calibration:
    """Choose and fit a calibration, as `ictal calibrate` does, to the segments among predictions."""
    votes, probabilities, patients = segments_of(predictions)
    return choose_calibration(votes, probabilities, np.ones(len(votes)), patients)


def segments_of(frame: pd.DataFrame) -> tuple[npt.NDArray[np.int64], Floats, npt.NDArray[np.object_]]:
    """Return votes, probabilities and patients of the segments among predictions."""
    own = frame[frame["kind"] == ""]
    votes = own[[*VOTE_COLUMNS]].to_numpy().astype(np.int64)
    return votes, own[[*PROBABILITY_COLUMNS]].to_numpy(), own["patient_id"].to_numpy(object)


def seizures_of(frame: pd.DataFrame, n_resamples: int = 1) -> dict[str, Any]:
    """Return the AUROC of the probability of seizure in the clips among predictions, see `real_seizures.told`."""
    clips = frame[frame["kind"] != ""]
    return told("", clips.assign(probability=clips[PROBABILITY_COLUMNS[SEIZURE]]), n_resamples, 0)


def choose(found: Mapping[str, pd.DataFrame], before: pd.DataFrame, used: npt.NDArray[np.bool_]) -> str:
    """Return the way with the lowest KL, on some rows, of those that are not worse at seizures than the model before.

    If all are worse, that with the lowest KL.
    """
    limits = seizures_of(before[used])
    kl, good = {}, []
    for way, frame in found.items():
        kl[way] = kl_divergence(*segments_of(frame[used])[:2]).mean()
        seizures = seizures_of(frame[used])
        if all(seizures[f"auroc_{name}"] >= limits[f"auroc_{name}"] for name in OTHERS):
            good.append(way)
    return min(good or kl, key=lambda way: kl[way])


def nested(
    found: Mapping[str, pd.DataFrame], before: pd.DataFrame, folds: npt.NDArray[np.int64]
) -> tuple[pd.DataFrame, list[str]]:
    """Return the predictions of the way that is chosen for each fold on all other folds, and these ways."""
    chosen = [choose(found, before, folds != fold) for fold in range(N_FOLDS)]
    parts = [found[way][folds == fold] for fold, way in enumerate(chosen)]
    return pd.concat(parts).sort_index(), chosen


def judged(frame: pd.DataFrame, before: pd.DataFrame) -> dict[str, Any]:
    """Return the figures of predictions, and the paired difference of their KL from those of another model."""
    votes, probabilities, patients = segments_of(frame)
    kl = kl_divergence(votes, probabilities)
    gain = kl - kl_divergence(votes, segments_of(before)[1])
    sets = sets_of(patients)
    figures: dict[str, Any] = {}
    for name in ("both", *VOTED):
        own = np.ones(len(sets), bool) if name == "both" else sets == name
        bootstrap = PatientBootstrap(patients[own], np.ones(own.sum()), 10_000, 0, 0.95)
        for title, values in (("KL", kl), ("difference", gain)):
            estimate = bootstrap.mean(values[own])
            figures[f"{title} {name}"] = [estimate.value, *estimate.interval]
        if name == "both":
            shares = mean_shares(bootstrap, votes, probabilities)
            figures["shares"] = {pattern: share.to_json() for pattern, share in shares.items()}
    seizures = seizures_of(frame, 10_000)
    for name in OTHERS:
        figures[f"AUROC {name}"] = [seizures[f"auroc_{name}"], *seizures[f"auroc_{name}_interval"]]
    return figures


def shown(figures: Mapping[str, dict[str, Any]]) -> list[str]:
    """Return the figures as a Markdown table with a row per way."""
    names = ("KL both", "KL iiic", "KL pages", "difference both", "AUROC after", "AUROC healthy")
    lines = [f"| | {' | '.join(names)} | other: predicted, voted |", "|---" * (len(names) + 2) + "|"]
    for way, of_way in figures.items():
        cells = ["{:.3f} [{:.3f}, {:.3f}]".format(*of_way[name]) for name in names]
        other = of_way["shares"]["other"]
        lines.append(f"| {way} | {' | '.join(cells)} | {other['predicted']:.3f}, {other['voted']:.3f} |")
    return lines


def final_model(folder: Folder, way: str, predictions: pd.DataFrame) -> Path:
    """Return the model that a way makes of all patients; `predictions` are out of fold, to be calibrated."""
    model = folder.trained(None) if way.startswith("trained") else folder.simulated
    if not way.endswith("calibrated"):
        return model
    out = folder.path / "models" / "calibrated"
    card = load_model(model).card
    calibration = card.calibration.then(as_settings(fitted(predictions)))
    save_with_card(model, out, card.model_copy(update={"calibration": calibration}))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulated", type=Path, default=Path("models/simulated"), help="the model to begin with")
    parser.add_argument("--before", default="default", help="model to compare with")
    parser.add_argument("--out", type=Path, default=Path("runs/real_training"))
    options = parser.parse_args()
    print(machine(), flush=True)
    folder = Folder(options.out, options.simulated)
    before = folder.predictions(options.before, "before")
    found = out_of_fold(folder)
    folds = folder.fold_of(before["patient_id"])
    chosen_frame, chosen = nested(found, before, folds)
    way = choose(found, before, np.ones(len(before), bool))
    frames = {f"{options.before}, before": before, **found, "nested choice": chosen_frame}
    figures = {name: judged(frame, before) for name, frame in frames.items()}
    segments = chosen_frame[chosen_frame["kind"] == ""].drop(columns=["kind", "patient", "file", "probability"])
    Predictions.make(segments, "nested").write(options.out / "nested.parquet")
    write_json(options.out / "figures.json", {"chosen": way, "chosen_by_fold": chosen, "figures": figures})
    model = final_model(folder, way, found["trained" if way.startswith("trained") else "simulated"])
    print("\n".join(shown(figures)))
    print(json.dumps({"chosen": way, "by fold": chosen, "model": str(model)}))


if __name__ == "__main__":
    main()
