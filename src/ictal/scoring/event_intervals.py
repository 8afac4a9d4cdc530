"""Confidence intervals of the agreement of events with a reference: over events, and over recordings or subjects."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ictal.core.intervals import Bounded, Interval, expanded_tail, poisson_rate, wilson

Floats = npt.NDArray[np.float64]
Intervals = dict[str, Interval | None]

DAY_S = 86_400
N_RESAMPLES, SEED = 10_000, 0
FIGURES = ("sensitivity", "precision", "f1", "false_alarms_per_day")


@dataclass(frozen=True)
class AgreementIntervals:
    """Confidence intervals of the figures in `ictal.scoring.event_agreement.EventAgreement`; None if there is none.

    Attributes
    ----------
    sensitivity, precision, f1, false_alarms_per_day
        Lower and upper end.
    """

    sensitivity: Interval | None
    precision: Interval | None
    f1: Interval | None
    false_alarms_per_day: Interval | None

    def to_json(self) -> dict[str, Any]:
        """Return lists and None."""
        return {name: ends and list(ends) for name, ends in asdict(self).items()}


@dataclass(frozen=True)
class SubjectMean:
    """A figure averaged over subjects, each of which has equal weight.

    Attributes
    ----------
    mean, std
        Mean, and population standard deviation; None if no subject has the figure.
    n_subjects
        How many have it: a subject without seizures has no sensitivity, and one without detections no precision.
    interval
        Confidence interval of the mean; None with fewer than two subjects, or without spread.
    """

    mean: float | None
    std: float | None
    n_subjects: int
    interval: Interval | None


def intervals_of(
    counts: Sequence[tuple[float, float, float, float]], *, of_events: bool, confidence: float = 0.95
) -> AgreementIntervals:
    """Return the confidence intervals for recordings, or subjects, together.

    Events within a recording count as independent: proportions have Wilson intervals, and the rate of false alarms
    has an exact interval for a Poisson count (Garwood). With two or more recordings, these are resampled as well,
    since events of one recording are similar; each end of an interval is the wider of both. Seconds of an event are
    not independent, so they have intervals over recordings only. The same holds for subjects.

    Parameters
    ----------
    counts
        For each recording, or subject: reference, hits, false alarms (events, or seconds) and duration in seconds.
    of_events
        Whether events are counted rather than seconds.
    """
    table = np.array(counts, dtype=np.float64).reshape(-1, 4)
    total = table.sum(axis=0)
    found = _by_events(total, confidence) if of_events else dict.fromkeys(FIGURES)
    if len(table) > 1:
        resampled = _resampled(*_fractions(table), confidence)
        found = {name: _wider(found[name], resampled[name]) for name in FIGURES}
    return AgreementIntervals(**found)


def subject_means(values: Floats, confidence: float = 0.95) -> dict[str, SubjectMean]:
    """Average each of `FIGURES` over the subjects that have it, as SzCORE does; intervals come from resampling them.

    Parameters
    ----------
    values
        [subject, figure]; NaN where a subject lacks the figure.
    """
    known = np.isfinite(values)
    intervals = _resampled(np.where(known, values, 0.0).T, known.T.astype(np.float64), confidence)
    found = {}
    for name, column in zip(FIGURES, values.T, strict=True):
        own = column[np.isfinite(column)]
        mean, std = (float(own.mean()), float(own.std())) if len(own) else (None, None)
        found[name] = SubjectMean(mean, std, len(own), intervals[name])
    return found


def _by_events(total: Floats, confidence: float) -> Intervals:
    reference, hits, false, duration_s = total.tolist()
    either = reference + false  # found, missed or false
    low, high = wilson(hits / either, either, confidence) if either else (0.0, 1.0)
    return {
        "sensitivity": wilson(hits / reference, reference, confidence) if reference else None,
        "precision": wilson(hits / (hits + false), hits + false, confidence) if hits + false else None,
        # F1 grows with the share of hits among all of these, as 2s / (1 + s).
        "f1": (2 * low / (1 + low), 2 * high / (1 + high)) if hits else None,
        "false_alarms_per_day": poisson_rate(false, duration_s / DAY_S, confidence) if duration_s else None,
    }


def _resampled(above: Floats, below: Floats, confidence: float) -> Intervals:
    """Return expanded percentile intervals of sum(above) / sum(below), [figure, unit], by resampling units."""
    n_units = above.shape[1]
    generator = np.random.default_rng(SEED)
    draws = generator.multinomial(n_units, np.full(n_units, 1 / n_units), N_RESAMPLES)
    sums = draws @ above.T, draws @ below.T
    resampled = np.divide(*sums, out=np.full(sums[0].shape, np.nan), where=sums[1] > 0)
    found: Intervals = {}
    for number, name in enumerate(FIGURES):
        weights, hits = below[number], above[number].sum()
        n = float(weights.sum() ** 2 / (weights**2).sum()) if weights.any() else 0.0
        if n < 1 + 1e-9 or (name == "f1" and not hits):
            found[name] = None
            continue
        tail = expanded_tail(n, confidence)
        low, high = np.nanquantile(resampled[:, number], [tail, 1 - tail]).tolist()
        if name != "false_alarms_per_day":
            low, high = Bounded(0.0, 1.0, *wilson(hits / weights.sum(), n, confidence)).instead(low, high)
        found[name] = (low, high) if high > low else None
    return found


def _fractions(table: Floats) -> tuple[Floats, Floats]:
    """Return numerators and denominators of the figures, [figure, recording] each."""
    reference, hits, false, duration_s = table.T
    above = np.stack([hits, hits, 2 * hits, false * DAY_S])
    return above, np.stack([reference, hits + false, reference + hits + false, duration_s])


def _wider(one: Interval | None, other: Interval | None) -> Interval | None:
    if one is None or other is None:
        return one or other
    return min(one[0], other[0]), max(one[1], other[1])
