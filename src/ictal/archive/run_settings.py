"""Settings of a run, and the file archive.json: the source of an archive, and the settings of each partition."""

from collections.abc import Container
from pathlib import Path

from pydantic import Field

from ictal.core.atomic_files import hash_of, write_text
from ictal.core.settings import Settings
from ictal.core.windows import CENTRE_S
from ictal.distributed import Cluster
from ictal.errors import ModelError, RunError, UnknownNameError
from ictal.models.hub import find_model
from ictal.models.hub_fetch import HubName, hub_name
from ictal.scoring.engines import EngineName, open_engine
from ictal.scoring.export_contract import ScoringContract

INFO_FILE = "archive.json"


class ArchiveSettings(Settings):
    """How the recordings of an archive are scored.

    Attributes
    ----------
    step_s, engine, interpolate, accept_doubtful
        See `ictal.scoring.pipeline.score`. Other values of these make a new partition.
    join
        Pattern of the names of files that are pieces of one recording, such as '{recording}_*.edf', see
        `ictal.archive.pieces.join_by_pattern`; '': none are.
    cluster
        Where to run; None: in one process per CPU of this machine.
    """

    step_s: float = CENTRE_S
    engine: EngineName = "auto"
    interpolate: int = 0
    accept_doubtful: bool = False
    join: str = Field("", exclude=True)
    cluster: Cluster | None = Field(None, exclude=True)


class PartitionSettings(Settings):
    """The model and the settings that made a partition.

    Attributes
    ----------
    model
        Name of the model (of one on the Hub with the commit, so that all workers fetch the same), or path of its
        folder, which all workers must be able to read.
    weights_sha256, card
        Hashes that identify the model.
    step_s, engine, interpolate, accept_doubtful
        See `ictal.scoring.pipeline.score`.
    """

    model: str
    weights_sha256: str
    card: str
    step_s: float
    engine: EngineName
    interpolate: int
    accept_doubtful: bool = False

    @classmethod
    def of(cls, model: str | Path, settings: ArchiveSettings, known: Container[str] = ()) -> "PartitionSettings":
        """Return the settings for a model. The model is exported if needed, so that no worker has to do it.

        `known` are names of existing partitions: one that an earlier release made with the same model is continued.
        """
        folder = find_model(model)
        contract = open_engine(folder, settings.engine, 1).contract
        # A name is kept as it is: the folder of a model that ships with ictal differs between machines.
        place = hub_name(folder) or (str(folder.absolute()) if folder == Path(model) else str(model))
        made = cls(model=place, weights_sha256=contract.weights_sha256, card=contract.card, **settings.model_dump())
        earlier = (made.model_copy(update={"card": card}) for card in contract.earlier_cards)
        return next((one for one in (made, *earlier) if one.name in known), made)

    @property
    def name(self) -> str:
        """Name of the partition: name of the model, and a hash of the model and the settings."""
        # False is left out of the hash, so that partitions of earlier versions keep their names.
        left_out = {"model"} if self.accept_doubtful else {"model", "accept_doubtful"}
        on_hub = HubName.parse(self.model)
        title = on_hub.name if on_hub else Path(self.model).name
        return f"{title}-{hash_of(self.model_dump(exclude=left_out))[:8]}"

    def check(self, contract: ScoringContract) -> None:
        """Raise a `ModelError` if a contract belongs to another model."""
        is_card = self.card in (contract.card, *contract.earlier_cards)
        if not is_card or contract.weights_sha256 != self.weights_sha256:
            raise ModelError(f"{self.model}: differs from the model with which the run was started")


class ArchiveInfo(Settings):
    """The content of archive.json.

    Attributes
    ----------
    source
        Source of the recordings as given by the user; a path is absolute.
    join
        Pattern by which files are joined, or ''.
    n_recordings
        Number of recordings in the source when the last run started.
    model
        Partition of the last run.
    scorings
        Settings of each partition, by its name.
    """

    source: str
    join: str = ""
    n_recordings: int
    model: str
    scorings: dict[str, PartitionSettings]

    def partition(self, name: str | None = None) -> str:
        """Return the name of an existing partition; None means the partition of the last run.

        Raises
        ------
        UnknownNameError
            If there is no partition with this name.
        """
        if name is not None and name not in self.scorings:
            raise UnknownNameError("partition", name, self.scorings)
        return name or self.model

    def write(self, folder: Path) -> None:
        """Write the file atomically."""
        write_text(folder / INFO_FILE, self.model_dump_json(indent=2) + "\n")

    @classmethod
    def read(cls, folder: Path) -> "ArchiveInfo":
        """Read the file in a folder.

        Raises
        ------
        RunError
            If the folder is not an archive.
        """
        try:
            return cls.model_validate_json((folder / INFO_FILE).read_bytes())
        except (OSError, ValueError) as error:
            raise RunError(f"{folder}: is not an archive of scores; 'ictal score-archive' makes one") from error
