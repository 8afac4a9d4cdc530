"""Measure milliseconds per window of views, forward passes and training steps, as medians of repeated runs."""

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

from _machine import machine
from ictal.core.montage import MIRROR
from ictal.models.build import build
from ictal.models.model_settings import ModelSettings
from ictal.recipes import load_recipe
from ictal.views import Spectrogram, Waveform

FIRST_VARIANT = {"filters": (8, 16, 32, 64), "kernels": (3, 3, 3, 3), "dilations": (12, 8, 4, 1)}


def median_ms(call: Callable[[], object], n_windows: int, repeats: int) -> float:
    call()
    call()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return 1e3 * statistics.median(times) / n_windows


def peak_gflops(dtype: torch.dtype, size: int = 2048) -> float:
    one = torch.randn(size, size).to(dtype)
    return 2 * size**3 / (median_ms(lambda: one @ one, 1, 7) * 1e6)


def step(network: nn.Module, windows: torch.Tensor, *, bf16: bool) -> Callable[[], object]:
    optimizer = torch.optim.Adam(network.parameters())

    def run() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits = network(windows)
        torch.nn.functional.cross_entropy(logits.float(), torch.zeros(len(windows), dtype=torch.long)).backward()
        optimizer.step()

    return run


def forward(network: nn.Module, windows: torch.Tensor, *, bf16: bool) -> Callable[[], object]:
    def run() -> torch.Tensor:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            return network(windows)

    return run


def joint_training(settings: ModelSettings, windows: Callable[[int], torch.Tensor], repeats: int) -> dict[str, float]:
    """Time training steps of fusion and of its branches in turn, so that their ratio is of the same period."""
    batches = {"temporal": 4, "spatial": 16, "fusion": 8}
    steps = {arm: step(build(arm, settings).train(), windows(n), bf16=False) for arm, n in batches.items()}
    times: dict[str, list[float]] = {arm: [] for arm in batches}
    for _ in range(repeats + 1):
        for arm, run in steps.items():
            begin = time.perf_counter()
            run()
            times[arm].append(1e3 * (time.perf_counter() - begin) / batches[arm])
    ms = {arm: statistics.median(values[1:]) for arm, values in times.items()}
    return {
        "fusion: training step, float32, ms": ms["fusion"],
        "fusion: training step, times the sum of its branches'": ms["fusion"] / (ms["temporal"] + ms["spatial"]),
    }


def symmetric(windows: Callable[[int], torch.Tensor], repeats: int) -> dict[str, float]:
    """Measure training step, parameters and change by mirroring of the symmetric network, default and quick."""
    figures = {}
    for name, settings in (("default", ModelSettings()), ("quick", load_recipe("quick").models)):
        network = build("symmetric", settings).train()
        ms = median_ms(step(network, windows(32), bf16=False), 32, repeats)
        figures[f"symmetric, {name}: training step, float32, ms"] = ms
        figures[f"symmetric, {name}: thousand parameters"] = sum(p.numel() for p in network.parameters()) / 1e3
        network.eval()
        batch = windows(8)
        with torch.inference_mode():
            change = (network(batch) - network(batch[:, list(MIRROR)])).abs().max()
        figures[f"symmetric, {name}: largest change by mirroring, 1e-6"] = 1e6 * float(change)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", help="also write the figures to this file")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    paper = load_recipe("paper").models.model_dump()
    paper["spatial"]["efficientnet"]["pretrained"] = "no"
    first = json.loads(json.dumps(paper))
    first["temporal"]["wavenet"] |= FIRST_VARIANT
    settings, first_settings = ModelSettings.model_validate(paper), ModelSettings.model_validate(first)
    generator = torch.Generator().manual_seed(0)
    figures: dict[str, float] = {}

    def windows(number: int) -> torch.Tensor:
        return 30 * torch.randn(number, 20, 10_000, generator=generator)

    print(f"{machine()}; {arguments.threads} threads; torch {torch.__version__}; median of {arguments.repeats}")
    figures["peak of a matrix product, float32, GFLOP/s"] = peak_gflops(torch.float32)
    figures["peak of a matrix product, bfloat16, GFLOP/s"] = peak_gflops(torch.bfloat16)
    views = {
        "waveform view": Waveform(settings.temporal.waveform),
        "spectrogram view": Spectrogram(settings.spatial.spectrogram),
    }
    for name, view in views.items():
        figures[f"{name}, ms"] = median_ms(forward(view, windows(32), bf16=False), 32, arguments.repeats)
    networks = (
        ("EfficientNet-B2, 4 x 128 x 256", "spatial", settings, 16),
        ("WaveNet, first variant, 8 x 2,000", "temporal", first_settings, 4),
        ("WaveNet, stronger variant, 8 x 2,000", "temporal", settings, 4),
    )
    for name, arm, chosen, batch in networks:
        network = build(arm, chosen)
        for bf16 in (False, True):
            kind = "bf16" if bf16 else "float32"
            network.eval()
            ms = median_ms(forward(network, windows(batch), bf16=bf16), batch, arguments.repeats)
            figures[f"{name}: forward, {kind}, ms"] = ms
            network.train()
            ms = median_ms(step(network, windows(batch), bf16=bf16), batch, arguments.repeats)
            figures[f"{name}: training step, {kind}, ms"] = ms
    figures |= joint_training(settings, windows, arguments.repeats)
    figures |= symmetric(windows, arguments.repeats)
    for name, value in figures.items():
        print(f"{name:<62} {value:8.2f}")
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:  # noqa: PTH123
            json.dump(figures, file, indent=2)


if __name__ == "__main__":
    main()
