import numpy as np
import pytest

from ictal.evaluation import PatientBootstrap
from ictal.evaluation.variance import split_variance


def made(
    patient_sd: float, seed_sd: float, fold_sd: float, n_patients: int = 300, n_seeds: int = 6, rng_seed: int = 0
):
    """Return losses of 2 windows per patient and seed, drawn as the analysis supposes."""
    rng = np.random.default_rng(rng_seed)
    of_patient, of_seed = rng.normal(0, patient_sd, n_patients), rng.normal(0, seed_sd, n_seeds)
    of_fold = rng.normal(0, fold_sd, 5)
    patients = np.repeat(np.arange(n_patients), 2 * n_seeds)
    seeds = np.tile(np.repeat(np.arange(n_seeds), 2), n_patients)
    folds = patients % 5
    losses = 1 + of_patient[patients] + of_seed[seeds] + of_fold[folds] + rng.normal(0, 0.01, len(patients))
    bootstrap = PatientBootstrap(patients.astype(object), np.ones(len(patients)), 800)
    return split_variance(losses, seeds, folds, bootstrap)


def test_each_source_is_found_where_it_is():
    patient, seed, fold = made(1, 0, 0), made(0, 0.3, 0, n_seeds=40), made(0.1, 0, 0.5)
    assert patient.patient == pytest.approx(1 / np.sqrt(300), rel=0.2)
    assert patient.seed < 0.01
    assert patient.fold < 0.2  # five folds of sixty patients say little
    assert seed.seed == pytest.approx(0.3, rel=0.3)
    assert seed.patient < 0.01
    assert fold.fold == pytest.approx(0.5, rel=0.7)
    assert fold.seed < 0.01
    assert seed.to_json() == {
        "patient_sd": seed.patient,
        "seed_sd": seed.seed,
        "fold_sd": seed.fold,
        "n_seeds": 40,
    }


def test_on_average_the_components_are_those_that_were_put_in():
    found = [made(0.5, 0.1, 0.2, 100, 4, seed) for seed in range(40)]
    assert np.mean([one.seed**2 for one in found]) == pytest.approx(0.01, rel=0.4)
    assert np.mean([one.fold**2 for one in found]) == pytest.approx(0.04, rel=0.5)


def test_one_seed_or_one_fold_tells_nothing_of_others():
    losses = np.random.default_rng(0).normal(size=20)
    bootstrap = PatientBootstrap(np.arange(20).astype(object), np.ones(20), 100)
    split = split_variance(losses, np.zeros(20, dtype=int), np.zeros(20, dtype=int), bootstrap)
    assert (split.seed, split.fold, split.n_seeds) == (None, None, 1)
