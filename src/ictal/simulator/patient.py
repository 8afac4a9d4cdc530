"""A patient: head, background, heart and amplifier, and which patterns occur and how they look."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ictal.simulator.background import BackgroundTraits, draw_background
from ictal.simulator.fitted_parameters import FEW, MANY, Kind
from ictal.simulator.head import HeadModel, draw_head
from ictal.simulator.noise import sigmoid
from ictal.simulator.patterns import RANGES, Pattern, place_between
from ictal.simulator.raters import (
    EVOLUTION_LIMIT,
    EVOLUTION_STEP,
    IRREGULAR_LIMIT,
    NAMED_LIMIT,
    PREVALENCE_LIMIT,
    PREVALENCE_STEP,
    RATE_STEP,
    REGULARITY_STEP,
    STRENGTH_STEP,
    seizure_limit_hz,
)

Floats = npt.NDArray[np.float64]

FIDELITY = 1.6
"""Concentration of a patient's kinds around the population's: with 1.6, most patients have two or three kinds."""
LATERAL_PLACES = ("F3", "C3", "P3", "F7", "T3", "T5")
MIDLINE_PLACES = ("Fz", "Cz", "F3", "F4", "C3", "C4")
CLEAR, STRONG, FAINT, DOUBTFUL, UNSURE = (1.2, 3.2), (1.5, 4.6), (0.9, 0.7), (-0.5, 0.4), 0.2
"""Coordinates in units of the raters' (`ictal.simulator.raters`): ranges of clear windows, and means and spreads of
those that divide the panel."""
RECRUITING, TURNING, MOST_GROWN = 0.3, 0.25, 1.2
"""For clear seizures: share with a fast rhythm of 4 to 11 Hz that mostly slows down, share that begins or ends in the
centre, and largest logarithm of the additional strength."""
TRIPHASIC, USUAL_POLARITY = 3, 0.85
"""Phases of a triphasic wave; share of patterns whose main phase has the usual sign (`Pattern.polarity`)."""

REFERENCES = {"average": 0.4, "ears": 0.35, "vertex": 0.25}
"""References of amplifiers, with their shares of patients."""


@dataclass(frozen=True)
class Patient:
    """Properties that all EEGs of a patient share.

    Attributes
    ----------
    head, background
        See `HeadModel` and `BackgroundTraits`.
    heart_hz
        Heart rate.
    reference
        One of `REFERENCES`.
    high_pass_hz, low_pass_hz
        Filters of the amplifier.
    kinds
        Probability of each of `KINDS` among windows with few and with many votes, [2, 21].
    side, place
        Side (-1 left, 1 right) and centre of focal patterns.
    tempo
        Factor on the rate of patterns.
    duration_s, phases, skew
        Typical values, see `Pattern`.
    """

    head: HeadModel
    background: BackgroundTraits
    heart_hz: float
    reference: str
    high_pass_hz: float
    low_pass_hz: float
    kinds: Floats
    side: int
    place: tuple[float, float, float]
    tempo: float
    duration_s: float
    phases: int
    skew: float


def draw_patient(rng: np.random.Generator) -> Patient:
    """Draw a patient."""
    side = int(rng.choice((-1, 1)))
    return Patient(
        head=draw_head(rng),
        background=draw_background(rng),
        heart_hz=float(np.clip(rng.normal(1.4, 0.3), 0.8, 2.4)),
        reference=str(rng.choice(list(REFERENCES), p=list(REFERENCES.values()))),
        high_pass_hz=float(rng.choice([0.1, 0.3, 0.5, 1.0], p=[0.25, 0.2, 0.4, 0.15])),
        low_pass_hz=float(rng.choice([35.0, 50.0, 70.0], p=[0.3, 0.3, 0.4])),
        kinds=np.stack([_dirichlet(rng, FIDELITY * population) for population in (FEW, MANY)]),
        side=side,
        place=place_between(rng, side, LATERAL_PLACES),
        tempo=float(np.exp(rng.normal(0, 0.15))),
        duration_s=float(np.clip(np.exp(rng.normal(np.log(0.13), 0.5)), 0.05, 0.4)),
        phases=int(rng.choice([1, 2, 3, 4], p=[0.15, 0.4, 0.35, 0.1])),
        skew=float(rng.normal(0, 0.3)),
    )


def _dirichlet(rng: np.random.Generator, concentration: Floats) -> Floats:
    # numpy's own function underflows to NaN if all are small
    gammas = np.array([rng.gamma(value) if value > 0 else 0.0 for value in concentration]) + 1e-12
    gammas[concentration <= 0] = 0
    return np.asarray(gammas / gammas.sum())


def draw_pattern(rng: np.random.Generator, patient: Patient, kind: Kind, duration_s: float) -> Pattern | None:
    """Draw how a patient expresses a pattern of some kind; None if there is no pattern.

    Each of the raters' decisions (is there a pattern, is it a seizure, lateralized, periodic) has a coordinate. For a
    kind of one pattern, all are clear; for a kind of two patterns, those in which the two differ are close to zero.
    """
    if kind == ("other", "other"):
        return None
    one, other = kind if kind[0] != "seizure" or kind[1] == "other" else kind[::-1]
    at = _coordinates(rng, one)
    if "other" in kind:
        divided = []
    elif "seizure" in kind:
        divided = ["seizure"] if one != other else []
    else:
        beside = _coordinates(rng, other)
        divided = [name for name in at if np.sign(at[name]) != np.sign(beside[name])]
        if one != other:  # if it is doubtful which pattern it is, some experts see none
            at["named"] = float(rng.normal(*FAINT))
    at |= {name: float(rng.normal(0, UNSURE)) for name in divided}
    if "other" in kind:
        at["named"] = float(rng.normal(*DOUBTFUL))
    return _pattern(rng, patient, at, duration_s)


def _coordinates(rng: np.random.Generator, pattern: str) -> dict[str, float]:
    """Return the coordinates of a window that clearly shows a pattern."""

    def clear(sign: int) -> float:
        return float(sign * rng.uniform(*CLEAR))

    lateral = pattern in ("lpd", "lrda") or (pattern == "seizure" and rng.random() < 0.6)
    periodic = pattern in ("lpd", "gpd") or (pattern == "seizure" and rng.random() < 0.4)
    return {
        "named": float(rng.uniform(*STRONG)),
        "seizure": float(rng.uniform(*STRONG)) if pattern == "seizure" else float(-rng.uniform(2.0, 4.0)),
        "lateral": clear(1 if lateral else -1),
        "periodic": clear(1 if periodic else -1),
    }


def _pattern(rng: np.random.Generator, patient: Patient, at: dict[str, float], duration_s: float) -> Pattern:
    """Draw a pattern whose visible features give the raters these coordinates."""
    seizure, lateral, periodic = (at[name] for name in ("seizure", "lateral", "periodic"))
    strength, prevalence, jitter = _presence(rng, at["named"], periodic)
    spread = float(rng.uniform(0.25, 0.75) if lateral > 0 else rng.uniform(0.6, 1.4))
    rate_hz, trend, growth = _rhythm(rng, patient.tempo, seizure, periodic)
    if seizure > 1:
        strength *= np.exp(rng.uniform(0, MOST_GROWN))
    onset_s, offset_s = _times(rng, seizure, duration_s)
    mostly_periodic, wave_s = _discharges(rng, patient.duration_s, periodic, rate_hz)
    values = {
        "strength": strength,
        "frequency_hz": rate_hz,
        "jitter": jitter,
        "trend": trend,
        "periodic": mostly_periodic if mostly_periodic > 0.05 else 0.0,
        "duration_s": wave_s,
        "after_wave": float(rng.uniform(0, 0.75)),
        "skew": float(np.clip(patient.skew + rng.normal(0, 0.15), -0.8, 0.8)),
        "harmonic": float(0.7 * rng.beta(1.2, 2.2)),
        "irregular": float(rng.beta(1.5, 1.2 if seizure > 0 else 2)),
        "amplitude_jitter": float(rng.uniform(0.05, 0.5)),
        "prevalence": prevalence,
        "bout_s": float(rng.uniform(1.5, 6)),
        "contralateral": float(np.clip(1 - 0.33 * np.exp(0.4 * lateral), 0.02, 1)),
        "spread_rad": spread,
        "lag_s": float(rng.normal(0, 0.04)),
        "fast": float(rng.uniform(0, 0.6)) if rng.random() < 0.25 else 0.0,
        "rhythmic": float(rng.uniform(0.2, 1)) if rng.random() < 0.2 else 0.0,
        "growth": growth,
    }
    limited = {name: float(np.clip(value, *RANGES[name])) for name, value in values.items()}
    place = _place(rng, patient, lateral)
    phases = patient.phases if rng.random() < 0.7 else int(rng.integers(1, 5))
    usual = 1 if phases == TRIPHASIC else -1
    return Pattern(
        phases=phases,
        polarity=usual if rng.random() < USUAL_POLARITY else -usual,
        onset_s=onset_s,
        offset_s=offset_s,
        centre=place,
        side=patient.side,
        **limited,
    )


def _presence(rng: np.random.Generator, named: float, periodic: float) -> tuple[float, float, float]:
    """Return the strength, prevalence and jitter of the rate.

    If raters are in doubt about the pattern, one of the three is the reason.
    """
    strength = NAMED_LIMIT * np.exp(STRENGTH_STEP * max(named, 0.8))
    prevalence = 1.0
    jitter = float(rng.uniform(0.03, 0.24) if periodic > 0 else rng.uniform(0.06, 0.42))
    at_fault = rng.choice(["strength", "prevalence", "regularity"], p=[0.4, 0.3, 0.3])
    if at_fault == "strength":
        strength = NAMED_LIMIT * np.exp(STRENGTH_STEP * named)
    elif at_fault == "prevalence" and named < 2:
        prevalence = float(np.clip(PREVALENCE_LIMIT + PREVALENCE_STEP * named, 0.06, 0.9))
    elif at_fault == "regularity":
        jitter = float(np.clip(IRREGULAR_LIMIT - REGULARITY_STEP * named, 0.05, 0.75))
    return strength * np.exp(rng.normal(0, 0.15)), prevalence, jitter


def _rhythm(rng: np.random.Generator, tempo: float, seizure: float, periodic: float) -> tuple[float, float, float]:
    """Return the rate in Hz, trend of the rate, and growth; seizures differ from others by rate or evolution."""
    limit_hz = seizure_limit_hz(periodic) * np.exp(RATE_STEP * seizure)
    if seizure < -1:
        slowest, width = (0.5, 1.4 * rng.beta(1, 1.7)) if periodic > 0 else (0.7, 1.3 * rng.random())
        return min((slowest + width) * tempo, limit_hz), 0.0, 0.0
    if seizure > 1 and rng.random() < RECRUITING:
        rate_hz = np.exp(rng.uniform(np.log(4), np.log(11)))
        return rate_hz, float(rng.uniform(-0.8, 0.2)), float(rng.uniform(0, 0.9))
    if rng.random() < 0.6:  # by evolution instead of rate
        change = EVOLUTION_LIMIT + EVOLUTION_STEP * seizure + rng.normal(0, 0.05)
        trend = float(rng.choice([-1, 1], p=[0.7, 0.3]) * np.clip(change, 0, 1.2))
        growth = float(rng.uniform(0, 0.7))
        return 1.5 + 5 * rng.beta(1.2, 2) if seizure > 1 else rng.uniform(1.0, 1.5), trend, growth
    return limit_hz, 0.0, 0.0


def _discharges(rng: np.random.Generator, usual_s: float, periodic: float, rate_hz: float) -> tuple[float, float]:
    """Return the share of periodic discharges in the pattern, and their duration in seconds."""
    share = float(sigmoid(0.8 + 0.4 * periodic + 0.35 * periodic**3))  # changes slowly where raters are in doubt
    duration = usual_s * np.exp(rng.normal(0, 0.2))
    # The more rhythmic the pattern, the more of its cycle a wave fills.
    duration = max(duration, 0.25 / rate_hz * (1 - share))
    duration = min(duration, (0.15 if periodic > 1 else 0.3) / rate_hz)
    if abs(periodic) < 1 and rng.random() < 0.5:  # or blunt discharges with little space between them
        return 1.0, rng.uniform(0.17, 0.36) / rate_hz
    return share, duration


def _place(rng: np.random.Generator, patient: Patient, lateral: float) -> tuple[float, float, float]:
    """Return the centre of the pattern on the scalp, a unit vector."""
    place = patient.place if lateral > 0 and rng.random() < 0.8 else place_between(rng, patient.side, LATERAL_PLACES)
    if lateral < 0:
        return place_between(rng, patient.side, MIDLINE_PLACES if rng.random() < 0.6 else LATERAL_PLACES)
    return place


def _times(rng: np.random.Generator, seizure: float, duration_s: float) -> tuple[float, float]:
    """Return the onset and offset; most patterns begin before and end after the window, and all cover the centre."""
    middle = duration_s / 2
    if seizure > 0:
        onset, offset = float(rng.uniform(-40, middle - 6)), float(rng.uniform(middle + 6, duration_s + 40))
        if seizure > 1 and rng.random() < TURNING:  # it begins or ends within the window
            at = middle + float(rng.uniform(-4, 1))
            return (at, offset) if rng.random() < 0.5 else (onset, 2 * middle - at)
        return onset, offset
    onset, offset = -1e4, 1e4
    if rng.random() < 0.15:
        onset = float(rng.uniform(0, middle - 5))
    elif rng.random() < 0.15:
        offset = float(rng.uniform(middle + 5, duration_s))
    return onset, offset
