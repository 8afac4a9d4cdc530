from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pydantic import ValidationError
from scipy import signal as sp

from ictal.core.montage import CHAINS, CHANNELS, ELECTRODES, MIRROR, MONTAGES, derivations_of, montage_matrix
from ictal.core.recording import Recording
from ictal.core.windows import CENTRE_SAMPLES, RATE_HZ, WINDOW_SAMPLES
from ictal.errors import ElectrodeError
from ictal.io import open_recording
from ictal.preprocessing.channel_mapping import map_channels
from ictal.preprocessing.runs import recorded_runs
from ictal.scoring.quality import (
    FLAWS,
    FRAME,
    SPECTRUM_HZ,
    SPOILING,
    QualityFrames,
    QualitySettings,
    amplitude_band,
    amplitude_integrated,
    left_right,
    measure_quality,
    reason_in_words,
)
from ictal.simulator import simulate_recording

DEFAULT = QualitySettings()
BANANA = derivations_of(MONTAGES["double_banana"])
SIDES = {"left": (*CHAINS["LL"], *CHAINS["LP"]), "right": (*CHAINS["RP"], *CHAINS["RR"])}
TIME = np.arange(2 * WINDOW_SAMPLES) / RATE_HZ
LATE = slice(WINDOW_SAMPLES, 2 * WINDOW_SAMPLES)
WIDE = (-5000.0, 5000.0)
Array = np.ndarray


def look(recording: Recording, settings: QualitySettings = DEFAULT) -> QualityFrames:
    """Return the quality of a recording without gaps, with the channels that it has."""
    try:
        mapping = map_channels(recording)
    except ElectrodeError:
        mapping = map_channels(recording, BANANA)
    (run,) = recorded_runs(recording, mapping, "linear")
    return measure_quality(run.resampled(0, run.n_samples), mapping, settings)


def of(samples: Array, channels: tuple[str, ...] = CHANNELS, **more: object) -> Recording:
    return replace(Recording.from_array(samples, channels, RATE_HZ), **more)


def eeg(patient: int = 0) -> Array:
    """Return 100 s of simulated EEG without mains or muscle, 15 µV on every electrode [20, time]."""
    samples = simulate_recording(5, patient, 100 / 3600).read().astype(np.float64)
    narrow = sp.sosfiltfilt(sp.butter(4, (0.5, 20), "bandpass", fs=RATE_HZ, output="sos"), samples)
    return np.asarray(15 * narrow / narrow.std(axis=1, keepdims=True), dtype=np.float32)


CLEAN = eeg()


def shown(frames: QualityFrames, start: int) -> set[tuple[str, str]]:
    """Return what a window shows: pairs of electrode and flaw."""
    shares = frames.window(start)
    return {(ELECTRODES[electrode], FLAWS[flaw]) for flaw, electrode in np.argwhere(shares >= DEFAULT.shown)}


def mains(hertz: float, amplitude_uv: float) -> Callable[[Array], Array]:
    return lambda plain: plain + amplitude_uv * np.sin(2 * np.pi * hertz * TIME[: len(plain)])


def muscle(plain: Array) -> Array:
    noise = np.random.default_rng(0).normal(0, 1, len(plain))
    return plain + 60 * sp.sosfilt(sp.butter(2, (20, 90), "bandpass", fs=RATE_HZ, output="sos"), noise)


def swings(plain: Array) -> Array:
    return plain + 2500 * np.sin(2 * np.pi * 1.0 * TIME[: len(plain)])


DAMAGES: dict[str, tuple[Callable[[Array], Array], set[str]]] = {
    "50 Hz": (mains(50, 30), {"line_noise"}),
    "60 Hz": (mains(60, 30), {"line_noise"}),
    "60 Hz of 2 mV": (mains(60, 2000), {"line_noise"}),
    "muscle": (muscle, {"muscle"}),
    "saturated": (lambda plain: (4 * plain).clip(-10, 10), {"clipped"}),
    "flat": (lambda plain: 0 * plain + 30, {"flat"}),
    "missing": (lambda plain: plain * np.nan, {"missing"}),
    "5 mV": (swings, {"implausible"}),
}


