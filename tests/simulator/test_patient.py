from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import rel_entr

from ictal.core.labels import N_PATTERNS, PATTERNS, distribution
from ictal.core.montage import MONTAGES, derivations_of, montage_matrix
from ictal.core.windows import RATE_HZ, WINDOW_S
from ictal.simulator import simulate_eeg
from ictal.simulator.fitted_parameters import FEW, KINDS, MANY
from ictal.simulator.head import POSITIONS
from ictal.simulator.patient import LATERAL_PLACES, REFERENCES, draw_patient, draw_pattern
from tests.simulator.helpers import at

seeds = st.integers(0, 10_000)


@pytest.fixture(scope="module")
def patients():
    return [draw_patient(np.random.default_rng((7, seed))) for seed in range(500)]


# A patient


@given(seeds)
def test_a_patient_is_drawn_within_what_is_possible(seed):
    patient = draw_patient(np.random.default_rng(seed))
    assert patient.kinds.shape == (2, len(KINDS))
    np.testing.assert_allclose(patient.kinds.sum(axis=1), 1)
    assert (patient.kinds >= 0).all()
    assert 0.8 <= patient.heart_hz <= 2.4
    assert patient.reference in REFERENCES
    assert patient.high_pass_hz < patient.low_pass_hz <= RATE_HZ / 2
    assert np.linalg.norm(patient.place) == pytest.approx(1)
    assert patient.place[0] * patient.side > 0
    assert (POSITIONS[at(*LATERAL_PLACES)] * (-patient.side, 1, 1) @ patient.place).max() > np.cos(0.8)


def test_the_mean_patient_has_the_kinds_of_the_population_and_each_has_few(patients):
    kinds = np.array([patient.kinds for patient in patients])
    # Of a Dirichlet of concentration 1.6 a share p has the variance p (1 - p) / 2.6.
    for panel, population in enumerate((FEW, MANY)):
        error = np.sqrt(population * (1 - population) / 2.6 / 500)
        assert (abs(kinds[:, panel].mean(axis=0) - population) < 5 * error + 1e-9).all()
    # "two or three kinds": as many as hold nine tenths of the windows
    needed = (np.cumsum(np.sort(kinds[:, 1], axis=1)[:, ::-1], axis=1) < 0.9).sum(axis=1) + 1
    assert 2 <= np.median(needed) <= 3


def test_references_come_in_their_shares_and_sides_alike(patients):
    assert sum(REFERENCES.values()) == pytest.approx(1)
    number = Counter(patient.reference for patient in patients)
    for name, share in REFERENCES.items():
        assert number[name] / 500 == pytest.approx(share, abs=5 * np.sqrt(share * (1 - share) / 500))
    assert np.mean([patient.side for patient in patients]) == pytest.approx(0, abs=5 / np.sqrt(500))


# How a patient's pattern is drawn


@pytest.mark.parametrize("kind", KINDS, ids="-".join)
def test_any_kind_gives_an_allowed_pattern_that_is_there_in_the_centre(patients, kind):
    for number, patient in enumerate(patients[:40]):
        pattern = draw_pattern(np.random.default_rng(number), patient, kind, WINDOW_S)
        if kind == ("other", "other"):
            assert pattern is None
            continue
        # A clear seizure may begin or end in the centre, of which it has at least 4 s; others are there throughout.
        most_missed = 6 if "seizure" in kind else 0  # a `Pattern` itself refuses what is out of range
        assert pattern.onset_s <= WINDOW_S / 2 - 5 + most_missed
        assert pattern.offset_s >= WINDOW_S / 2 + 5 - most_missed
        assert pattern.offset_s - pattern.onset_s > 4
        assert pattern.side == patient.side


def test_some_clear_seizures_begin_or_end_in_the_centre_and_some_are_fast(patients):
    made = [
        draw_pattern(
            np.random.default_rng(number), patients[number % len(patients)], ("seizure", "seizure"), WINDOW_S
        )
        for number in range(400)
    ]
    low, high = WINDOW_S / 2 - 5, WINDOW_S / 2 + 5
    turning = np.mean([low < one.onset_s < high or low < one.offset_s < high for one in made])
    fast = np.mean([one.frequency_hz > 6 for one in made])
    assert 0.17 < turning < 0.33
    assert 0.08 < fast < 0.3


@pytest.mark.parametrize(
    ("one", "other", "modifier"),
    [
        ("gpd", "lpd", lambda pattern: -pattern.contralateral),
        ("grda", "lrda", lambda pattern: -pattern.contralateral),
        ("grda", "gpd", lambda pattern: pattern.periodic * (1 - pattern.duration_s * pattern.frequency_hz)),
        ("lrda", "lpd", lambda pattern: pattern.periodic * (1 - pattern.duration_s * pattern.frequency_hz)),
    ],
)
def test_a_kind_between_two_patterns_is_drawn_between_them(patients, one, other, modifier):
    def values(kind):
        return np.array(
            [
                modifier(draw_pattern(np.random.default_rng(number), patient, kind, WINDOW_S))
                for number, patient in enumerate(patients[:200])
            ]
        )

    low, high = values((one, one)), values((other, other))
    between = values(tuple(sorted((one, other), key=PATTERNS.index)))
    assert low.max() < np.median(between) < high.min()


