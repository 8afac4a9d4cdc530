"""EfficientNet on the context view: the ten minutes around a window."""

from ictal.core.labels import N_PATTERNS
from ictal.models.efficientnet import EfficientnetSettings, ImageNetwork
from ictal.views.context import Context, ContextSettings


class ContextNetwork(ImageNetwork):
    """Contexts [batch, 4, 100, 300] to logits [batch, n_outputs], through an image with a channel per region."""

    def __init__(
        self,
        context: ContextSettings,
        settings: EfficientnetSettings,
        *,
        initial: bool = True,
        n_outputs: int = N_PATTERNS,
    ) -> None:
        super().__init__(Context(context), settings, initial=initial, n_outputs=n_outputs)
