"""What in a window speaks for a pattern: occlusion, integrated gradients, Grad-CAM, and whether to trust them.

All three explain log p, the natural logarithm of the probability that a network gives to one pattern; their figures
are in nats and set the pattern against the five others. They take any network that turns windows [batch, 20, 10000]
in µV into logits [batch, 6]; Grad-CAM needs an EfficientNet on the spectrogram view somewhere inside it.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import rankdata
from timm.models.efficientnet import EfficientNet
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name that torch users know

from ictal.errors import ModelError, UnknownNameError, listed
from ictal.labels import PATTERNS
from ictal.models.arms import MeanOfArms
from ictal.models.weights import Model, load_model
from ictal.montage import CHAINS, CHANNELS, ELECTRODES, N_CHANNELS, NEIGHBOURS, Derivation
from ictal.recording import Signal
from ictal.views.spectrogram import Spectrogram, hz_to_mel, mel_to_hz
from ictal.windows import RATE_HZ, WINDOW_S, WINDOW_SAMPLES

Floats = npt.NDArray[np.float64]
MethodName = Literal["occlusion", "gradients", "gradcam"]
METHOD_NAMES: tuple[MethodName, ...] = get_args(MethodName)

N_ELECTRODES = len(ELECTRODES)
QUIET = 0.1
"""What is left of the amplitude where a piece of time is taken away: 20 dB less, as in a suppressed EEG. Nothing at
all would be a hole of -100 dB in a spectrogram, which no EEG has and which a network may take for anything."""
GAP_TOLERANCE = 0.05
"""By how much integrated gradients may miss the difference that they share out, in nats (5 % of a probability), or as
a share of it where it is larger than one nat."""
PATH = 12.0
"""Logarithm of how much closer the points of integrated gradients lie at silence than at the window: the 100 dB that
a spectrogram without a limit may show."""
NOTHING = 1e-4
"""What is below this share of the largest magnitude of a map counts as nothing, for it may be rounding."""
ALIKE = 0.5
"""Rank correlation from which explanations of two networks count as alike: a quarter of the variance is shared."""


def _means_of_neighbours() -> Signal:
    """Return the matrix [20, 20] that gives each electrode the mean of those next to it along chains and rows."""
    matrix = np.zeros((N_CHANNELS, N_CHANNELS), dtype=np.float32)
    for one, other in NEIGHBOURS:
        here, there = CHANNELS.index(one), CHANNELS.index(other)
        matrix[here, there] = matrix[there, here] = 1
    matrix[CHANNELS.index("EKG"), CHANNELS.index("EKG")] = 1
    return np.asarray(matrix / matrix.sum(axis=1, keepdims=True))


MEANS_OF_NEIGHBOURS = _means_of_neighbours()


@dataclass(frozen=True)
class Occlusion:
    """How much of log p is lost where a piece of the window is taken away; above zero: the piece speaks for it.

    Attributes
    ----------
    electrodes, seconds
        Without each electrode, [19], and without each second, [50]; nats.
    grid
        Without one electrode for one stretch of time, [19, stretch]; None where it was not asked for.
    stretch_s
        Length of a stretch.
    """

    electrodes: Floats
    seconds: Floats
    grid: Floats | None
    stretch_s: int

    def to_json(self) -> dict[str, Any]:
        """Return the figures, electrodes by name."""
        grid = None if self.grid is None else dict(zip(ELECTRODES, _rounded(self.grid), strict=True))
        electrodes = dict(zip(ELECTRODES, _rounded(self.electrodes), strict=True))
        return {
            "electrodes": electrodes,
            "seconds": _rounded(self.seconds),
            "stretch_s": self.stretch_s,
            "grid": grid,
        }


@dataclass(frozen=True)
class Gradients:
    """Integrated gradients of log p between a window of zeros and the window.

    Attributes
    ----------
    attributions
        Share of each sample in the difference, [20, 10000], nats; above zero: it speaks for the pattern.
    silence
        Probability of the pattern in a window of zeros.
    difference
        log p of the window less log p of zeros, which the attributions add up to.
    gap
        By how much they miss it, because the integral is a sum of finitely many steps.
    n_steps
        How many.
    """

    attributions: Floats = field(repr=False)
    silence: float
    difference: float
    gap: float
    n_steps: int

    @property
    def complete(self) -> bool:
        """Whether the gap is within `GAP_TOLERANCE`."""
        return abs(self.gap) <= GAP_TOLERANCE * max(1.0, abs(self.difference))

    @property
    def readable(self) -> bool:
        """Whether the shares are complete, and of a gain: silence is not more like it than the window."""
        return self.complete and self.difference > 0

    @property
    def grid(self) -> Floats:
        """The sum over each electrode and second, [19, 50], nats."""
        seconds = self.attributions[:N_ELECTRODES].reshape(N_ELECTRODES, WINDOW_S, RATE_HZ)
        return np.asarray(seconds.sum(axis=2))

    @property
    def magnitude(self) -> Floats:
        """How much each electrode and second matters, whether for or against, [19, 50], nats."""
        return np.abs(self.grid)

    def to_json(self) -> dict[str, Any]:
        """Return the grid, electrodes by name, and the check of completeness."""
        numbers = {name: round(getattr(self, name), 6) for name in ("silence", "difference", "gap")}
        grid = dict(zip(ELECTRODES, _rounded(self.grid), strict=True))
        return {"grid": grid, **numbers, "n_steps": self.n_steps, "readable": self.readable}


@dataclass(frozen=True)
class Gradcam:
    """Where in the image a network's last feature map speaks for a pattern; one map for the four chains together.

    Attributes
    ----------
    heat
        [mel band, frame], not negative, in no unit: the cells, interpolated to the image.
    cells
        The same at the resolution of the feature map, [row, column].
    images
        What the network saw, [chain, mel band, frame], dB.
    hertz, seconds
        Centres of the bands and of the frames.
    """

    heat: Floats = field(repr=False)
    cells: Floats
    images: Floats = field(repr=False)
    hertz: Floats = field(repr=False)
    seconds: Floats = field(repr=False)

    def to_json(self) -> dict[str, Any]:
        """Return the cells, and the image's axes from the centre of its first pixel to that of its last."""
        axes = {"hertz": _rounded(self.hertz[[0, -1]]), "seconds": _rounded(self.seconds[[0, -1]])}
        return {"cells": _rounded(self.cells), **axes}


