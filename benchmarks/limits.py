"""How close scoring comes to what the machine can do: arithmetic and bytes of the networks, and measured peaks.

A product of two large matrices shows how fast the machine reckons, a large copy how fast it moves; both are
measured here, in the same threads. Arithmetic is that of products and convolutions. Bytes are those of weights and
of what each layer writes and the next one reads (in training once more for the gradient, which is written and read
as well): what has to move if nothing stays in the processor's cache. Layers are torch's modules; what WaveNet
computes between them is not counted, so its bytes are the least.
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
from ictal.models.arms import ModelSettings, build
from ictal.models.efficientnet import Efficientnet
from ictal.models.wavenet import Wavenet
from ictal.recipes import load_recipe
from ictal.scoring.engine import SHARING
from scoring import settings_of
from side_by_side import prepare
from speed import median_ms, peak_gflops

HEADER = ("per window", "GFLOP", "MB", "least ms by arithmetic", "least ms by memory", "ms", "% of peak")
COPIED = 2**28
TRAINED_GFLOP, TRAINED_MBYTES = 3, 2.5
"""A training step against a forward pass: a product each for the gradients of inputs and of weights; and outputs,
written and read, are read once more, and their gradient is written and read. Counting the backward pass itself would
not do: torch takes the gradient of a depthwise convolution for that of a full one."""
WAYS_TO_SCORE = "windows that share work, a smaller network, int8 where the processor multiplies it faster (VNNI)"


@dataclass(frozen=True)
class Peak:
    """What the machine can do: products in float32 and bfloat16, and a copy (read and written)."""

    gflops: float
    gflops_bf16: float
    gbytes: float

    @classmethod
    def measured(cls, repeats: int) -> "Peak":
        """Measure it, as the best of some tries: other work makes it look smaller, nothing larger."""
        one, other = torch.empty(COPIED // 4), torch.zeros(COPIED // 4)
        copies = [2 * COPIED / median_ms(lambda: one.copy_(other), 1, 3) / 1e6 for _ in range(repeats)]
        kinds = (torch.float32, torch.bfloat16)
        return cls(*(max(peak_gflops(kind) for _ in range(repeats)) for kind in kinds), max(copies))


@dataclass(frozen=True)
class Thing:
    """What is held against the machine.

    Attributes
    ----------
    name
        In words.
    measure
        Of `ours`.
    row
        How the row of side_by_side.py begins that has the reference's figure.
    reference_ms
        That figure as it was measured once, where side_by_side.py has not run in this folder.
    asked
        How many times the reference.
    ways
        To have less arithmetic, or more of it per second.
    """

    name: str
    measure: str
    row: str
    reference_ms: float
    asked: float
    ways: str = "a smaller network"

    def reference(self, folder: Path) -> float:
        """Return the median of what the reference takes per window."""
        path = folder / "side_by_side.json"
        if not path.exists():
            return self.reference_ms
        rows = json.loads(path.read_text(encoding="utf-8"))
        return statistics.median(next(row["theirs"] for row in rows if row["name"].startswith(self.row)))


def _scoring(name: str) -> Thing:
    return Thing(f"scoring, {name}", f"score {name}", "scoring with `both`", 293, 20, WAYS_TO_SCORE)


THINGS = (
    *map(_scoring, ("paper", "shared", "quick")),
    Thing("training step, WaveNet", "train temporal", "training step: WaveNet", 219, 4),
    Thing("training step, EfficientNet-B2", "train spatial", "training step: EfficientNet-B2, recipe", 540, 5),
)


@dataclass(frozen=True)
class Work:
    """What one window asks for, on average over those that share it."""

    gflop: float
    mbytes: float

    def __add__(self, other: "Work") -> "Work":
        return Work(self.gflop + other.gflop, self.mbytes + other.mbytes)

    def least_ms(self, peak: Peak) -> tuple[float, float]:
        """Return how long it takes at the peak of arithmetic, and of memory."""
        return 1e3 * self.gflop / peak.gflops, self.mbytes / peak.gbytes


def work_of(network: nn.Module, call: Callable[[], object], n_windows: int = 1) -> Work:
    """Count what a call does for so many windows: arithmetic, and bytes of weights and layers' outputs."""
    moved = [sum(weight.numel() * weight.element_size() for weight in network.parameters())]

    def look(_: nn.Module, __: object, output: object) -> None:
        if isinstance(output, Tensor):
            moved.append(2 * output.numel() * output.element_size())

    hooks = [module.register_forward_hook(look) for module in network.modules() if not list(module.children())]
    counter = FlopCounterMode(display=False)
    with torch.inference_mode(), counter:
        call()
    for hook in hooks:
        hook.remove()
    return Work(counter.get_total_flops() / 1e9 / n_windows, sum(moved) / 1e6 / n_windows)


