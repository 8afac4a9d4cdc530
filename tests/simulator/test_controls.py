"""Each control is what its docstring claims: what tells the classes apart, and what does not."""

import numpy as np
import pytest
from scipy import signal as sp
from scipy import stats

from ictal.core.labels import PATTERNS
from ictal.core.montage import CHANNELS, MONTAGES, derivations_of, montage_matrix
from ictal.core.windows import RATE_HZ, WINDOW_SAMPLES
from ictal.errors import UnknownNameError
from ictal.simulator import CONTROLS, simulate_control, simulate_eeg
from ictal.simulator.controls import AGREEMENT, CLASSES, PLACES, RHYTHM_HZ, SHARP_S, SIGNS, SLOW_S, WAVE_SITES, _waves

BANANA = montage_matrix(derivations_of(MONTAGES["double_banana"]))
LONG = montage_matrix(derivations_of(MONTAGES["long_chains"]))
N = {"temporal": 110, "spatial": 110, "joint": 220}


def sign_of(samples):
    """Return which sign the waves have: that of the matched filter's twenty largest answers."""
    time = np.arange(-4 * SLOW_S, 4 * SLOW_S, 1 / RATE_HZ)
    sharp, slow = (np.exp(-((time / width) ** 2) / 2) for width in (SHARP_S, SLOW_S))
    template = sharp - SHARP_S / SLOW_S * slow
    total = 0.0
    for site in WAVE_SITES:
        answer = sp.fftconvolve(samples[CHANNELS.index(site)], template, mode="same")
        peaks, _ = sp.find_peaks(abs(answer), distance=40)
        total += answer[peaks[np.argsort(-abs(answer[peaks]))[:20]]].sum()
    return SIGNS.index(int(np.sign(total)))


def place_of(samples):
    """Return where the rhythm is: the place with most power at its frequency, relative to the frequencies around."""
    frequency, density = sp.welch(samples[:19], RATE_HZ, nperseg=800)
    inside = abs(frequency - RHYTHM_HZ) < 0.8
    around = (abs(frequency - RHYTHM_HZ) > 2) & (abs(frequency - RHYTHM_HZ) < 3.5)
    excess = np.log(density[:, inside].mean(axis=1) / density[:, around].mean(axis=1))
    return int(np.argmax([excess[[CHANNELS.index(site) for site in place]].min() for place in PLACES]))


def log_power(samples, matrix, edges):
    """Return log power of derivations between the edges of bands, [derivation, band]."""
    frequency, density = sp.welch(matrix @ samples, RATE_HZ, nperseg=1000)
    bands = np.searchsorted(frequency, edges)
    return np.log(np.add.reduceat(density, bands, axis=1)[:, :-1])