def test_seizures_are_faster_or_evolve(patients):
    def of(pattern):
        return [
            draw_pattern(np.random.default_rng(number), patient, (pattern, pattern), WINDOW_S)
            for number, patient in enumerate(patients[:200])
        ]

    for seizure in of("seizure"):
        assert seizure.frequency_hz > 2.5 or abs(seizure.trend) > 0.3
    # A patient's tempo, a factor with a log spread of 0.15, comes on top of what is clearly no seizure.
    quiet = of("gpd")
    assert all(pattern.trend == 0 for pattern in quiet)
    assert np.mean([pattern.frequency_hz > 2.1 for pattern in quiet]) < 0.05


def test_discharges_of_one_patient_look_alike_and_those_of_another_do_not(patients):
    durations, sides = [], []
    for patient in patients[:100]:
        drawn = [draw_pattern(np.random.default_rng(seed), patient, ("lpd", "lpd"), WINDOW_S) for seed in range(10)]
        durations.append(np.log([pattern.duration_s for pattern in drawn]))
        sides.append({pattern.side for pattern in drawn})
    # were it not for the patients, means of ten would spread by the root of ten less than single ones
    assert np.mean(durations, axis=1).std() > 2 * np.std(durations, axis=1).mean() / np.sqrt(10)
    assert all(len(side) == 1 for side in sides)


# Patients matter

EDGES_HZ = (0.15, 0.5, 1, 2, 3, 4, 6, 8, 10, 13, 18, 25, 35, 45, 70, 99)
DERIVATIONS = montage_matrix(derivations_of(MONTAGES["double_banana"]))[:, :19]


def features(samples):
    """Return the log power of 14 bands at the electrodes and in the derivations of the double banana, [518]."""
    scalp = np.nan_to_num(samples[:19])
    spectrum = abs(np.fft.rfft(np.vstack([scalp, DERIVATIONS @ scalp]), axis=1)) ** 2
    edges = np.searchsorted(np.fft.rfftfreq(scalp.shape[1], 1 / RATE_HZ), EDGES_HZ)
    return np.log(np.add.reduceat(spectrum, edges, axis=1)[:, :-1] + 1).ravel()


def losses(table, shares, folds):
    """Return the KL of each EEG's votes from what kernel ridge regression predicts out of the other folds."""
    table = (table - table.mean(axis=0)) / table.std(axis=0)
    distance = ((table[:, None] - table[None]) ** 2).sum(axis=2)
    kernel = np.exp(-2 * distance / np.median(distance))
    loss = np.empty(len(folds))
    for fold in range(folds.max() + 1):
        train, test = folds != fold, folds == fold
        prior = shares[train].mean(axis=0)
        weights = np.linalg.solve(kernel[np.ix_(train, train)] + 0.1 * np.eye(train.sum()), shares[train] - prior)
        answer = np.maximum(prior + kernel[np.ix_(test, train)] @ weights, 0)
        answer = 0.9 * answer / answer.sum(axis=1, keepdims=True) + 0.09 * prior + 0.01 / N_PATTERNS
        loss[test] = rel_entr(shares[test], answer).sum(axis=1)
    return loss


def test_folds_that_tear_patients_apart_look_better_than_they_are():
    n_patients, n_eegs = 40, 6
    table, votes = [], []
    for number in range(n_patients * n_eegs):
        made = simulate_eeg(21, number // n_eegs, number % n_eegs, few_share=0.0)
        table.append(features(made.samples))
        votes.append(made.votes)
    rng = np.random.default_rng(0)

    def gap(patient):
        """Return how much lower the loss is where folds cut through patients, over five divisions, and its error."""
        differences = []
        for _ in range(5):
            grouped, shuffled = rng.permutation(n_patients)[patient] % 5, rng.permutation(len(patient)) % 5
            differences.append(
                losses(np.array(table), distribution(votes), grouped)
                - losses(np.array(table), distribution(votes), shuffled)
            )
        of_patients = np.bincount(patient, np.mean(differences, axis=0)) / n_eegs
        return of_patients.mean(), of_patients.std() / n_patients**0.5

    patient = np.repeat(np.arange(n_patients), n_eegs)
    real, error = gap(patient)
    permuted, permuted_error = gap(rng.permutation(patient))
    print(f"gap {real:.3f} +- {error:.3f}, with permuted patients {permuted:.3f} +- {permuted_error:.3f}")
    # patients are independent, so the error of the mean over them is that of the gap
    assert real > 3 * error
    assert real > 0.05
    assert abs(permuted) < 4 * permuted_error
    assert abs(permuted) < real / 3