@dataclass(frozen=True)
class Explanation:
    """What in one window speaks for one pattern, by the methods that apply to the network.

    Attributes
    ----------
    pattern
        The one that is explained.
    probabilities
        What the network gives to each pattern, [6].
    window
        What was explained, [20, 10000], µV.
    occlusion, gradients, gradcam
        None where a method was not asked for or does not apply.
    arm
        What the model's card calls it; empty for a network without a card.
    missing
        Which samples of the window the recording lacks, [20, 10000]; None where it lacks none.
    lost
        Derivations that the recording cannot form.
    """

    pattern: str
    probabilities: Floats
    window: Signal = field(repr=False)
    occlusion: Occlusion | None = None
    gradients: Gradients | None = None
    gradcam: Gradcam | None = None
    arm: str = ""
    missing: npt.NDArray[np.bool_] | None = field(default=None, repr=False)
    lost: tuple[Derivation, ...] = ()

    @property
    def recorded(self) -> Signal:
        """The window, but NaN where the recording lacks samples."""
        return self.window if self.missing is None else np.where(self.missing, np.float32(np.nan), self.window)

    @property
    def probability(self) -> float:
        """That of the pattern."""
        return float(self.probabilities[PATTERNS.index(self.pattern)])

    def to_json(self) -> dict[str, Any]:
        """Return everything but the window and the single samples' attributions."""
        parts = {name: getattr(self, name) for name in METHOD_NAMES}
        return {
            "arm": self.arm,
            "pattern": self.pattern,
            "probabilities": dict(zip(PATTERNS, _rounded(self.probabilities), strict=True)),
            **{name: part.to_json() for name, part in parts.items() if part is not None},
        }


@dataclass(frozen=True)
class Sanity:
    """Whether explanations change when what the network has learned is taken from it.

    Attributes
    ----------
    shares
        Which share of the layers, from the head down, has random weights at each step; the last is all.
    correlations
        Spearman's correlation of the magnitudes with those of the trained network, mean over the windows.
    """

    shares: tuple[float, ...]
    correlations: tuple[float, ...]

    @property
    def differs(self) -> bool:
        """Whether the explanations of a random network are others, so that the method explains what was learned."""
        return self.correlations[-1] < ALIKE


