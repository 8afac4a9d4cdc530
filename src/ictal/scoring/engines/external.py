"""Run external models, which have a contract and a network from elsewhere."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ictal.errors import ModelError
from ictal.models.external import ExternalModel, open_external
from ictal.models.output import ModelOutput
from ictal.scoring.engines.exported import WindowBatch
from ictal.scoring.export_contract import ScoringContract, external_contract


@dataclass
class ExternalEngine:
    """Runs an external model; its network alone determines what can be shared between windows: nothing."""

    contract: ScoringContract
    model: ExternalModel

    @classmethod
    def open(cls, folder: Path, name: str, threads: int | None) -> "ExternalEngine":
        """Open the model in a folder; `name` is that of an engine, or 'auto'."""
        model = open_external(folder, threads)
        if name not in ("auto", model.described["engine"]):
            raise ModelError(
                f"{folder}: is an external model, which the engine '{name}' cannot run; allowed are 'auto' and "
                f"'{model.described['engine']}'"
            )
        return cls(external_contract(model), model)

    @property
    def described(self) -> dict[str, Any]:
        """Name, version and precision, for the manifest."""
        return self.model.described

    def for_recording(self) -> "ExternalEngine":
        """Return the engine itself: nothing depends on the recording."""
        return self

    def __call__(self, batch: WindowBatch) -> ModelOutput:
        """Return what the model predicts for the windows of a batch."""
        return ModelOutput(self.model(batch.windows))
