from dataclasses import replace

import numpy as np
import pytest

from ictal.core.blas import one_blas_thread
from ictal.core.labels import OTHER, PATTERNS
from ictal.core.montage import CHANNELS, ELECTRODES, MONTAGES, derivations_of, montage_matrix
from ictal.core.windows import RATE_HZ
from ictal.simulator.head import SITES
from ictal.simulator.patient import draw_patient
from ictal.simulator.patterns import render
from ictal.simulator.raters import observe_closely, observe_pattern, vote_distribution
from ictal.simulator.scene_kinds import SCENES, draw_scene
from ictal.simulator.scenes import Bursts, Scene, burst_course, compose_scene
from tests.simulator.helpers import plain_head, power, rms
from tests.simulator.test_patterns import WAVE

SECONDS = 10
N_SAMPLES = SECONDS * RATE_HZ
BANANA = montage_matrix(derivations_of(MONTAGES["double_banana"]))[:, : len(ELECTRODES)]
LPD, GPD, LRDA, GRDA = (PATTERNS.index(name) for name in ("lpd", "gpd", "lrda", "grda"))


def generator(name: str, number: int) -> np.random.Generator:
    return np.random.default_rng((list(SCENES).index(name), number))


def drawn(name: str, number: int) -> tuple[Scene, np.random.Generator]:
    rng = generator(name, number)
    return SCENES[name][1](rng, draw_patient(rng), SECONDS), rng


