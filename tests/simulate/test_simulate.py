from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import signal as sp
from scipy import stats

from ictal.labels import N_PATTERNS, OTHER, PATTERNS
from ictal.montage import CHANNELS, ELECTRODES, MIRROR
from ictal.simulate import SimulationSettings, simulate_eeg
from ictal.simulate.background import (
    POSITIONS,
    PatientTraits,
    background,
    coloured_noise,
    draw_patient,
    heartbeat,
)
from ictal.simulate.patterns import PatternTraits, draw_pattern, field, wave
from ictal.simulate.raters import draw_votes, vote_distribution
from ictal.windows import RATE_HZ, WINDOW_S, WINDOW_SAMPLES

PATIENT = PatientTraits(20, 1.8, 0, 9, 0, 1.2, np.full(N_PATTERNS, 1 / N_PATTERNS))
TRAITS = PatternTraits("gpd", 2, 0, 1, 1.5, 1, 1)

CLEAR = {
    "seizure": PatternTraits("seizure", 5, 0, 1, 5, 0.5, 0.5),
    "lpd": PatternTraits("lpd", 5, 1, 1, 1.5, 1, 1),
    "gpd": PatternTraits("gpd", 5, 0, 1, 1.5, 1, 1),
    "lrda": PatternTraits("lrda", 5, 1, 1, 1.5, 0, 1),
    "grda": PatternTraits("grda", 5, 0, 1, 1.5, 0, 1),
    "other": PatternTraits("other", 0, 0, 1, 1.5, 0, 1),
}

seeds = st.integers(0, 10_000)
drawn = st.builds(
    lambda seed, pattern: draw_pattern(np.random.default_rng(seed), pattern), seeds, st.sampled_from(PATTERNS)
)


