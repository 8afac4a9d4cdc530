"""The ward page without its user interface: what each bed shows, and what has changed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ictal.core.predictions import PROBABILITY_COLUMNS
from ictal.errors import UnknownNameError
from ictal.live.bed import Bed
from ictal.live.trends import Trends
from ictal.live.ward import Ward
from ictal.report.clock import HOUR_S, duration_in_words
from ictal.web.bed_library import id_of
from ictal.web.details import PATTERNS_SHOWN
from ictal.web.overview import numbers
from ictal.web.patients import Patients
from ictal.web.ward_alarms import acknowledged, unacknowledged

LATELY_S = 300.0
"""Of which time the quality is shown."""


@dataclass
class WardPage:
    """The beds of a ward for readers; several may follow the stream.

    Attributes
    ----------
    ward
        The ward.
    patients
        What may be said of the patients.
    """

    ward: Ward
    patients: Patients = field(default_factory=Patients)

    @property
    def beds(self) -> Sequence[Bed]:
        """The beds."""
        return tuple(self.ward.beds.values())

    def changes(self) -> Iterator[dict[str, Any] | None]:
        """Yield first the whole state, then what has changed since the last time, or None if nothing has.

        Each is a `ictal.web.ward_schemas.WardState` with the beds that have changed, and of each only those rows that
        were not given before.
        """
        told: dict[str, tuple[object, float]] = {}
        told_problems: Sequence[str] | None = None
        while True:
            beds = [self._changed(bed, told) for bed in self.beds]
            changed = [bed for bed in beds if bed is not None]
            problems = self.ward.actions.problems()
            is_new = changed or problems != told_problems
            told_problems = problems
            yield {"beds": changed, "problems": problems, "patterns": PATTERNS_SHOWN} if is_new else None

    def acknowledge(self, bed_id: str, number: int) -> None:
        """Note that somebody has seen an alarm, and the earlier ones of its rule about the same pattern.

        Raises
        ------
        UnknownNameError
            If there is no such bed or alarm.
        """
        bed = next((bed for bed in self.beds if id_of(bed) == bed_id), None)
        if bed is None:
            raise UnknownNameError("bed", bed_id, map(id_of, self.beds))
        alarms = {alarm.number: alarm for alarm in bed.alarms}
        if number not in alarms:
            raise UnknownNameError("alarm", str(number), map(str, alarms) or ["none"])
        about = alarms[number].rule, alarms[number].pattern
        for alarm in alarms.values():
            if alarm.number <= number and (alarm.rule, alarm.pattern) == about and not alarm.acknowledged:
                bed.acknowledge(alarm.number)

    def _changed(self, bed: Bed, told: dict[str, tuple[object, float]]) -> dict[str, Any] | None:
        """Return what a bed shows if that has changed since it was told."""
        recording = bed.recording
        stamp = bed.version, bed.state, recording and recording.n_samples
        last, until_s = told.get(bed.name, (None, -np.inf))
        if stamp == last:
            return None
        recent = bed.recent
        until_s = max(until_s, _last_s(recent) - HOUR_S)
        told[bed.name] = stamp, max(until_s, _last_s(recent))
        patient = self.patients.field_of(bed.source.files[0]) if recording else None
        return _shown(bed) | {"patient": patient, "rows": _rows(recent[recent["stop_s"] > until_s])}


def _shown(bed: Bed) -> dict[str, Any]:
    """Return what a bed shows, without its patient and rows."""
    recording, trends, events = bed.recording, bed.trends, bed.events
    last = max(events, key=lambda event: (event.stop_s is None, event.stop_s or event.start_s), default=None)
    return {
        "id": id_of(bed),
        "name": bed.name,
        "state": bed.state,
        "problem": bed.problem,
        "age_s": round(bed.age_s, 1),
        "start": recording.start.isoformat() if recording and recording.start else None,
        "recorded_s": recording.span_s if recording else 0.0,
        "burden_5min": _burden(trends.burden_5min if trends else {}),
        "burden_60min": _burden(trends.burden_60min if trends else {}),
        "scored_5min_s": trends.scored_5min_s if trends else 0.0,
        "scored_60min_s": trends.scored_60min_s if trends else 0.0,
        "status": bool(trends and trends.status),
        "nobody_can_tell": _nobody_can_tell(trends) if trends else "",
        "usable": _usable(bed.recent),
        "event": last and {"pattern": last.pattern, "start_s": last.start_s, "stop_s": last.stop_s},
        "alarms": unacknowledged(bed),
        "acknowledged": acknowledged(bed),
    }


def _rows(rows: pd.DataFrame) -> dict[str, Any]:
    probabilities = rows[list(PROBABILITY_COLUMNS)].to_numpy(dtype=np.float64)
    times = {name: numbers(rows[name], 2) for name in ("start_s", "stop_s")}
    return times | {"probabilities": [numbers(values, 2) for values in probabilities]}


def _last_s(rows: pd.DataFrame) -> float:
    return float(rows["stop_s"].iloc[-1]) if len(rows) else -np.inf


def _usable(rows: pd.DataFrame) -> float | None:
    """Return the mean share of usable EEG in the rows of the last five minutes."""
    lately = rows.loc[rows["stop_s"] > _last_s(rows) - LATELY_S, "usable"]
    return round(float(lately.mean()), 3) if len(lately) else None


def _burden(shares: dict[str, float]) -> dict[str, float | None]:
    """Return shares for JSON."""
    return dict(zip(shares, numbers([*shares.values()], 3), strict=True))


def _nobody_can_tell(trends: Trends) -> str:
    """Write for how long nothing could be scored, and why; empty if the last row has a prediction."""
    if not trends.without_prediction_s:
        return ""
    why = f": {trends.why}" if trends.why else ""
    return f"nobody can tell for {duration_in_words(trends.without_prediction_s)}{why}"