@pytest.fixture(scope="module")
def made():
    """Return of each control what the tests look at, by name: a class, a sign and a place per EEG, and spectra."""
    found = {}
    for name, number in N.items():
        rows = {key: [] for key in ("class", "sign", "place", "all", "long")}
        for index in range(number):
            eeg = simulate_control(name, 5, index // 5, index % 5)
            rows["class"].append(CLASSES.index(PATTERNS[eeg.probabilities.argmax()]))
            rows["sign"].append(sign_of(eeg.samples))
            rows["place"].append(place_of(eeg.samples))
            rows["all"].append(log_power(eeg.samples, BANANA, np.arange(1, 21)))
            rows["long"].append(log_power(eeg.samples, LONG, [RHYTHM_HZ - 1, RHYTHM_HZ + 1])[:, 0])
        found[name] = {key: np.array(values) for key, values in rows.items()}
    return found


def differs(values, labels):
    """Return the p value of the F test that the means of the classes differ, the smallest of all columns, corrected.

    Each EEG's class is drawn by itself, so that under the null hypothesis all orders of the labels are alike.
    """
    values = values.reshape(len(values), -1)
    p = stats.f_oneway(*(values[labels == label] for label in np.unique(labels))).pvalue
    return min(1.0, float(p.min()) * values.shape[1])


def agreement(answers, labels):
    return np.mean(answers == labels)


# What all have


@pytest.mark.parametrize("name", CONTROLS)
def test_a_control_depends_on_its_arguments_alone(name):
    one, again = (simulate_control(name, 2, 3, 1) for _ in range(2))
    np.testing.assert_array_equal(one.samples, again.samples)
    np.testing.assert_array_equal(one.votes, again.votes)
    for other in ((2, 3, 0), (2, 4, 1), (3, 3, 1)):
        assert not np.array_equal(simulate_control(name, *other).samples, one.samples, equal_nan=True)
    assert one.samples.shape == (len(CHANNELS), WINDOW_SAMPLES)
    assert one.samples.dtype == np.float32
    assert one.probabilities.sum() == pytest.approx(1)
    assert name in one.name
    assert one.votes.sum() >= 10


def test_an_unknown_control_is_refused_with_the_known_ones():
    with pytest.raises(UnknownNameError, match="unknown control 'both'; known are: temporal, spatial, joint, null"):
        simulate_control("both", 0, 0, 0)


@pytest.mark.parametrize("name", N)
def test_classes_are_drawn_evenly_and_get_most_votes(name):
    eegs = [simulate_control(name, 6, patient, 0) for patient in range(60)]
    classes = [eeg.probabilities.argmax() for eeg in eegs]
    counts = [classes.count(PATTERNS.index(pattern)) for pattern in CLASSES]
    assert sum(counts) == 60
    assert stats.chisquare(counts).pvalue > 1e-3
    votes = sum(eeg.votes[own] for eeg, own in zip(eegs, classes, strict=True))
    total = sum(eeg.votes.sum() for eeg in eegs)
    assert votes / total == pytest.approx(AGREEMENT, abs=5 * np.sqrt(AGREEMENT * (1 - AGREEMENT) / total))
    other = [PATTERNS.index(pattern) for pattern in PATTERNS if pattern not in CLASSES]
    assert sum(eeg.votes[other].sum() for eeg in eegs) == 0


# When


def test_the_sign_of_the_waves_leaves_their_spectrum_which_is_not_that_of_the_rhythm():
    rows = np.stack([sign * _waves(np.random.default_rng(0), WINDOW_SAMPLES) for sign in SIGNS])
    spectra = abs(np.fft.rfft(rows, axis=1)) ** 2
    np.testing.assert_array_equal(*spectra)
    # sharp waves and slow ones of the same area cancel at 0 Hz, within the cut at four standard deviations
    single = abs(np.fft.rfft(_waves(_OneWave(), WINDOW_SAMPLES))) ** 2
    assert single[0] < 1e-6 * single.max()


class _OneWave:
    """A generator of which the one number in the middle is small."""

    def random(self, n_samples):
        return (np.arange(n_samples) != n_samples // 2).astype(float)


def test_in_temporal_the_sign_tells_the_class_and_the_spectrum_does_not(made):
    found = made["temporal"]
    assert agreement(found["sign"], found["class"]) > 0.9
    assert differs(found["all"], found["class"]) > 0.001
    # nor does the place
    assert agreement(found["place"], found["class"]) == pytest.approx(0.5, abs=4 * np.sqrt(1 / 4 / N["temporal"]))


# Where


def test_in_spatial_the_place_tells_the_class_and_the_long_chains_do_not(made):
    found = made["spatial"]
    assert agreement(found["place"], found["class"]) > 0.9
    assert differs(found["all"], found["class"]) < 1e-9
    assert differs(found["long"], found["class"]) > 0.001
    assert agreement(found["sign"], found["class"]) == pytest.approx(0.5, abs=4 * np.sqrt(1 / 4 / N["spatial"]))


def test_the_places_lie_outside_of_the_long_chains_and_within_the_double_banana():
    sites = [CHANNELS.index(site) for place in PLACES for site in place]
    assert not LONG[:, sites].any()
    assert abs(BANANA[:, sites]).sum(axis=0).min() >= 2


# Both


def test_in_joint_only_both_together_tell_the_class(made):
    found = made["joint"]
    sign, place, own = found["sign"], found["place"], found["class"]
    assert set(sign) == set(place) == {0, 1}
    assert agreement(sign != place, own) > 0.9
    error = np.sqrt(1 / 4 / N["joint"])
    for alone in (sign, place):
        assert agreement(alone, own) == pytest.approx(0.5, abs=4 * error)
    # the best sum of a function of the one and a function of the other is right in three of the four cells at most
    additive = np.linalg.lstsq(np.column_stack([np.ones(len(own)), sign, place]), own, rcond=None)[0]
    answer = np.column_stack([np.ones(len(own)), sign, place]) @ additive > 0.5
    assert agreement(answer, own) < 0.75 + 4 * error
    assert differs(found["all"], own) > 0.001


# Neither


def test_null_is_the_eeg_as_it_is_with_votes_that_have_nothing_to_do_with_it():
    eegs, controls = zip(
        *((simulate_eeg(4, patient, 2), simulate_control("null", 4, patient, 2)) for patient in range(60)),
        strict=True,
    )
    for eeg, control in zip(eegs[:10], controls, strict=False):
        np.testing.assert_array_equal(control.samples, eeg.samples)
        assert not np.array_equal(control.votes, eeg.votes)
    truth = np.array([eeg.probabilities for eeg in eegs])
    shares = np.array([control.votes / control.votes.sum() for control in controls])
    truth, shares = truth - truth.mean(axis=0), shares - shares.mean(axis=0)
    rng = np.random.default_rng(0)
    chance = [(truth * shares[rng.permutation(60)]).sum() for _ in range(500)]
    assert abs((truth * shares).sum()) < 4 * np.std(chance)
    # the EEGs' own votes pass no such test
    own = np.array([eeg.votes / eeg.votes.sum() for eeg in eegs])
    assert (truth * own).sum() > 8 * np.std(chance)


def test_panels_of_null_agree_on_something_that_is_different_each_time():
    controls = [simulate_control("null", 4, patient, 3) for patient in range(60)]
    leading = [control.votes.max() / control.votes.sum() for control in controls]
    assert np.median(leading) > 0.6
    counts = np.bincount([control.votes.argmax() for control in controls], minlength=6)
    assert stats.chisquare(counts).pvalue > 1e-3
    assert all((control.probabilities == 1 / 6).all() for control in controls)
