"""What an archive is of: its source, and the models that have scored it."""

from pathlib import Path

from ictal.archive.worker import Scoring
from ictal.core.atomic_files import write_text
from ictal.core.settings import Settings
from ictal.errors import RunError, UnknownNameError

ABOUT = "archive.json"


class About(Settings):
    """What stands beside the ledger.

    Attributes
    ----------
    source
        As it was given; a path is absolute.
    n_recordings
        How many it held when it was last looked at.
    model
        Partition of the last run.
    scorings
        What made each partition, by its name.
    """

    source: str
    n_recordings: int
    model: str
    scorings: dict[str, Scoring]

    def partition(self, name: str | None = None) -> str:
        """Return the name of a partition that there is; None: that of the last run.

        Raises
        ------
        UnknownNameError
            If there is none of that name.
        """
        if name is not None and name not in self.scorings:
            raise UnknownNameError("partition", name, self.scorings)
        return name or self.model

    def write(self, folder: Path) -> None:
        """Write it, whole or not at all."""
        write_text(folder / ABOUT, self.model_dump_json(indent=2) + "\n")

    @classmethod
    def read(cls, folder: Path) -> "About":
        """Read what stands in a folder.

        Raises
        ------
        RunError
            If that is no archive.
        """
        try:
            return cls.model_validate_json((folder / ABOUT).read_bytes())
        except (OSError, ValueError) as error:
            raise RunError(f"{folder}: is no archive of scores; 'ictal score-archive' makes one") from error
