"""What a model returns for some windows."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class ModelOutput:
    """Predictions for some windows.

    Attributes
    ----------
    probabilities
        [window, 6].
    concentrations
        How closely a panel's votes follow them, [window]; None if the model does not predict it.
    """

    probabilities: npt.NDArray[np.float64]
    concentrations: npt.NDArray[np.float64] | None = None
