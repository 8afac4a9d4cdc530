"""Public networks with weights that mean nothing, but have the names and shapes of the published ones."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn


def random_weights(network: nn.Module) -> dict[str, Tensor]:
    """Return weights for a network, the same on every machine; what is not trained stays as it is."""
    rng, found = np.random.default_rng(0), dict(network.state_dict())
    for name, value in sorted(network.named_parameters()):
        if value.is_floating_point():
            spread = (2 / value[0].numel()) ** 0.5 if value.ndim > 1 else 0.1
            found[name] = torch.from_numpy(rng.normal(0, spread, value.shape).astype(np.float32))
    return found


def random_input() -> npt.NDArray[np.float32]:
    """Return arrays [3, 16, 2000] such as the networks take."""
    return np.random.default_rng(1).normal(0, 1, (3, 16, 2000)).astype(np.float32)