def spectrum(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return frequencies and power density [row, frequency]."""
    return sp.welch(rows, RATE_HZ, nperseg=2000)


# One EEG


def test_an_eeg_depends_on_its_three_numbers_alone():
    first = simulate_eeg(3, 4, 1)
    for other in ((3, 4, 0), (3, 5, 1), (4, 4, 1), (3, 1, 4)):
        assert not np.array_equal(simulate_eeg(*other).recording.read(), first.recording.read())
    again = simulate_eeg(3, 4, 1)
    np.testing.assert_array_equal(again.recording.read(), first.recording.read())
    np.testing.assert_array_equal(again.votes, first.votes)
    assert again.traits == first.traits


@pytest.mark.parametrize("patient", range(12))
def test_an_eeg_is_a_window_of_plausible_microvolts_with_a_panel(patient):
    made = simulate_eeg(0, patient, 0)
    samples = made.recording.read()
    assert made.recording.channels == CHANNELS
    assert made.recording.rate_hz == RATE_HZ
    assert samples.shape == (len(CHANNELS), WINDOW_SAMPLES)
    spread = samples[:19].std(axis=1)
    assert (spread > 2).all()
    assert (spread < 1000).all()
    assert 1 <= made.votes.sum() <= 20
    np.testing.assert_allclose(made.probabilities, vote_distribution(made.traits))


@pytest.mark.parametrize(
    "values", [{"patients": 1}, {"eegs_per_patient": 0}, {"seed": -1}, {"eegs": 3}, {"patients": 2.5}]
)
def test_a_simulation_of_an_impossible_size_is_refused(values):
    with pytest.raises(ValidationError, match=next(iter(values))):
        SimulationSettings(**values)


# The patient


def test_places_of_the_electrodes_mirror_each_other():
    np.testing.assert_array_equal(POSITIONS[list(MIRROR[:-1])], POSITIONS * (-1, 1))
    assert (np.linalg.norm(POSITIONS, axis=1) < 1.01).all()


@pytest.mark.parametrize("exponent", [1, 1.8, 2.5])
def test_the_noise_has_the_slope_of_its_exponent(exponent):
    rows = coloured_noise(np.random.default_rng(0), 20, WINDOW_SAMPLES, exponent)
    np.testing.assert_allclose(rows.std(axis=1), 1)
    frequency, power = spectrum(rows)
    band = (frequency >= 1) & (frequency <= 40)
    slope = np.polyfit(np.log(frequency[band]), np.log(power.mean(axis=0)[band]), 1)[0]
    assert slope == pytest.approx(-exponent, abs=0.1)


def test_the_background_has_its_amplitude_and_neighbours_are_more_alike_than_far_electrodes():
    eeg = background(np.random.default_rng(1), PATIENT, WINDOW_SAMPLES)
    # the sum of the mixed noise (variance about 1) and the sensor's (0.15^2), of 20 µV
    assert np.sqrt((eeg**2).mean()) == pytest.approx(20 * np.sqrt(1 + 0.15**2), rel=0.1)
    correlation = np.corrcoef(eeg)
    distance = np.linalg.norm(POSITIONS[:, None] - POSITIONS[None], axis=2)
    near, far = (distance > 0) & (distance < 0.6), distance > 1.5
    assert correlation[near].min() > 0.4
    assert abs(correlation[far]).mean() < 0.25


def test_alpha_stands_at_its_frequency_over_the_back_of_the_head_and_the_asymmetry_on_its_side():
    rng = np.random.default_rng
    quiet = background(rng(2), PATIENT, WINDOW_SAMPLES)
    frequency, power = spectrum(background(rng(2), replace(PATIENT, alpha=0.8, alpha_hz=10), WINDOW_SAMPLES))
    ratio = power / spectrum(quiet)[1]
    at = {name: ratio[index] for index, name in enumerate(ELECTRODES)}
    peak = frequency[at["O1"].argmax()]
    assert peak == pytest.approx(10, abs=0.5)
    assert at["O1"].max() > 20
    assert at["O2"].max() > 20
    assert at["Fp1"].max() < 1.5
    right = background(rng(2), replace(PATIENT, asymmetry=0.5), WINDOW_SAMPLES)
    gain = (right / quiet)[:, 0]
    np.testing.assert_allclose(gain[list(MIRROR[:-1])] * gain, 1)
    assert gain[ELECTRODES.index("T4")] > 1.2


@pytest.mark.parametrize("heart_hz", [0.9, 1.9])
def test_the_heart_beats_at_its_rate(heart_hz):
    ekg = heartbeat(np.random.default_rng(0), replace(PATIENT, heart_hz=heart_hz), WINDOW_SAMPLES)
    beats, _ = sp.find_peaks(ekg, height=300, distance=40)
    assert len(beats) == pytest.approx(heart_hz * WINDOW_S, abs=3)


@given(seeds)
def test_a_patient_is_drawn_within_what_is_possible(seed):
    patient = draw_patient(np.random.default_rng(seed))
    assert patient.preference.sum() == pytest.approx(1)
    assert patient.amplitude_uv > 0
    assert 0 <= patient.alpha <= 1
    assert 0.9 <= patient.heart_hz <= 1.9


# The pattern


@given(drawn, seeds)
def test_a_wave_has_unit_power_but_for_other(traits, seed):
    course = wave(np.random.default_rng(seed), traits, WINDOW_SAMPLES)
    assert course.shape == (WINDOW_SAMPLES,)
    assert course.std() == pytest.approx(0 if traits.pattern == "other" else 1)


@given(drawn, seeds)
def test_a_field_is_at_most_one_and_mirrors_with_its_side(traits, seed):
    here = field(np.random.default_rng(seed), traits)
    there = field(np.random.default_rng(seed), replace(traits, side=-traits.side))
    np.testing.assert_allclose(there, here[list(MIRROR[:-1])])
    assert (here > 0).all()
    assert (here <= 1).all()
    right, left = here[POSITIONS[:, 0] > 0].sum(), here[POSITIONS[:, 0] < 0].sum()
    assert (right - left) * traits.side > 0


def test_a_field_is_on_both_sides_or_on_one():
    generator = np.random.default_rng
    both, one = (field(generator(0), replace(TRAITS, laterality=share)) for share in (0, 1))
    np.testing.assert_allclose(both, both[list(MIRROR[:-1])])
    assert one[ELECTRODES.index("C3")] < 0.05 * one[ELECTRODES.index("C4")]


@pytest.mark.parametrize("frequency_hz", [0.8, 1.5, 2.3])
@pytest.mark.parametrize("sharpness", [0, 1])
def test_a_periodic_or_rhythmic_wave_repeats_at_its_rate(frequency_hz, sharpness):
    traits = replace(TRAITS, frequency_hz=frequency_hz, sharpness=sharpness)
    course = wave(np.random.default_rng(5), traits, WINDOW_SAMPLES)
    smooth = sp.sosfiltfilt(sp.butter(2, 8, fs=RATE_HZ, output="sos"), course)
    peaks, _ = sp.find_peaks(smooth, height=0.7, distance=0.6 * RATE_HZ / frequency_hz)
    assert len(peaks) == pytest.approx(frequency_hz * WINDOW_S, rel=0.1)
    # a sinusoid's excess kurtosis is -1.5; brief discharges with flat intervals have more than a Gauss
    kurtosis = stats.kurtosis(course)
    assert kurtosis > 0 if sharpness else kurtosis < -1


def test_a_seizure_slows_down_from_its_first_frequency_to_its_last():
    course = wave(np.random.default_rng(0), replace(CLEAR["seizure"], sharpness=0), WINDOW_SAMPLES)
    crossings = np.flatnonzero(np.diff(np.signbit(course)))
    first, last = (((crossings // 2000) == part).sum() / 20 for part in (0, 4))  # Hz in the first and last 10 s
    assert first == pytest.approx(5 * 0.5**0.1, rel=0.15)
    assert last == pytest.approx(5 * 0.5**0.9, rel=0.15)


# The raters


@given(drawn)
def test_raters_spread_over_the_six_patterns(traits):
    shares = vote_distribution(traits)
    assert shares.sum() == pytest.approx(1, abs=1e-12)
    assert (shares >= 0).all()
    assert shares[OTHER] >= 0.02 - 1e-12


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_clear_pattern_gets_nearly_all_votes(pattern):
    assert vote_distribution(CLEAR[pattern])[PATTERNS.index(pattern)] > 0.95


@pytest.mark.parametrize(
    ("one", "other", "trait", "limit"),
    [
        *[("gpd", "lpd", "laterality", 0.5), ("grda", "lrda", "laterality", 0.5)],
        *[("grda", "gpd", "sharpness", 0.5), ("lrda", "lpd", "sharpness", 0.5)],
        *[("other", "gpd", "strength", 0.9)],
    ],
)
def test_a_panel_is_split_at_the_limit_between_two_patterns(one, other, trait, limit):
    values = [limit * factor for factor in (0.5, 0.8, 0.9, 1, 1.1, 1.2, 1.6)]
    base = CLEAR["gpd" if one == "other" else one]
    shares = np.array([vote_distribution(replace(base, **{trait: value})) for value in values])
    rising, falling = shares[:, PATTERNS.index(other)], shares[:, PATTERNS.index(one)]
    assert (np.diff(rising) > 0).all()
    assert (np.diff(falling) < 0).all()
    assert rising[3] == pytest.approx(falling[3], abs=0.05)
    assert rising[3] + falling[3] > 0.9


def test_votes_follow_their_probabilities_in_panels_of_both_sizes():
    rng = np.random.default_rng(0)
    probabilities = np.array([0.3, 0.25, 0.2, 0.1, 0.1, 0.05])
    votes = np.array([draw_votes(rng, probabilities) for _ in range(3000)])
    assert votes.dtype.kind == "i"
    sizes = votes.sum(axis=1)
    assert set(sizes) == set(range(1, 21))
    # a third is few: the standard error of a share of 3000 panels is sqrt(2/9/3000) = 0.0086
    assert (sizes < 10).mean() == pytest.approx(1 / 3, abs=4 * 0.0086)
    assert stats.chisquare(votes.sum(axis=0), probabilities * votes.sum()).pvalue > 1e-4
