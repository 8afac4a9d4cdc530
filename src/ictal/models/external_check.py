"""Check an external model on simulated windows: what a contract can get wrong without an error."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment
from scipy.stats import rankdata

from ictal.core.labels import OTHER, PATTERNS
from ictal.core.montage import CHAINS, CHANNELS, MONTAGES, ROWS
from ictal.core.recording import Signal
from ictal.core.windows import WINDOW_S
from ictal.data.simulated_stream import Stream, StreamSettings
from ictal.errors import ModelError
from ictal.models.external import ExternalModel
from ictal.models.external_contract import OutputSettings
from ictal.models.external_input import ExternalInput
from ictal.preprocessing.settings import StandardiseSettings

SETTINGS = StreamSettings(even=1.0, lengths_s=(float(WINDOW_S),), length_shares=(1.0,), seed=78_000)
"""Windows with clear patterns, of a seed that no recipe uses."""
N_WINDOWS = 96
SAME, CLOSE = 1e-6, 1e-4
"""Largest difference of outputs, in their standard deviations, between two runs, and between alone and in a batch."""
GOOD, BETTER = 0.8, 0.15
"""Another order of channels or patterns is called right if with it the mean AUROC of the patterns is at least `GOOD`,
and better by `BETTER`. With `N_WINDOWS`, the standard error of a mean AUROC is about 0.03."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ExternalCheck:
    """What a model did with simulated windows.

    Attributes
    ----------
    n_windows
        How many there were, each of another simulated patient.
    auroc
        Area under the ROC curve of each known pattern against all other windows.
    """

    n_windows: int
    auroc: dict[str, float]

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
    """Run a model on simulated windows, and refuse it if its contract is wrong in a way that shows there.

    Raises
    ------
    ModelError
        If an output is not finite or not a probability; two runs differ; a window's output depends on the others in
        its batch; all windows have the same output; or the patterns or channels are clearly in another order than
        the contract states.
    """
    windows, targets = simulated(model.contract.standardise)
    array = model.input(windows)
    outputs = model.output(array)
    _check_runs(model, array, outputs)
    known = _labels(targets, model.contract.output)
    _check_patterns(model, outputs, known)
    _check_channels(model, windows, outputs, known)
    own = np.diag(_aurocs(outputs, known))
    return ExternalCheck(len(windows), dict(zip(model.contract.output.patterns, own.tolist(), strict=True)))


def simulated(standardise: StandardiseSettings) -> tuple[Signal, Floats]:
    """Return simulated windows [window, 20, 10000], and the distributions of their votes [window, 6]."""
    stream = Stream(SETTINGS, standardise)
    windows, targets = zip(*(stream.window(0, number) for number in range(N_WINDOWS)), strict=True)
    return np.stack(windows), np.stack(targets).astype(np.float64)


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


def _labels(targets: Floats, output: OutputSettings) -> npt.NDArray[np.bool_]:
    """Return which windows show which of the model's patterns most, [window, output]."""
    columns = [PATTERNS.index(name) for name in output.patterns]
    own = targets.copy()
    unknown = [column for column in range(len(PATTERNS)) if column not in (*columns, OTHER)]
    own[:, OTHER] += own[:, unknown].sum(axis=1)
    own[:, unknown] = 0
    return np.asarray(own.argmax(axis=1)[:, None] == columns)


def _aurocs(outputs: Floats, labels: npt.NDArray[np.bool_]) -> Floats:
    """Return the AUROC of each output for each pattern, [pattern, output] (Mann-Whitney)."""
    # Shares of a softmax are compared within a window, so each output is taken relative to the mean of the others.
    relative = outputs - outputs.mean(axis=1, keepdims=True) if outputs.shape[1] > 1 else outputs
    ranks, positive = rankdata(relative, axis=0), labels.sum(axis=0)[:, None]
    negative = len(outputs) - positive
    return np.asarray((labels.T @ ranks - positive * (positive + 1) / 2) / (positive * negative))


def _check_patterns(model: ExternalModel, outputs: Floats, labels: npt.NDArray[np.bool_]) -> None:
    aurocs, patterns = _aurocs(outputs, labels), model.contract.output.patterns
    if len(patterns) == 1 and aurocs[0, 0] < 1 - GOOD:
        raise ModelError(
            f"{model.name}: its output is low where simulated windows show {patterns[0]} (AUROC {aurocs[0, 0]:.2f}); "
            "perhaps it is the probability of the opposite"
        )
    _, order = linear_sum_assignment(aurocs, maximize=True)
    best, own = float(aurocs[range(len(order)), order].mean()), float(np.diag(aurocs).mean())
    if best >= GOOD and best - own >= BETTER:
        right = [patterns[int(np.flatnonzero(order == column)[0])] for column in range(len(order))]
        raise ModelError(
            f"{model.name}: the outputs seem to be in another order than output.patterns states: as "
            f"{', '.join(right)} they tell simulated patterns apart with a mean AUROC of {best:.2f}, as stated of "
            f"{own:.2f}"
        )


def _check_channels(model: ExternalModel, windows: Signal, outputs: Floats, labels: npt.NDArray[np.bool_]) -> None:
    own = float(np.diag(_aurocs(outputs, labels)).mean())
    settings = model.contract.input
    if own >= GOOD or settings.view is not None:
        return
    for channels in _other_orders(settings.channels):
        changed = ExternalInput(settings.model_copy(update={"channels": channels}))
        found = float(np.diag(_aurocs(model.output(changed(windows)), labels)).mean())
        if found >= GOOD and found - own >= BETTER:
            raise ModelError(
                f"{model.name}: the channels seem to be in another order than input.channels states: as "
                f"{', '.join(channels)} simulated patterns are told apart with a mean AUROC of {found:.2f}, as "
                f"stated of {own:.2f}"
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
