"""Patterns of known times and places are measured, and artifacts are not taken for them."""

import numpy as np
import pytest

from ictal.core.montage import CHANNELS, ELECTRODES, MIRROR
from ictal.measurement.field import lateral_index
from ictal.measurement.pattern import PatternNumbers, measure_pattern
from ictal.measurement.signal import HZ, MeasuredSignal
from tests.measurement.examples import N_SAMPLES, RATE, START_S, TIME, at, eeg, pattern_of, prepared, waves

START = round(START_S * HZ)
RATES = {"lpd": 1.0, "gpd": 1.4, "lrda": 1.6, "grda": 2.0, "seizure": 3.0}
BLINK = at("Fp1", "Fp2", F7=0.35, F8=0.35, F3=0.28, F4=0.28, Fz=0.2)
HEART = np.append(np.linspace(-30, 30, len(ELECTRODES)), 800)[:, None]
ALPHA = at("O1", "O2", P3=0.5, P4=0.5, T5=0.4, T6=0.4)


def pops(rate_hz: float) -> np.ndarray:
    times = np.arange(0.4, TIME[-1], 1 / rate_hz)
    since = TIME[None] - times[:, None]
    return np.where(since >= 0, np.exp(-np.maximum(since, 0) / 0.15), 0).sum(axis=0)


ARTIFACTS = {
    "heartbeats": lambda: HEART * waves(1.25, 0.02),
    "blinks": lambda: 150 * BLINK * waves(0.7, 0.12),
    "a popping electrode": lambda: 200 * at("P4") * pops(0.8),
    "an alpha rhythm": lambda: 30 * ALPHA * np.sin(2 * np.pi * 9.7 * TIME),
}


def measured(samples: np.ndarray, kind: str) -> PatternNumbers | None:
    return measure_pattern(prepared(samples), START, kind)


def true_rate(cycles_s: np.ndarray, start_s: float = START_S) -> float:
    return float(1 / np.median(np.diff(cycles_s[(cycles_s >= start_s) & (cycles_s <= START_S + 10)])))


@pytest.mark.parametrize("kind", RATES)
def test_the_rate_of_a_clear_pattern_is_measured(kind):
    samples, cycles_s = eeg(pattern_of(kind, frequency_hz=RATES[kind]))
    found = measured(samples, kind)
    assert found is not None
    assert found.rate_hz == pytest.approx(true_rate(cycles_s), abs=0.1)
    assert found.low_hz <= found.rate_hz * 1.02
    assert found.high_hz >= found.rate_hz * 0.98


def test_discharges_are_measured_under_a_larger_alpha_rhythm():
    samples, cycles_s = eeg(pattern_of("lpd", frequency_hz=0.9))
    waxing = 1 + np.sin(2 * np.pi * 0.37 * TIME)
    found = measured(samples + 120 * ALPHA * waxing * np.sin(2 * np.pi * 9.3 * TIME), "lpd")
    assert found is not None
    assert found.rate_hz == pytest.approx(true_rate(cycles_s), abs=0.1)


@pytest.mark.parametrize("kind", ["lpd", "gpd"])
def test_discharges_are_found_within_100_ms(kind):
    samples, cycles_s = eeg(pattern_of(kind, frequency_hz=1.2, jitter=0.15))
    found = measured(samples, kind)
    assert found is not None
    true_s = cycles_s[(cycles_s >= START_S) & (cycles_s < START_S + 10)] - START_S
    assert len(found.cycles_s) == pytest.approx(len(true_s), abs=1)
    nearest = np.abs(found.cycles_s[:, None] - true_s).min(axis=1)
    assert (nearest <= 0.1).all()


@pytest.mark.parametrize("kind", ["lpd", "lrda"])
def test_a_left_pattern_is_left_and_its_mirror_image_is_right(kind):
    samples, _ = eeg(pattern_of(kind, frequency_hz=RATES[kind]))
    left = measured(samples, kind)
    assert left is not None
    assert left.lateral < -0.3
    assert not left.independent
    right = measured(mirrored(samples), kind)
    assert right is not None
    assert right.lateral == pytest.approx(-left.lateral, abs=1e-3)
    assert right.rate_hz == pytest.approx(left.rate_hz, abs=1e-3)


def mirrored(samples: np.ndarray) -> np.ndarray:
    return samples[list(MIRROR)]


@pytest.mark.parametrize("artifact", ARTIFACTS)
@pytest.mark.parametrize("kind", RATES)
def test_the_answer_is_the_pattern_or_none_but_never_the_artifact(kind, artifact):
    samples, cycles_s = eeg(pattern_of(kind, frequency_hz=RATES[kind]))
    found = measured(samples + ARTIFACTS[artifact](), kind)
    assert found is None or found.rate_hz == pytest.approx(true_rate(cycles_s), abs=0.15)


@pytest.mark.parametrize("artifact", ARTIFACTS)
@pytest.mark.parametrize("kind", ["lpd", "gpd", "seizure"])
def test_an_artifact_alone_is_not_measured(kind, artifact):
    background, _ = eeg(None)
    assert measured(background + ARTIFACTS[artifact](), kind) is None


