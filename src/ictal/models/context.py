"""EfficientNet on the context view: what the ten minutes around a window say."""

import torch
from torch import Tensor, nn

from ictal.labels import N_PATTERNS
from ictal.models.efficientnet import EfficientnetSettings, create_efficientnet
from ictal.views.context import Context, ContextSettings


class ContextNetwork(nn.Module):
    """Contexts [batch, 4, 100, 300] to logits [batch, n_outputs], through an image with a channel per region."""

    bf16_on_cpu = False

    def __init__(
        self,
        context: ContextSettings,
        settings: EfficientnetSettings,
        *,
        initial: bool = True,
        n_outputs: int = N_PATTERNS,
    ) -> None:
        super().__init__()
        self.view = Context(context)
        self.network = create_efficientnet(settings, initial=initial)
        self.n_features: int = self.network.num_features
        self.head = nn.Linear(self.n_features, n_outputs)
        self.to(memory_format=torch.channels_last)

    def features(self, contexts: Tensor) -> Tensor:
        """Return [batch, feature]: the mean over the last feature map."""
        images = self.view(contexts).contiguous(memory_format=torch.channels_last)
        features: Tensor = self.network(images)
        return features

    def forward(self, contexts: Tensor) -> Tensor:
        """Return logits."""
        logits: Tensor = self.head(self.features(contexts))
        return logits
