"""Files with arms of their own, and a registry that forgets them."""

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ictal.models.arms import ARMS

NETWORK = """
    import torch
    from pydantic import Field

    import ictal
    from ictal.core.settings import Settings
    from ictal.recipes import TrainingSettings
    from ictal.views import Waveform, WaveformSettings


    class MySettings(Settings):
        width: int = Field(8, ge=1)


    @ictal.arm("mine", settings=MySettings, training=TrainingSettings(learning_rates=[0.01, 0.01], batch_size=4))
    class MyNetwork(torch.nn.Module):
        \"\"\"Two convolutions on eight derivations.\"\"\"

        def __init__(self, settings):
            super().__init__()
            self.view = Waveform(WaveformSettings(seconds=10))
            self.body = torch.nn.Conv1d(8, settings.width, 8, stride=4)
            self.norm = torch.nn.BatchNorm1d(settings.width)
            self.head = torch.nn.Linear(settings.width, 6)

        def forward(self, windows):
            return self.head(self.norm(self.body(self.view(windows))).relu().mean(dim=2))
"""
FOREST = """
    from sklearn.ensemble import RandomForestClassifier

    import ictal


    @ictal.estimator("forest")
    def forest():
        \"\"\"A random forest on hand-made features.\"\"\"
        return RandomForestClassifier(5, min_samples_leaf=2)
"""


def write(folder: Path, text: str, name: str = "my_arm.py") -> Path:
    """Write a file of Python."""
    path = folder / name
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


@contextmanager
def forgotten() -> Iterator[None]:
    """Forget at the end what a block registers."""
    before = dict(ARMS)
    try:
        yield
    finally:
        ARMS.clear()
        ARMS.update(before)
