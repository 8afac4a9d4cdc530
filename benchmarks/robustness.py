"""Measure how far disturbances of a recording move the probabilities of models, and what they cost in accuracy.

Each real segment is disturbed as a whole recording and scored from its channels to its probabilities, as a user
scores it. What is compared is the window that experts voted on. Seeds are fixed, so all models get the same
recordings.
"""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import signal as sp

from _machine import SHARED, machine
from _page import DOCS, between
from _table import markdown
from ictal.core.atomic_files import write_text
from ictal.core.labels import PATTERNS, VOTE_COLUMNS
from ictal.core.montage import CHANNELS, ELECTRODES, MIRROR, MONTAGES, derivations_of, montage_matrix
from ictal.core.predictions import PROBABILITY_COLUMNS
from ictal.core.recording import Recording
from ictal.core.windows import CENTRE_S, RATE_HZ
from ictal.data import DataSettings, open_dataset
from ictal.evaluation import Estimate, PatientBootstrap, kl_divergence
from ictal.models.hub import find_model
from ictal.preprocessing.channel_mapping import map_channels
from ictal.preprocessing.standardise import resample
from ictal.scoring.engines import Engine, open_engine
from ictal.scoring.pipeline import score

REAL = SHARED / "iiic"
PAGE = DOCS / "robustness.md"
BEGIN, END = "<!-- FIGURES of robustness.py -->", "<!-- END of robustness.py -->"
BANANA = derivations_of(MONTAGES["double_banana"])
N_ELECTRODES = len(ELECTRODES)
SHIFT_S = 2
DRAWS = 5
"""Random recordings that are made of each segment."""
MUSCULAR = [ELECTRODES.index(name) for name in ("Fp1", "Fp2", "F7", "F8", "T3", "T4")]

Floats = npt.NDArray[np.float64]
Change = Callable[[Floats, np.random.Generator], Floats | None]
"""Disturbs [20, time] in µV; None where that cannot be done to the recording."""


def _common(eeg: Floats, rng: np.random.Generator) -> Floats:
    seconds = np.arange(eeg.shape[1]) / RATE_HZ
    slow, mains = (np.sin(2 * np.pi * (hertz * seconds + rng.random())) for hertz in (0.7, 60))
    return np.concatenate([eeg[:19] + 100 * (slow + mains + rng.normal(size=eeg.shape[1])), eeg[19:]])


def _gains(eeg: Floats, rng: np.random.Generator) -> Floats:
    return np.concatenate([eeg[:19] * (1 + 0.1 * rng.normal(size=(19, 1))), eeg[19:]])


def _flat(eeg: Floats, rng: np.random.Generator) -> Floats:
    changed = eeg.copy()
    changed[rng.integers(N_ELECTRODES)] = 0
    return changed


def _noisy(eeg: Floats, rng: np.random.Generator) -> Floats:
    changed = eeg.copy()
    changed[rng.integers(N_ELECTRODES)] += 100 * rng.normal(size=eeg.shape[1])
    return changed


def _muscle(eeg: Floats, rng: np.random.Generator) -> Floats:
    sections = sp.butter(2, (20, 90), "bandpass", fs=RATE_HZ, output="sos")
    noise = sp.sosfilt(sections, rng.normal(size=(len(MUSCULAR), eeg.shape[1])))
    changed = eeg.copy()
    changed[MUSCULAR] += 30 * noise / noise.std(axis=1, keepdims=True)
    return changed


def _shifted(eeg: Floats, rng: np.random.Generator) -> Floats | None:
    """Cut the start or the end, which moves the middle by half of that."""
    lost = 2 * SHIFT_S * RATE_HZ
    if eeg.shape[1] - lost < CENTRE_S * RATE_HZ:
        return None
    return eeg[:, lost:] if rng.random() < 0.5 else eeg[:, :-lost]


def _against(eeg: Floats, reference: Floats) -> Floats:
    return np.concatenate([eeg[:19] - reference, eeg[19:]])


@dataclass(frozen=True)
class Disturbance:
    """A disturbance of a recording.

    Attributes
    ----------
    words
        What is done.
    change
        See `Change`.
    draws
        How many random recordings are made of each segment.
    bipolar
        Whether the channels become the derivations of the double banana.
    mask
        See `ictal.scoring.pipeline.ScoreSettings`.
    """

    words: str
    change: Change
    draws: int = 1
    bipolar: bool = False
    mask: bool = True

    def recording(self, eeg: Floats, rng: np.random.Generator) -> Recording | None:
        """Return a disturbed recording, None where that cannot be done."""
        changed = self.change(eeg, rng)
        if changed is None:
            return None
        if self.bipolar:
            return Recording.from_array(montage_matrix(BANANA) @ changed, tuple(map(str, BANANA)), RATE_HZ)
        return Recording.from_array(changed, CHANNELS, RATE_HZ)


