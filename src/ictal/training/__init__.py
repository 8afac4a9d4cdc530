"""Training: one network, or one unit of an ablation, in steps that can be resumed."""

from ictal.training.run_folder import RunFolder, Unit
from ictal.training.trainer import fit
from ictal.training.unit import RunSetup, run_unit

__all__ = ["RunFolder", "RunSetup", "Unit", "fit", "run_unit"]
