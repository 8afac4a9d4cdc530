"""The base class of all settings."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from ictal.errors import UnknownNameError


class Settings(BaseModel):
    """Frozen settings. An unknown key is an error, so a misspelt key is never ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def changed(self, changes: Mapping[str, Any]) -> Self:
        """Return a validated copy with some fields changed.

        Raises
        ------
        UnknownNameError
            If there is no such field.
        """
        fields = type(self).model_fields
        if unknown := [name for name in changes if name not in fields]:
            raise UnknownNameError("setting", unknown[0], list(fields))
        return self.model_validate({name: getattr(self, name) for name in fields} | dict(changes))
