"""What the page may say of patients."""

from contextlib import suppress
from pathlib import Path

from ictal.io.edf.patient import patient_field


class Patients:
    """The patient fields of files, where the user wants them to be shown; each header is read once.

    Parameters
    ----------
    shown
        Whether they are shown.
    """

    def __init__(self, *, shown: bool = False) -> None:
        self._shown = shown
        self._fields: dict[Path, str | None] = {}

    def field_of(self, file: Path) -> str | None:
        """Return the patient field of a file; None if there is none, or it is not to be shown."""
        if self._shown and file not in self._fields:
            with suppress(OSError):  # it cannot be read at present
                self._fields[file] = patient_field(file)
        return self._fields.get(file)