def explain(
    model: str | Path | Model | nn.Module,
    window: Signal,
    pattern: str | None = None,
    methods: Sequence[MethodName] | None = None,
) -> Explanation:
    """Say what in a window speaks for a pattern.

    Parameters
    ----------
    model
        The folder of a saved model, a loaded one, or a network.
    window
        Standardised, [20, 10000], µV.
    pattern
        Its name; None for the most probable one.
    methods
        Of `METHOD_NAMES`; None for all that apply to the network.

    Raises
    ------
    UnknownNameError
        If there is no such pattern or method.
    ModelError
        If the network looks at more than the window, or Grad-CAM is asked of one for which it is not defined.
    ValueError
        If the window has another shape, or samples that are no numbers.
    """
    if unknown := [name for name in methods or () if name not in METHOD_NAMES]:
        raise UnknownNameError("method", unknown[0], METHOD_NAMES)
    loaded = load_model(model) if isinstance(model, str | Path) else model
    network, arm = (loaded.network, loaded.card.arm) if isinstance(loaded, Model) else (loaded, "")
    if methods is None:
        methods = METHOD_NAMES if len(_image_networks(network)) == 1 else ("occlusion", "gradients")
    probabilities = np.exp(_log_probabilities(network, iter([_checked(window)]), 1)[0])
    pattern = pattern or PATTERNS[int(probabilities.argmax())]
    parts: dict[str, Any] = {name: _EXPLAIN[name](network, window, pattern) for name in methods}
    return Explanation(pattern, probabilities, window, arm=arm, **parts)


def occlude(
    network: nn.Module, window: Signal, pattern: str, stretch_s: int | None = 2, batch_size: int = 16
) -> Occlusion:
    """Take electrodes and seconds away one by one and see how much of log p is lost (Zeiler and Fergus 2014).

    Nothing that is put in may look like an artifact. An electrode becomes the mean of its neighbours along chains
    and rows, as an interpolated bad channel does. A second loses, on every channel, nine tenths of what deviates
    from the straight line between the sample before it and the one after it (`QUIET`), so there is no step at
    either end. For one electrode and one stretch of time, the same is done to its difference from the neighbours'
    mean. All of it commutes with a change of reference.

    Parameters
    ----------
    network, window, pattern
        As in `explain`.
    stretch_s
        Length of the stretches of the grid, which must divide 50 s; None for no grid.
    batch_size
        Windows per pass.

    Returns
    -------
    Occlusion
        From 1 + 19 + 50 windows, and 19 more for each stretch.
    """
    grid = None if stretch_s is None else occlude_cells(network, window, pattern, stretch_s, batch_size)
    lost = _lost(network, window, _without_parts, pattern, batch_size)
    electrodes, seconds = np.split(lost, [N_ELECTRODES])
    return Occlusion(electrodes, seconds, grid, stretch_s or 0)


def occlude_cells(network: nn.Module, window: Signal, pattern: str, stretch_s: int, batch_size: int = 16) -> Floats:
    """Return the grid of `occlude` alone, [19, stretch], nats; the parameters are the same."""
    if stretch_s < 1 or WINDOW_S % stretch_s:
        raise ValueError(f"stretch_s is {stretch_s}; allowed are whole seconds that divide {WINDOW_S}")
    cells = _lost(network, window, lambda whole: _without_cells(whole, stretch_s), pattern, batch_size)
    return cells.reshape(N_ELECTRODES, -1)


def _lost(
    network: nn.Module, window: Signal, change: Callable[[Signal], Iterator[Signal]], pattern: str, batch_size: int
) -> Floats:
    """Return how much log p of a pattern is smaller in each changed window, [changed], nats."""
    column, whole = _index(pattern), _checked(window)
    found = _log_probabilities(network, chain([whole], change(whole)), batch_size)[:, column]
    return np.asarray(found[0] - found[1:])


def _without_parts(window: Signal) -> Iterator[Signal]:
    """Give the window without each electrode and without each second."""
    around = MEANS_OF_NEIGHBOURS @ window
    for row in range(N_ELECTRODES):
        yield _with_row(window, row, around[row])
    for start in range(0, WINDOW_SAMPLES, RATE_HZ):
        yield quietened(window, start, start + RATE_HZ)


