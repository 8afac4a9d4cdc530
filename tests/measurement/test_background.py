"""The background in numbers: voltage, suppression, bursts and the posterior rhythm."""

import warnings
from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ictal.core.montage import CHANNELS, ELECTRODES
from ictal.measurement.background import (
    STEP_S,
    BackgroundNumbers,
    _quantile,
    is_suppressed,
    measure_backgrounds,
    posterior_rhythms_hz,
    voltage_courses,
)
from ictal.measurement.signal import HZ, MeasuredSignal
from tests.measurement.examples import N_SAMPLES, RATE, START_S, TIME, at, prepared

START = round(START_S * HZ)


def noise(seed: int = 0) -> np.ndarray:
    """Return different noise of 20 µV at each electrode, [20, time]."""
    rng = np.random.default_rng(seed)
    smooth = np.apply_along_axis(np.convolve, 1, rng.normal(size=(len(CHANNELS), N_SAMPLES)), np.ones(20), "same")
    return np.asarray(20 * smooth / smooth.std())


def numbers(samples: np.ndarray) -> BackgroundNumbers:
    return measure_backgrounds(prepared(samples), [START])[0]


def bursts(on_s: float, off_s: float) -> np.ndarray:
    return ((TIME % (on_s + off_s)) < on_s).astype(float)


@pytest.mark.parametrize(("on_s", "off_s"), [(1.0, 4.0), (2.0, 3.0), (2.0, 8.0)])
@pytest.mark.parametrize("between", [0.02, 0.15])
def test_the_share_of_suppression_is_that_of_the_time_between_bursts(on_s, off_s, between):
    course = bursts(on_s, off_s)
    found = numbers(noise() * (between + (1 - between) * course))
    middle = slice(round(START_S * RATE), round((START_S + 10) * RATE))
    assert found.suppressed == pytest.approx(1 - course[middle].mean(), abs=0.06)
    assert found.burst_uv > 3 * found.between_uv


def test_continuous_eeg_has_no_suppression_and_no_bursts():
    found = numbers(noise())
    assert found.suppressed == 0
    assert found.burst_uv < 2 * found.between_uv
    assert found.voltage_uv > 50


def test_eeg_of_a_few_microvolts_is_suppressed_throughout_without_bursts():
    found = numbers(0.03 * noise())
    assert found.suppressed == 1
    assert found.voltage_uv < 10
    assert found.burst_uv < 2 * found.between_uv


@given(low=st.lists(st.booleans(), min_size=80, max_size=120))
def test_a_stretch_of_low_voltage_is_found_whole(low):
    """A step is the voltage of the 0.5 s around it, so what is low at a step is low for two steps on each side."""
    voltages = np.where(low, 2.0, 100.0).astype(np.float32)
    found = is_suppressed(voltages[None], np.sort(voltages)[None])
    expected = [any(low[max(0, step - 2) : step + 3]) for step in range(len(low))]
    assert found.tolist() == [expected]


def test_the_voltage_of_a_sine_is_its_peak_to_trough_amplitude():
    signal = prepared(np.zeros((len(CHANNELS), N_SAMPLES)))
    eeg = np.zeros_like(signal.eeg)
    wave = 25 * np.sin(2 * np.pi * 6 * np.arange(eeg.shape[1]) / HZ)
    for number in range(len(ELECTRODES)):  # neighbours are opposite in most derivations
        eeg[number] = wave * (-1) ** number
    course = voltage_courses(MeasuredSignal(eeg, np.zeros_like(signal.missing), signal.groups))
    assert course.shape == (2, round(eeg.shape[1] / HZ / STEP_S))
    assert np.median(course[0]) == pytest.approx(100, rel=0.05)


@pytest.mark.parametrize("hertz", [8.0, 9.5, 11.0])
def test_a_posterior_rhythm_has_its_frequency(hertz):
    rhythm = at("O1", "O2", P3=0.5, P4=0.5) * np.sin(2 * np.pi * hertz * TIME)
    assert numbers(0.5 * noise() + 40 * rhythm).posterior_hz == pytest.approx(hertz, abs=0.3)


