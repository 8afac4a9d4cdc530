"""Compare the time for scoring and training with the limits of the machine: arithmetic and memory bandwidth.

The product of two large matrices, or a convolution if it is faster, measures arithmetic, and a large copy measures
bandwidth, with the same threads.
Arithmetic counts matrix products and convolutions. Bytes count weights, and what each layer writes and the next one
reads, if nothing stays in the CPU cache. Training reads these outputs once more, and writes and reads their
gradients. Layers are torch modules. What WaveNet computes between them is not counted, so its bytes are a lower
bound.
"""

import argparse
import json
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from _machine import machine
from _page import publish
from _sides import Setup, hold_to, in_turns, options_of
from _table import markdown
from ictal.core.windows import CENTRE_SAMPLES, WINDOW_SAMPLES
from ictal.models.build import build
from ictal.models.efficientnet import Efficientnet
from ictal.models.gated_layer import GatedLayer
from ictal.models.model_settings import ModelSettings
from ictal.models.wavenet import Wavenet, reach
from ictal.recipes import load_recipe
from ictal.scoring.engines.exported import SHARING
from ictal.scoring.engines.frames import Run, means_of_frames
from ictal.scoring.export_contract import Part
from scoring import settings_of
from side_by_side import SCORING_TARGETS, prepare
from speed import median_ms, peak_gflops

HEADER = ("per window", "GFLOP", "MB", "minimum ms, arithmetic", "minimum ms, memory", "measured ms", "% of peak")
COPIED = 2**28
TRAINED_GFLOP, TRAINED_MBYTES = 3, 2.5
"""Cost of a training step relative to a forward pass. Arithmetic: one more product each for the gradients of inputs
and of weights. Bytes: outputs are read once more, and their gradients are written and read. The backward pass cannot
be counted directly: torch counts the gradient of a depthwise convolution as that of a full one."""
WAYS_TO_SCORE = "windows that share work, a smaller network, int8 where the CPU multiplies it faster (VNNI)"