@pytest.mark.parametrize("electrode", ["Fp1", "Cz", "T6"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_each_flaw_is_seen_at_its_electrode_in_its_window_and_nowhere_else(damage, electrode):
    spoil, flaws = DAMAGES[damage]
    samples, row = CLEAN.copy(), CHANNELS.index(electrode)
    samples[row] = samples[row].clip(-9, 9)
    samples[row, LATE] = spoil(samples[row, LATE])
    limits = [WIDE] * len(CHANNELS)
    if damage == "saturated":
        limits[row] = (-10.0, 10.0)
    frames = look(of(samples, limits_uv=tuple(limits)))
    assert shown(frames, 0) == set()
    assert shown(frames, WINDOW_SAMPLES) == {(electrode, flaw) for flaw in flaws}
    spoilt = bool(flaws & {*SPOILING})
    usable = frames.usable(WINDOW_SAMPLES)
    assert usable == pytest.approx(18 / 19 if spoilt else 1, abs=0.01)
    assert frames.usable(0) == 1


@pytest.mark.parametrize("hertz", [50, 60])
def test_mains_in_the_reference_are_those_of_no_electrode(hertz):
    samples = CLEAN + 400 * np.sin(2 * np.pi * hertz * TIME)
    frames = look(of(samples))
    assert not frames.flaws.any()


@pytest.mark.parametrize("hertz", [50, 60])
@pytest.mark.parametrize("amplitude_uv", [30, 1000])
def test_electrodes_with_nothing_but_mains_are_not_connected(hertz, amplitude_uv):
    phases = np.arange(len(CHANNELS))[:, None]
    hum = amplitude_uv * (1 + phases / 10) * np.sin(2 * np.pi * hertz * TIME + phases)
    samples = CLEAN + hum
    samples[:, LATE] = (hum + np.random.default_rng(0).normal(0, 0.3, CLEAN.shape))[:, LATE]
    frames = look(of(samples))
    assert frames.usable(0) == 1
    assert frames.usable(WINDOW_SAMPLES) == 0
    assert {name for name, flaw in shown(frames, WINDOW_SAMPLES) if flaw == "flat"} == {*ELECTRODES}
    assert look(of(samples), QualitySettings(silent_uv=0)).usable(WINDOW_SAMPLES) == 1


def test_mains_of_a_bipolar_file_are_seen_at_their_electrode():
    samples = CLEAN.copy()
    samples[CHANNELS.index("F7"), LATE] = mains(50, 60)(samples[CHANNELS.index("F7"), LATE])
    names = tuple(str(pair) for pair in BANANA)
    frames = look(of(montage_matrix(BANANA) @ samples, names))
    assert shown(frames, 0) == set()
    assert shown(frames, WINDOW_SAMPLES) == {("F7", "line_noise")}


def test_samples_that_are_lost_now_and_then_do_not_cost_two_seconds_each():
    samples = CLEAN.copy()
    samples[:19, ::FRAME] = np.nan
    assert look(of(samples)).usable(0) == 1
    assert look(of(samples), QualitySettings(lost_share=0)).usable(0) == 0


def test_electrodes_that_a_file_lacks_count_neither_for_nor_against_it():
    rows = [row for row, name in enumerate(CHANNELS) if name not in ("Fz", "Cz", "Pz")]
    recording = of(CLEAN[rows], tuple(CHANNELS[row] for row in rows))
    mapping = map_channels(recording, [*SIDES["left"], *SIDES["right"]])
    (run,) = recorded_runs(recording, mapping, "linear")
    piece = run.resampled(0, run.n_samples)
    piece.flat[CHANNELS.index("F7")] = piece.missing[CHANNELS.index("F7")] = True
    frames = measure_quality(piece, mapping, DEFAULT)
    assert frames.used.sum() == 16
    assert frames.usable(0) == pytest.approx(15 / 16)
    assert shown(frames, 0) == {("F7", "flat")}


@pytest.mark.parametrize(
    ("name", "value", "damage"),
    [("line_uv", 40.0, "50 Hz"), ("muscle_uv", 80.0, "muscle"), ("implausible_uv", 6000.0, "5 mV")],
)
def test_what_counts_as_a_flaw_can_be_set(name, value, damage):
    samples = CLEAN.copy()
    samples[0] = DAMAGES[damage][0](samples[0])
    assert look(of(samples)).flaws.any()
    assert not look(of(samples), QualitySettings(**{name: value})).flaws.any()


@pytest.mark.parametrize(
    ("name", "value"),
    [("min_usable", 50), ("shown", 0), ("lost_share", 1), ("line_uv", 0), ("muscle_uv", -1), ("implausible_uv", 0)],
)
def test_settings_that_make_no_sense_are_refused_by_name(name, value):
    with pytest.raises(ValidationError, match=name):
        QualitySettings(**{name: value})


# --- false alarms ---


def rates(recordings: list[Recording]) -> dict[str, float]:
    """Return in which share of all frames and electrodes each flaw is seen."""
    marks = [frames.flaws[:, frames.used].reshape(len(FLAWS), -1) for frames in map(look, recordings)]
    return dict(zip(FLAWS, np.concatenate(marks, axis=1).mean(axis=1), strict=True))


def test_simulated_eeg_shows_few_flaws():
    found = rates([simulate_recording(7, patient, 200 / 3600) for patient in range(3)])
    assert max(found.values()) < 0.002


def test_real_critical_care_eeg_is_called_neither_implausible_nor_muscle(shared_data):
    found = rates([open_recording(path) for path in sorted((shared_data / "iiic" / "train_eegs").glob("*.parquet"))])
    assert found["implausible"] < 0.001  # one electrode of one segment; mains reach 17 mV in others
    assert 0.001 < found["muscle"] < 0.01
    assert 0.1 < found["line_noise"] < 0.2
    assert found["flat"] == found["missing"] == found["clipped"] == 0


def test_real_eeg_at_rest_shows_nothing_but_its_padding(shared_data):
    found = rates([open_recording(path) for path in sorted((shared_data / "seizure").glob("eegmat*.edf"))])
    assert found.pop("flat") < 2 / 180  # the last two seconds of three minutes
    assert found.pop("muscle") < 0.001
    assert set(found.values()) == {0}


def test_real_seizures_of_children_are_not_implausible_and_saturate_where_the_file_does(shared_data):
    paths = sorted((shared_data / "seizure").glob("chb*.edf"))
    found = rates([open_recording(path) for path in paths if path.name.startswith(("chb01", "chb05"))])
    assert found["implausible"] == found["line_noise"] == found["missing"] == 0
    quiet = rates([open_recording(path) for path in paths if path.name.startswith("chb01")])
    assert quiet["clipped"] == 0  # none reaches the 800 µV of its file
    assert 0.02 < found["clipped"] < 0.2


# --- spectrum, amplitude, sides ---


def welch_db(samples: Array, pairs: tuple, start: int) -> Array:
    """Return scipy's mean spectrum of derivations over 10 s in frames of 2 s without overlap."""
    derived = montage_matrix(pairs).astype(np.float64) @ samples[:, start : start + CENTRE_SAMPLES]
    hertz, power = sp.welch(derived, RATE_HZ, "hann", FRAME, noverlap=0, detrend="constant")
    assert hertz[1:41].tolist() == SPECTRUM_HZ.tolist()
    return 10 * np.log10(power[:, 1:41].mean(axis=0))


@pytest.mark.parametrize("start", [0, 4000, WINDOW_SAMPLES])
def test_the_spectrum_is_that_of_scipy(start):
    samples = CLEAN + np.float32(1000)
    found = look(of(samples)).spectrum(start)
    # float32 holds 1000 µV to within 2^-14 µV, which is worth little against 1 µV of EEG in any frequency
    for row, side in enumerate(SIDES):
        np.testing.assert_allclose(found[row], welch_db(samples, SIDES[side], start), atol=0.01)


@pytest.mark.parametrize("damage", ["flat", "missing", "5 mV"])
def test_an_electrode_that_records_nothing_has_no_part_in_the_spectrum(damage):
    samples = CLEAN.copy()
    samples[CHANNELS.index("F7")] = DAMAGES[damage][0](samples[CHANNELS.index("F7")])
    found = look(of(samples)).spectrum(0)
    others = tuple(pair for pair in SIDES["left"] if "F7" not in pair)
    assert len(others) == 6
    np.testing.assert_allclose(found[0], welch_db(CLEAN, others, 0), atol=0.01)
    np.testing.assert_allclose(found[1], welch_db(CLEAN, SIDES["right"], 0), atol=0.01)


def test_what_one_side_lacks_is_unknown_and_not_silent():
    names = tuple(str(pair) for pair in SIDES["left"])
    recording = of(montage_matrix(SIDES["left"]) @ CLEAN, names)
    mapping = map_channels(recording, SIDES["left"])
    (run,) = recorded_runs(recording, mapping, "linear")
    piece = run.resampled(0, run.n_samples)
    spectrum = measure_quality(piece, mapping, DEFAULT).spectrum(0)
    np.testing.assert_allclose(spectrum[0], welch_db(CLEAN, SIDES["left"], 0), atol=0.01)
    assert np.isnan(spectrum[1]).all()
    assert np.isnan(left_right(spectrum))
    envelopes = amplitude_integrated(piece.signal)
    assert np.isnan(amplitude_band(envelopes["right"], 0)).all()
    assert np.isfinite(amplitude_band(envelopes["left"], 0)).all()


@pytest.mark.parametrize("value", [np.nan, 0.0, 12.0])
def test_a_recording_of_nothing_has_no_spectrum_and_a_reason(value):
    frames = look(of(np.full_like(CLEAN, value)))
    assert np.isnan(frames.spectrum(0)).all()
    assert frames.usable(0) == 0
    assert reason_in_words(frames, 0, WINDOW_SAMPLES, DEFAULT) == (
        "only 0% of the EEG is usable: of 19 electrodes 19 flat"
        if np.isfinite(value)
        else "only 0% of the EEG is usable: of 19 electrodes 19 missing"
    )


@given(st.floats(0.1, 10))
def test_left_over_right_is_the_ratio_of_their_amplitudes(ratio):
    rows = [CHANNELS.index(name) for name in ("Fp1", "F7", "T3", "T5", "O1", "F3", "C3", "P3")]
    samples = CLEAN[:, :CENTRE_SAMPLES].copy()
    samples[[MIRROR[row] for row in rows]] = samples[rows] / np.float32(ratio)
    assert left_right(look(of(samples)).spectrum(0)) == pytest.approx(ratio, rel=1e-3)


def sine(hertz: float, amplitude_uv: float, offset_uv: float = 0) -> Array:
    samples = np.zeros((len(CHANNELS), 60 * RATE_HZ), dtype=np.float32)
    samples[CHANNELS.index("C3")] = offset_uv + amplitude_uv * np.sin(2 * np.pi * hertz * TIME[: samples.shape[1]])
    samples[CHANNELS.index("P3")] = offset_uv / 2 + np.float32(1e-3)
    return samples


@pytest.mark.parametrize("amplitude_uv", [3, 25, 200])
def test_the_amplitude_of_a_sine_is_its_peak_to_peak(amplitude_uv):
    envelope = amplitude_integrated(sine(5, amplitude_uv))["left"]
    # the band-pass keeps 5 Hz to within 1 %, and 0.5 s of smoothing leave a ripple of 10 Hz of (1 / 10)^2
    low, high = amplitude_band(envelope, 20 * RATE_HZ)
    assert low == pytest.approx(2 * amplitude_uv, rel=0.02)
    assert high == pytest.approx(2 * amplitude_uv, rel=0.02)


@pytest.mark.parametrize("hertz", [0.3, 40])
def test_what_is_slower_or_faster_than_the_band_is_left_out(hertz):
    assert amplitude_band(amplitude_integrated(sine(hertz, 100))["left"], 20 * RATE_HZ)[1] < 10


def test_the_offset_of_an_electrode_does_not_ring():
    plain, offset = (amplitude_integrated(sine(5, 20, uv))["left"] for uv in (0, 8000))
    np.testing.assert_allclose(offset, plain, atol=0.05)  # float32 holds 8000 µV to within 2^-11 µV


def test_the_borders_of_an_amplitude_are_its_percentiles():
    envelope = np.arange(4 * CENTRE_SAMPLES, dtype=np.float32)
    assert amplitude_band(envelope, CENTRE_SAMPLES) == pytest.approx(
        (1.1 * CENTRE_SAMPLES, 1.9 * CENTRE_SAMPLES), abs=1
    )


# --- what is usable ---

marks = hnp.arrays(bool, (len(FLAWS), 19, 25), elements=st.booleans())


def made(flaws: Array, used: Array | None = None) -> QualityFrames:
    spectra = np.ones((2, len(SPECTRUM_HZ), flaws.shape[-1]), dtype=np.float32)
    used = np.ones(19, dtype=bool) if used is None else used
    return QualityFrames(flaws, spectra, used, flaws.shape[-1] * FRAME)


@given(marks, st.floats(0, 1), st.floats(0.01, 1))
def test_a_window_has_a_reason_if_and_only_if_too_little_of_it_is_usable(flaws, min_usable, most_shown):
    frames = made(flaws)
    settings = QualitySettings(min_usable=min_usable, shown=most_shown)
    sound = sum(
        not any(flaws[FLAWS.index(name), electrode, frame] for name in SPOILING)
        for electrode in range(19)
        for frame in range(25)
    )
    assert frames.usable(0) == pytest.approx(sound / (19 * 25))
    reason = reason_in_words(frames, 0, WINDOW_SAMPLES, settings)
    assert (reason == "") == (frames.usable(0) >= min_usable)
    if reason:
        assert any(name in reason for name in SPOILING)
        assert not any(name in reason for name in {*FLAWS} - {*SPOILING})


def test_a_reason_counts_the_electrodes():
    flaws = np.zeros((len(FLAWS), 19, 25), dtype=bool)
    flaws[FLAWS.index("flat"), :12] = True
    flaws[FLAWS.index("clipped"), 11:14, :20] = True
    flaws[FLAWS.index("muscle")] = True
    used = np.arange(19) < 18
    assert reason_in_words(made(flaws, used), 0, WINDOW_SAMPLES, DEFAULT) == (
        "only 24% of the EEG is usable: of 18 electrodes 12 flat, 3 clipped"
    )


def test_a_reason_names_what_no_electrode_has_for_long_enough_to_show_it():
    flaws = np.zeros((len(FLAWS), 19, 25), dtype=bool)
    flaws[FLAWS.index("missing"), :, :15] = True
    reason = reason_in_words(made(flaws), 0, WINDOW_SAMPLES, QualitySettings(shown=0.9))
    assert reason == "only 40% of the EEG is usable: of 19 electrodes 19 missing"


@given(st.integers(0, 24), st.integers(0, 50 * RATE_HZ - 1), st.integers(1, 10_000))
def test_a_stretch_has_the_frames_whose_middle_lies_in_it(frame, start, n_samples):
    flaws = np.zeros((len(FLAWS), 19, 25), dtype=bool)
    flaws[:, :, frame] = True
    middles = np.arange(25) * FRAME + FRAME // 2
    inside = [number for number, middle in enumerate(middles) if start <= middle < start + n_samples]
    if inside:
        expected = (frame in inside) / len(inside)
        assert made(flaws).window(start, n_samples).max() == pytest.approx(expected)