UNDISTURBED = Disturbance("none", lambda eeg, _: eeg)
DISTURBANCES = {
    "common": Disturbance("a signal in all electrodes: 0.7 Hz, 60 Hz and noise, 100 µV each", _common),
    "average": Disturbance("average reference", lambda eeg, _: _against(eeg, eeg[:19].mean(axis=0))),
    "Cz": Disturbance("reference Cz", lambda eeg, _: _against(eeg, eeg[ELECTRODES.index("Cz")])),
    "bipolar": Disturbance("recorded as the double banana", lambda eeg, _: eeg, bipolar=True),
    "mirror": Disturbance("left and right swapped", lambda eeg, _: eeg[list(MIRROR)]),
    "polarity": Disturbance("polarity reversed", lambda eeg, _: -eeg),
    "half": Disturbance("all voltages × 0.5", lambda eeg, _: eeg / 2),
    "double": Disturbance("all voltages × 2", lambda eeg, _: eeg * 2),
    "gains": Disturbance("gain errors of the electrodes, SD 10 %", _gains, DRAWS),
    "flat": Disturbance("one electrode flat", _flat, DRAWS),
    "noisy": Disturbance("one electrode with white noise, 100 µV", _noisy, DRAWS),
    "flat, not masked": Disturbance("one electrode flat, `--no-mask`", _flat, DRAWS, mask=False),
    "noisy, not masked": Disturbance("one electrode with white noise, `--no-mask`", _noisy, DRAWS, mask=False),
    "muscle": Disturbance("muscle at Fp1, Fp2, F7, F8, T3 and T4, 30 µV", _muscle, DRAWS),
    "shift": Disturbance("2 s earlier or later (segments longer than 10 s)", _shifted, 2),
}


@dataclass(frozen=True)
class Segments:
    """Real segments with votes: samples [20, time] each, votes [segment, 6] and patients [segment]."""

    eeg: tuple[Floats, ...]
    votes: npt.NDArray[np.int64]
    patients: npt.NDArray[np.object_]

    @classmethod
    def of(cls, folders: Sequence[Path]) -> "Segments":
        """Read data sets in HMS's layout, in which each EEG has one window, in its middle."""
        eeg, votes, patients = [], [], []
        for folder in folders:
            dataset = open_dataset(str(folder), DataSettings())
            for row in dataset.labels.itertuples():
                recording = dataset.recording(row.eeg_id)
                eeg.append(resample(recording, "linear", map_channels(recording)).signal.astype(np.float64))
                patients.append(f"{folder.name} {row.patient_id}")
            votes.append(dataset.labels[list(VOTE_COLUMNS)].to_numpy())
        return cls(tuple(eeg), np.concatenate(votes), np.array(patients, dtype=object))


def probabilities_of(recording: Recording, engine: Engine, *, mask: bool = True) -> Floats:
    """Score a recording, and return the probabilities of the 10 s in its middle; NaN if they are refused."""
    # The first window is in the middle of what the model sees from the start, the second in that of the recording.
    spare_s = recording.duration_s - engine.contract.seen_s
    frame = score(recording, engine, step_s=spare_s / 2 if spare_s > 0 else CENTRE_S, mask=mask).frame
    off = abs(frame["start_s"] - (recording.duration_s - CENTRE_S) / 2)
    if off.min() > 1 / RATE_HZ:
        raise ValueError(f"no window in the middle of {recording.duration_s:g} s")
    return frame[list(PROBABILITY_COLUMNS)].to_numpy(np.float64)[int(off.argmin())]


def disturbed(segments: Segments, engine: Engine, disturbance: Disturbance) -> Floats:
    """Return the probabilities of each draw of each segment, [draw, segment, pattern]; NaN where there are none."""
    found = np.full((disturbance.draws, len(segments.eeg), len(PATTERNS)), np.nan)
    for draw, number in np.ndindex(found.shape[:2]):
        recording = disturbance.recording(segments.eeg[number], np.random.default_rng((draw, number)))
        if recording is not None:
            found[draw, number] = probabilities_of(recording, engine, mask=disturbance.mask)
    return found


