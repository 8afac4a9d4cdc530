"""Long recordings: a continuous background whose state changes, with episodes of patterns.

A recording is the beginning of a week that depends only on seed and patient. The week consists of parts that also
depend on their number: *states* of five minutes, each with its own background and artifacts, which cross-fade;
*episodes*, each rendered as a whole to keep its phase; and *blocks* of one minute, in which both are summed, filtered
and referenced. Samples are therefore the same for any order of reading. Only the most recent parts stay in memory.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ictal.core.blas import one_blas_thread
from ictal.core.labels import PATTERN_TITLES
from ictal.core.montage import CHANNELS
from ictal.core.recording import Annotation, Recording, Signal
from ictal.core.windows import CENTRE_SAMPLES, RATE_HZ
from ictal.errors import SimulationError
from ictal.simulator.artifacts import (
    Artifacts,
    add_artifacts,
    damage,
    draw_artifacts,
    draw_heart_uv,
    heart_course,
    heart_noise,
)
from ictal.simulator.background import State, background, draw_state
from ictal.simulator.eeg import patient_of, record
from ictal.simulator.fitted_parameters import KINDS, MANY, Kind
from ictal.simulator.head import N_SITES
from ictal.simulator.noise import envelope
from ictal.simulator.patient import Patient, draw_pattern
from ictal.simulator.patterns import Pattern, render
from ictal.simulator.raters import relative_strength

Floats = npt.NDArray[np.float64]

START = datetime(2001, 1, 1)
"""Start of every simulated recording, as local time without a time zone, like in EDF."""
MOST_HOURS = 168
"""A week."""
WEEK_S = MOST_HOURS * 3600

STATE_S, FADE_S = 300, 10
"""Duration of a state, and of the cross-fade into the next."""
BLOCK_S = 60
BEFORE_S, AFTER_S = 20, 1
"""Margins that are filtered with a block and cut off. Within 20 s, the slowest high-pass, of first order at 0.1 Hz,
decays to exp(-2 pi 0.1 20) = 3e-6; the low-pass rings for a fraction of a second."""
EDGE_S = 1
"""Margin that is rendered on both sides of an episode, for ramps and delays of a fraction of a second."""

GUESTS = 0.15
"""Share of the time with the kinds of the whole population, so that any patient may have a seizure."""
QUIET = (0.3, 0.8)
"""Smallest and largest share of the time without an episode; in between, it is the share of kind 'other'."""
SHORTEST_QUIET_S = 30.0
SEIZURE_S, PATTERN_S = (20.0, 240.0), (60.0, 3600.0)
"""Shortest and longest seizure, and shortest and longest other pattern; logarithms are uniform."""
WAXING_S, WAXING = 90.0, 0.15
"""Time scale on which an episode waxes and wanes, and standard deviation of its log amplitude."""
FIBRILLATING = 0.1
"""Share of patients with an irregular heartbeat."""

# Purposes of random generators; the controls use numbers up to 4.
_TIMELINE, _HEART, _EPISODE, _STATE, _EKG, _REST, _HABITS = range(100, 107)


@dataclass(frozen=True)
class Episode:
    """A period in which a patient has a pattern.

    Attributes
    ----------
    number
        Number of the episode, from 0.
    onset_s, duration_s
        Onset in the recording, and duration.
    kind
        One pattern, named twice, or the two that it is between.
    pattern
        The pattern; its times are relative to `EDGE_S` before the onset.
    """

    number: int
    onset_s: float
    duration_s: float
    kind: Kind
    pattern: Pattern

    @property
    def end_s(self) -> float:
        """End of the episode in the recording."""
        return self.onset_s + self.duration_s

    def rate_hz(self, at_s: float) -> float:
        """Return the rate of the pattern at a time of the recording; it changes exponentially from onset to end."""
        share = min(max((at_s - self.onset_s) / self.duration_s, 0.0), 1.0)
        return self.pattern.frequency_hz * math.exp(self.pattern.trend * share)

    @property
    def title(self) -> str:
        """The annotation of an expert: 'LPD', 'LPD or LRDA', 'possible LPD'."""
        one, other = (PATTERN_TITLES[name] for name in self.kind)
        if self.kind[1] == "other":
            return f"possible {one}"
        return one if one == other else f"{one} or {other}"


@dataclass(frozen=True)
class SimulatedSource:
    """Samples that are generated when they are read: `CHANNELS` at 200 Hz, µV."""

    seed: int
    patient: int
    n_samples: int

    def read(self, start: int, stop: int, rows: Sequence[int] | None = None) -> Signal:
        """Return samples `start` to `stop`, [20, time]; they do not depend on previous reads."""
        stop = min(stop, self.n_samples)
        samples = np.empty((len(CHANNELS), max(stop - start, 0)), dtype=np.float32)
        size = BLOCK_S * RATE_HZ
        with one_blas_thread():
            for index in range(start // size, -(-stop // size)):
                _add_overlap(samples, start, _block(self.seed, self.patient, index), index * size, add=False)
        return samples if rows is None else samples[list(rows)]


def simulate_recording(seed: int, patient: int, hours: float) -> Recording:
    """Simulate hours of EEG of patient number `patient`, with an annotation per episode.

    A recording lasts a whole number of seconds, at least one. A shorter recording of a patient is the beginning of a
    longer one. Samples are generated when they are read.

    Parameters
    ----------
    seed, patient
        As in `simulate_eeg`; the patient is the same.
    hours
        Duration, above 0 and at most 168.

    Raises
    ------
    SimulationError
        If an argument is out of range.
    """
    if not 0 < hours <= MOST_HOURS:
        raise SimulationError(f"hours is {hours:g}; allowed is more than 0 and at most {MOST_HOURS} (a week)")
    for name, value in (("seed", seed), ("patient", patient)):
        if value < 0:
            raise SimulationError(f"{name} is {value}; allowed are whole numbers from 0")
    duration_s = math.ceil(round(hours * 3600, 6))
    n_samples = duration_s * RATE_HZ
    return Recording(
        f"simulated patient {patient} (seed {seed})",
        CHANNELS,
        RATE_HZ,
        n_samples,
        SimulatedSource(seed, patient, n_samples),
        START,
        annotations=tuple(
            # Both times are multiples of 5 ms; rounding keeps their difference one.
            Annotation(episode.onset_s, round(min(episode.end_s, duration_s) - episode.onset_s, 3), episode.title)
            for episode in timeline(seed, patient)
            if episode.onset_s < duration_s
        ),
    )


@lru_cache(maxsize=4)
def timeline(seed: int, patient: int) -> tuple[Episode, ...]:
    """Return the episodes of a patient's week in temporal order."""
    rng = np.random.default_rng((seed, patient, 0, _TIMELINE))
    person = patient_of(seed, patient)
    shares = (1 - GUESTS) * person.kinds[1] + GUESTS * MANY
    quiet = float(np.clip(shares[-1], *QUIET))
    # Shares are shares of time, so longer kinds occur less often.
    chances = shares[:-1] / [_mean_s(kind) for kind in KINDS[:-1]]
    quiet_s = quiet / (1 - quiet) * shares[:-1].sum() / chances.sum()
    chances /= chances.sum()
    episodes: list[Episode] = []
    now_s = 0.0
    while True:
        now_s += SHORTEST_QUIET_S + float(rng.exponential(max(quiet_s - SHORTEST_QUIET_S, 1.0)))
        if now_s > WEEK_S:
            return tuple(episodes)
        kind = KINDS[rng.choice(len(chances), p=chances)]
        episodes.append(_draw_episode(rng, person, kind, len(episodes), now_s))
        now_s = episodes[-1].end_s


