"""The base class of all settings."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails
from typing_extensions import TypedDict

from ictal.errors import UnknownNameError, UsageError


class Settings(BaseModel):
    """Frozen settings. An unknown key is an error, so a misspelt key is never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def changed(self, changes: Mapping[str, Any]) -> Self:
        """Return a validated copy with some fields changed.

        Raises
        ------
        UnknownNameError
            If there is no such field.
        UsageError
            If a value is not allowed.
        """
        fields = type(self).model_fields
        if unknown := [name for name in changes if name not in fields]:
            raise UnknownNameError("setting", unknown[0], list(fields))
        try:
            return self.model_validate({name: getattr(self, name) for name in fields} | dict(changes))
        except ValidationError as error:
            raise UsageError("; ".join(map(_sentence, error.errors()))) from error


def read_by_name(kinds: Mapping[str, type[Settings]], values: Mapping[str, Any]) -> dict[str, Settings]:
    """Return settings whose class depends on their name; errors of pydantic name the place in `values`."""
    shape = TypedDict("shape", dict(kinds))  # type: ignore[misc]  # noqa: UP013 - names may hold any character
    read: Any = TypeAdapter(shape).validate_python(values)
    return dict(read)


def problems_of(error: ValidationError) -> list[str]:
    """Return what is wrong in a file that people write, as 'input.rate_hz: Input should be ... (it is 0)'."""
    return [
        f"{'.'.join(map(str, one['loc'])) or 'the file'}: {one['msg'].removeprefix('Value error, ')}"
        + ("" if isinstance(one["input"], dict) else f" (it is {one['input']!r})")
        for one in error.errors()
    ]


def _sentence(problem: ErrorDetails) -> str:
    """Return a problem that pydantic found as 'threads is 0; it should be greater than or equal to 1'."""
    name = ".".join(map(str, problem["loc"])) or "the settings"
    return f"{name} is {problem['input']!r}; {problem['msg'].replace('Input', 'it', 1)}"