@dataclass(frozen=True)
class Effect:
    """What a disturbance does to a model.

    Attributes
    ----------
    median, largest
        Of the largest change of a segment's six probabilities.
    calls, n
        Segments whose top pattern changes, on average over the draws; and segments with a prediction.
    kl, difference
        KL after the disturbance, and its paired difference from that before, resampled by patient.
    """

    median: float
    largest: float
    calls: float
    n: int
    kl: float
    difference: Estimate

    @classmethod
    def of(cls, segments: Segments, before: Floats, after: Floats) -> "Effect":
        """Compare probabilities [segment, pattern] with those of several draws, [draw, segment, pattern]."""
        there = np.isfinite(after).all(axis=(0, 2)) & np.isfinite(before).all(axis=1)
        before, after, votes = before[there], after[:, there], segments.votes[there]
        moved = abs(after - before).max(axis=2)
        kl = np.mean([kl_divergence(votes, drawn) for drawn in after], axis=0)
        bootstrap = PatientBootstrap(segments.patients[there], np.ones(len(kl)))
        calls = (after.argmax(axis=2) != before.argmax(axis=1)).mean(axis=0).sum()
        difference = bootstrap.mean(kl - kl_divergence(votes, before))
        return cls(float(np.median(moved)), float(moved.max()), float(calls), len(kl), float(kl.mean()), difference)

    def cells(self) -> list[str]:
        """Return the cells of a table."""
        calls = f"{self.calls:.1f}".removesuffix(".0")
        return [f"{self.median:.3f}", f"{self.largest:.3f}", f"{calls} of {self.n}", f"{self.difference:+.3f}"]

    def to_json(self) -> dict[str, Any]:
        """Return plain numbers."""
        own = {name: value for name, value in vars(self).items() if name != "difference"}
        return own | {"kl_difference": self.difference.value, "kl_difference_interval": self.difference.interval}


def measured(segments: Segments, engine: Engine, names: Sequence[str]) -> tuple[float, dict[str, Effect]]:
    """Return the KL of the segments as they are, and the effects of disturbances by their name."""
    whether = {DISTURBANCES[name].mask for name in names} | {True}
    before = {mask: disturbed(segments, engine, replace(UNDISTURBED, mask=mask))[0] for mask in whether}
    effects = {}
    for name in names:
        after = disturbed(segments, engine, DISTURBANCES[name])
        effects[name] = Effect.of(segments, before[DISTURBANCES[name].mask], after)
    return float(np.mean(kl_divergence(segments.votes, before[True]))), effects


def table(found: Mapping[str, tuple[float, dict[str, Effect]]]) -> list[str]:
    """Return the lines of a table, with the models side by side."""
    columns = ("median change", "largest change", "other top pattern", "KL, difference")
    header = ["disturbance"]
    for model, (kl, _) in found.items():
        prefix = f"{model}: " if len(found) > 1 else ""
        header += [f"{prefix}{column}" for column in columns[:-1]] + [f"{prefix}{columns[-1]} from {kl:.3f}"]
    names = next(iter(found.values()))[1]
    rows = [
        [DISTURBANCES[name].words, *(cell for _, effects in found.values() for cell in effects[name].cells())]
        for name in names
    ]
    return markdown(header, rows)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", help="names or folders of models")
    parser.add_argument("--data", type=Path, nargs="+", default=[REAL], help="folders in HMS's layout")
    parser.add_argument("--only", nargs="+", choices=DISTURBANCES, default=list(DISTURBANCES))
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument("--write", action="store_true", help=f"write the table into docs/{PAGE.name}")
    options = parser.parse_args(arguments)
    segments = Segments.of(options.data)
    found = {
        model: measured(segments, open_engine(find_model(model), threads=options.threads), options.only)
        for model in options.models
    }
    lines = table(found)
    if options.write:
        write_text(PAGE, between(PAGE.read_text(encoding="utf-8"), BEGIN, END, ["", *lines, ""]))
    if options.json:
        of_model = {
            model: {"kl": kl, "effects": {name: effect.to_json() for name, effect in effects.items()}}
            for model, (kl, effects) in found.items()
        }
        print(json.dumps(of_model, indent=2))
        return
    print(f"{len(segments.eeg)} segments ({machine()})\n\n" + "\n".join(lines))


if __name__ == "__main__":
    main()
