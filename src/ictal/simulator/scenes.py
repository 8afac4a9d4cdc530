"""Difficult scenes: windows of kinds that real EEG has and that are rare among the ordinary ones.

Ordinary windows (`ictal.simulator.eeg.compose`) are as frequent as in real panels, and the strength of their patterns
is relative to all other activity. Scenes are for training: a model that has only seen ordinary windows gives most of
what they show to 'other'. `ictal.simulator.scene_kinds` draws how the ordinary ingredients differ; `compose_scene`
renders them, and the raters measure the rendered signals.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from ictal.core.windows import RATE_HZ
from ictal.simulator.artifacts import Artifacts, add_artifacts, damage, electrocardiogram, heartbeats
from ictal.simulator.background import State, background
from ictal.simulator.eeg import LARGEST_UV, Composed, record
from ictal.simulator.noise import smooth
from ictal.simulator.patient import Patient
from ictal.simulator.patterns import Pattern, Rendered, render
from ictal.simulator.raters import Evidence, observe_background, observe_closely, relative_strength

Floats = npt.NDArray[np.float64]
Signal = npt.NDArray[np.float32]

INDEPENDENT, MOST_LATERAL = 2.4, 1.0
"""Added to the coordinate of lateralization if each side has discharges of its own: over 10 s the sides may be equal,
which would be clearly generalized (-2.5), but each discharge is lateralized, so the panel is divided; and the largest
value that results."""
LOOKED_PAST = 0.5
"""Weight of artifacts in what patterns are compared with: experts recognise artifacts, and look at other channels."""


@dataclass(frozen=True)
class Bursts:
    """A background that alternates between bursts and attenuation.

    Attributes
    ----------
    on_s, off_s
        Mean durations of bursts and of the intervals between them; each varies by a factor of about 1.5.
    attenuated
        Amplitude between bursts, relative to that of bursts.
    ramp_s
        Duration of the transitions.
    """

    on_s: float
    off_s: float
    attenuated: float
    ramp_s: float = 0.2


@dataclass(frozen=True)
class Scene:
    """What is in one window.

    Attributes
    ----------
    person
        The patient, with the background of this window.
    patterns
        No pattern, one, or two at once; `strength` is relative to the background, without artifacts.
    artifacts, state
        See `Artifacts` and `State`.
    bursts
        Whether the background comes in bursts.
    in_bursts
        Whether the patterns occur only in bursts.
    independent
        Whether two patterns are on different sides.
    known
        Coordinates of the evidence that the raters' measurements would get wrong.
    """

    person: Patient
    patterns: tuple[Pattern, ...]
    artifacts: Artifacts
    state: State = field(default_factory=State)
    bursts: Bursts | None = None
    in_bursts: bool = False
    independent: bool = False
    known: Mapping[str, float] = field(default_factory=dict)


def compose_scene(rng: np.random.Generator, scene: Scene, n_samples: int) -> Composed:
    """Compose an EEG from a scene; the evidence is what the raters see in its centre."""
    head = scene.person.head
    rest = background(rng, scene.person.background, head, scene.state, n_samples)
    course = burst_course(rng, scene.bursts, n_samples) if scene.bursts else np.ones(n_samples)
    attenuated = scene.bursts.attenuated if scene.bursts else 1.0
    rest *= (attenuated + (1 - attenuated) * course).astype(np.float32)
    beats = heartbeats(rng, scene.person.heart_hz, n_samples)
    disturbance = add_artifacts(rng, scene.artifacts, n_samples, beats)
    seen: list[tuple[Rendered, Signal]] = []
    for pattern in scene.patterns:
        rendered = render(rng, pattern, head, n_samples)
        if scene.in_bursts:
            signal = rendered.signal * course.astype(np.float32)
            rendered = replace(rendered, signal=signal, there=rendered.there * course)
        presence = float(rendered.there.mean())
        (unit,) = relative_strength(rendered.signal, rest, presence=presence, least_uv=0.0)
        gain = pattern.strength / max(unit, 1e-6)
        seen.append((rendered, np.float32(min(gain, LARGEST_UV)) * rendered.signal))
    evidence = _evidence(seen, rest + np.float32(LOOKED_PAST) * disturbance)
    if scene.independent:
        sides = observe_background(sum((signal for _, signal in seen), np.zeros_like(rest))).lateral
        evidence = replace(evidence, lateral=min(sides + INDEPENDENT, MOST_LATERAL))
    evidence = replace(evidence, **scene.known)
    total: Signal = sum((signal for _, signal in seen), rest + disturbance)
    samples = np.vstack([record(scene.person, total), electrocardiogram(rng, beats)])
    recorded = damage(rng, scene.artifacts, samples).astype(np.float32)
    patterns = tuple(replace(rendered, signal=signal) for rendered, signal in seen)
    return Composed(recorded, evidence, patterns, rest, course if scene.bursts else None)


def _evidence(seen: list[tuple[Rendered, Signal]], rest: Signal) -> Evidence:
    """Measure no pattern, one, or two; of two, raters name the more distinct one, and are unsure between equals."""
    if not seen:
        return observe_background(rest)
    measured = [observe_closely(rendered, signal, rest) for rendered, signal in seen]
    if len(measured) == 1:
        return measured[0]
    weights = np.exp([one.strong for one in measured])
    weights = weights / weights.sum()
    names = ("prevalent", "regular", "seizure", "lateral", "periodic")
    mean = {name: float(weights @ np.clip([getattr(one, name) for one in measured], -4, 4)) for name in names}
    return Evidence(strong=max(one.strong for one in measured), **mean)


def burst_course(rng: np.random.Generator, bursts: Bursts, n_samples: int) -> Floats:
    """Return 1 in bursts and 0 between them, [time], from a random point of the alternation."""
    level = np.zeros(n_samples)
    begin = -round(rng.uniform() * (bursts.on_s + bursts.off_s) * RATE_HZ)
    while begin < n_samples:
        end = begin + round(bursts.on_s * np.exp(rng.normal(0, 0.4)) * RATE_HZ)
        level[max(begin, 0) : max(end, 0)] = 1
        begin = end + round(bursts.off_s * np.exp(rng.normal(0, 0.4)) * RATE_HZ)
    return smooth(level, max(1, round(bursts.ramp_s * RATE_HZ)))