def test_the_same_rhythm_at_the_front_or_no_rhythm_is_no_posterior_rhythm():
    rhythm = at("F3", "F4", "Fz") * np.sin(2 * np.pi * 9.5 * TIME)
    assert numbers(0.5 * noise() + 40 * rhythm).posterior_hz == 0
    assert numbers(noise()).posterior_hz == 0


def test_electrodes_that_are_lost_for_a_while_are_not_suppressed():
    signal = prepared(noise())
    missing = signal.missing.copy()
    missing[: len(ELECTRODES) // 2, START : START + 5 * HZ] = True
    partly = MeasuredSignal(np.where(missing, 0, signal.eeg), missing, signal.groups)
    (found,) = measure_backgrounds(partly, [START])
    assert found.suppressed < 0.05
    assert found.between_uv > 40


@given(
    columns=st.lists(st.lists(st.floats(0, 100) | st.just(np.nan), min_size=5, max_size=5), min_size=1, max_size=8)
)
def test_quantiles_of_ordered_columns_are_those_of_numpy(columns):
    values = np.array(columns, dtype=np.float32).T
    for share in (0.5, 2 / 3):
        with warnings.catch_warnings(action="ignore", category=RuntimeWarning):
            expected = np.nanquantile(values.astype(np.float64), share, axis=0)
        np.testing.assert_allclose(_quantile(np.sort(values, axis=0).T, share), expected, rtol=1e-5)


def test_windows_are_measured_together_as_each_alone():
    """Also where the 30 s around a window, or its own 10 s, go beyond the recording."""
    samples = noise()
    samples[:, : N_SAMPLES // 3] *= 0.05
    samples[:, N_SAMPLES // 2 :] += (
        40 * at("O1", "O2", P3=0.5, P4=0.5) * np.sin(2 * np.pi * 9 * TIME)[N_SAMPLES // 2 :]
    )
    signal = prepared(samples)
    missing = signal.missing.copy()
    missing[:, : 4 * HZ] = True
    partly = MeasuredSignal(signal.eeg, missing, signal.groups)
    starts = [0, 3 * HZ, START, 17 * HZ + 3, signal.eeg.shape[1] - 10 * HZ, signal.eeg.shape[1] - 5 * HZ]
    together = measure_backgrounds(partly, starts)
    alone = [measure_backgrounds(partly, [start])[0] for start in starts]
    np.testing.assert_array_equal([astuple(one) for one in together], [astuple(one) for one in alone])
    assert {one.posterior_hz > 0 for one in together} == {True, False}
    assert len({one.suppressed for one in together}) > 1
    assert measure_backgrounds(partly, []) == []


def test_voltages_between_groups_without_a_common_reference_do_not_count():
    signal = prepared(noise())
    left = tuple(row for row, name in enumerate(ELECTRODES) if name[-1] in "13579")
    rest = tuple(row for row in range(len(ELECTRODES)) if row not in left)
    apart = signal.eeg.copy()
    apart[list(left)] += 500 * np.sin(2 * np.pi * 3 * np.arange(apart.shape[1]) / HZ)
    whole, split = (voltage_courses(MeasuredSignal(eeg, signal.missing, (left, rest))) for eeg in (signal.eeg, apart))
    np.testing.assert_allclose(split, whole, rtol=1e-3)


def test_without_derivations_the_background_is_unknown():
    signal = prepared(noise())
    nothing = MeasuredSignal(signal.eeg, np.ones_like(signal.missing), signal.groups)
    nothing = nothing.cut(0, nothing.eeg.shape[1])
    (found,) = measure_backgrounds(nothing, [START])
    assert np.isnan([found.voltage_uv, found.suppressed, found.burst_uv, found.between_uv]).all()
    assert np.isnan(posterior_rhythms_hz([nothing]))
