"""The terms for measured values, and the limits between them.

All are from the Standardized Critical Care EEG Terminology of the American Clinical Neurophysiology Society (ACNS
2021: Hirsch et al., J Clin Neurophysiol 2021;38:1-29). Its sections are named beside each table: A is the background,
C the rhythmic and periodic patterns, D the seizures and F the ictal-interictal continuum.

A table has a row per term: the least value, and the term. A value has the first term whose least value it reaches.
"""

import math
from typing import Literal

from ictal.core.labels import PERIODIC
from ictal.terminology.findings import EventFinding, Location, Region

Table = tuple[tuple[float, str], ...]
PatternName = Literal["seizure", "lpd", "gpd", "lrda", "grda", "bipd"]

PREVALENCE: Table = (
    (0.9, "continuous"),
    (0.5, "abundant"),
    (0.1, "frequent"),
    (0.01, "occasional"),
    (0.0, "rare"),
)
"""Share of the time in a pattern (section C, modifier *prevalence*)."""

DURATION: Table = (
    (3600.0, "very long"),
    (600.0, "long"),
    (60.0, "intermediate"),
    (10.0, "brief"),
    (0.0, "very brief"),
)
"""Seconds without interruption (section C, modifier *duration*)."""

FREQUENCY_STEP_HZ, SLOWEST_HZ, FASTEST_HZ = 0.5, 0.5, 4.0
"""Frequencies are < 0.5, 0.5, 1, 1.5 ... 4 and > 4 Hz (section C, modifier *frequency*)."""

SHARPNESS_MS: Table = ((70.0, "sharp"), (0.0, "spiky"))
"""Duration of the main phase, measured at the baseline (section C, modifier *sharpness*)."""

LONGEST_SHARP_MS = 200.0
"""A longer main phase is sharply contoured or blunt."""

PHASES = ("monophasic", "biphasic", "triphasic", "polyphasic")
"""One, two, three, and more than three phases (section C, modifier *number of phases*)."""

AMPLITUDE_UV: Table = ((150.0, "high"), (50.0, "medium"), (20.0, "low"), (0.0, "very low"))
"""Absolute voltage of a pattern from peak to trough, in a longitudinal bipolar montage (section C, modifier
*voltage*)."""

CONTINUITY: Table = ((0.5, "burst"), (0.1, "discontinuous"), (0.01, "nearly continuous"), (0.0, "continuous"))
"""Share of the time that is attenuated or suppressed (section A4): a background with bursts has at least 50 %."""

WHOLLY_ATTENUATED = 0.99
"""With a larger share, there are no bursts: the background is attenuated or suppressed (section A4)."""

VOLTAGE_UV: Table = ((150.0, "high"), (20.0, "normal"), (10.0, "low"), (0.0, "suppressed"))
"""Voltage of most of the background from peak to trough, in a longitudinal bipolar montage (section A, *voltage*)."""

MARKED_RATIO = 2.0
"""One side has at most half the amplitude of the other: an asymmetry of 50 %, which is marked (section A1)."""

SYMMETRIC_RATIO = 1.25
"""Below it, the sides are called symmetric: the weaker one has more than 80 % of the amplitude. The terminology names
no least mild asymmetry; this limit is ours."""

BANDS_HZ: Table = ((8.0, "alpha"), (4.0, "theta"), (0.0, "delta"))
"""Predominant frequency of the background (section A2)."""

FASTEST_ALPHA_HZ = 13.0
"""Faster activity is beta."""

LAG_S = 0.1
"""A longer delay between front and back is a lag (section C, modifier *lag*)."""

SEIZURE_ABOVE_HZ, SEIZURE_LEAST_S = 2.5, 10.0
"""Discharges that are faster for at least this time, or definite evolution for it, are a seizure (section D)."""

STATUS_S, STATUS_SHARE = 600.0, 0.2
"""A seizure of 10 minutes, or seizures for 20 % of any 60 minutes, are a status epilepticus (section D)."""

REGIONS: dict[str, Region] = {
    **dict.fromkeys(("Fp1", "Fp2", "F7", "F3", "Fz", "F4", "F8"), "frontal"),
    **dict.fromkeys(("C3", "Cz", "C4"), "central"),
    **dict.fromkeys(("T3", "T4", "T5", "T6"), "temporal"),
    **dict.fromkeys(("P3", "Pz", "P4"), "parietal"),
    **dict.fromkeys(("O1", "O2"), "occipital"),
}
"""The region of each electrode. F7 and F8 are frontal by their names, though they also record the anterior temporal
lobe."""

ROUNDING = 1e-6
"""Tolerance of all limits, so that rounding errors do not change a term."""


def term(table: Table, value: float) -> str:
    """Return the term for a value in a table.

    Raises
    ------
    ValueError
        If the value is negative or not a number.
    """
    if not value >= 0:
        raise ValueError(f"{value} has no term; allowed are numbers from 0")
    return next(word for least, word in table if value >= least - ROUNDING)


def prevalence_word(share: float) -> str:
    """Return the term for a share of the time; 'none' if it is 0, '' if it is unknown (NaN)."""
    if math.isnan(share):
        return ""
    return term(PREVALENCE, share) if share > 0 else "none"


def duration_word(duration_s: float) -> str:
    """Return the term for a duration in seconds."""
    return term(DURATION, duration_s)