def composed(name: str, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the samples of a scene and the distribution of its votes."""
    scene, rng = drawn(name, number)
    with one_blas_thread():
        samples, evidence, *_ = compose_scene(rng, scene, N_SAMPLES)
    return samples, vote_distribution(evidence)


def mean_votes(name: str, n: int = 40) -> np.ndarray:
    return np.mean([composed(name, number)[1] for number in range(n)], axis=0)


def without_artifacts(scene: Scene) -> Scene:
    clean = replace(scene.artifacts, muscle_uv=0.0, drift_uv=0.0, missing=0.0, saturation_uv=None, bridged=None)
    off = dict.fromkeys(("blinks", "gazes", "pops", "movements", "line_uv", "device_uv", "heart_uv"), 0.0)
    return replace(scene, artifacts=replace(clean, **off, ventilator_uv=0.0, loose=None, pulse=None))


def derivations(samples: np.ndarray) -> np.ndarray:
    return np.asarray(BANANA @ samples[: len(ELECTRODES)])


@pytest.mark.parametrize("name", SCENES)
def test_a_scene_depends_on_its_generator_alone(name):
    samples, votes = composed(name, 3)
    again, same_votes = composed(name, 3)
    np.testing.assert_array_equal(samples, again)
    np.testing.assert_array_equal(votes, same_votes)
    assert samples.shape == (len(CHANNELS), N_SAMPLES)
    assert samples.dtype == np.float32
    assert not np.array_equal(samples, composed(name, 4)[0])
    assert votes.sum() == pytest.approx(1)
    assert votes.min() > 0


def test_shares_sum_to_one_and_every_scene_is_drawn():
    assert sum(share for share, _ in SCENES.values()) == pytest.approx(1)
    rng = np.random.default_rng(0)
    person = draw_patient(rng)
    scenes = [draw_scene(rng, person, SECONDS) for _ in range(200)]
    assert {len(scene.patterns) for scene in scenes} == {0, 1, 2}
    assert np.mean([scene.bursts is not None for scene in scenes]) == pytest.approx(0.11, abs=0.07)


def test_experts_are_sure_of_plain_patterns():
    assert mean_votes("plain")[OTHER] < 0.18
    assert mean_votes("plain")[[LPD, GPD, LRDA, GRDA]].min() > 0.08


def test_low_voltage_is_low_with_and_without_a_pattern():
    levels, others = [], []
    for number in range(60):
        scene, rng = drawn("low_voltage", number)
        with one_blas_thread():
            samples, evidence, *_ = compose_scene(rng, without_artifacts(scene), N_SAMPLES)
        levels.append(np.median(rms(derivations(samples))))
        others.append(vote_distribution(evidence)[OTHER])
    assert np.quantile(levels, 0.9) < 10
    ordinary = np.array(levels) > 1  # not flat
    named, other = (
        np.median(np.array(levels)[ordinary & which]) for which in (np.array(others) < 0.3, np.array(others) > 0.7)
    )
    assert abs(np.log(named / other)) < np.log(1.6)
    assert min(np.mean(np.array(others) < 0.3), np.mean(np.array(others) > 0.7)) > 0.2


def test_muscle_hides_seizures_and_occurs_without_them():
    seizure = PATTERNS.index("seizure")
    seen = [composed("muscle", number) for number in range(40)]
    beta = [np.median(power(derivations(np.nan_to_num(samples)), 25, 60)) for samples, _ in seen]
    slow = [np.median(power(derivations(np.nan_to_num(samples)), 1, 8)) for samples, _ in seen]
    assert np.median(np.array(beta) / slow) > 0.2
    votes = np.array([votes for _, votes in seen])
    assert np.mean(votes[:, seizure] > 0.6) > 0.2
    assert np.mean(votes[:, OTHER] > 0.8) > 0.2


def test_background_is_suppressed_between_bursts():
    shares = []
    for number in range(60):
        scene, rng = drawn("burst_suppression", number)
        if not scene.bursts:
            continue
        assert scene.bursts.attenuated <= 0.15
        with one_blas_thread():
            samples, *_ = compose_scene(rng, replace(without_artifacts(scene), patterns=()), 6 * N_SAMPLES)
        level = np.sqrt((derivations(samples) ** 2).mean(axis=0))
        shares.append(np.mean(level < 0.3 * np.quantile(level, 0.98)))
    assert len(shares) > 20
    assert np.median(shares) > 0.5
    assert mean_votes("burst_suppression")[OTHER] > 0.45


def test_attenuation_is_brief():
    for number in range(20):
        bursts = drawn("attenuation", number)[0].bursts
        assert bursts is not None
        assert bursts.off_s < 2
    assert mean_votes("attenuation")[OTHER] > 0.55


def test_bursts_last_as_long_as_is_said():
    course = burst_course(np.random.default_rng(1), Bursts(2.0, 6.0, 0.1), 3600 * RATE_HZ)
    assert {0.0, 1.0} <= {*np.unique(course)}
    assert course.mean() == pytest.approx(0.25, abs=0.02)
    assert (np.diff((course > 0.5).astype(int)) == 1).sum() == pytest.approx(3600 / 8.7, rel=0.06)


def test_each_side_has_discharges_of_its_own():
    for number in range(10):
        scene, rng = drawn("bilateral", number)
        one, other = scene.patterns
        assert one.side == -other.side
        for pattern in (one, other):
            assert np.sign(pattern.centre[0]) == pattern.side
            assert pattern.contralateral <= 0.15
        first, second = (render(rng, pattern, scene.person.head, 60 * RATE_HZ) for pattern in (one, other))
        for rendered, side in ((first, one.side), (second, other.side)):
            left, right = (
                rms(rendered.signal[[SITES.index(name) for name in names]]).mean()
                for names in (("F3", "C3", "T3", "P3"), ("F4", "C4", "T4", "P4"))
            )
            assert (right - left) * side > 0
        # Delays from discharges to the next on the other side are spread over the whole interval.
        delay = [(second.cycles_s[second.cycles_s > at][:1] - at) for at in first.cycles_s]
        delay = np.concatenate(delay) * other.frequency_hz
        assert np.std(delay) > 0.15
    votes = mean_votes("bilateral")
    assert votes[LPD] + votes[GPD] > 0.75
    assert min(votes[LPD], votes[GPD]) > 0.15


def test_mixed_patterns_divide_the_panel_between_discharges_and_waves():
    votes = mean_votes("mixed")
    assert votes[OTHER] < 0.2
    assert votes[LPD] + votes[GPD] == pytest.approx(votes[LRDA] + votes[GRDA], abs=0.3)


def test_awake_people_have_no_pattern():
    votes = np.array([composed("awake", number)[1] for number in range(40)])
    assert np.quantile(votes[:, OTHER], 0.1) > 0.8


@pytest.mark.parametrize("gain", [0.01, 1.0, 30.0])
def test_looking_closely_does_not_depend_on_voltage(gain):
    rng = np.random.default_rng(2)
    rendered = render(rng, WAVE, plain_head(), N_SAMPLES)
    rest = rng.normal(0, 10, (len(SITES), N_SAMPLES)).astype(np.float32)
    signal = np.float32(20) * rendered.signal
    usual, seen = (
        observe_closely(rendered, factor * signal, factor * rest) for factor in (np.float32(1), np.float32(gain))
    )
    assert seen.strong == pytest.approx(usual.strong, abs=0.02)
    # Noise over all frequencies hides a slow wave less than its RMS says.
    assert usual.strong > observe_pattern(rendered, signal, rest).strong + 1
