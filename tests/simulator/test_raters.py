from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ictal.core.labels import N_PATTERNS, OTHER, PATTERNS, VOTE_COLUMNS
from ictal.core.montage import ELECTRODES
from ictal.core.windows import WINDOW_SAMPLES
from ictal.simulator import simulate_eeg
from ictal.simulator.fitted_parameters import FEW, FEW_SHARES, FEW_SIZES, KINDS, MANY, MANY_SHARES, MANY_SIZES
from ictal.simulator.head import POSITIONS, SITES
from ictal.simulator.patterns import render
from ictal.simulator.raters import (
    LATERAL_LIMIT,
    N_RATERS,
    NAMED_LIMIT,
    Evidence,
    draw_votes,
    observe_background,
    observe_pattern,
    rater_distributions,
    relative_strength,
    vote_distribution,
)
from tests.simulator.helpers import plain_head
from tests.simulator.test_patterns import WAVE

COORDINATES = [field.name for field in fields(Evidence)]
evidences = st.builds(Evidence, *[st.floats(-5, 5)] * len(COORDINATES))
THERE = {"strong": 4.0, "prevalent": 4.0, "regular": 4.0}
CLEAR = {
    "seizure": Evidence(**THERE, seizure=4, lateral=0, periodic=0),
    "lpd": Evidence(**THERE, seizure=-4, lateral=4, periodic=4),
    "gpd": Evidence(**THERE, seizure=-4, lateral=-4, periodic=4),
    "lrda": Evidence(**THERE, seizure=-4, lateral=4, periodic=-4),
    "grda": Evidence(**THERE, seizure=-4, lateral=-4, periodic=-4),
    "other": Evidence(strong=-4, prevalent=0, regular=0, seizure=0, lateral=0, periodic=0),
}


def share(evidence, *patterns):
    return vote_distribution(evidence)[[PATTERNS.index(pattern) for pattern in patterns]].sum()


# From evidence to votes