def frequency_step(frequency_hz: float) -> float:
    """Return the nearest frequency that the terminology names, Hz; 0 for less than 0.5 Hz.

    Above 4 Hz, where the terminology has no steps, the frequency itself is returned, rounded to 0.1 Hz.

    Examples
    --------
    >>> [frequency_step(hz) for hz in (0.4, 0.5, 1.2, 1.25, 4.0, 4.68)]
    [0.0, 0.5, 1.0, 1.5, 4.0, 4.7]
    """
    if not frequency_hz >= 0:
        raise ValueError(f"{frequency_hz} Hz is not a frequency")
    if frequency_hz < SLOWEST_HZ - ROUNDING:
        return 0.0
    if frequency_hz > FASTEST_HZ + ROUNDING:
        return round(frequency_hz, 1)
    return FREQUENCY_STEP_HZ * math.floor(frequency_hz / FREQUENCY_STEP_HZ + 0.5 + ROUNDING)


def sharpness_word(main_phase_ms: float, pointed: bool | None = None) -> str | None:
    """Return the sharpness of a discharge.

    Parameters
    ----------
    main_phase_ms
        Duration of the main phase at the baseline, ms.
    pointed
        Whether the wave is steep on one side or pointed at its peak. Above 200 ms, this separates 'sharply contoured'
        from 'blunt'; a duration cannot.

    Returns
    -------
    str or None
        None for more than 200 ms if `pointed` is not known.
    """
    if main_phase_ms > LONGEST_SHARP_MS + ROUNDING:
        return {True: "sharply contoured", False: "blunt", None: None}[pointed]
    return term(SHARPNESS_MS, main_phase_ms)


def phases_word(phases: int) -> str:
    """Return the term for a number of phases, from 1."""
    if phases < 1:
        raise ValueError(f"a discharge cannot have {phases} phases")
    return PHASES[min(phases, len(PHASES)) - 1]


def amplitude_word(amplitude_uv: float) -> str:
    """Return the term for the absolute voltage of a pattern, from µV."""
    return term(AMPLITUDE_UV, amplitude_uv)


def continuity_word(attenuated_share: float, suppressed: bool) -> str:
    """Return the continuity of a background.

    Parameters
    ----------
    attenuated_share
        Share of the time that is attenuated or suppressed.
    suppressed
        Whether the voltage in that time is below 10 µV (suppression), not only less than half of the background's
        (attenuation).
    """
    word = term(CONTINUITY, attenuated_share)
    if attenuated_share > WHOLLY_ATTENUATED + ROUNDING:
        return "suppressed" if suppressed else "attenuated"
    return f"burst-{'suppression' if suppressed else 'attenuation'}" if word == "burst" else word


def voltage_word(voltage_uv: float) -> str:
    """Return the term for the voltage of a background, from µV."""
    return term(VOLTAGE_UV, voltage_uv)


def symmetry_word(left_right: float) -> str:
    """Return the term for the ratio of the amplitudes of both sides."""
    if not left_right > 0:
        raise ValueError(f"{left_right} is not a ratio of amplitudes")
    ratio = max(left_right, 1 / left_right)
    if ratio >= MARKED_RATIO - ROUNDING:
        return "marked asymmetry"
    return "mild asymmetry" if ratio >= SYMMETRIC_RATIO - ROUNDING else "symmetric"


def band_word(frequency_hz: float) -> str:
    """Return the band of a background frequency in Hz."""
    return "beta" if frequency_hz > FASTEST_ALPHA_HZ + ROUNDING else term(BANDS_HZ, frequency_hz)


def pattern_name(pattern: str, location: Location | None) -> PatternName:
    """Return the pattern by main terms 1 and 2: 'bipd' for bilateral independent periodic discharges (section C1).

    A model knows no bilateral independent patterns, and gives them the name of a lateralized or generalized one.
    """
    names: dict[str, PatternName] = {"seizure": "seizure", "lpd": "lpd", "gpd": "gpd", "lrda": "lrda", "grda": "grda"}
    if location is not None and location.main_term == "bilateral independent":
        names |= dict.fromkeys(PERIODIC, "bipd")
    return names[pattern]


def is_seizure(finding: EventFinding) -> bool:
    """Return whether an event is an electrographic seizure by the terminology's criteria (section D).

    It is one if the model calls it a seizure. Any other event of at least 10 s is one if it evolves, or if its
    discharges are faster than 2.5 Hz.
    """
    if finding.pattern == "seizure":
        return True
    fast = (
        finding.pattern in PERIODIC
        and finding.frequency is not None
        and finding.frequency.typical > SEIZURE_ABOVE_HZ + ROUNDING
    )
    return finding.duration_s >= SEIZURE_LEAST_S - ROUNDING and (fast or finding.evolution == "evolving")


def in_continuum(finding: EventFinding) -> bool:
    """Return whether an event is on the ictal-interictal continuum (section F).

    It is, if it lasts 10 s, is not a seizure (`is_seizure`), and is one of

    - periodic discharges of more than 1.0 and up to 2.5 Hz;
    - periodic discharges of 0.5 to 1.0 Hz that fluctuate;
    - lateralized or bilateral independent rhythmic delta activity of more than 1 Hz that fluctuates.

    The terminology also counts the slower discharges and the rhythmic delta activity if they have a plus modifier
    instead of fluctuation. Plus modifiers are not measured, so these are missed. The terminology uses the average
    frequency over 10 s, this function the median over the event. Without a frequency the answer is False.
    """
    if finding.frequency is None or finding.duration_s < SEIZURE_LEAST_S - ROUNDING or is_seizure(finding):
        return False
    hz, fluctuates = finding.frequency.typical, finding.evolution == "fluctuating"
    if finding.pattern in PERIODIC:
        return hz > 1 + ROUNDING or (fluctuates and hz >= SLOWEST_HZ - ROUNDING)
    return finding.pattern == "lrda" and fluctuates and hz > 1 + ROUNDING