def _mean_s(kind: Kind) -> float:
    low, high = _lengths(kind)
    return (high - low) / math.log(high / low)


def _lengths(kind: Kind) -> tuple[float, float]:
    return SEIZURE_S if "seizure" in kind else PATTERN_S


def _draw_episode(rng: np.random.Generator, person: Patient, kind: Kind, number: int, onset_s: float) -> Episode:
    low, high = _lengths(kind)
    # Onset and end are at samples, so that files and readers reproduce them exactly.
    onset_s = round(onset_s * RATE_HZ) / RATE_HZ
    duration_s = round(float(np.exp(rng.uniform(math.log(low), math.log(high)))) * RATE_HZ) / RATE_HZ
    pattern = draw_pattern(rng, person, kind, duration_s)
    assert pattern is not None  # None only for the kind 'other', which has no episodes
    pattern = replace(pattern, onset_s=float(EDGE_S), offset_s=EDGE_S + duration_s)
    return Episode(number, onset_s, duration_s, kind, pattern)


@lru_cache(maxsize=2)
def _block(seed: int, patient: int, index: int) -> Signal:
    """Return minute number `index` as recorded by the amplifier, [20, time], µV."""
    person, (faults, _) = patient_of(seed, patient), _habits(seed, patient)
    start, stop = index * BLOCK_S * RATE_HZ, (index + 1) * BLOCK_S * RATE_HZ
    first, last = start - BEFORE_S * RATE_HZ, stop + AFTER_S * RATE_HZ
    total = np.zeros((N_SITES + 1, last - first), dtype=np.float32)
    step = STATE_S * RATE_HZ
    for number in range((first - FADE_S * RATE_HZ) // step, (last - 1) // step + 1):
        if number >= -1:  # no block reaches farther back
            _add_overlap(total, first, _state(seed, patient, number), number * step)
    for episode in timeline(seed, patient):
        at = round((episode.onset_s - EDGE_S) * RATE_HZ)
        if at < last and episode.end_s + EDGE_S > first / RATE_HZ:
            _add_overlap(total[:N_SITES], first, _episode(seed, patient, episode.number), at)
    total[N_SITES] += _heart(seed, patient, first, last)
    samples = np.vstack([record(person, total[:N_SITES]), total[N_SITES:]])[:, start - first : stop - first]
    # The remaining artifacts act on each sample alone; the generator is for missing samples, which do not occur here.
    return _read_only(damage(np.random.default_rng(0), faults, samples))


def _add_overlap(target: Signal, start: int, piece: Signal, at: int, *, add: bool = True) -> None:
    """Add a piece that begins at sample `at` to a target that begins at `start`, or overwrite the target with it."""
    low, high = max(start, at), min(start + target.shape[1], at + piece.shape[1])
    if low < high:
        part = target[:, low - start : high - start]
        part[...] = piece[:, low - at : high - at] + (part if add else 0)


def _read_only(samples: npt.ArrayLike) -> Signal:
    """Return samples for a cache: float32 and read-only."""
    made = np.ascontiguousarray(samples, dtype=np.float32)
    made.flags.writeable = False
    return made


@lru_cache(maxsize=3)
def _state(seed: int, patient: int, number: int) -> Signal:
    """Return background, artifacts and EKG noise of one state, faded in and out, [22, time], µV."""
    rng = np.random.default_rng((seed, patient, number + 1, _STATE))
    person, (faults, suppression) = patient_of(seed, patient), _habits(seed, patient)
    n_samples = (STATE_S + FADE_S) * RATE_HZ
    state = draw_state(rng, suppression=suppression if rng.random() < 0.5 else "none")
    # Mains hum, a bridge and the amplifier's limit concern the whole recording; EDF cannot mark missing samples.
    artifacts = replace(draw_artifacts(rng, heavy=bool(rng.random() < 0.05)), line_hz=faults.line_hz)
    samples = np.empty((N_SITES + 1, n_samples), dtype=np.float32)
    samples[:N_SITES] = background(rng, person.background, person.head, state, n_samples)
    beats = _beats(seed, patient, number * STATE_S * RATE_HZ, n_samples)
    samples[:N_SITES] += add_artifacts(rng, artifacts, n_samples, beats)
    samples[N_SITES] = heart_noise(rng, n_samples)
    # Sine and cosine: the powers of independent signals sum to one.
    n_fade = FADE_S * RATE_HZ
    rise = np.sin(np.pi / 2 * (np.arange(n_fade) + 0.5) / n_fade).astype(np.float32)
    samples[:, :n_fade] *= rise
    samples[:, -n_fade:] *= rise[::-1]
    return _read_only(samples)


@lru_cache(maxsize=4)
def _habits(seed: int, patient: int) -> tuple[Artifacts, str]:
    """Return the artifacts of the whole recording, and the kind of suppression of its background."""
    rng = np.random.default_rng((seed, patient, 0, _HABITS))
    return replace(draw_artifacts(rng), missing=0.0), draw_state(rng).suppression


@lru_cache(maxsize=3)
def _episode(seed: int, patient: int, number: int) -> Signal:
    """Return the pattern of an episode from `EDGE_S` before to `EDGE_S` after it, [21, time], µV."""
    rng = np.random.default_rng((seed, patient, number, _EPISODE))
    episode = timeline(seed, patient)[number]
    head = patient_of(seed, patient).head
    n_samples = round((episode.duration_s + 2 * EDGE_S) * RATE_HZ)
    rendered = render(rng, episode.pattern, head, n_samples)
    if rendered.there.mean() < 0.1:  # by chance there may be no run, but the episode must be visible
        rendered = render(rng, replace(episode.pattern, prevalence=1.0), head, n_samples)
    signal = rendered.signal
    # The strength is measured in the middle of the time in which the pattern is present.
    seen = np.flatnonzero(rendered.there > 0.5)
    middle = seen[max(len(seen) - CENTRE_SAMPLES, 0) // 2 :][:CENTRE_SAMPLES]
    (unit,) = relative_strength(signal[:, middle], _rest(seed, patient))
    gain = episode.pattern.strength / unit
    signal *= np.float32(gain) * envelope(rng, n_samples, WAXING_S, WAXING)
    return _read_only(signal)


@lru_cache(maxsize=4)
def _rest(seed: int, patient: int) -> Signal:
    """Return the patient's usual background, to which the strength of patterns is relative, [21, 10 s], µV."""
    person, rng = patient_of(seed, patient), np.random.default_rng((seed, patient, 0, _REST))
    return _read_only(background(rng, person.background, person.head, State(), CENTRE_SAMPLES))


def _heart(seed: int, patient: int, start: int, stop: int) -> Floats:
    """Return the EKG without noise, [time], µV."""
    heart_uv = draw_heart_uv(np.random.default_rng((seed, patient, 0, _EKG)))
    return heart_uv * heart_course(_beats(seed, patient, start, stop - start))


def _beats(seed: int, patient: int, start: int, n_samples: int) -> Floats:
    """Return 1 at the sample of each heartbeat and 0 elsewhere, [time]."""
    at = _beat_samples(seed, patient)
    beats = np.zeros(n_samples)
    low, high = np.searchsorted(at, (start, start + n_samples))
    beats[at[low:high] - start] = 1
    return beats


@lru_cache(maxsize=2)
def _beat_samples(seed: int, patient: int) -> npt.NDArray[np.int64]:
    """Return the samples of all heartbeats of the week and of the state before it, in temporal order."""
    rng = np.random.default_rng((seed, patient, 0, _HEART))
    heart_hz = patient_of(seed, patient).heart_hz
    spread = 0.2 if rng.random() < FIBRILLATING else 0.03
    before_s = STATE_S + FADE_S
    n_beats = int((WEEK_S + 2 * before_s) * heart_hz * 1.2)
    knots = np.exp(rng.normal(0, 0.06, n_beats // 400 + 2))  # the rate varies over some minutes
    wander = np.interp(np.arange(n_beats) / 400, np.arange(len(knots)), knots)
    intervals = np.maximum(rng.normal(1, spread, n_beats), 0.4) * wander / heart_hz
    return np.asarray((np.cumsum(intervals) - before_s) * RATE_HZ, dtype=np.int64)
