"""What an EEG report says of a recording, as numbers and terms.

The terms are those of the American Clinical Neurophysiology Society's Standardized Critical Care EEG Terminology,
2021 version (ACNS 2021: Hirsch et al., J Clin Neurophysiol 2021;38:1-29). What could not be measured is None.
"""

from dataclasses import dataclass
from typing import Literal

MainTerm = Literal["generalized", "lateralized", "bilateral independent"]
Side = Literal["left", "right"]
Evolution = Literal["evolving", "fluctuating", "static"]
Region = Literal["frontal", "central", "temporal", "parietal", "occipital"]


@dataclass(frozen=True)
class Frequency:
    """How often discharges or waves repeat, Hz.

    Attributes
    ----------
    typical, low, high
        Median, and the 10th and 90th percentile of the rates of pairs of successive intervals.
    interval
        95 % confidence interval of the typical frequency.
    """

    typical: float
    low: float
    high: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Location:
    """Where a pattern is.

    Attributes
    ----------
    main_term
        Main term 1 of the terminology.
    side
        Of a lateralized pattern, or the larger side of a bilateral independent one.
    regions, electrodes
        With at least half of the largest amplitude; ordered from front to back.
    involvement
        Amplitude of the pattern at each of the 19 electrodes relative to the largest, 0 to 1, in the order of
        `ictal.core.montage.ELECTRODES`; NaN for an electrode that is not known.
    """

    main_term: MainTerm
    side: Side | None
    regions: tuple[Region, ...]
    electrodes: tuple[str, ...]
    involvement: tuple[float, ...]


@dataclass(frozen=True)
class Shape:
    """What one discharge or wave looks like.

    Attributes
    ----------
    amplitude_uv
        From peak to trough, in the derivation of the longitudinal bipolar montage where it is largest.
    sharpness
        'spiky', 'sharp', 'sharply contoured' or 'blunt'; None for rhythmic activity.
    phases
        Number of phases; None for rhythmic activity.
    """

    amplitude_uv: float
    sharpness: str | None
    phases: int | None


@dataclass(frozen=True)
class EventFinding:
    """An event of a pattern.

    Attributes
    ----------
    pattern, start_s, stop_s
        As in `ictal.scoring.events.Event`.
    frequency, location, shape
        None where it could not be measured.
    lag_s
        By how much the front leads the back (negative: follows), of a generalized pattern.
    evolution
        By the terminology's rules; None if the event is too short to tell.
    cycles_s
        Times of the discharges or waves, in seconds of the recording.
    measured_s
        Seconds of EEG on which the numbers are based.
    """

    pattern: str
    start_s: float
    stop_s: float
    frequency: Frequency | None
    location: Location | None
    shape: Shape | None
    lag_s: float | None
    evolution: Evolution | None
    cycles_s: tuple[float, ...]
    measured_s: float

    @property
    def duration_s(self) -> float:
        """Seconds from start to stop."""
        return self.stop_s - self.start_s


@dataclass(frozen=True)
class PatternFinding:
    """All events of a pattern in a recording.

    Attributes
    ----------
    pattern
        Its name.
    share, prevalence
        Share of the scored time in events, and its term; see `ictal.terminology.terms.PREVALENCE`.
    n_events, total_s, longest_s
        Number of events, and seconds in all and in the longest one.
    first_s
        Start of the first event.
    worst_share, worst_start_s
        Largest share of any 60 minutes (of the recording, if it is shorter), and when they begin.
    frequency, location, shape, evolution
        Over all events, weighted by time; `evolution` is 'evolving' if any event evolves.
    """

    pattern: str
    share: float
    prevalence: str
    n_events: int
    total_s: float
    longest_s: float
    first_s: float
    worst_share: float
    worst_start_s: float
    frequency: Frequency | None
    location: Location | None
    shape: Shape | None
    evolution: Evolution | None


@dataclass(frozen=True)
class BackgroundFinding:
    """The background of a stretch of EEG.

    Attributes
    ----------
    continuity
        'continuous', 'nearly continuous', 'discontinuous', 'burst-suppression', 'burst-attenuation', 'suppressed' or
        'attenuated'.
    suppressed_share
        Share of the time that is attenuated or suppressed.
    voltage_uv, voltage
        Typical peak-to-trough amplitude in the longitudinal bipolar montage, and its term: 'high', 'normal', 'low'
        or 'suppressed'.
    left_right, symmetry
        Ratio of the amplitudes of both sides, and its term: 'symmetric', 'mild asymmetry' or 'marked asymmetry'.
    predominant_hz, predominant
        Frequency with most of the amplitude, and its band: 'delta', 'theta', 'alpha' or 'beta'.
    posterior_hz
        Frequency of the posterior dominant rhythm; 0 if none is seen, None if that could not be assessed.
    measured_s
        Seconds of EEG on which the numbers are based.
    """

    continuity: str | None
    suppressed_share: float | None
    voltage_uv: float | None
    voltage: str | None
    left_right: float | None
    symmetry: str | None
    predominant_hz: float | None
    predominant: str | None
    posterior_hz: float | None
    measured_s: float


@dataclass(frozen=True)
class StatusFinding:
    """Electrographic status epilepticus by the terminology's definition.

    Attributes
    ----------
    criterion
        '10 minutes' for a seizure of at least 10 minutes, '20 % of an hour' for seizures of at least 20 % of any 60
        minutes.
    start_s, stop_s
        The seizure, or the first such 60 minutes.
    seizure_s
        Seconds of seizures in that time.
    """

    criterion: Literal["10 minutes", "20 % of an hour"]
    start_s: float
    stop_s: float
    seizure_s: float


@dataclass(frozen=True)
class HourFinding:
    """An hour of a recording.

    Attributes
    ----------
    start_s, stop_s
        The hour; the last one ends with the recording.
    scored_s
        Seconds with a prediction.
    shares, prevalence
        Share of the scored time in events of each pattern, and its term.
    background
        Of the hour.
    """

    start_s: float
    stop_s: float
    scored_s: float
    shares: dict[str, float]
    prevalence: dict[str, str]
    background: BackgroundFinding


@dataclass(frozen=True)
class RecordingFinding:
    """What a report says of a recording.

    Attributes
    ----------
    span_s, scored_s
        Seconds from the first sample to the last, and seconds with a prediction.
    background, patterns, events, hours
        The background of the recording, each pattern with an event, all events ordered by time, and all hours.
    absent
        Patterns that the model knows and that have no event.
    status
        Electrographic status epilepticus, if the definition is met.
    continuum_share
        Share of the scored time in patterns of the ictal-interictal continuum.
    """

    span_s: float
    scored_s: float
    background: BackgroundFinding
    patterns: tuple[PatternFinding, ...]
    absent: tuple[str, ...]
    events: tuple[EventFinding, ...]
    hours: tuple[HourFinding, ...]
    status: StatusFinding | None
    continuum_share: float
