"""Means over frames that windows share are those of each window alone, also where zeros pad its edges."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ictal.core.windows import WINDOW_SAMPLES
from ictal.models.wavenet import Wavenet, WavenetSettings, reach
from ictal.scoring.engines.frames import means_of_frames
from ictal.scoring.export_contract import Part
from ictal.views.waveform import WaveformSettings

kernels = st.lists(st.tuples(st.integers(2, 4), st.integers(1, 4)), min_size=1, max_size=3)


def network_of(layers: list[tuple[int, int]], norm: str) -> Wavenet:
    sizes = WavenetSettings(
        filters=tuple(2 for _ in layers),
        kernels=tuple(kernel for kernel, _ in layers),
        dilations=tuple(number for _, number in layers),
        norm=norm,
    )
    torch.manual_seed(0)
    return Wavenet(WaveformSettings(), sizes).eval()


def of_network(network: Wavenet, longest: list[int]):
    """Return a part and its graphs, in torch; `longest` gets the number of frames that stages are given."""
    reaches = tuple(map(reach, network.stages))
    files = ("traces", *map(str, range(len(reaches))), "head")
    modules = [lambda windows: network.view(windows).unsqueeze(1), *network.stages]
    modules[-1] = lambda features, last=modules[-1]: network.chains(last(features))

    def run(module):
        def of(inputs):
            (given,) = inputs.values()
            longest.append(len(given) * given.shape[-1])
            return [module(torch.from_numpy(given)).numpy()]

        return of

    part = Part(name="temporal", takes="frames", files=files, every=5, reach=reaches)
    return part, {file: run(module) for file, module in zip(files, modules, strict=False)}


@given(
    layers=kernels,
    steps=st.lists(st.integers(1, 120), max_size=5),
    before=st.integers(0, 10),
    norm=st.sampled_from(["none", "batch"]),
)
@settings(max_examples=25)
def test_means_are_those_of_each_window_alone(layers, steps, before, norm):
    with torch.random.fork_rng(), torch.inference_mode():
        network = network_of(layers, norm)
        starts = (100 * (before + np.concatenate([[0], np.cumsum(steps)]))).astype(int).tolist()
        signal = torch.randn(20, starts[-1] + WINDOW_SAMPLES) * 30
        part, runs = of_network(network, [])
        found = means_of_frames(part, runs, signal.numpy(), starts)
        windows = torch.stack([signal[:, start : start + WINDOW_SAMPLES] for start in starts])
        expected = network.over_time(windows).mean(dim=3).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)


def test_overlapping_windows_cost_less_than_single_ones():
    """Of six windows, at a step of 10 s, the middle is computed once; without overlap, each is computed alone."""
    frames = {}
    with torch.random.fork_rng(), torch.inference_mode():
        network = network_of([(4, 5)], "none")
        for step in (2000, WINDOW_SAMPLES):
            starts, computed = [step * number for number in range(6)], []
            part, runs = of_network(network, computed)
            means_of_frames(part, runs, np.zeros((20, starts[-1] + WINDOW_SAMPLES), np.float32), starts)
            frames[step] = sum(computed[1:])
    assert frames[2000] < 0.5 * frames[WINDOW_SAMPLES]
    assert frames[WINDOW_SAMPLES] == 6 * len(network.stages) * WINDOW_SAMPLES // 5
