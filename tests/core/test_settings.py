import pytest
from pydantic import Field

from ictal.core.settings import Settings
from ictal.errors import UnknownNameError, UsageError


class Shown(Settings):
    step_s: float = 10.0
    name: str = "a"
    threads: int | None = Field(None, ge=1)


def test_a_changed_copy_is_validated_and_the_first_stays_as_it_is():
    first = Shown()
    assert (first.changed({"step_s": 2}), first) == (Shown(step_s=2.0), Shown())


def test_an_unknown_field_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match=r"unknown setting 'steps'; known are: step_s, name, threads"):
        Shown().changed({"steps": 2})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"threads": 0}, "threads is 0; it should be greater than or equal to 1"),
        (
            {"step_s": "often", "name": 3},
            (
                "step_s is 'often'; it should be a valid number, unable to parse string as a number; "
                "name is 3; it should be a valid string"
            ),
        ),
    ],
)
def test_a_value_that_is_not_allowed_is_named_in_one_plain_sentence(changes, message):
    with pytest.raises(UsageError) as caught:
        Shown().changed(changes)
    assert str(caught.value) == message
