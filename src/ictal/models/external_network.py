"""An external model as a torch module, so that evaluation, calibration and explanation treat it like any other."""

import numpy as np
import torch
from torch import Tensor, nn

from ictal.models.external import ExternalModel

SMALLEST = float(np.finfo(np.float32).tiny)


class ExternalNetwork(nn.Module):
    """Standardised windows [batch, 20, 10000] to log-probabilities [batch, 6], computed outside of torch.

    It has no parameters and no gradients.
    """

    sees_context = False

    def __init__(self, model: ExternalModel) -> None:
        super().__init__()
        self.model = model

    def panel(self, windows: Tensor, contexts: Tensor | None = None) -> tuple[Tensor, None]:
        """Return log-probabilities [batch, 6]; an external model predicts no concentration."""
        found = self.model(windows.detach().cpu().numpy())
        return torch.from_numpy(np.log(np.maximum(found, SMALLEST))).to(windows.device), None

    def forward(self, windows: Tensor, contexts: Tensor | None = None) -> Tensor:
        """Return log-probabilities [batch, 6]."""
        return self.panel(windows, contexts)[0]
