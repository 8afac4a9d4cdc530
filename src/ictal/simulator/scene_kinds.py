"""The kinds of difficult scenes, and how each is drawn."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from ictal.simulator.artifacts import Artifacts, draw_artifacts
from ictal.simulator.background import draw_state
from ictal.simulator.fitted_parameters import Kind
from ictal.simulator.patient import Patient, draw_pattern
from ictal.simulator.patterns import RANGES, Pattern
from ictal.simulator.scenes import Bursts, Scene


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _changed(pattern: Pattern, **values: float) -> Pattern:
    """Return a pattern with other modifiers, limited to what is allowed."""
    return replace(pattern, **{name: float(np.clip(value, *RANGES[name])) for name, value in values.items()})  # type: ignore[arg-type]


def _pattern(rng: np.random.Generator, person: Patient, kind: Kind, duration_s: float) -> Pattern:
    pattern = draw_pattern(rng, person, kind, duration_s)
    assert pattern is not None
    return pattern


def _with_background(person: Patient, **values: float) -> Patient:
    return replace(person, background=replace(person.background, **values))


def _one_of(rng: np.random.Generator, shares: Mapping[Kind, float]) -> Kind:
    kinds = list(shares)
    return kinds[rng.choice(len(kinds), p=np.array(list(shares.values())) / sum(shares.values()))]


def _muscle(rng: np.random.Generator, artifacts: Artifacts, low_uv: float, high_uv: float) -> Artifacts:
    """Return artifacts with more muscle activity, which reaches further into the band of the EEG."""
    return replace(
        artifacts,
        muscle_uv=_log_uniform(rng, low_uv, high_uv),
        muscle_hz=float(rng.uniform(14, 24)),
        muscle_share=float(rng.uniform(0.5, 1)),
    )


PLAIN: dict[Kind, float] = {
    ("lpd", "lpd"): 1.0,
    ("gpd", "gpd"): 1.0,
    ("lrda", "lrda"): 1.5,
    ("grda", "grda"): 1.2,
    ("lrda", "grda"): 0.4,
    ("lpd", "gpd"): 0.3,
    ("lpd", "lrda"): 0.3,
    ("gpd", "grda"): 0.3,
}


def draw_plain(rng: np.random.Generator, person: Patient, duration_s: float) -> Scene:
    """Draw a pattern that experts call by name although it is irregular, weak, uneven or beside muscle."""
    pattern = _pattern(rng, person, _one_of(rng, PLAIN), duration_s)
    rhythmic = pattern.periodic < 0.5
    pattern = _changed(
        pattern,
        strength=_log_uniform(rng, 0.9, 4) if rhythmic else _log_uniform(rng, 1.3, 6),
        irregular=rng.uniform(0.3, 1),
        jitter=rng.uniform(0.1, 0.45),
        amplitude_jitter=rng.uniform(0.2, 0.7),
        spread_rad=pattern.spread_rad * rng.uniform(0.6, 1.1),
        contralateral=pattern.contralateral * rng.uniform(0.85, 1),
        prevalence=rng.uniform(0.6, 0.95) if rhythmic and rng.random() < 0.4 else 1.0,
    )
    artifacts = draw_artifacts(rng)
    if rng.random() < 0.5:
        artifacts = _muscle(rng, artifacts, 3, 60)
    slowed = _with_background(person, alpha=0.5 * person.background.alpha)
    return Scene(slowed, (pattern,), artifacts, draw_state(rng, suppression="none"))


FAINT: dict[Kind, float] = {
    ("lrda", "lrda"): 2.0,
    ("grda", "grda"): 2.0,
    ("lrda", "grda"): 1.0,
    ("lpd", "lpd"): 1.0,
    ("gpd", "gpd"): 1.0,
    ("lrda", "other"): 0.5,
    ("grda", "other"): 0.5,
    ("other", "other"): 7.0,
}


def draw_low_voltage(rng: np.random.Generator, person: Patient, duration_s: float) -> Scene:
    """Draw an EEG of a few µV, with or without a pattern that is as clear as in others."""
    kind = _one_of(rng, FAINT)
    pattern = draw_pattern(rng, person, kind, duration_s)
    flat = pattern is None and rng.random() < 0.2
    level_uv = _log_uniform(rng, 0.2, 1) if flat else _log_uniform(rng, 2, 7)
    if pattern is not None:
        low, high = (0.4, 1.0) if "other" in kind else (1.2, 4.5)
        pattern = _changed(pattern, strength=_log_uniform(rng, low, high))
        # EEG with a pattern has the same voltage as EEG without one, so that the voltage does not tell which it is.
        level_uv /= np.sqrt(1 + 0.5 * pattern.strength**2)
    slow = _with_background(person, level_uv=level_uv, delta=rng.uniform(0.2, 1.6), theta=rng.uniform(0, 0.9))
    artifacts = draw_artifacts(rng)
    if rng.random() < 0.6:  # otherwise artifacts are as large as elsewhere, and hide much
        muscle_uv, drift_uv = min(artifacts.muscle_uv, 3 * level_uv), level_uv
        artifacts = replace(
            artifacts, muscle_uv=muscle_uv, drift_uv=drift_uv, blinks=0.0, ventilator_uv=0.0, loose=None
        )
    if flat:
        artifacts = replace(artifacts, heart_uv=float(rng.uniform(2, 12)))
    return Scene(slow, (pattern,) if pattern else (), artifacts, draw_state(rng, suppression="none"))


BURIED: dict[Kind, float] = {
    ("seizure", "seizure"): 3.0,
    ("seizure", "lpd"): 0.5,
    ("seizure", "gpd"): 0.8,
    ("seizure", "lrda"): 0.4,
    ("seizure", "grda"): 0.4,
    ("other", "other"): 4.5,
}


def draw_muscle(rng: np.random.Generator, person: Patient, duration_s: float) -> Scene:
    """Draw a seizure or status epilepticus under muscle activity, or as much muscle activity without one."""
    kind = _one_of(rng, BURIED)
    pattern = draw_pattern(rng, person, kind, duration_s)
    if pattern is not None:
        pattern = _changed(pattern, strength=_log_uniform(rng, 1.5, 8))
        if rng.random() < 0.6:  # status has neither beginning nor end within the window, and need not evolve
            pattern = replace(pattern, onset_s=-1e4, offset_s=1e4, growth=0.0)
            if kind == ("seizure", "seizure") and rng.random() < 0.5:
                pattern = _changed(pattern, frequency_hz=rng.uniform(3, 6), trend=0.0, irregular=rng.uniform(0.4, 1))
    elif rng.random() < 0.4:  # awake, with an alpha rhythm
        person = _with_background(person, alpha=rng.uniform(0.6, 2.6), alpha_hz=rng.uniform(7.5, 12))
    elif rng.random() < 0.6:  # slow, as after a seizure
        level_uv = person.background.level_uv * rng.uniform(1, 2)
        person = _with_background(person, level_uv=level_uv, delta=rng.uniform(0.8, 2), theta=rng.uniform(0.3, 1))
    artifacts = draw_artifacts(rng, heavy=rng.random() < 0.3)
    artifacts = _muscle(rng, artifacts, *((15, 150) if rng.random() < 0.8 else (1, 5)))
    return Scene(person, (pattern,) if pattern else (), artifacts, draw_state(rng, suppression="none"))


def draw_burst_suppression(rng: np.random.Generator, person: Patient, duration_s: float) -> Scene:
    """Draw burst suppression: blunt bursts, epileptiform bursts, or discharges over a suppressed background."""
    artifacts = replace(draw_artifacts(rng), movements=0.0, blinks=0.0, gazes=0.0)
    artifacts = replace(artifacts, muscle_uv=min(artifacts.muscle_uv, 3.0), drift_uv=min(artifacts.drift_uv, 3.0))
    state = replace(draw_state(rng, suppression="none"), spindles_per_min=0.0)
    shape = rng.choice(["blunt", "epileptiform", "discharges"], p=[0.45, 0.25, 0.3])
    if shape == "discharges":
        person = _with_background(person, level_uv=_log_uniform(rng, 0.8, 5))
        pattern = _changed(
            _pattern(rng, person, ("gpd", "gpd"), duration_s),
            frequency_hz=_log_uniform(rng, 0.3, 1.2),
            strength=_log_uniform(rng, 3, 15),
            jitter=rng.uniform(0.05, 0.4),
            duration_s=rng.uniform(0.05, 0.3),
            irregular=rng.uniform(0.3, 1),
            rhythmic=0.0,
        )
        pattern = replace(pattern, phases=int(rng.choice([2, 3, 4])), onset_s=-1e4, offset_s=1e4)
        return Scene(person, (pattern,), artifacts, state)
    bursts = Bursts(
        on_s=rng.uniform(0.6, 3.5),
        off_s=rng.uniform(2.5, 8),
        attenuated=_log_uniform(rng, 0.02, 0.15),
        ramp_s=rng.uniform(0.1, 0.4),
    )
    person = _burst_background(rng, person, _log_uniform(rng, 12, 45))
    if shape == "blunt":
        # To experts, bursts are no pattern, however rhythmic the activity in them.
        return Scene(person, (), artifacts, state, bursts, known={"strong": float(rng.normal(-1.8, 0.5))})
    pattern = _changed(
        _pattern(rng, person, ("seizure", "seizure"), duration_s),
        frequency_hz=rng.uniform(3, 7),
        strength=rng.uniform(0.8, 2.5),
        contralateral=rng.uniform(0.7, 1),
        growth=0.0,
        jitter=rng.uniform(0.1, 0.4),
        irregular=rng.uniform(0.5, 1),
    )
    # Some experts call such bursts seizures or discharges; all measured properties are those of the rhythm within.
    known = {
        "strong": float(rng.normal(-0.2, 0.6)),
        "prevalent": 2.0,
        "regular": 2.0,
        "seizure": float(rng.normal(0.2, 0.8)),
        "lateral": -1.5,
        "periodic": float(rng.normal(1.5, 0.5)),
    }
    pattern = replace(pattern, onset_s=-1e4, offset_s=1e4)
    return Scene(person, (pattern,), artifacts, state, bursts, in_bursts=True, known=known)


def _burst_background(rng: np.random.Generator, person: Patient, level_uv: float) -> Patient:
    """Return a patient whose background is synchronous over the head, with much theta and delta activity."""
    return _with_background(
        person,
        level_uv=level_uv,
        reach=float(rng.uniform(1.5, 4)),
        theta=float(rng.uniform(0.2, 1.2)),
        delta=float(rng.uniform(0.2, 1.2)),
        alpha=float(rng.uniform(0, 0.4)),
        exponent=float(rng.uniform(1.6, 2.6)),
    )


def draw_attenuation(rng: np.random.Generator, person: Patient, duration_s: float) -> Scene:
    """Draw a continuous background with brief attenuations, some with generalized periodic discharges."""
    bursts = Bursts(
        on_s=rng.uniform(1, 3.5),
        off_s=rng.uniform(0.5, 1.8),
        attenuated=rng.uniform(0.1, 0.45),
        ramp_s=rng.uniform(0.1, 0.4),
    )
    artifacts = draw_artifacts(rng)
    state = draw_state(rng, suppression="none")
    person = _burst_background(rng, person, _log_uniform(rng, 6, 20))
    if rng.random() < 0.25:
        pattern = _changed(
            _pattern(rng, person, ("gpd", "gpd"), duration_s),
            strength=_log_uniform(rng, 1.5, 6),
            frequency_hz=rng.uniform(0.3, 1.2),
            jitter=rng.uniform(0.1, 0.4),
        )
        return Scene(person, (pattern,), artifacts, state, bursts)
    return Scene(person, (), artifacts, state, bursts, known={"strong": float(rng.normal(-1.8, 0.5))})


def draw_bilateral(rng: np.random.Generator, person: Patient, duration_s: float) -> Scene:
    """Draw bilateral independent periodic discharges: one focus on each side, with a rate and timing of its own."""
    strength = _log_uniform(rng, 1.2, 5)
    foci = []
    for side in (person.side, -person.side):
        here = person if side == person.side else replace(person, side=side)
        pattern = _pattern(rng, here, ("lpd", "lpd"), duration_s)
        x, y, z = pattern.centre
        foci.append(
            _changed(
                replace(pattern, side=side, centre=(side * abs(x), y, z), onset_s=-1e4, offset_s=1e4),
                strength=strength * np.exp(rng.normal(0, 0.2)),
                frequency_hz=pattern.frequency_hz * rng.uniform(0.6, 1),
                contralateral=rng.uniform(0.02, 0.15),
                jitter=rng.uniform(0.08, 0.35),
                prevalence=1.0,
            )
        )
    artifacts = draw_artifacts(rng)
    if rng.random() < 0.3:
        artifacts = _muscle(rng, artifacts, 3, 40)
    state = draw_state(rng, suppression="none")
    return Scene(person, (foci[0], foci[1]), artifacts, state, independent=True)


def draw_mixed(rng: np.random.Generator, person: Patient, duration_s: float) -> Scene:
    """Draw discharges and rhythmic delta at once, both lateralized to one side or both generalized."""
    periodic, rhythmic = ("lpd", "lrda") if rng.random() < 0.55 else ("gpd", "grda")
    discharges = _pattern(rng, person, (periodic, periodic), duration_s)
    waves = _pattern(rng, person, (rhythmic, rhythmic), duration_s)
    patterns = (
        _changed(discharges, strength=_log_uniform(rng, 0.8, 4), jitter=rng.uniform(0.1, 0.4)),
        _changed(waves, strength=_log_uniform(rng, 0.8, 3.5), irregular=rng.uniform(0.2, 0.9)),
    )
    artifacts = draw_artifacts(rng)
    if rng.random() < 0.3:
        artifacts = _muscle(rng, artifacts, 3, 40)
    return Scene(person, patterns, artifacts, draw_state(rng, suppression="none"))


def draw_awake(rng: np.random.Generator, person: Patient, duration_s: float) -> Scene:
    """Draw a person who is awake and well, with an alpha rhythm, blinks and muscle, which is no seizure."""
    person = _with_background(
        person,
        level_uv=_log_uniform(rng, 4, 14),
        alpha=rng.uniform(0.5, 3),
        alpha_hz=rng.uniform(7.5, 12),
        theta=rng.uniform(0, 0.6),
        delta=rng.uniform(0, 0.5),
        beta=rng.uniform(0, 0.5),
    )
    artifacts = draw_artifacts(rng)
    if rng.random() < 0.5:
        artifacts = replace(_muscle(rng, artifacts, 1, 20), blinks=float(rng.uniform(0, 25)))
    return Scene(person, (), artifacts, draw_state(rng, suppression="none"))


SCENES: dict[str, tuple[float, Callable[[np.random.Generator, Patient, float], Scene]]] = {
    "plain": (0.32, draw_plain),
    "low_voltage": (0.12, draw_low_voltage),
    "muscle": (0.14, draw_muscle),
    "burst_suppression": (0.1, draw_burst_suppression),
    "attenuation": (0.04, draw_attenuation),
    "bilateral": (0.06, draw_bilateral),
    "mixed": (0.16, draw_mixed),
    "awake": (0.06, draw_awake),
}
"""Share of each kind of scene, and how it is drawn from a generator, a patient and a duration in seconds."""


def draw_scene(rng: np.random.Generator, person: Patient, duration_s: float) -> Scene:
    """Draw a scene of any kind."""
    name = rng.choice(list(SCENES), p=[share for share, _ in SCENES.values()])
    return SCENES[str(name)][1](rng, person, duration_s)
