import pytest

from ictal.evaluation import ArmResult, Estimate
from ictal.report.words import difference_in_words, gap_in_words
from tests.helpers import difference

NAN = float("nan")


def arm(test: Estimate | None, difference: Estimate | None) -> ArmResult:
    return ArmResult("a", Estimate(0.5, 0.4, 0.6), test, difference, {})


@pytest.mark.parametrize(
    ("value", "low", "high", "words"),
    [
        (0.2, 0.1, 0.3, "a: 0.200 higher on the test than in cross-validation, more than other patients"),
        (-0.2, -0.3, -0.1, "a: 0.200 lower on the test than in cross-validation, more than other patients"),
        (0.1, -0.1, 0.3, "a: 0.100 higher on the test than in cross-validation, within what other patients"),
        (-0.1, -0.3, 0.1, "a: 0.100 lower on the test than in cross-validation, within what other patients"),
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


@pytest.mark.parametrize(("confidence", "words"), [(0.95, "95 % interval"), (0.5, "50 %"), (0.999, "99.9 %")])
def test_the_confidence_is_the_one_that_was_asked_for(confidence, words):
    said = difference_in_words(difference("a", "b", "test", Estimate(-0.2, -0.3, -0.1, confidence), 1e-4))
    assert said.startswith("a has a lower KL than b on the held-out test patients (difference -0.200")
    assert words in said


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.2), (-0.2, 0.0), (-0.1, 0.2)])
def test_an_interval_that_touches_zero_cannot_tell(low, high):
    touching = difference("a", "b", "cv", Estimate((low + high) / 2, low, high))
    said = difference_in_words(touching)
    assert "cannot tell" in said
    assert "has a" not in said
    assert not touching.decided  # the words and the figure's colour agree


def test_an_interval_without_zero_decides_nothing_if_the_corrected_test_does_not():
    alone = difference("a", "b", "cv", Estimate(-0.2, -0.3, -0.1), p_holm=0.2)
    assert "cannot tell" in difference_in_words(alone)
    assert not alone.decided
