"""Check an external model on simulated windows: what a contract can get wrong without an error."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment
from scipy.stats import rankdata

from ictal.core.labels import PATTERNS, as_known
from ictal.core.montage import CHAINS, CHANNELS, MONTAGES, ROWS
from ictal.core.recording import Signal
from ictal.core.windows import CENTRE_S, cut
from ictal.data.simulated_stream import Stream, StreamSettings
from ictal.errors import ModelError
from ictal.models.external import ExternalModel
from ictal.models.external_contract import OutputSettings
from ictal.models.external_input import ExternalInput
from ictal.preprocessing.settings import StandardiseSettings

SEED = 78_000
"""Seed of the simulated windows; no recipe uses it."""
N_WINDOWS = 192
SAME, CLOSE = 1e-6, 1e-4
"""Largest difference of outputs, in their standard deviations, between two runs, and between alone and in a batch."""
GOOD, BETTER, N_RESAMPLES = 0.8, 0.03, 1000
"""Another order of channels or patterns is called right if with it the mean AUROC of the patterns is at least `GOOD`
and better by `BETTER`, and if it is better in each of `N_RESAMPLES` bootstrap samples of the windows."""

Floats = npt.NDArray[np.float64]
Marks = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ExternalCheck:
    """What a model did with simulated windows.

    Attributes
    ----------
    n_windows
        How many there were, each of another simulated patient.
    auroc
        Area under the ROC curve of each known pattern against all other windows.
    doubts
        Why its order of patterns or channels seems wrong.
    """

    n_windows: int
    auroc: dict[str, float]
    doubts: tuple[str, ...] = ()

    @property
    def mean_auroc(self) -> float:
        """The mean over the patterns."""
        return float(np.mean(list(self.auroc.values())))

    def in_words(self) -> str:
        """State what was found, in a sentence or two."""
        found = ", ".join(f"{name} {value:.2f}" for name, value in self.auroc.items())
        text = (
            f"On {self.n_windows} simulated windows: finite, the same twice and alone; it tells the patterns apart "
            f"with a mean AUROC of {self.mean_auroc:.2f} ({found})."
        )
        if self.mean_auroc < GOOD:
            text += (
                " That is little: perhaps it was not trained, or takes another input than its contract states. "
                "Whether channels and patterns are in the right order could not be checked."
            )
        return text


def check_external(model: ExternalModel) -> ExternalCheck:
    """Run a model on simulated windows.

    Returns
    -------
    ExternalCheck
        With doubts if with another usual order of its patterns or channels it would be clearly better.

    Raises
    ------
    ModelError
        If an output is not finite or not a probability; two runs differ; a window's output depends on the others in
        its batch; or all windows have the same output.
    """
    windows, targets = simulated(model.contract.standardise, model.input.needs.seen_s)
    array = model.input(windows)
    outputs = model.output(array)
    _check_runs(model, array, outputs)
    labels = _labels(targets, model.contract.output)
    own = np.diag(_aurocs(outputs, labels))
    doubts = [*_patterns_doubted(model, outputs, labels), *_channels_doubted(model, windows, outputs, labels)]
    named = dict(zip(model.contract.output.patterns, own.tolist(), strict=True))
    return ExternalCheck(len(windows), named, tuple(doubts))


def simulated(standardise: StandardiseSettings, seen_s: float) -> tuple[Signal, Floats]:
    """Return simulated windows [window, 20, 10000], real where a model sees them, and distributions of votes."""
    length_s = float(max(CENTRE_S, np.ceil(seen_s)))
    settings = StreamSettings(even=1.0, lengths_s=(length_s,), length_shares=(1.0,), seed=SEED)
    stream = Stream(settings, standardise)
    signals, targets = zip(*(stream.window(0, number) for number in range(N_WINDOWS)), strict=True)
    windows = np.stack([cut(signal, 0)[0] for signal in signals])
    return windows, np.stack(targets).astype(np.float64)


def _check_runs(model: ExternalModel, array: Signal, outputs: Floats) -> None:
    """Compare the outputs with those of a second run, and with those of windows alone."""
    spread = float(outputs.std(axis=0).max())
    if spread < CLOSE:
        raise ModelError(
            f"{model.name}: all {len(array)} simulated windows have the same output, within {spread:.2g}; perhaps "
            "its input is in another unit than its contract states (ictal has µV)"
        )
    some = slice(0, 8)
    again = float(abs(model.output(array[some]) - model.output(array[some])).max()) / spread
    if again > SAME:
        raise ModelError(f"{model.name}: two runs on the same windows differ; it must be in evaluation mode")
    alone = np.concatenate([model.output(one[None]) for one in array[some]])
    if float(abs(alone - outputs[some]).max()) / spread > CLOSE:
        raise ModelError(
            f"{model.name}: the output of a window depends on the other windows of its batch; it must be in "
            "evaluation mode"
        )


def _labels(targets: Floats, output: OutputSettings) -> Marks:
    """Return which windows show which of the model's patterns most, [window, output]."""
    columns = [PATTERNS.index(name) for name in output.patterns]
    own = as_known(targets, output.known)
    return np.asarray(own.argmax(axis=1)[:, None] == columns)


