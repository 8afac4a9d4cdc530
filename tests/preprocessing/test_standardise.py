from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import signal as sp

from ictal.core.montage import CHANNELS, ELECTRODES, find_electrode
from ictal.core.recording import Gap, Recording
from ictal.core.windows import RATE_HZ
from ictal.errors import ElectrodeError, ReadError
from ictal.io import open_recording
from ictal.preprocessing.channel_mapping import map_channels
from ictal.preprocessing.runs import Standardised, recorded_runs
from ictal.preprocessing.settings import StandardiseSettings
from ictal.preprocessing.standardise import resample, standardise
from tests.helpers import noise, recording

DEFAULT = StandardiseSettings()
UNFILTERED = StandardiseSettings(band_hz=None)
PHASE = 0.7
AMPLITUDE_UV = 100.0


def sine(time: np.ndarray, frequency_hz: float) -> np.ndarray:
    """Return a sine of 100 µV, away from any special phase."""
    return AMPLITUDE_UV * np.sin(2 * np.pi * frequency_hz * time + PHASE)


def of_time(course: Callable[[np.ndarray], np.ndarray], rate_hz: float, duration_s: float = 60) -> Recording:
    """Return a recording in which every channel follows the same course over time."""
    time = np.arange(round(rate_hz * duration_s)) / rate_hz
    return Recording.from_array(np.tile(course(time), (len(CHANNELS), 1)), CHANNELS, rate_hz)


def phasor(row: np.ndarray, frequency_hz: float) -> complex:
    """Return amplitude and phase of a sine at 200 Hz, by projection of whole periods away from the edges."""
    time = np.arange(15 * RATE_HZ, 45 * RATE_HZ) / RATE_HZ
    wave = np.exp(-1j * (2 * np.pi * frequency_hz * time + PHASE - np.pi / 2))
    return complex(2 * np.mean(row[15 * RATE_HZ : 45 * RATE_HZ] * wave)) / AMPLITUDE_UV


def butterworth_gain(frequency_hz: float, settings: StandardiseSettings = DEFAULT) -> float:
    """Return the gain of the digital Butterworth band-pass, forward and backward, from its formula.

    |H|^2 = 1 / (1 + W^2n) with W = |w^2 - a b| / (w (b - a)) and w, a, b = tan(pi f / rate); twice is |H|^2.
    """
    assert settings.band_hz is not None
    w, a, b = (np.tan(np.pi * f / RATE_HZ) for f in (frequency_hz, *settings.band_hz))
    return float(1 / (1 + (abs(w * w - a * b) / (w * (b - a))) ** (2 * settings.order)))


@pytest.mark.parametrize("rate_hz", [200, 256, 500])
def test_a_5_hz_sine_keeps_its_phase_and_its_amplitude(rate_hz):
    out = standardise(of_time(lambda time: sine(time, 5), rate_hz), DEFAULT)
    for row in out.signal:
        gain = phasor(row, 5)
        assert abs(gain) == pytest.approx(1, abs=0.01)
        assert np.angle(gain) == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("frequency_hz", [1, 10, 20, 30, 50])
@pytest.mark.parametrize("order", [2, 4])
def test_the_band_pass_is_a_butterworth_forward_and_backward(frequency_hz, order):
    settings = StandardiseSettings(order=order)
    out = standardise(of_time(lambda time: sine(time, frequency_hz), RATE_HZ), settings)
    gain = phasor(out.signal[0], frequency_hz)
    expected = butterworth_gain(frequency_hz, settings)
    assert abs(gain) == pytest.approx(expected, rel=0.01, abs=1e-5)
    assert np.angle(gain) == pytest.approx(0, abs=0.01)
    if frequency_hz == 20:
        assert expected == pytest.approx(10 ** (-6.02 / 20), rel=1e-3)  # the edge of the band is at -6 dB
    if (frequency_hz, order) == (50, 4):
        assert abs(gain) < 10 ** (-75 / 20)  # the mains