@given(evidences)
def test_the_answers_of_each_rater_and_of_the_pool_sum_to_one(evidence):
    raters = rater_distributions(evidence)
    assert raters.shape == (N_RATERS, N_PATTERNS)
    assert (raters > 0).all()
    np.testing.assert_allclose(raters.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(vote_distribution(evidence), raters.mean(axis=0))


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_clear_pattern_gets_nearly_all_votes(pattern):
    assert share(CLEAR[pattern], pattern) > 0.95


@given(evidences, st.floats(0.01, 3))
def test_shares_are_monotone_in_each_coordinate(evidence, step):
    def more(coordinate):
        return replace(evidence, **{coordinate: getattr(evidence, coordinate) + step})

    for coordinate in ("strong", "prevalent", "regular"):
        assert share(more(coordinate), "other") <= share(evidence, "other")
    # The others do not change whether there is a pattern; of which, they only move votes to the one side.
    for coordinate, gaining in {
        "seizure": ("seizure",),
        "lateral": ("lpd", "lrda"),
        "periodic": ("lpd", "gpd"),
    }.items():
        assert share(more(coordinate), *gaining) >= share(evidence, *gaining)
        assert share(more(coordinate), "other") == pytest.approx(share(evidence, "other"))
    for coordinate in ("lateral", "periodic"):
        assert share(more(coordinate), "seizure") == pytest.approx(share(evidence, "seizure"))


@pytest.mark.parametrize(
    ("base", "coordinate", "rising", "falling"),
    [
        ("lpd", "lateral", "lpd", "gpd"),
        ("grda", "lateral", "lrda", "grda"),
        ("gpd", "periodic", "gpd", "grda"),
        ("lrda", "periodic", "lpd", "lrda"),
        ("gpd", "seizure", "seizure", "gpd"),
    ],
)
def test_a_panel_is_split_at_the_limit_between_two_patterns(base, coordinate, rising, falling):
    # half of the pool at the limit, give or take the raters' own limits, whose mean has a spread of 1/sqrt(32)
    evidence = replace(CLEAR[base], **{coordinate: 0.0})
    assert share(evidence, rising) == pytest.approx(share(evidence, falling), abs=5 * 0.5 / 32**0.5)
    assert share(evidence, rising, falling) > 0.9


@given(evidences)
def test_without_biases_all_raters_answer_alike_and_slopes_decide_how_surely(evidence):
    alike = rater_distributions(evidence, bias=0.0)
    np.testing.assert_array_equal(alike, np.broadcast_to(alike[0], alike.shape))
    # each of the six decisions is then a coin or a certainty
    coins = rater_distributions(evidence, slope=0.0, lapse=0.0)[0]
    named = 1 / 8
    np.testing.assert_allclose(coins, [named / 2, *[named / 8] * 4, 1 - named])
    np.testing.assert_allclose(rater_distributions(evidence, lapse=1.0), 1 / N_PATTERNS)


def test_votes_follow_the_mean_of_the_pool():
    evidence = Evidence(strong=0.8, prevalent=2, regular=1, seizure=-0.4, lateral=0.2, periodic=0.1)
    rng = np.random.default_rng(0)
    probabilities = vote_distribution(evidence)
    ones = sum(draw_votes(rng, evidence, {1: 1.0}) for _ in range(4000))
    assert ones.sum() == 4000
    assert stats.chisquare(ones, probabilities * 4000).pvalue > 1e-3
    many = sum(draw_votes(rng, evidence, MANY_SIZES) for _ in range(1500))
    # raters of one panel are drawn without replacement, so that sums vary less than multinomial ones do
    chi_square = ((many - probabilities * many.sum()) ** 2 / (probabilities * many.sum())).sum()
    assert stats.chi2.sf(chi_square, N_PATTERNS - 1) > 1e-3


def test_a_panel_of_the_whole_pool_asks_every_rater_once():
    evidence = replace(CLEAR["lpd"], lateral=0.0)
    counts = np.array([draw_votes(np.random.default_rng(seed), evidence, {N_RATERS: 1.0}) for seed in range(1500)])
    assert (counts.sum(axis=1) == N_RATERS).all()
    raters = rater_distributions(evidence)
    # independent raters with probabilities of their own: variances add up
    expected = (raters * (1 - raters)).sum(axis=0)
    error = np.sqrt(2 / 1500)
    big = expected > 0.5
    np.testing.assert_allclose(counts.var(axis=0)[big], expected[big], rtol=5 * error)
    np.testing.assert_allclose(counts.mean(axis=0), raters.sum(axis=0), atol=5 * np.sqrt(expected.max() / 1500))


@pytest.mark.parametrize("sizes", [FEW_SIZES, MANY_SIZES], ids=["few", "many"])
def test_panels_have_the_sizes_of_real_ones(sizes):
    rng = np.random.default_rng(2)
    drawn = np.array([draw_votes(rng, CLEAR["gpd"], sizes).sum() for _ in range(3000)])
    assert set(drawn) <= set(sizes)
    expected = np.array(list(sizes.values())) / sum(sizes.values()) * 3000
    observed = np.array([(drawn == size).sum() for size in sizes])
    often = expected >= 5  # below, the chi-square distribution is no good
    pooled = [*observed[often], observed[~often].sum()], [*expected[often], expected[~often].sum()]
    assert stats.chisquare(*(np.array(numbers)[np.array(pooled[1]) > 0] for numbers in pooled)).pvalue > 1e-3


# From an EEG to evidence


def seen(pattern, strength=3.0, seed=0):
    """Return what is seen of a pattern over a noise that is even over the scalp."""
    rng = np.random.default_rng(seed)
    rendered = render(rng, pattern, plain_head(), WINDOW_SAMPLES)
    rest = np.cumsum(rng.normal(0, 1, (len(SITES), WINDOW_SAMPLES)), axis=1).astype(np.float32)
    rest -= rest.mean(axis=1, keepdims=True)
    scale = strength / max(relative_strength(rendered.signal, rest)[0], 1e-6)
    return observe_pattern(rendered, np.float32(scale) * rendered.signal, rest)


def test_the_coordinates_rise_with_what_they_measure():
    left = replace(WAVE, bout_s=1.0)
    assert seen(left, 0.3).strong < seen(left, 1.0).strong < seen(left, 3.0).strong
    for values, coordinate, modifier in [
        ((0.3, 0.6, 1.0), "prevalent", "prevalence"),
        ((0.6, 0.3, 0.0), "regular", "jitter"),
        ((1.0, 2.0, 5.0), "seizure", "frequency_hz"),
        ((1.0, 0.5, 0.0), "lateral", "contralateral"),
        ((0.0, 0.5, 1.0), "periodic", "periodic"),
    ]:
        # the mean of some EEGs, as bouts and intervals in 10 s are few
        found = [
            np.mean([getattr(seen(replace(left, **{modifier: value}), seed=seed), coordinate) for seed in range(8)])
            for value in values
        ]
        assert found[0] < found[1] < found[2], coordinate


def test_zero_is_at_the_limits():
    left = WAVE
    # a thousandth is added to the relative strength, in units of 0.45
    assert seen(left, NAMED_LIMIT).strong == pytest.approx(0, abs=0.01)
    # 2.5 Hz where it is rhythmic; cycles are known exactly, the limit's blend with that of PD is a few percent
    assert seen(replace(left, frequency_hz=2.5)).seizure == pytest.approx(0, abs=0.1)
    # equal sides are as far from lateral as can be, but for lattice and bias of 0.1 µV
    assert seen(replace(left, contralateral=1.0)).lateral == pytest.approx(-LATERAL_LIMIT / 0.15, abs=0.4)
    assert seen(replace(left, trend=0.8, frequency_hz=1.5)).seizure > 0  # evolution, though slow


def test_a_pattern_that_is_not_there_in_the_centre_is_not_seen():
    pattern = replace(WAVE, onset_s=0.0, offset_s=15.0)
    assert share(seen(pattern), "other") > 0.8


def test_rhythmic_slowing_looks_more_like_a_pattern_than_noise_does():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 10, (len(SITES), WINDOW_SAMPLES)).astype(np.float32)
    time = np.arange(WINDOW_SAMPLES) / 200
    rhythm = noise + np.outer(100 * POSITIONS[:, 1], np.sin(2 * np.pi * 2 * time)).astype(np.float32)
    assert observe_background(rhythm).strong > observe_background(noise).strong + 2
    assert share(observe_background(noise), "other") > 0.95
    assert share(observe_background(rhythm), "grda") > share(observe_background(noise), "grda") + 0.3


