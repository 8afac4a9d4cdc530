from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from ictal.core.labels import MANY_VOTES, N_PATTERNS, PATTERNS
from ictal.core.montage import CHANNELS
from ictal.core.windows import RATE_HZ, WINDOW_SAMPLES
from ictal.simulator import SimulationSettings, simulate_eeg
from ictal.simulator.artifacts import Artifacts
from ictal.simulator.background import State
from ictal.simulator.eeg import compose, patient_of
from ictal.simulator.fitted_parameters import FEW_SIZES, KINDS, MANY_SIZES
from ictal.simulator.patient import REFERENCES
from ictal.simulator.raters import vote_distribution
from tests.simulator.helpers import power
from tests.simulator.test_patterns import WAVE

MIXED = [kind for kind in KINDS if kind[0] != kind[1]]


@pytest.fixture(scope="module")
def eegs():
    return [simulate_eeg(3, patient, 1) for patient in range(40)]


# What an EEG is


def test_an_eeg_depends_on_its_numbers_alone_and_not_on_the_order(eegs):
    patient_of.cache_clear()
    for number in (17, 2, 39):
        again = simulate_eeg(3, number, 1)
        np.testing.assert_array_equal(again.samples, eegs[number].samples)
        np.testing.assert_array_equal(again.votes, eegs[number].votes)
        assert (again.kind, again.pattern, again.evidence) == (
            eegs[number].kind,
            eegs[number].pattern,
            eegs[number].evidence,
        )
    one = eegs[4]
    for other in ((3, 4, 0), (3, 5, 1), (4, 4, 1), (3, 1, 4), (4, 3, 1)):
        assert not np.array_equal(simulate_eeg(*other).samples, one.samples, equal_nan=True)
    assert len({eeg.name for eeg in eegs}) == len(eegs)


def test_two_eegs_of_a_patient_and_a_patient_himself_draw_from_different_streams():
    # numpy's seeds ignore zeros at the end, so (seed, patient) and (seed, patient, 0) would be one stream
    assert np.random.default_rng((3, 4)).random() == np.random.default_rng((3, 4, 0)).random()
    first = {simulate_eeg(3, 4, eeg).samples[0, 0] for eeg in range(4)}
    assert len(first) == 4


def test_an_eeg_is_a_window_of_plausible_microvolts(eegs):
    for eeg in eegs:
        assert eeg.samples.shape == (len(CHANNELS), WINDOW_SAMPLES)
        assert eeg.samples.dtype == np.float32
        assert not np.isinf(eeg.samples).any()
        lacking = np.isnan(eeg.samples)
        assert lacking.any(axis=0).mean() <= 0.3
    spreads = np.array([np.nanstd(eeg.samples[:19], axis=1) for eeg in eegs])
    # Clinical EEG: medians of tens of µV; suppressed ones go below 5, movement and seizures to hundreds.
    assert 8 < np.median(spreads) < 60
    assert np.quantile(spreads, 0.02) > 0.5
    assert spreads.max() < 1500
    assert np.median([np.nanmax(abs(eeg.samples[19])) for eeg in eegs]) > 100


def test_the_recording_holds_the_samples(eegs):
    recording = eegs[0].recording
    assert recording.channels == CHANNELS
    assert recording.rate_hz == RATE_HZ
    np.testing.assert_array_equal(recording.read(), eegs[0].samples)


def test_the_probabilities_are_what_the_pool_answers_to_the_evidence(eegs):
    for eeg in eegs:
        np.testing.assert_array_equal(eeg.probabilities, vote_distribution(eeg.evidence))
        assert (eeg.pattern is None) == (eeg.kind == ("other", "other"))
        assert eeg.votes.shape == (N_PATTERNS,)
        assert eeg.votes.sum() in {*FEW_SIZES, *MANY_SIZES}


def test_the_share_of_few_votes_is_as_asked():
    assert all(simulate_eeg(1, patient, 0, few_share=1.0).votes.sum() < MANY_VOTES for patient in range(6))
    assert all(simulate_eeg(1, patient, 0, few_share=0.0).votes.sum() >= MANY_VOTES for patient in range(6))


def test_votes_agree_with_their_probabilities(eegs):
    # One standardised sum over all: each window's own votes are its probabilities but for a variance below the
    # multinomial one, as raters of a panel are drawn without replacement.
    given = np.array([eeg.votes @ np.log(eeg.probabilities) for eeg in eegs])
    size = np.array([eeg.votes.sum() for eeg in eegs])
    p = np.array([eeg.probabilities for eeg in eegs])
    mean = (p * np.log(p)).sum(axis=1)
    variance = (p * np.log(p) ** 2).sum(axis=1) - mean**2
    assert abs((given - size * mean).sum()) < 4 * np.sqrt((size * variance).sum())


# What was asked for is there


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_kind_of_one_pattern_is_called_so(pattern):
    found = np.mean(
        [simulate_eeg(1, patient, 0, kind=(pattern, pattern)).probabilities for patient in range(15)], axis=0
    )
    assert found[PATTERNS.index(pattern)] > 0.6