def test_an_offset_and_a_slow_drift_vanish():
    course = sine(np.arange(60 * RATE_HZ) / RATE_HZ, 5)
    plain = standardise(of_time(lambda time: course, RATE_HZ), DEFAULT).signal
    offset = standardise(of_time(lambda time: course + 8192, RATE_HZ), DEFAULT).signal
    # float32 holds 8192 µV to within 2^-11 µV, and the edges extend the signal by up to three times that
    np.testing.assert_allclose(offset, plain, rtol=0, atol=3 * 2**-11)
    drift = standardise(of_time(lambda time: course + 50 * time, RATE_HZ), DEFAULT).signal
    middle = slice(20 * RATE_HZ, 40 * RATE_HZ)
    np.testing.assert_allclose(drift[:, middle], plain[:, middle], rtol=0, atol=0.01 * AMPLITUDE_UV)


# scipy's default filter for resampling is a Kaiser window of beta 5: 54 dB (Kaiser's formula beta =
# 0.1102 (A - 8.7)), so that the pass band ripples and the stop band leaks by 10^(-54/20) = 0.2 %.
KAISER_RIPPLE = 10 ** (-54 / 20)


@pytest.mark.parametrize("rate_hz", [256, 500, 512, 1000 / 3])
def test_resampling_gives_the_sine_at_the_new_times(rate_hz):
    made = of_time(lambda time: sine(time, 5), rate_hz)
    out = standardise(made, UNFILTERED).signal
    assert out.shape == (len(CHANNELS), int(np.ceil(made.n_samples * RATE_HZ / rate_hz)))
    expected = sine(np.arange(out.shape[1]) / RATE_HZ, 5)
    inner = slice(RATE_HZ, -RATE_HZ)
    for row in out:
        np.testing.assert_allclose(row[inner], expected[inner], rtol=0, atol=1.5 * KAISER_RIPPLE * AMPLITUDE_UV)


def test_what_the_new_rate_cannot_hold_is_not_folded_into_the_eeg():
    out = standardise(of_time(lambda time: sine(time, 205), 500), UNFILTERED).signal  # 205 - 200 = 5 Hz
    assert abs(out[:, RATE_HZ:-RATE_HZ]).max() < 1.5 * KAISER_RIPPLE * AMPLITUDE_UV


@pytest.mark.parametrize("rate_hz", [100, 200, 250.5])
def test_the_output_is_finite_float32_and_the_input_stays_as_it_was(rate_hz):
    made = recording(6001, rate_hz)
    before = made.read().copy()
    out = standardise(made, DEFAULT)
    assert out.signal.dtype == np.float32
    assert np.isfinite(out.signal).all()
    assert out.signal.shape == out.missing.shape
    assert out.signal.shape[1] == pytest.approx(6001 * RATE_HZ / rate_hz, abs=1)
    np.testing.assert_array_equal(made.read(), before)


def test_the_form_of_the_file_does_not_matter():
    made = recording(4000)
    names = {"Fp1": "EEG FP1", "T3": "T7", "T6": "p8..", "F4": "EEG_f4", "EKG": "ECG1-ECG2"}
    order = np.random.default_rng(0).permutation(len(CHANNELS))
    channels = ("SaO2", *(names.get(CHANNELS[row], CHANNELS[row]) for row in order), "Fp1-F7", "A1")
    extra = noise(4000, 1, 3)
    samples = np.vstack([extra[:1], made.read()[order], extra[1:]])
    other = standardise(Recording.from_array(samples, channels, RATE_HZ), DEFAULT)
    np.testing.assert_array_equal(other.signal, standardise(made, DEFAULT).signal)


def test_twice_the_voltage_is_twice_the_output():
    made = recording(4000, 256)
    twice = Recording.from_array(2 * made.read(), CHANNELS, 256)
    np.testing.assert_array_equal(standardise(twice, DEFAULT).signal, 2 * standardise(made, DEFAULT).signal)


def test_a_recording_without_ekg_has_a_silent_and_missing_one():
    made = recording(4000, 256)
    without = Recording.from_array(made.read()[:-1], ELECTRODES, 256)
    full, lacking = standardise(made, DEFAULT), standardise(without, DEFAULT)
    np.testing.assert_array_equal(lacking.signal[:-1], full.signal[:-1])
    assert (lacking.signal[-1] == 0).all()
    assert lacking.missing[-1].all()
    assert not lacking.missing[:-1].any()
    np.testing.assert_array_equal(lacking.missing[:19].mean(axis=1), 0)


