from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import rel_entr

from ictal.core.labels import N_PATTERNS
from ictal.simulator import expected_kl
from ictal.simulator.raters import Evidence, draw_votes, vote_distribution

shares = (
    st.lists(st.just(0.0) | st.floats(1e-9, 1), min_size=N_PATTERNS, max_size=N_PATTERNS)
    .filter(lambda values: sum(values) > 0.01)
    .map(lambda values: np.array(values) / sum(values))
)


def kl(votes, probabilities):
    """Return the KL of each panel's votes [..., 6] from a distribution, [...]."""
    return rel_entr(votes / votes.sum(axis=-1, keepdims=True), probabilities).sum(axis=-1)


@given(shares)
def test_it_is_the_mean_over_all_panels_of_three(probabilities):
    expected = 0.0
    for answers in product(range(N_PATTERNS), repeat=3):
        chance = probabilities[list(answers)].prod()
        if chance:
            expected += chance * kl(np.bincount(answers, minlength=N_PATTERNS), probabilities)
    # a sum of 216 terms, against one of 24: rounding, 216 x 2^-53, times logarithms of at most 700
    assert expected_kl(probabilities, 3) == pytest.approx(expected, abs=1e-11)


@given(shares, st.integers(1, 30), st.integers(0, 1000))
def test_it_agrees_with_drawn_panels(probabilities, size, seed):
    votes = np.random.default_rng(seed).multinomial(size, probabilities, 4000)
    drawn = kl(votes, probabilities)
    # what is rare but costs much may be in no draw: its part is at most its chance times its logarithm
    rare = probabilities[probabilities * size * 4000 < 10]
    missed = (-rare * np.log(np.maximum(rare, 1e-300))).sum()
    assert expected_kl(probabilities, size) == pytest.approx(
        drawn.mean(), abs=5 * drawn.std() / 4000**0.5 + missed + 1e-9
    )


@pytest.mark.parametrize("size", [300, 3000])
def test_it_tends_to_the_chi_square_approximation_for_large_panels(size):
    # next term of the expansion: (sum 1/p - 1) / (12 n^2), Harris 1975, of which sum 1/p is 36
    expected = (N_PATTERNS - 1) / (2 * size)
    assert expected_kl(np.full(N_PATTERNS, 1 / N_PATTERNS), size) == pytest.approx(
        expected, abs=1.1 * 35 / 12 / size**2
    )


@pytest.mark.parametrize("pattern", range(N_PATTERNS))
def test_it_is_zero_where_all_agree(pattern):
    assert expected_kl(np.eye(N_PATTERNS)[pattern], 7) == 0


@given(shares)
def test_it_falls_with_the_size_of_the_panel_and_is_the_entropy_for_one_rater(probabilities):
    values = [float(expected_kl(probabilities, size)) for size in (1, 2, 5, 20)]
    assert values[0] == pytest.approx(-sum(p * np.log(p) for p in probabilities if p > 0), abs=1e-12)
    assert all(one >= other - 1e-12 for one, other in pairwise(values))
    assert values[-1] >= -1e-12


def test_many_distributions_are_done_at_once():
    many = np.random.default_rng(0).dirichlet(np.ones(N_PATTERNS), (3, 4))
    np.testing.assert_allclose(expected_kl(many, 5), [[expected_kl(one, 5) for one in row] for row in many])


def test_panels_of_three_raters_reach_it():
    rng = np.random.default_rng(1)
    expected, reached = [], []
    for row in rng.normal(0, 1.2, (2500, 6)):
        evidence = Evidence(*row)
        probabilities = vote_distribution(evidence)
        expected.append(expected_kl(probabilities, 3))
        reached.append(kl(draw_votes(rng, evidence, {3: 1.0}), probabilities))
    # A panel is drawn without replacement from 32, which takes at most 2/31 of the variance.
    difference = np.array(reached) - expected
    error = difference.std() / 2500**0.5
    assert -2 / 31 * np.mean(expected) - 5 * error < difference.mean() < 5 * error