def test_the_relative_strength_is_that_of_the_amplitudes():
    rng = np.random.default_rng(0)
    pattern, rest = (rng.normal(0, size, (len(SITES), WINDOW_SAMPLES)).astype(np.float32) for size in (300, 100))
    # a microvolt is added to the rest of about 100 sqrt(2) sqrt(0.195); the strongest four of 18 derivations, known
    # to 1/sqrt(2 x 390) each, are chosen: 1.3 standard deviations more than they should be
    one, half = relative_strength(pattern, rest, 2 * rest)
    assert one == pytest.approx(3, rel=3 / 780**0.5)
    assert half == pytest.approx(one / 2, rel=0.1)  # both are over one more µV
    assert relative_strength(2 * pattern, rest) == pytest.approx([2 * one])
    assert len(ELECTRODES) == 19


# What was fitted


@pytest.mark.parametrize(("shares", "weights"), [(FEW_SHARES, FEW), (MANY_SHARES, MANY)], ids=["few", "many"])
def test_the_fitted_shares_name_every_kind_and_sum_to_one(shares, weights):
    assert set(shares) == {"-".join(kind) for kind in KINDS}
    assert len(KINDS) == N_PATTERNS * (N_PATTERNS + 1) / 2
    # 21 numbers of four digits
    assert sum(shares.values()) == pytest.approx(1, abs=21 * 0.5e-4)
    assert weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(weights, [shares["-".join(kind)] / sum(shares.values()) for kind in KINDS])


@pytest.mark.parametrize(
    ("sizes", "low", "high"), [(FEW_SIZES, 1, 9), (MANY_SIZES, 10, N_RATERS)], ids=["few", "many"]
)
def test_the_fitted_sizes_are_shares_of_possible_panels(sizes, low, high):
    assert sum(sizes.values()) == pytest.approx(1, abs=0.002)
    assert min(sizes) >= low
    assert max(sizes) <= high


def entropy(votes):
    shares = votes / votes.sum(axis=1, keepdims=True)
    return -(shares * np.log(np.maximum(shares, 1e-12))).sum(axis=1)


@pytest.mark.exhaustive
def test_simulated_panels_of_many_vote_as_the_real_ones_do(shared_data):
    real = pd.read_csv(shared_data / "iiic" / "votes_50697.csv.gz")[list(VOTE_COLUMNS)].to_numpy()
    real = real[real.sum(axis=1) >= 10]
    made = np.array([simulate_eeg(11, patient, 0, few_share=0.0).votes for patient in range(600)])
    assert made.sum(axis=1).min() >= 10
    shares = (made / made.sum(axis=1, keepdims=True)).mean(axis=0)
    target = (real / real.sum(axis=1, keepdims=True)).mean(axis=0)
    # The share of a pattern among the votes of a window has a spread of at most 0.35, of 600 patients 0.014: four of
    # that, for six patterns.
    assert abs(shares - target).max() < 0.06
    # entropies spread by 0.5: the median of 600 is known to 1.25 x 0.5 / sqrt(600) = 0.026; the rest is what the fit
    # leaves, whose quantiles are fitted but not met
    assert np.median(entropy(made)) == pytest.approx(np.median(entropy(real)), abs=0.15)
    assert shares[OTHER] > shares[PATTERNS.index("seizure")]