@dataclass(frozen=True)
class Peak:
    """Peak rates of the machine: arithmetic in float32 and bfloat16, and a copy (bytes read and written)."""

    gflops: float
    gflops_bf16: float
    gbytes: float

    @classmethod
    def measured(cls, repeats: int) -> "Peak":
        """Measure the rates as the best of several tries: other load can only lower them."""
        one, other = torch.empty(COPIED // 4), torch.zeros(COPIED // 4)
        copies = [2 * COPIED / median_ms(lambda: one.copy_(other), 1, 3) / 1e6 for _ in range(repeats)]
        kinds = (torch.float32, torch.bfloat16)
        # MKL's products use half of the vector width of AMD's CPUs; oneDNN's convolutions use all of it.
        rates = [max(max(peak_gflops(kind), convolved_gflops(kind)) for _ in range(repeats)) for kind in kinds]
        return cls(*rates, max(copies))


def convolved_gflops(dtype: torch.dtype, channels: int = 128, length: int = 2000, kernel: int = 4) -> float:
    """Return the rate of a convolution like the widest of WaveNet."""
    signal, weight = (
        torch.randn(*shape).to(dtype, memory_format=torch.channels_last)
        for shape in ((8, channels, 1, length + kernel - 1), (channels, channels, 1, kernel))
    )
    with torch.inference_mode():
        ms = median_ms(lambda: nn.functional.conv2d(signal, weight), len(signal), 7)
    return 2 * channels**2 * kernel * length / (ms * 1e6)


@dataclass(frozen=True)
class Thing:
    """A task that is compared with the peak of the machine.

    Attributes
    ----------
    name
        What it is, in words.
    measure
        Measure of the module `ours`.
    row
        How the row of side_by_side.py with the figure of the reference begins.
    reference_ms
        That figure as once measured, used if side_by_side.py has not run in this folder.
    asked
        Target: how many times as fast as the reference.
    ways
        Ways to need less arithmetic, or to do more of it per second.
    """

    name: str
    measure: str
    row: str
    reference_ms: float
    asked: float
    ways: str = "a smaller network"

    def reference(self, folder: Path) -> float:
        """Return the median time of the reference per window."""
        path = folder / "side_by_side.json"
        if not path.exists():
            return self.reference_ms
        rows = json.loads(path.read_text(encoding="utf-8"))
        return statistics.median(next(row["theirs"] for row in rows if row["name"].startswith(self.row)))


def _scoring(name: str) -> Thing:
    return Thing(
        f"scoring, {name}", f"score {name}", "scoring with `both`", 293, SCORING_TARGETS[name], WAYS_TO_SCORE
    )


THINGS = (
    *map(_scoring, ("paper", "shared", "quick")),
    Thing("training step, WaveNet", "train temporal", "training step: WaveNet", 219, 1.5),
    Thing("training step, EfficientNet-B2", "train spatial", "training step: EfficientNet-B2, recipe", 540, 5),
)


@dataclass(frozen=True)
class Work:
    """Work for one window, averaged over the windows that share it."""

    gflop: float
    mbytes: float

    def __add__(self, other: "Work") -> "Work":
        return Work(self.gflop + other.gflop, self.mbytes + other.mbytes)

    def least_ms(self, peak: Peak) -> tuple[float, float]:
        """Return the time it takes at the peak rate of arithmetic, and of memory."""
        return 1e3 * self.gflop / peak.gflops, self.mbytes / peak.gbytes


def work_of(network: nn.Module, call: Callable[[], object], n_windows: int = 1) -> Work:
    """Count the work of a call per window: arithmetic, and bytes of weights and layer outputs."""
    moved = [sum(weight.numel() * weight.element_size() for weight in network.parameters())]

    def look(_: nn.Module, __: object, output: object) -> None:
        if isinstance(output, Tensor):
            moved.append(2 * output.numel() * output.element_size())

    # A gated layer uses the weights of its convolutions without calling them.
    layers = [one for one in network.modules() if isinstance(one, GatedLayer) or not list(one.children())]
    hooks = [layer.register_forward_hook(look) for layer in layers]
    counter = FlopCounterMode(display=False)
    with torch.inference_mode(), counter:
        call()
    for hook in hooks:
        hook.remove()
    return Work(counter.get_total_flops() / 1e9 / n_windows, sum(moved) / 1e6 / n_windows)


def networks_of(settings: ModelSettings) -> tuple[Wavenet, Efficientnet]:
    """Return the networks of 'both'."""
    waves, picture = (build(arm, settings, initial=False).network.eval() for arm in ("temporal", "spatial"))
    assert isinstance(waves, Wavenet)
    assert isinstance(picture, Efficientnet)
    return waves, picture


def alone(settings: ModelSettings) -> dict[str, Work]:
    """Return the work of the networks of 'both' for a window that shares nothing."""
    window, (waves, picture) = torch.randn(1, 20, WINDOW_SAMPLES), networks_of(settings)
    return {
        "WaveNet": work_of(waves, lambda: waves(window)),
        "EfficientNet": work_of(picture, lambda: picture(window)),
    }


def scored(settings: ModelSettings) -> dict[str, Work]:
    """Return the work per window of the networks of 'both' at a step of 10 s, shared as the engines share it."""
    (waves, picture), found = networks_of(settings), alone(settings)
    piece = torch.randn(1, 20, WINDOW_SAMPLES + (SHARING - 1) * CENTRE_SAMPLES)
    if waves.shares:
        found["WaveNet"] = work_of(waves, lambda: shared_frames(waves, piece), SHARING)
    if picture.shares:
        columns = work_of(picture.view, lambda: picture.view.columns(piece), SHARING)
        images = picture.view(piece[..., :WINDOW_SAMPLES])
        found["EfficientNet"] = work_of(picture, lambda: picture.of_images(images)) + columns
    return found


def shared_frames(waves: Wavenet, piece: Tensor) -> object:
    """Compute the frames of the windows of a piece as the engines do."""
    if waves.drops:
        return waves.over_time(piece)
    reaches = tuple(map(reach, waves.stages))
    files = ("traces", *map(str, range(len(reaches))), "head")
    part = Part(name="temporal", takes="frames", files=files, every=waves.view.settings.decimate, reach=reaches)
    modules = [lambda windows: waves.view(windows).unsqueeze(1), *waves.stages]
    runs = {name: in_torch(module) for name, module in zip(files[:-1], modules, strict=True)}
    return means_of_frames(part, runs, piece[0].numpy(), range(0, SHARING * CENTRE_SAMPLES, CENTRE_SAMPLES))


def in_torch(module: Callable[[Tensor], Tensor]) -> Run:
    """Return what runs a module like an exported graph."""
    return lambda inputs: [module(*map(torch.from_numpy, inputs.values())).numpy()]


def trained(forward: Work) -> dict[str, Work]:
    """Return the work of a training step, given that of the forward pass."""
    return {"forward and backward": Work(TRAINED_GFLOP * forward.gflop, TRAINED_MBYTES * forward.mbytes)}


def works() -> list[dict[str, Work]]:
    """Return the work of each of `THINGS`, by part."""
    paper, quick = (load_recipe(name).models for name in ("paper", "quick"))
    scoring = [scored(settings) for settings in (paper, settings_of("reference", 250), quick)]
    return [*scoring, *(trained(forward) for forward in alone(paper).values())]


def in_words(thing: Thing, of_parts: dict[str, Work], ms: float, peak: Peak, reference: float) -> str:
    """Describe how close a task is to the peak, and what would have to change to reach the target."""
    whole = sum(of_parts.values(), Work(0, 0))
    least, asked = whole.least_ms(peak)[0], reference / thing.asked
    shares = ", ".join(f"{part} {work.gflop:.2f}" for part, work in of_parts.items())
    said = (
        f"- **{thing.name}**: {whole.gflop:.2f} GFLOP per window ({shares}). At the float32 peak of this machine, "
        f"that takes {least:.1f} ms, {reference / least:.1f} times as fast as the reference ({reference:.0f} ms). "
        f"Measured: {ms:.1f} ms, {reference / ms:.1f} times as fast, {least / ms:.0%} of the peak. The target of "
        f"{thing.asked:g} times is {asked:.1f} ms"
    )
    if ms <= asked:
        return said + ", which is reached."
    if least > asked:
        fewer = whole.gflop / (asked * peak.gflops / 1e3)
        return (
            f"{said}. No float32 code can reach that: it needs {fewer:.1f} times less arithmetic, or that much more "
            f"per second. The options are {thing.ways}, or bfloat16 in hardware (here it has "
            f"{peak.gflops_bf16 / peak.gflops:.2f} times the float32 peak)."
        )
    in_bf16 = 1e3 * whole.gflop / peak.gflops_bf16
    return (
        f"{said}. The arithmetic would allow it at {least / asked:.0%} of the peak ({in_bf16 / asked:.0%} of that of "
        "bfloat16, which changes results). Memory traffic and elementwise operations prevent it: "
        f"{whole.mbytes:.0f} MB pass between layers, which takes {whole.least_ms(peak)[1]:.1f} ms at the speed of a "
        "copy, unless layers are fused."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    options_of(parser)
    options = parser.parse_args()
    hold_to(options.threads)
    torch.set_num_threads(options.threads)
    prepare(options.folder, 2.0)
    peak = Peak.measured(options.rounds)
    setup = Setup(options.folder, options.threads, 8)
    measures = {thing.name: ("ours", thing.measure) for thing in THINGS}
    ms = {name: statistics.median(values) for name, values in in_turns(measures, setup, options.rounds).items()}
    found = list(zip(THINGS, works(), strict=True))
    about = (
        f"{machine()}; {options.threads} threads: {peak.gflops:.0f} GFLOP/s in float32, {peak.gflops_bf16:.0f} in "
        f"bfloat16, {peak.gbytes:.1f} GB/s copied."
    )
    rows = [row(thing.name, sum(work.values(), Work(0, 0)), ms[thing.name], peak) for thing, work in found]
    said = [in_words(thing, work, ms[thing.name], peak, thing.reference(options.folder)) for thing, work in found]
    lines = [about, "", *markdown(HEADER, rows), "", *said]
    work = {thing.name: {part: asdict(one) for part, one in parts.items()} for thing, parts in found}
    figures = {"peak": asdict(peak), "ms": ms, "work": work}
    publish("limits", lines, figures, options.folder, write=options.write)


def row(name: str, work: Work, ms: float, peak: Peak) -> list[str]:
    """Return a row of the table."""
    arithmetic, memory = work.least_ms(peak)
    numbers = [f"{value:.3g}" for value in (work.gflop, work.mbytes, arithmetic, memory, ms, 100 * arithmetic / ms)]
    return [name, *numbers]


if __name__ == "__main__":
    main()
