"""What was measured of an event, as columns of a table and in a few words."""

from typing import Any

from ictal.core.labels import PATTERN_TITLES
from ictal.terminology.english import ENGLISH
from ictal.terminology.findings import EventFinding
from ictal.terminology.phrases import where

MEASURED: dict[str, dict[str, Any]] = {
    "frequency_hz": {
        "Description": "Typical frequency of the discharges or waves: the median.",
        "Units": "Hz",
        "HED": "Feature-frequency/# Hz",
    },
    "frequency_low_hz": {"Description": "10th percentile of the rates of pairs of intervals.", "Units": "Hz"},
    "frequency_high_hz": {"Description": "90th percentile of the rates of pairs of intervals.", "Units": "Hz"},
    "main_term": {
        "Description": "Main term 1 of the ACNS terminology, as measured.",
        "Levels": {
            "generalized": "Bilateral, synchronous and symmetric.",
            "lateralized": "On one side, or clearly larger there.",
            "bilateral independent": "On both sides, but not at the same time.",
        },
    },
    "side": {
        "Description": "Side of a lateralized pattern, or the larger side of a bilateral independent one.",
        "Levels": {"left": "Left hemisphere", "right": "Right hemisphere"},
        "HED": {"left": "Left", "right": "Right"},
    },
    "regions": {
        "Description": "Regions where the pattern has at least half of its largest amplitude, separated by commas: "
        "frontal, central, temporal, parietal, occipital.",
    },
    "amplitude_uv": {
        "Description": "From peak to trough, where it is largest in the longitudinal bipolar montage.",
        "Units": "uV",
    },
    "evolution": {
        "Description": "Change in frequency over the event, by the rules of the ACNS terminology.",
        "Levels": {
            "evolving": "At least two changes of 0.5 Hz in one direction, one after the other.",
            "fluctuating": "At least three changes of 0.5 Hz, at most a minute apart, without evolution.",
            "static": "Neither evolving nor fluctuating.",
        },
    },
}
"""Columns of what was measured of an event, as the JSON of BIDS describes them."""
MEASURED_NUMBERS = tuple(name for name, told in MEASURED.items() if "Units" in told)
"""Those that hold numbers; the others hold text."""


def measured(event: EventFinding) -> dict[str, Any]:
    """Return the columns `MEASURED` of an event; what is not known is None."""
    frequency, location, shape = event.frequency, event.location, event.shape
    return {
        "frequency_hz": frequency and frequency.typical,
        "frequency_low_hz": frequency and frequency.low,
        "frequency_high_hz": frequency and frequency.high,
        "main_term": location and location.main_term,
        "side": location and location.side,
        "regions": (location and ",".join(location.regions)) or None,
        "amplitude_uv": shape and shape.amplitude_uv,
        "evolution": event.evolution,
    }


def event_in_brief(event: EventFinding) -> str:
    """Write an event in a few words, without what is not known: 'LPD, left temporal, 1.2 Hz'."""
    place = where(event.pattern, event.location, ENGLISH).before
    if event.location and event.location.main_term == "bilateral independent":
        place = event.location.main_term
    frequency = f"{event.frequency.typical:.1f} Hz" if event.frequency else ""
    return ", ".join(part for part in (PATTERN_TITLES[event.pattern], place, frequency) if part)