gaps = st.lists(st.tuples(st.integers(0, 1900), st.integers(1, 600)), min_size=1, max_size=4)


@settings(max_examples=20)
@given(gaps, st.sampled_from(["linear", "mean", "zero"]))
def test_missing_samples_are_filled_by_the_policy_and_told(runs, policy):
    samples = 100 + noise(2000)
    samples[3] = 100 + np.linspace(0, 500, 2000)  # C3 is a ramp, which 'linear' restores between its ends
    mask = np.zeros(2000, dtype=bool)
    for start, length in runs:
        mask[start : start + length] = True
    if mask.all():
        mask[-1] = False
    broken = samples.copy()
    broken[3, mask] = np.nan
    settings = StandardiseSettings(band_hz=None, fill=policy, max_masked=0)
    out = standardise(Recording.from_array(broken, CHANNELS, RATE_HZ), settings)
    np.testing.assert_array_equal(out.missing[3], mask)
    assert not np.delete(out.missing, 3, axis=0).any()
    np.testing.assert_array_equal(np.delete(out.signal, 3, axis=0), np.delete(samples, 3, axis=0))
    np.testing.assert_array_equal(out.signal[3, ~mask], samples[3, ~mask])
    known = samples[3, ~mask].astype(np.float64)
    expected = {
        "zero": np.zeros(2000),
        "mean": np.full(2000, known.mean()),
        "linear": np.clip(samples[3], known[0], known[-1]),  # beyond the ends the last known value stays
    }[policy]
    # the ramp is rounded to float32 (600 x 2^-24 µV) before and after it is filled
    np.testing.assert_allclose(out.signal[3, mask], expected[mask], rtol=0, atol=3 * 600 * 2**-24)
    assert out.missing[:19].mean(axis=1)[3] == pytest.approx(mask.mean())


@pytest.mark.parametrize("rate_hz", [250, 256, 500])
def test_missing_runs_keep_their_times_at_another_rate(rate_hz):
    samples = noise(round(20 * rate_hz))
    samples[5, round(4 * rate_hz) : round(7.5 * rate_hz)] = np.inf
    out = standardise(Recording.from_array(samples, CHANNELS, rate_hz), DEFAULT)
    told = np.flatnonzero(out.missing[5])
    assert told[0] == pytest.approx(4 * RATE_HZ, abs=1)
    assert told[-1] + 1 == pytest.approx(7.5 * RATE_HZ, abs=1)
    assert np.diff(told).max() == 1
    assert np.isfinite(out.signal).all()


def test_an_electrode_without_any_sample_is_zero_and_missing_throughout():
    samples = noise(4000)
    samples[7] = np.nan
    out = standardise(Recording.from_array(samples, CHANNELS, 256), StandardiseSettings(max_masked=0))
    assert (out.signal[7] == 0).all()
    assert out.missing[7].all()
    assert out.missing[:19].mean(axis=1)[7] == 1


@pytest.mark.parametrize("level", [0, 40, -3276.8])
def test_flat_electrodes_count_as_missing(level):
    samples = noise(4000)
    samples[[2, 11, 19]] = level
    samples[4, :1000] = np.nan
    out = standardise(Recording.from_array(samples, CHANNELS, RATE_HZ), DEFAULT)
    expected = np.zeros(len(ELECTRODES))
    expected[[2, 11]] = 1
    expected[4] = 0.25
    np.testing.assert_allclose(out.missing[:19].mean(axis=1), expected)


def test_only_electrodes_count_in_the_share_that_is_missing():
    out = Standardised(noise(100), *np.zeros((2, len(CHANNELS), 100), dtype=bool))
    out.missing[-1] = True
    out.missing[0, :30] = True
    np.testing.assert_allclose(out.missing[:19].mean(axis=1), [0.3, *[0] * 18])


def renamed(**names: str) -> Recording:
    """Return a recording in which some channels have another name."""
    return Recording.from_array(noise(400), tuple(names.get(name, name) for name in CHANNELS), 200, "a.edf")