def _without_cells(window: Signal, stretch_s: int) -> Iterator[Signal]:
    """Give the window without each stretch of each electrode."""
    around, length = MEANS_OF_NEIGHBOURS @ window, stretch_s * RATE_HZ
    for row in range(N_ELECTRODES):
        own = window[row] - around[row]
        for start in range(0, WINDOW_SAMPLES, length):
            yield _with_row(window, row, around[row] + quietened(own, start, start + length))


def _with_row(window: Signal, row: int, samples: Signal) -> Signal:
    changed = window.copy()
    changed[row] = samples
    return changed


def quietened(signal: Signal, start: int, stop: int) -> Signal:
    """Return a signal [..., time] that deviates little from the line of `bridged` in samples `start` to `stop`."""
    line = bridged(signal, start, stop)
    return line + np.float32(QUIET) * (signal - line)


def bridged(signal: Signal, start: int, stop: int) -> Signal:
    """Return a signal [..., time] with samples `start` to `stop` on the line between those before and after."""
    n_samples = signal.shape[-1]
    before = signal[..., [start - 1 if start else min(stop, n_samples - 1)]]
    after = signal[..., [stop]] if stop < n_samples else before
    way = np.arange(1, stop - start + 1, dtype=np.float32) / (stop - start + 1)
    changed = signal.copy()
    changed[..., start:stop] = before + (after - before) * way
    return changed


def integrate_gradients(
    network: nn.Module, window: Signal, pattern: str, n_steps: int = 32, most_steps: int = 256, batch_size: int = 8
) -> Gradients:
    """Share the difference in log p between zeros and the window out over its samples (Sundararajan et al. 2017).

    A network on derivations does not see what all electrodes have in common. So that the reference does not
    decide who gets a share, that of a sample is its distance from the electrodes' mean times its gradient, and the
    mean times the mean gradient, which adds up to the same.

    Parameters
    ----------
    network, window, pattern
        As in `explain`.
    n_steps, most_steps
        Of the sum that stands for the integral; they are doubled until the shares add up within `GAP_TOLERANCE`, or
        there would be too many.
    batch_size
        Steps per pass.
    """
    column = _index(pattern)
    ends = _log_probabilities(network, iter([_checked(window), np.zeros_like(window)]), 2)[:, column]
    difference, silence = float(ends[0] - ends[1]), float(np.exp(ends[1]))
    while True:
        gradient = _mean_gradient(network, window, column, n_steps, batch_size)
        attributions = _shares(window.astype(np.float64), gradient)
        gap = float(attributions.sum()) - difference
        found = Gradients(attributions, silence, difference, gap, n_steps)
        if found.complete or 2 * n_steps > most_steps:
            return found
        n_steps *= 2


def _mean_gradient(network: nn.Module, window: Signal, column: int, n_steps: int, batch_size: int) -> Floats:
    """Return the gradient of log p, [20, time], averaged over the straight way alpha * window from zeros.

    Its points are alpha = (exp(kt) - 1) / (exp(k) - 1), k = `PATH`, in the middle of even steps of t, each with the
    weight of its step: a network that sees decibels sees the logarithm of alpha, which changes most near zero.
    """
    path = np.expm1(np.linspace(0, PATH, 2 * n_steps + 1)) / np.expm1(PATH)
    alphas, weights = torch.from_numpy(path[1::2]).float(), torch.from_numpy(np.diff(path[::2]))
    whole = torch.from_numpy(_checked(window)).to(_device(network))
    total = torch.zeros(whole.shape, dtype=torch.float64)
    with _evaluating(network), torch.enable_grad():
        for begin in range(0, n_steps, batch_size):
            alpha, weight = alphas[begin : begin + batch_size], weights[begin : begin + batch_size]
            scaled = (alpha.to(whole)[:, None, None] * whole).requires_grad_()
            score = _log_softmax(network(scaled))[:, column].sum()
            (slope,) = torch.autograd.grad(score, scaled)
            total += torch.einsum("b,bct->ct", weight, slope.cpu().double())
    return total.numpy()


def _shares(window: Floats, gradient: Floats) -> Floats:
    """Return window * gradient, [20, time], with the electrodes' mean shared out evenly over the electrodes."""
    shares = window * gradient
    common = window[:N_ELECTRODES].mean(axis=0)
    shares[:N_ELECTRODES] -= common * (gradient[:N_ELECTRODES] - gradient[:N_ELECTRODES].mean(axis=0))
    return shares


