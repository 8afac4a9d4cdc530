"""Images of overlapping windows: what they share is computed once, and they are those of each window."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ictal.core.windows import WINDOW_SAMPLES
from ictal.models.efficientnet import Efficientnet, EfficientnetSettings
from ictal.preprocessing.settings import StandardiseSettings
from ictal.scoring.engines import ExportedEngine, WindowBatch
from ictal.scoring.export_contract import Contract, Part
from ictal.scoring.export_modules import ImageColumns
from ictal.views.spectrogram import Spectrogram, SpectrogramSettings
from tests.helpers import noise

N_MELS = 16


class Seen:
    """Stands for the network: keeps the images that it is given, and counts the samples that columns are made of."""

    def __init__(self, chosen: SpectrogramSettings) -> None:
        self.view = Spectrogram(chosen)
        self.columns, self.images, self.n_samples = ImageColumns(self.view), [], 0
        sizes = {"every": chosen.hop, "frame": chosen.frame, "width": chosen.width}
        part = Part(name="spatial", takes="columns", files=("columns", "images"), **sizes)
        names = ("name", "arm", "data", "weights_sha256", "card", "torch_version", "onnx_version")
        contract = Contract(
            **dict.fromkeys(names, ""),
            warnings=(),
            standardise=StandardiseSettings(),
            derivations=(),
            sees_context=False,
            parts=(part,),
            graphs={},
        )
        self.engine = ExportedEngine(contract, {}, {"columns": self._columns, "images": self._images})

    def _columns(self, inputs):
        self.n_samples += inputs["electrodes"][:, 0].size
        return [self.columns(torch.from_numpy(np.ascontiguousarray(inputs["electrodes"]))).numpy()]

    def _images(self, inputs):
        self.images.append(inputs["images"])
        return [np.full((len(inputs["images"]), 6), 1 / 6, dtype=np.float32)]


@settings(max_examples=15)
@given(
    width=st.sampled_from([50, 125, 200, 250, 256]),
    frame=st.sampled_from([16, 128, 129, 400]),
    steps=st.lists(st.integers(1, 25), min_size=1, max_size=6),
    unit=st.sampled_from([100, 400, 2000]),
)
def test_images_of_a_piece_are_those_of_each_window(width, frame, steps, unit):
    seen = Seen(SpectrogramSettings(n_mels=N_MELS, width=width, frame=frame))
    starts = [0, *np.cumsum(np.multiply(steps, unit) % 6000).tolist()]
    signal = noise(starts[-1] + WINDOW_SAMPLES)
    seen.engine(WindowBatch(signal, starts))
    windows = np.stack([signal[:, start : start + WINDOW_SAMPLES] for start in starts])
    expected = seen.view(torch.from_numpy(windows)).numpy()
    np.testing.assert_allclose(np.concatenate(seen.images), expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize(("width", "least"), [(250, 3.5), (256, 0.9)])
def test_what_windows_share_is_computed_once(width, least):
    seen = Seen(SpectrogramSettings(n_mels=N_MELS, width=width))
    starts = [2000 * number for number in range(32)]
    seen.engine(WindowBatch(noise(starts[-1] + WINDOW_SAMPLES), starts))
    alone = len(starts) * WINDOW_SAMPLES
    assert least < alone / seen.n_samples
    assert (alone / seen.n_samples > 1.1) == (width == 250)


@pytest.mark.parametrize(
    ("changes", "shares"),
    [({"width": 250}, True), ({"width": 256}, False), ({"width": 250, "reference": "image"}, False)],
)
def test_networks_whose_columns_depend_on_the_window_do_not_share(changes, shares):
    chosen = SpectrogramSettings(n_mels=N_MELS, **changes)
    network = Efficientnet(chosen, EfficientnetSettings(network="efficientnet_b0", pretrained="no"), initial=False)
    assert network.shares is shares