def test_a_kind_of_two_patterns_divides_the_panel_between_them():
    both = []
    for number, kind in enumerate(MIXED):
        for patient in (2 * number, 2 * number + 1):
            made = simulate_eeg(2, patient, 0, kind=kind).probabilities
            both.append(made[[PATTERNS.index(pattern) for pattern in kind]].sum())
    # by chance, two of six have a third; some windows, in which the artifacts are large, are seen as 'other'
    assert np.mean(both) > 0.55


@pytest.mark.parametrize("reference", REFERENCES)
def test_each_reference_makes_what_it_says(reference, monkeypatch):
    from ictal.simulator import eeg as module

    monkeypatch.setattr(module, "draw_artifacts", lambda rng, heavy: Artifacts())
    person = replace(patient_of(5, 0), reference=reference, high_pass_hz=0.1, low_pass_hz=70.0)
    samples, *_ = compose(np.random.default_rng(0), person, None, WINDOW_SAMPLES)
    scalp = samples[:19].astype(float)
    if reference == "average":
        assert abs(scalp.mean(axis=0)).max() < 1e-3
    elif reference == "vertex":
        np.testing.assert_allclose(scalp[9], -scalp[10], atol=1e-3)  # halfway between Cz and Pz
    else:
        assert scalp.mean(axis=0).std() > 1e-1
    # all the same voltage between two electrodes, whatever the reference
    average, *_ = compose(np.random.default_rng(0), replace(person, reference="average"), None, WINDOW_SAMPLES)
    np.testing.assert_allclose(scalp - scalp[0], average[:19].astype(float) - average[0], atol=1e-3)


@pytest.mark.parametrize("low_pass_hz", [35.0, 70.0])
@pytest.mark.parametrize("high_pass_hz", [0.1, 1.0])
def test_the_amplifier_filters(monkeypatch, high_pass_hz, low_pass_hz):
    from ictal.simulator import eeg as module

    person = replace(patient_of(5, 0), high_pass_hz=high_pass_hz, low_pass_hz=low_pass_hz, reference="average")
    time = np.arange(WINDOW_SAMPLES) / RATE_HZ
    for hertz in (0.2, 1.0, 10.0, 35.0, 70.0):
        wave = np.zeros((21, WINDOW_SAMPLES), dtype=np.float32)
        wave[0] = 100 * np.sin(2 * np.pi * hertz * time)
        filtered = module._amplifier(person, wave)[0, 2000:8000]
        # magnitudes of a first-order high-pass and of a Butterworth low-pass of second order
        expected = 1 / np.sqrt(1 + (high_pass_hz / hertz) ** 2) / np.sqrt(1 + (hertz / low_pass_hz) ** 4)
        # 10 s after the start the slowest transient is gone but for exp(-2 pi 0.1 10) = 0.002
        assert np.sqrt(2) * filtered.std() / 100 == pytest.approx(expected, abs=0.01)


def test_a_pattern_is_as_strong_as_asked_beside_a_quiet_background(monkeypatch):
    from ictal.simulator import eeg as module

    monkeypatch.setattr(module, "draw_artifacts", lambda rng, heavy: Artifacts())
    monkeypatch.setattr(module, "draw_state", lambda rng, suppression: State())
    person = patient_of(5, 1)
    strong, faint = (
        compose(np.random.default_rng(0), person, replace(WAVE, strength=size), WINDOW_SAMPLES) for size in (4.0, 0.2)
    )
    # coordinates are logarithms in units of 0.45
    assert strong[1].strong - faint[1].strong == pytest.approx(np.log(20) / 0.45, abs=0.05)
    assert strong[1].strong == pytest.approx(np.log(4 / 0.8) / 0.45, abs=0.05)
    # 2 Hz over C3
    assert power(strong[0][2], 1.9, 2.1) > 20 * power(faint[0][2], 1.9, 2.1)


def test_a_pattern_that_is_absent_from_the_centre_is_no_larger_where_it_is():
    # Its strength is relative to what is beside it, wherever it is seen: never a thousand times that.
    person = patient_of(5, 1)
    always, before = (
        compose(np.random.default_rng(0), person, replace(WAVE, onset_s=0.0, offset_s=offset_s), WINDOW_SAMPLES)[0]
        for offset_s in (50.0, 15.0)
    )
    assert np.nanstd(before[:19], axis=1).max() < 10 * np.nanstd(always[:19], axis=1).max()


# Settings


@pytest.mark.parametrize(
    "values",
    [
        {"patients": 1},
        {"eegs_per_patient": 0},
        {"few_share": 1.1},
        {"few_share": -0.1},
        {"seed": -1},
        {"eegs": 3},
        {"patients": 2.5},
    ],
)
def test_a_simulation_of_an_impossible_size_is_refused(values):
    with pytest.raises(ValidationError, match=next(iter(values))):
        SimulationSettings(**values)