def test_missing_electrodes_are_all_named_with_what_the_file_has():
    with pytest.raises(ElectrodeError) as caught:
        standardise(renamed(Fp1="Fpz", O2="O2-F4"), DEFAULT)
    for words in ("a.edf", "no channel for Fp1, O2;", "19 electrodes", "Fpz, F3, C3", "O2-F4, EKG"):
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ({"EKG": "T7"}, r"a\.edf: two channels for one electrode: T7 and T3 \(both T3\)"),
        ({"EKG": "EEG O1-REF", "Fp2": "fp1"}, r"fp1 and Fp1 \(both Fp1\), EEG O1-REF and O1 \(both O1\)"),
    ],
)
def test_doubled_electrodes_are_all_named(names, words):
    with pytest.raises(ElectrodeError, match=words):
        standardise(renamed(**names), DEFAULT)


@pytest.mark.parametrize("factor", [1e6, 1e4])
def test_an_implausible_unit_is_refused_with_the_value(factor):
    samples = noise(2000)
    samples[8] *= factor
    with pytest.raises(ReadError, match=r"^big\.edf: an electrode varies by .* µV; .*below 100000.*unit"):
        standardise(Recording.from_array(samples, CHANNELS, 200, "big.edf"), DEFAULT)


def test_large_artefacts_offsets_and_a_wild_ekg_are_no_reason_to_refuse():
    samples = noise(2000)
    samples[8] += 3e5
    samples[9, :500] = 1e6
    samples[19] *= 1e6
    standardise(Recording.from_array(samples, CHANNELS, 200), DEFAULT)


def test_a_rate_below_100_hz_is_refused():
    standardise(recording(1000, 100), DEFAULT)
    with pytest.raises(ReadError, match=r"slow\.edf: 99\.9 Hz is too slow; at least 100 Hz are needed"):
        standardise(recording(1000, 99.9, name="slow.edf"), DEFAULT)


@pytest.mark.parametrize("rate_hz", [200, 256])
def test_a_recording_without_samples_is_refused(rate_hz):
    with pytest.raises(ReadError, match=r"empty\.edf"):
        standardise(recording(0, rate_hz, name="empty.edf"), DEFAULT)


@pytest.mark.parametrize("n_samples", [1, 2, 37])
def test_a_recording_of_few_samples_is_standardised(n_samples):
    assert standardise(recording(n_samples), DEFAULT).signal.shape == (len(CHANNELS), n_samples)