def _aurocs(outputs: Floats, labels: Marks) -> Floats:
    """Return the AUROC of each output for each pattern, [pattern, output] (Mann-Whitney)."""
    # Shares of a softmax are compared within a window, so each output is taken relative to the mean of the others.
    relative = outputs - outputs.mean(axis=1, keepdims=True) if outputs.shape[1] > 1 else outputs
    ranks, positive = rankdata(relative, axis=0), labels.sum(axis=0)[:, None]
    negative = len(outputs) - positive
    return np.asarray((labels.T @ ranks - positive * (positive + 1) / 2) / (positive * negative))


def _patterns_doubted(model: ExternalModel, outputs: Floats, labels: Marks) -> Iterator[str]:
    """Yield why the order of a model's outputs seems wrong."""
    aurocs, patterns = _aurocs(outputs, labels), model.contract.output.patterns
    if len(patterns) == 1 and aurocs[0, 0] <= 1 - GOOD:
        yield (
            f"its output is low where simulated windows show {patterns[0]} (AUROC {aurocs[0, 0]:.2f}); perhaps it is "
            "the probability of the opposite"
        )
    _, order = linear_sum_assignment(aurocs, maximize=True)
    if _is_better(outputs[:, order], outputs, labels):
        right = ", ".join(patterns[number] for number in np.argsort(order))
        figures = _figures(outputs[:, order], outputs, labels)
        yield f"the outputs seem to be in another order than output.patterns states: perhaps {right} {figures}"


def _channels_doubted(model: ExternalModel, windows: Signal, outputs: Floats, labels: Marks) -> Iterator[str]:
    """Yield why the order of a model's channels seems wrong."""
    settings, found = model.contract.input, {}
    for channels in _other_orders(settings.channels):
        made = ExternalInput(settings.model_copy(update={"channels": channels}))
        found[channels] = model.output(made(windows))
    best = max(found, key=lambda channels: _mean_auroc(found[channels], labels), default=())
    if best and _is_better(found[best], outputs, labels):
        figures = _figures(found[best], outputs, labels)
        yield (
            "the channels seem to be in another order than input.channels states: perhaps "
            f"{', '.join(best)} {figures}"
        )


def _is_better(changed: Floats, outputs: Floats, labels: Marks) -> bool:
    """Return whether other outputs tell the patterns apart clearly better, window by window."""
    found = _mean_auroc(changed, labels)
    if found < GOOD or found - _mean_auroc(outputs, labels) < BETTER:
        return False
    rng = np.random.default_rng(SEED)
    drawn = (rng.integers(len(labels), size=len(labels)) for _ in range(N_RESAMPLES))
    return all(
        _mean_auroc(changed[rows], labels[rows]) > _mean_auroc(outputs[rows], labels[rows])
        for rows in drawn
        if labels[rows].any(axis=0).all()
    )


def _mean_auroc(outputs: Floats, labels: Marks) -> float:
    return float(np.diag(_aurocs(outputs, labels)).mean())


def _figures(changed: Floats, outputs: Floats, labels: Marks) -> str:
    return (
        f"(mean AUROC of the simulated patterns {_mean_auroc(changed, labels):.2f}, as stated "
        f"{_mean_auroc(outputs, labels):.2f})"
    )


def _other_orders(channels: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield the usual orders of a model's channels, without its own."""
    banana = [str(pair) for chain in MONTAGES["double_banana"].values() for pair in chain]
    hemispheres = (("LL", "RR"), ("LP", "RP"))
    sides = [str(pair) for both in hemispheres for name in both for pair in CHAINS[name]]
    facing = (both for one, other in hemispheres for both in zip(CHAINS[one], CHAINS[other], strict=True))
    pairs = [str(pair) for both in facing for pair in both]
    rows = [name for row in ROWS for name in row.split()]
    midline = banana[-2:]
    usual = [
        [*banana[:8], *midline, *banana[8:16]],
        [*sides, *midline],
        [*pairs, *midline],
        banana,
        rows,
        list(CHANNELS),
        sorted(channels),
        list(reversed(channels)),
    ]
    seen = {tuple(channels)}
    for names in usual:
        place = {name: number for number, name in enumerate(names)}
        order = tuple(sorted(channels, key=lambda name: place.get(name, len(place))))
        if order not in seen:
            seen.add(order)
            yield order