def gradcam(network: nn.Module, window: Signal, pattern: str) -> Gradcam:
    """Weigh the last feature map of an EfficientNet by how log p depends on it (Selvaraju et al. 2017).

    Raises
    ------
    ModelError
        If the network does not hold exactly one EfficientNet beside its spectrogram view, which it asks once per
        window.
    """
    view, images = _image_network(network)
    whole = torch.from_numpy(_checked(window)).to(_device(network))[None]
    maps: list[Tensor] = []
    hook = images.bn2.register_forward_hook(lambda _module, _given, made: maps.append(made.requires_grad_()))
    try:
        with _evaluating(network), torch.enable_grad():
            score = _log_softmax(network(whole))[:, _index(pattern)].sum()
    finally:
        hook.remove()
    if len(maps) != 1 or len(maps[0]) != 1:
        raise ModelError("Grad-CAM needs a network that makes one feature map per window; this one makes several")
    (slope,) = torch.autograd.grad(score, maps[0])
    weighed = (slope.mean(dim=(2, 3), keepdim=True) * maps[0].detach()).sum(dim=1, keepdim=True).relu()
    settings = view.settings
    size = (settings.n_mels, settings.width)
    heat = F.interpolate(weighed, size, mode="bilinear", align_corners=False)
    with torch.inference_mode():
        decibels = view.decibels(whole).reshape(len(CHAINS), -1, settings.width, settings.n_mels).mean(dim=1)
    bands = mel_to_hz(np.linspace(0, hz_to_mel(settings.max_hz), settings.n_mels + 2))[1:-1]
    seconds = (WINDOW_S - settings.seen_s) / 2 + np.arange(settings.width) * settings.hop / RATE_HZ
    return Gradcam(_array(heat[0, 0]), _array(weighed[0, 0]), _array(decibels.transpose(1, 2)), bands, seconds)


def _image_network(network: nn.Module) -> tuple[Spectrogram, Any]:
    found = _image_networks(network)
    if len(found) != 1:
        names = f"{len(found)}: {listed(found)}" if found else "none"
        raise ModelError(f"Grad-CAM needs a network with one EfficientNet on spectrograms; this one has {names}")
    return next(iter(found.values()))


def _image_networks(network: nn.Module) -> dict[str, tuple[Spectrogram, Any]]:
    """Return every EfficientNet that stands in one module with a spectrogram view, by that module's name."""
    found = {}
    for name, module in network.named_modules():
        views = [child for child in module.children() if isinstance(child, Spectrogram)]
        networks = [child for child in module.children() if isinstance(child, EfficientNet)]
        if len(views) == len(networks) == 1:
            found[name or "the network itself"] = (views[0], networks[0])
    return found


_EXPLAIN: dict[MethodName, Callable[[nn.Module, Signal, str], Any]] = {
    "occlusion": occlude,
    "gradients": integrate_gradients,
    "gradcam": gradcam,
}

Method = Callable[[nn.Module, Signal, str], Floats]
"""Gives a map, of any shape, of a network, a window and a pattern."""

METHODS: dict[MethodName, Method] = {
    "occlusion": lambda network, window, pattern: np.asarray(occlude(network, window, pattern, stretch_s=5).grid),
    "gradients": lambda network, window, pattern: integrate_gradients(network, window, pattern).grid,
    "gradcam": lambda network, window, pattern: gradcam(network, window, pattern).cells,
}
"""The map of each method that `sanity` compares."""