@pytest.mark.parametrize("rate_hz", [0.8, 1.1, 1.6])
def test_large_heartbeats_at_the_rate_of_discharges_do_not_become_discharges(rate_hz):
    background, _ = eeg(None)
    found = measured(background + 3 * HEART * waves(rate_hz, 0.02), "gpd")
    assert found is None or abs(found.rate_hz - rate_hz) > 0.1


@pytest.mark.parametrize("kind", RATES)
def test_flat_eeg_has_nothing_to_measure(kind):
    assert measured(np.zeros((len(CHANNELS), N_SAMPLES)), kind) is None


@pytest.mark.parametrize("kind", RATES)
def test_a_pattern_that_begins_within_the_window_has_its_own_rate(kind):
    samples, cycles_s = eeg(pattern_of(kind, frequency_hz=RATES[kind], onset_s=START_S + 5))
    found = measured(samples, kind)
    assert found is not None
    assert found.rate_hz == pytest.approx(true_rate(cycles_s, START_S + 5), abs=0.15)
    if kind in ("lpd", "gpd"):
        assert found.cycles_s.min() > 4.5


def test_with_two_patterns_at_once_the_rate_is_that_of_one_of_them():
    slow, slow_s = eeg(pattern_of("lpd", frequency_hz=0.8))
    fast, fast_s = eeg(pattern_of("lrda", frequency_hz=2.2), seed=1)
    for kind in ("lpd", "lrda"):
        found = measured(slow + mirrored(fast), kind)
        assert found is None or min(abs(found.rate_hz - true_rate(cycles)) for cycles in (slow_s, fast_s)) < 0.15


def test_independent_discharges_of_two_sides_are_told_from_shared_ones():
    left, _ = eeg(pattern_of("lpd", frequency_hz=1.0, contralateral=0.0))
    right, _ = eeg(pattern_of("lpd", frequency_hz=0.77, contralateral=0.0, jitter=0.1), seed=3)
    found = measured(left + mirrored(right), "lpd")
    assert found is not None
    assert found.independent
    shared, _ = eeg(pattern_of("gpd", frequency_hz=1.0))
    one = measured(shared, "gpd")
    assert one is not None
    assert not one.independent


def test_amplitude_does_not_change_what_is_measured_but_the_amplitude():
    samples, _ = eeg(pattern_of("lpd"))
    one, double = measured(samples, "lpd"), measured(2 * samples, "lpd")
    assert one is not None
    assert double is not None
    assert double.rate_hz == pytest.approx(one.rate_hz, rel=1e-4)
    assert double.shape.amplitude_uv == pytest.approx(2 * one.shape.amplitude_uv, rel=1e-3)
    np.testing.assert_allclose(double.involvement, 2 * one.involvement, rtol=1e-2, atol=0.1)


def test_a_signal_in_all_electrodes_which_comes_from_the_reference_changes_nothing():
    samples, _ = eeg(pattern_of("lpd"))
    moved = samples.copy()
    moved[: len(ELECTRODES)] += 80 * np.sin(2 * np.pi * 1.7 * TIME)
    one, same = measured(samples, "lpd"), measured(moved, "lpd")
    assert one is not None
    assert same is not None
    assert same.rate_hz == pytest.approx(one.rate_hz, abs=1e-3)
    np.testing.assert_allclose(same.involvement, one.involvement, atol=0.5)


def test_electrodes_that_are_lost_are_unknown_and_do_not_change_the_rate():
    samples, cycles_s = eeg(pattern_of("lpd"))
    signal = prepared(samples)
    missing = signal.missing.copy()
    missing[ELECTRODES.index("O2"), START : START + 5 * HZ] = True
    found = measure_pattern(MeasuredSignal(signal.eeg, missing, signal.groups), START, "lpd")
    assert found is not None
    assert np.isnan(found.involvement[ELECTRODES.index("O2")])
    assert np.isfinite(np.delete(found.involvement, ELECTRODES.index("O2"))).all()
    assert found.rate_hz == pytest.approx(true_rate(cycles_s), abs=0.1)


def test_without_enough_electrodes_nothing_is_measured():
    samples, _ = eeg(pattern_of("lpd"))
    signal = prepared(samples)
    few = MeasuredSignal(signal.eeg, signal.missing, ((0, 1, 2),))
    assert measure_pattern(few, START, "lpd") is None


def test_the_lateral_index_uses_electrodes_that_are_known_on_both_sides():
    amplitude = np.full(len(ELECTRODES), np.nan)
    amplitude[[ELECTRODES.index(name) for name in ("T3", "T4", "C3")]] = 1.0, 3.0, 100.0
    assert lateral_index(amplitude) == pytest.approx(0.5)
    assert np.isnan(lateral_index(np.full(len(ELECTRODES), np.nan)))


def test_a_recording_at_another_offset_gives_the_same_numbers():
    samples, _ = eeg(pattern_of("lpd"))
    signal = prepared(samples)
    earlier = measure_pattern(signal, START, "lpd")
    shifted = measure_pattern(prepared(np.roll(samples, 3 * RATE, axis=1)), START + 3 * HZ, "lpd")
    assert earlier is not None
    assert shifted is not None
    np.testing.assert_allclose(shifted.cycles_s, earlier.cycles_s, atol=0.03)