def scored(settings: ModelSettings) -> dict[str, Work]:
    """Return the work of the networks of 'both' per window at a step of 10 s, as the engines divide it."""
    networks = [build(arm, settings, initial=False).network.eval() for arm in ("temporal", "spatial")]
    waves, picture = networks
    assert isinstance(waves, Wavenet)
    assert isinstance(picture, Efficientnet)
    window = torch.randn(1, 20, WINDOW_SAMPLES)
    piece = torch.randn(1, 20, WINDOW_SAMPLES + (SHARING - 1) * CENTRE_SAMPLES)
    if waves.shares:
        temporal = work_of(waves, lambda: waves.over_time(piece), SHARING)
    else:
        temporal = work_of(waves, lambda: waves(window))
    if not picture.shares:
        return {"WaveNet": temporal, "EfficientNet": work_of(picture, lambda: picture(window))}
    columns = work_of(picture.view, lambda: picture.view.columns(piece), SHARING)
    images = picture.view(window)
    return {"WaveNet": temporal, "EfficientNet": work_of(picture, lambda: picture.of_images(images)) + columns}


def trained(forward: Work) -> dict[str, Work]:
    """Return the work of a training step of a network whose forward pass asks for so much."""
    return {"forward and backward": Work(TRAINED_GFLOP * forward.gflop, TRAINED_MBYTES * forward.mbytes)}


def works() -> list[dict[str, Work]]:
    """Return the work of each of `THINGS`, by its parts."""
    paper, quick = (load_recipe(name).models for name in ("paper", "quick"))
    scoring = [scored(settings) for settings in (paper, settings_of("reference", 250), quick)]
    return [*scoring, *(trained(forward) for forward in scoring[0].values())]


def in_words(thing: Thing, of_parts: dict[str, Work], ms: float, peak: Peak, reference: float) -> str:
    """Say how far a thing is from the peak, and what would have to change for what is asked."""
    whole = sum(of_parts.values(), Work(0, 0))
    least, asked = whole.least_ms(peak)[0], reference / thing.asked
    shares = ", ".join(f"{part} {work.gflop:.2f}" for part, work in of_parts.items())
    said = (
        f"- **{thing.name}**: {whole.gflop:.2f} GFLOP per window ({shares}). At the peak of this machine in float32 "
        f"that is {least:.1f} ms, {reference / least:.1f} times the reference's {reference:.0f} ms; measured are "
        f"{ms:.1f} ms, {reference / ms:.1f} times, {least / ms:.0%} of the peak. {thing.asked:g} times are "
        f"{asked:.1f} ms"
    )
    if ms <= asked:
        return said + ", which it reaches."
    if least > asked:
        fewer = whole.gflop / (asked * peak.gflops / 1e3)
        return (
            f"{said}: no code reaches that in float32. It needs {fewer:.1f} times less arithmetic, or as much more "
            f"per second: {thing.ways}, or bfloat16 in hardware (here it has "
            f"{peak.gflops_bf16 / peak.gflops:.2f} times the peak of float32)."
        )
    return (
        f"{said}: the arithmetic would allow it at {least / asked:.0%} of the peak. What is in the way is memory and "
        f"elementwise work: {whole.mbytes:.0f} MB pass between layers, {whole.least_ms(peak)[1]:.1f} ms at the speed "
        "of a copy, unless layers are fused."
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
    """Return a line of the table."""
    arithmetic, memory = work.least_ms(peak)
    numbers = [f"{value:.3g}" for value in (work.gflop, work.mbytes, arithmetic, memory, ms, 100 * arithmetic / ms)]
    return [name, *numbers]


if __name__ == "__main__":
    main()
