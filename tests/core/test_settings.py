import pytest
from pydantic import ValidationError

from ictal.core.settings import Settings
from ictal.errors import UnknownNameError


class Shown(Settings):
    step_s: float = 10.0
    name: str = "a"


def test_a_changed_copy_is_validated_and_the_first_stays_as_it_is():
    first = Shown()
    assert (first.changed({"step_s": 2}), first) == (Shown(step_s=2.0), Shown())
    with pytest.raises(ValidationError):
        first.changed({"step_s": "often"})


def test_an_unknown_field_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match=r"unknown setting 'steps'; known are: step_s, name"):
        Shown().changed({"steps": 2})
