import pytest

from ictal.core.predictions import Predictions, concatenate
from ictal.evaluation import ArmResult, Estimate, compare_arms
from ictal.report.verdicts import (
    difference_in_words,
    few_patients_in_words,
    gap_in_words,
    patients_in_words,
    scope_in_words,
    verdict_of_arms,
)
from tests.evaluation.test_arm_comparison import table
from tests.helpers import difference

NAN = float("nan")


def arm(test: Estimate | None, difference: Estimate | None) -> ArmResult:
    return ArmResult("a", Estimate(0.5, 0.4, 0.6), test, difference, {})


@pytest.mark.parametrize(
    ("value", "low", "high", "words"),
    [
        (
            0.2,
            0.1,
            0.3,
            "a: 0.200 higher on the test patients than in cross-validation, more than the variation between patients",
        ),
        (
            -0.2,
            -0.3,
            -0.1,
            "a: 0.200 lower on the test patients than in cross-validation, more than the variation between patients",
        ),
        (
            0.1,
            -0.1,
            0.3,
            "a: 0.100 higher on the test patients than in cross-validation, within the variation between patients",
        ),
        (
            -0.1,
            -0.3,
            0.1,
            "a: 0.100 lower on the test patients than in cross-validation, within the variation between patients",
        ),
    ],
)
def test_a_gap_in_words(value, low, high, words):
    said = gap_in_words(arm(Estimate(0.5 + value, 0.3, 0.7), Estimate(value, low, high)))
    assert said.startswith(words)
    assert f"({low:+.3f} to {high:+.3f})" in said


def test_without_a_test_there_is_no_gap():
    assert gap_in_words(arm(None, None)) == "a: no held-out test."


def test_a_test_on_one_patient_is_not_called_no_test():
    said = gap_in_words(arm(Estimate(0.7, NAN, NAN), Estimate(0.2, NAN, NAN)))
    assert "no held-out test" not in said
    assert "0.200 higher" in said


@pytest.mark.parametrize(
    ("confidence", "words"), [(0.95, "95 % confidence interval"), (0.5, "50 %"), (0.999, "99.9 %")]
)
def test_the_confidence_is_the_one_that_was_asked_for(confidence, words):
    said = difference_in_words(difference("a", "b", "test", Estimate(-0.2, -0.3, -0.1, confidence), 1e-4))
    assert said.startswith(
        "a, as trained here, has a lower KL than b on the held-out test patients (difference -0.200"
    )
    assert words in said


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.2), (-0.2, 0.0), (-0.1, 0.2)])
def test_an_interval_that_touches_zero_cannot_tell(low, high):
    touching = difference("a", "b", "cv", Estimate((low + high) / 2, low, high))
    said = difference_in_words(touching)
    assert "do not distinguish" in said
    assert "has a" not in said
    assert not touching.decided  # the words and the figure's colour agree


def test_an_interval_without_zero_decides_nothing_if_the_corrected_test_does_not():
    alone = difference("a", "b", "cv", Estimate(-0.2, -0.3, -0.1), p_holm=0.2)
    assert "do not distinguish" in difference_in_words(alone)
    assert not alone.decided


@pytest.mark.parametrize(
    ("n_seeds", "words"), [(1, "as trained here,"), (2, "as trained here,"), (3, "over 3 trainings each,")]
)
def test_a_difference_says_whether_it_is_of_arms_or_of_these_networks(n_seeds, words):
    found = difference("a", "b", "cv", Estimate(-0.2, -0.3, -0.1), n_seeds=n_seeds)
    assert f"a, {words} has a lower KL than b" in difference_in_words(found)
    assert ("only for these trained networks" in scope_in_words(n_seeds)) == (n_seeds < 3)
    assert ("A verdict about arms needs 3 seeds or more" in scope_in_words(n_seeds)) == (n_seeds < 3)


def test_too_few_patients_for_any_verdict_are_said_to_be_so():
    found = difference("a", "b", "cv", Estimate(-0.2, -0.3, -0.1), decidable=False, n_effective=4.2)
    assert not found.decided
    said = difference_in_words(found)
    assert said.startswith("a against b in cross-validation: 4.2 effective patients are too few for any verdict")
    assert "has a" not in said


def compared(n_patients: int, n_seeds: int):
    arms = [table(name, share, n_patients, 0).frame for name, share in (("good", 0.6), ("bad", 0.2))]
    rows = [arm.assign(seed=seed) for arm in arms for seed in range(n_seeds)]
    return compare_arms(concatenate([Predictions.make(one) for one in rows]), "bad", n_resamples=200)


def test_a_verdict_of_one_seed_is_about_the_networks_and_of_three_about_the_arms():
    one, three = (verdict_of_arms(compared(30, n_seeds)) for n_seeds in (1, 3))
    assert one.startswith("Of 2 arms as trained here, good has the lowest KL")
    assert "That is lower than that of bad" in one
    assert one.endswith("A verdict about arms needs 3 seeds or more (--set seeds=3).")
    assert three.startswith("Of 2 arms, good has the lowest KL")
    assert three.endswith("reflect both patients and the 3 seeds of training.")


def test_a_verdict_of_five_patients_names_no_difference_that_would_have_been_seen():
    made = compared(5, 1)
    assert not any(pair.decided for pair in made.differences)
    said = verdict_of_arms(made)
    assert "There is no verdict: 5 effective patients are too few for any verdict." in said
    assert "would have been detected" not in said
    assert "That is lower" not in said


def test_few_patients_are_warned_of_by_their_effective_number():
    assert patients_in_words(31, 12.34) == "31 patients (effective number 12.3)"
    assert few_patients_in_words(20) == ""
    assert "12.3 effective patients; below 20" in few_patients_in_words(12.34)