def sanity(
    network: nn.Module,
    windows: Sequence[Signal],
    pattern: str,
    method: MethodName | Method,
    seed: int = 0,
    n_steps: int = 4,
) -> Sanity:
    """Compare explanations with those of the same network after its weights are made random (Adebayo et al. 2018).

    Weights become random from the head down, in the reverse order of their definition, more of them at each step
    and all at the last. Only what either map shows is compared. A map that stays the same does not explain what the
    network has learned.

    Parameters
    ----------
    network
        Is not changed.
    windows, pattern
        As in `explain`; several windows, over which the correlations are averaged.
    method
        A name, or a function that makes a map.
    seed
        Of the random weights.
    n_steps
        Of the cascade.
    """
    if isinstance(method, str) and method not in METHODS:
        raise UnknownNameError("method", method, METHODS)
    explained = METHODS[method] if isinstance(method, str) else method
    trained = [explained(network, window, pattern) for window in windows]
    changed, random = copy.deepcopy(network), torch.Generator().manual_seed(seed)
    shares, correlations = [], []
    for step, layers in enumerate(_steps(changed, n_steps), 1):
        for layer in layers:
            _randomise(layer, random)
        maps = [explained(changed, window, pattern) for window in windows]
        shares.append(step / n_steps)
        correlations.append(float(np.mean([_rank_correlation(a, b) for a, b in zip(trained, maps, strict=True)])))
    return Sanity(tuple(shares), tuple(correlations))


def _steps(network: nn.Module, n_steps: int) -> list[list[nn.Module]]:
    """Return the layers with weights in so many groups from the head down; parts that are averaged go in step."""
    means = [module for module in network.modules() if isinstance(module, MeanOfArms)]
    steps: list[list[nn.Module]] = [[] for _ in range(n_steps)]
    for part in means[0].networks.values() if means else [network]:
        layers = [layer for layer in part.modules() if any(True for _ in layer.parameters(recurse=False))][::-1]
        for place, layer in enumerate(layers):
            steps[place * n_steps // len(layers)].append(layer)
    return steps


@torch.no_grad()
def _randomise(layer: nn.Module, generator: torch.Generator) -> None:
    """Draw weights from a normal distribution of their own size, so that signals neither die nor explode."""
    for parameter in layer.parameters(recurse=False):
        noise = torch.randn(parameter.shape, generator=generator).to(parameter)
        parameter.copy_(noise * parameter.square().mean().sqrt())


def _rank_correlation(one: Floats, other: Floats) -> float:
    """Return Spearman's correlation of magnitudes where either map has any; 0 where one is the same everywhere.

    Cells that no network of this kind can see, as electrodes outside of its montage, are nothing in both and would
    make any two maps alike.
    """
    sizes = np.abs(np.stack([one.ravel(), other.ravel()]))
    seen = (sizes > NOTHING * sizes.max(axis=1, keepdims=True)).any(axis=0)
    first, second = rankdata(sizes[:, seen], axis=1)
    if min(np.ptp(first), np.ptp(second)) == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def _log_softmax(logits: Tensor) -> Tensor:
    return logits.double().log_softmax(dim=1)


def _log_probabilities(network: nn.Module, windows: Iterator[Signal], batch_size: int) -> Floats:
    """Return log p of every pattern, [window, 6], of windows that are made as they are needed."""
    where, parts = _device(network), []
    with _evaluating(network), torch.inference_mode():
        while batch := list(islice(windows, batch_size)):
            parts.append(_array(_log_softmax(network(torch.from_numpy(np.stack(batch)).to(where)))))
    return np.concatenate(parts)


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    """Put a network that looks at the window into evaluation mode for a while, its weights held fast.

    What a gradient of the weights would need is most of what a pass keeps in memory, and nobody asks for it.
    """
    if getattr(network, "sees_context", False):
        raise ModelError("this network looks at the ten minutes around a window, which no method here explains")
    training, learning = network.training, [each for each in network.parameters() if each.requires_grad]
    network.eval().requires_grad_(False)
    try:
        yield
    finally:
        network.train(training)
        for parameter in learning:
            parameter.requires_grad_()


def _checked(window: Signal) -> Signal:
    if window.shape != (N_CHANNELS, WINDOW_SAMPLES) or not np.isfinite(window).all():
        raise ValueError(f"a window is [{N_CHANNELS}, {WINDOW_SAMPLES}] finite numbers, not {window.shape} or NaN")
    return np.asarray(window, dtype=np.float32)


def _index(pattern: str) -> int:
    if pattern not in PATTERNS:
        raise UnknownNameError("pattern", pattern, PATTERNS)
    return PATTERNS.index(pattern)


def _device(network: nn.Module) -> torch.device:
    parameter = next(network.parameters(), None)
    return torch.device("cpu") if parameter is None else parameter.device


def _array(tensor: Tensor) -> Floats:
    return tensor.detach().cpu().double().numpy()


def _rounded(values: Floats) -> Any:
    return np.round(values, 6).tolist()