@pytest.mark.parametrize(
    "values",
    [
        {"band": (0.5, 40)},
        *[{"band_hz": band} for band in [(20, 0.1), (0, 20), (0.1, 100), (5, 5)]],
        {"order": 0},
        {"fill": "median"},
        {"max_missing": 1.5},
        {"short": "repeat"},
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(values):
    with pytest.raises(ValidationError, match=next(iter(values))):
        StandardiseSettings(**values)


@pytest.mark.parametrize("number", range(6))
def test_real_edf_of_healthy_adults_is_standardised(shared_data, number):
    made = open_recording(shared_data / "seizure" / f"eegmat_subject{number:02}_1.edf")
    assert {*CHANNELS} == {find_electrode(name) for name in made.channels} - {None}
    assert made.rate_hz == 500
    out = standardise(made, DEFAULT)
    assert out.signal.shape[1] == pytest.approx(made.duration_s * RATE_HZ, abs=1)
    # The last two seconds of these files are padding: a step, and a value that stays.
    assert not out.missing[:, : 180 * RATE_HZ].any()
    spread = out.signal[:19].std(axis=1)
    assert (spread > 1).all()
    assert (spread < 100).all()  # µV of a scalp at rest, so that unit and filter are right


def test_real_bipolar_edf_is_refused_with_its_channels(shared_data):
    made = open_recording(shared_data / "seizure" / "chb01_26_JR_seizure.edf")
    with pytest.raises(ElectrodeError, match=r"chb01_26_JR_seizure\.edf: no channel for Fp1.*FP1-F7"):
        standardise(made, DEFAULT)


def flawed(n_samples: int, rate_hz: float, seed: int) -> Recording:
    """Return noise on offsets and drifts, with missing, flat and clipped runs, some of them long."""
    rng = np.random.default_rng(seed)
    samples = noise(n_samples, seed) + rng.normal(0, 2000, (len(CHANNELS), 1)).astype(np.float32)
    for _ in range(12):
        row, start = rng.integers(len(CHANNELS)), rng.integers(n_samples)
        length = round(rng.choice([0.1, 2, 15, 45]) * rate_hz)
        samples[row, start : start + length] = rng.choice([np.nan, 5.0, 9000.0])
    limits = ((-9000.0, 9000.0),) * len(CHANNELS)
    return replace(Recording.from_array(samples, CHANNELS, rate_hz), limits_uv=limits)


@pytest.mark.parametrize(
    ("rate_hz", "fill"), [(200, "mean"), (256, "linear"), (256, "zero"), (500, "linear"), (1000 / 3, "mean")]
)
@settings(max_examples=3)
@given(seed=st.integers(0, 1000), cuts=st.lists(st.floats(0, 1), min_size=1, max_size=3))
def test_chunks_are_those_of_the_whole(rate_hz, fill, seed, cuts):
    made = flawed(round(400 * rate_hz), rate_hz, seed)
    chosen = StandardiseSettings(fill=fill)
    (run,) = recorded_runs(made, map_channels(made), fill)
    whole, plain = standardise(made, chosen), resample(made, fill)
    assert run.n_samples == whole.signal.shape[1]
    places = sorted({0, *(round(cut * run.n_samples) for cut in cuts), run.n_samples})
    pieces = [run.standardised(start, stop, chosen) for start, stop in pairwise(places) if stop > start]
    # float32 holds a step of 18000 µV to within 2^-10 µV; what lies beyond the margin is worth e^-24 of it
    signal = np.concatenate([one.signal for one, _ in pieces], axis=1)
    np.testing.assert_allclose(signal, whole.signal, rtol=0, atol=4 * 2**-10)
    for name in ("missing", "flat", "clipped"):
        marks = np.concatenate([getattr(one, name) for _, one in pieces], axis=1)
        np.testing.assert_array_equal(marks, getattr(plain, name))
    before = np.concatenate([one.signal for _, one in pieces], axis=1)
    np.testing.assert_allclose(before, plain.signal, rtol=0, atol=4 * 2**-10)


def test_a_long_run_of_missing_samples_fades_and_a_short_one_is_crossed():
    samples = np.full((len(CHANNELS), 100 * RATE_HZ), 0, dtype=np.float32)
    samples[:] = np.arange(samples.shape[1]) % 7 + 100
    samples[0, 10 * RATE_HZ : 60 * RATE_HZ] = np.nan
    samples[1, 10 * RATE_HZ : 25 * RATE_HZ] = np.nan
    made = resample(Recording.from_array(samples, CHANNELS, RATE_HZ), "linear").signal
    assert (np.diff(made[0, 10 * RATE_HZ : 20 * RATE_HZ]) < 0).all()
    assert (made[0, 20 * RATE_HZ : 50 * RATE_HZ] == 0).all()
    assert (np.diff(made[0, 50 * RATE_HZ : 60 * RATE_HZ]) > 0).all()
    assert made[1, 10 * RATE_HZ : 25 * RATE_HZ].min() >= 100


@pytest.mark.parametrize("rate_hz", [128, 250.5, 256, 500, 1000 / 3])
def test_resampling_is_that_of_scipy(rate_hz):
    made = recording(round(20 * rate_hz), rate_hz)
    ratio = Fraction(RATE_HZ / rate_hz).limit_denominator(1000)
    theirs = sp.resample_poly(made.read().astype(float), ratio.numerator, ratio.denominator, axis=1, padtype="edge")
    ours = resample(made, "linear").signal
    assert ours.shape == theirs.shape
    # ours differs in that each new sample's weights sum to one: by no more than the ripple of the filter
    scale = abs(made.read()).max()
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=KAISER_RIPPLE * scale)


def test_an_offset_makes_no_ripple():
    made = of_time(lambda time: 9000 + sine(time, 5) / AMPLITUDE_UV, 256)
    out = resample(made, "zero").signal[:, RATE_HZ:-RATE_HZ]
    np.testing.assert_allclose(out, 9000, rtol=0, atol=1 + KAISER_RIPPLE + 2**-9)


def test_a_recording_with_gaps_is_not_taken_as_one():
    made = replace(recording(20_000), gaps=(Gap(40, 10),))
    with pytest.raises(ReadError, match="its first of 1 gaps is at 40 s"):
        standardise(made, DEFAULT)
