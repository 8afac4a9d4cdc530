"""Measure how well a model distinguishes real seizures from post-ictal EEG and from EEG of healthy adults.

Each window is scored as a separate recording: 10 s are cut from the file, standardised, and padded to 50 s with
mirror images, so that the model sees nothing else. Bipolar channels are used as they are.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from _machine import SHARED, machine
from ictal.core.intervals import Bounded, expanded_tail, newcombe_auroc
from ictal.core.labels import PATTERNS
from ictal.core.predictions import PROBABILITY_COLUMNS
from ictal.core.recording import Recording, Signal
from ictal.core.windows import CENTRE_S, cut
from ictal.evaluation import Estimate
from ictal.io import open_recording
from ictal.models.checkpoint import Model, load_model
from ictal.preprocessing.channel_graph import ChannelMapping
from ictal.preprocessing.channel_mapping import map_channels
from ictal.preprocessing.settings import StandardiseSettings
from ictal.preprocessing.standardise import standardise
from ictal.scoring.export import derivations_seen

REAL = SHARED / "seizure"
HEALTHY = "eegmat"
"""Prefix of the files of healthy adults at rest; all other files are of patients with seizures."""
OTHERS = {"after": "early post-ictal EEG of the same patients", "healthy": "healthy adults at rest"}
STEP_S = 5
BATCH = 32
SEIZURE = PATTERNS.index("seizure")

Floats = npt.NDArray[np.float64]


def kind_of(file: str, begin_s: float, end_s: float, seizure_s: tuple[float, float]) -> str | None:
    """Return 'healthy', 'seizure' (entirely within it), 'after' (entirely outside), or None if partly within.

    `seizure_s` is NaN if the file has no seizure.
    """
    if file.startswith(HEALTHY):
        return "healthy"
    onset_s, offset_s = seizure_s
    if begin_s >= onset_s and end_s <= offset_s:
        return "seizure"
    return None if begin_s < offset_s and end_s > onset_s else "after"


def window_of(recording: Recording, wiring: ChannelMapping, begin_s: float, settings: StandardiseSettings) -> Signal:
    """Return 10 s of a recording as if it were the whole of it, padded to a window, [20, 10000]."""
    start = round(begin_s * recording.rate_hz)
    samples = recording.read(start, start + round(CENTRE_S * recording.rate_hz))
    alone = Recording.from_array(samples, recording.channels, recording.rate_hz, recording.name)
    return cut(standardise(alone, settings, wiring).signal, 0, "reflect")[0]


def scored(model: Model, data: Path) -> pd.DataFrame:
    """Return a row per window: file, patient, kind, probability of each pattern, and 'probability', of seizure."""
    derivations, settings = derivations_seen(model.network), model.card.standardise
    rows, windows = [], []
    for clip in pd.read_csv(data / "labels.csv").itertuples():
        recording = open_recording(data / str(clip.file))
        wiring = map_channels(recording, derivations)
        seizure_s = (float(clip.seizure_start_s), float(clip.seizure_end_s))
        for begin_s in np.arange(0, recording.duration_s - CENTRE_S + 1e-6, STEP_S):
            kind = kind_of(clip.file, begin_s, begin_s + CENTRE_S, seizure_s)
            if kind:
                rows.append((clip.file, str(clip.patient_id), kind))
                windows.append(window_of(recording, wiring, begin_s, settings))
    frame = pd.DataFrame(rows, columns=["file", "patient", "kind"])
    frame[list(PROBABILITY_COLUMNS)] = model.predict(np.stack(windows), BATCH)
    return frame.assign(probability=frame[PROBABILITY_COLUMNS[SEIZURE]])


@dataclass(frozen=True)
class Pairs:
    """Pairs of a window of one kind and one of another, by patient.

    Attributes
    ----------
    won
        Number of pairs in which the first has the higher score; ties count half, [patient, patient].
    all
        Number of pairs, [patient, patient].
    same
        Whether both axes are the same patients, who are then resampled together.
    """

    won: Floats
    all: Floats
    same: bool

    def auroc(self, first: Floats, second: Floats) -> Floats:
        """Return the AUROC for the counts of patients, each [resample, patient]; NaN if no pair is left."""
        won, total = (((first @ pairs) * second).sum(axis=-1) for pairs in (self.won, self.all))
        return np.divide(won, total, out=np.full(np.shape(total), np.nan), where=total > 0)


def pairs_of(frame: pd.DataFrame, first: str, second: str) -> Pairs:
    """Return the pairs of two kinds of windows; the axes are the same patients if any patient has both kinds."""
    names = [frame.loc[frame["kind"] == kind, "patient"].unique() for kind in (first, second)]
    same = bool({*names[0]} & {*names[1]})
    if same:
        names = [np.union1d(*names)] * 2
    of_kind = {kind: frame[frame["kind"] == kind].groupby("patient")["probability"] for kind in (first, second)}
    scores = [
        [of_kind[kind].get_group(name).to_numpy() if name in of_kind[kind].groups else np.empty(0) for name in whose]
        for kind, whose in zip((first, second), names, strict=True)
    ]
    won = [[_won(ours, theirs) for theirs in scores[1]] for ours in scores[0]]
    total = np.outer([len(ours) for ours in scores[0]], [len(theirs) for theirs in scores[1]])
    return Pairs(np.array(won), total.astype(np.float64), same)


def _won(ours: Floats, theirs: Floats) -> float:
    gaps = ours[:, None] - theirs[None, :]
    return float((gaps > 0).sum() + (gaps == 0).sum() / 2)


def auroc_by_patient(pairs: Pairs, n_resamples: int = 10_000, seed: int = 0, confidence: float = 0.95) -> Estimate:
    """Return the AUROC over all pairs of windows, with an expanded percentile interval by resampling patients.

    Patients with both kinds of windows are resampled together. If the kinds have different patients, each group is
    resampled separately. An interval that reaches 0 or 1 is replaced by Newcombe's for the same number of patients.
    """
    generator = np.random.default_rng(seed)
    first, second = (_draws(generator, n, n_resamples) for n in pairs.all.shape)
    resampled = pairs.auroc(first, first if pairs.same else second)
    value = float(pairs.auroc(*(np.ones(n) for n in pairs.all.shape)))
    sizes = [effective(pairs.all.sum(axis=axis)) for axis in (1, 0)]
    tail = expanded_tail(min(sizes), confidence)
    low, high = np.nanquantile(resampled, [tail, 1 - tail]).tolist()
    formula = Bounded(0.0, 1.0, *newcombe_auroc(value, sizes[0], sizes[1], confidence))
    return Estimate(value, *formula.instead(low, high), confidence)


def effective(windows: Floats) -> float:
    """Return the effective number of patients with these numbers of windows."""
    return float(windows.sum() ** 2 / (windows**2).sum())


def _draws(generator: np.random.Generator, n: int, n_resamples: int) -> Floats:
    return generator.multinomial(n, np.full(n, 1 / n), n_resamples).astype(np.float64)


def by_patient(frame: pd.DataFrame) -> pd.DataFrame:
    """Return windows and mean probability of each kind by patient, and the AUROC within patients with both kinds."""
    rows = []
    for patient, own in frame.groupby("patient"):
        row: dict[str, Any] = {"patient": patient}
        for kind in ("seizure", *OTHERS):
            scores = own.loc[own["kind"] == kind, "probability"]
            row |= {f"n_{kind}": len(scores), f"mean_{kind}": scores.mean()}
        pairs = pairs_of(own, "seizure", "after") if row["n_seizure"] and row["n_after"] else None
        rows.append(row | {"auroc": float(pairs.auroc(np.ones(1), np.ones(1))) if pairs else np.nan})
    return pd.DataFrame(rows)


def told(model: str, frame: pd.DataFrame, n_resamples: int, seed: int) -> dict[str, Any]:
    """Return the figures as plain numbers, lists and None."""
    found: dict[str, Any] = {"model": model, "windows": frame["kind"].value_counts().to_dict()}
    for other in OTHERS:
        estimate = auroc_by_patient(pairs_of(frame, "seizure", other), n_resamples, seed)
        found |= {f"auroc_{other}": estimate.value, f"auroc_{other}_interval": estimate.interval}
    patients = by_patient(frame)
    return found | {"patients": patients.astype(object).where(patients.notna(), None).to_dict("records")}


def shown(found: dict[str, Any]) -> list[str]:
    """Return the figures as lines of a Markdown page."""
    lines = ["| AUROC of seizure against | value | 95 % interval, by patient |", "|---|---|---|"]
    for name, words in OTHERS.items():
        low, high = found[f"auroc_{name}_interval"]
        lines.append(f"| {words} | {found[f'auroc_{name}']:.3f} | {low:.3f} to {high:.3f} |")
    kinds = ("seizure", *OTHERS)
    lines += ["", f"| patient | {' | '.join(f'{kind}: n | mean' for kind in kinds)} | AUROC within |"]
    lines.append("|---" * 8 + "|")
    for row in found["patients"]:
        cells = [cell for kind in kinds for cell in (str(row[f"n_{kind}"]), _number(row[f"mean_{kind}"]))]
        lines.append(f"| {row['patient']} | {' | '.join(cells)} | {_number(row['auroc'])} |")
    return lines


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="name or folder of a model")
    parser.add_argument("--data", type=Path, default=REAL, help="folder with labels.csv and its recordings")
    parser.add_argument("--resamples", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    options = parser.parse_args(arguments)
    frame = scored(load_model(options.model), options.data)
    found = told(options.model, frame, options.resamples, options.seed)
    if options.json:
        print(json.dumps(found, indent=2, allow_nan=False))
        return
    counts = ", ".join(f"{count} {kind}" for kind, count in found["windows"].items())
    print(f"{options.model} on {options.data} ({machine()}); windows of {CENTRE_S} s: {counts}\n")
    print("\n".join(shown(found)))


if __name__ == "__main__":
    main()
