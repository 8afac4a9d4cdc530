"""A model that brings graphs for its explanations, as the methods see it. Needs no torch."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ictal.core.atomic_files import sha256_of
from ictal.core.labels import PATTERNS
from ictal.core.recording import Signal
from ictal.core.settings import Settings
from ictal.errors import ModelError
from ictal.explanations.explained import METHOD_NAMES, FeatureMap, Floats, MethodName, middle
from ictal.models.hub import ModelSummary, check_weights, is_shipped, read_card

CONTRACT = "explanation.json"
FORWARD = "forward.onnx"
"""Graph from windows to logits and features, and with an EfficientNet to its last feature map and spectrograms."""
GRADIENTS = "gradients.onnx"
"""The same, and the gradients of log p with respect to the windows and the map. Its input `pattern` [6] is 1 for the
pattern that is explained."""
PER_RUN = 8
"""Windows per run of a graph: few enough for the CPU's cache, and for 0.1 GB."""
MOST_WORKERS = 4


class ExplanationContract(Settings):
    """What is known about the graphs for explanations of a model.

    Attributes
    ----------
    arm
        Name of the arm, from the model's card.
    weights_sha256
        Hash of the weights that they belong to.
    seen_s
        Seconds in the middle of a window that the model uses.
    hertz, seconds
        Centres of the bands and the frames of its spectrogram; empty if it has none.
    files
        SHA-256 of each file: one that is damaged or belongs to other weights is never used.
    """

    arm: str
    weights_sha256: str
    seen_s: float
    hertz: tuple[float, ...]
    seconds: tuple[float, ...]
    files: dict[str, str]


def read_explanation_contract(folder: Path) -> ExplanationContract | None:
    """Return the contract of the graphs in a model's folder, or None if there are none.

    Only the folders of models that ship with ictal are searched: in others, nothing could prove that the graphs are
    those of the weights.

    Raises
    ------
    ModelError
        If the files do not belong together.
    """
    if not is_shipped(folder) or not (folder / CONTRACT).is_file():
        return None
    try:
        contract = ExplanationContract.model_validate_json((folder / CONTRACT).read_bytes())
    except ValueError as error:
        raise ModelError(f"{folder / CONTRACT}: is damaged; install ictal again") from error
    check_weights(folder)
    if read_card(folder, ModelSummary)[1].weights_sha256 != contract.weights_sha256:
        raise ModelError(f"{folder / CONTRACT}: belongs to other weights than {folder}")
    for name, known in contract.files.items():
        if not (folder / name).is_file():
            raise ModelError(f"{folder / name}: is missing; install ictal again")
        if sha256_of(folder / name) != known:
            raise ModelError(f"{folder / name}: is not the file that {CONTRACT} describes (its hash differs)")
    return contract


def open_exported(folder: Path) -> "ExportedModel | None":
    """Return the model whose folder brings graphs for explanations, or None if it brings none.

    Raises
    ------
    ModelError
        See `read_explanation_contract`.
    """
    contract = read_explanation_contract(folder)
    return ExportedModel(folder, contract) if contract else None


@dataclass
class ExportedModel:
    """The graphs of a model; each is loaded when it is first used.

    Attributes
    ----------
    folder
        Folder of the model.
    contract
        What is known about its graphs.
    """

    folder: Path
    contract: ExplanationContract

    def __post_init__(self) -> None:
        self.title, self.seen = self.contract.arm, middle(self.contract.seen_s)
        self._sessions: dict[str, Any] = {}
        self._workers = min(os.cpu_count() or 1, MOST_WORKERS)
        self._pool = ThreadPoolExecutor(self._workers, "explanations")

    @property
    def methods(self) -> tuple[MethodName, ...]:
        """The methods that apply."""
        return tuple(name for name in METHOD_NAMES if name != "gradcam" or self.contract.hertz)

    def log_probabilities(self, windows: Signal) -> Floats:
        """Return log p of every pattern, [window, 6]."""
        (logits,) = self._run(FORWARD, ["logits"], windows)
        return _log_softmax(logits)

    def slopes(self, windows: Signal, column: int) -> tuple[Floats, Signal]:
        """Return log p of one pattern, [window], and its gradient at the samples `seen`, [window, 20, time]."""
        logits, slopes = self._run(GRADIENTS, ["logits", "window_slopes"], windows, column)
        return _log_softmax(logits)[:, column], np.ascontiguousarray(slopes[..., self.seen])

    def feature_map(self, window: Signal, column: int) -> FeatureMap:
        """Return the last feature map of the EfficientNet.

        Raises
        ------
        ModelError
            If the model has none.
        """
        if "gradcam" not in self.methods:
            raise ModelError("Grad-CAM needs a network with one EfficientNet on spectrograms; this one has none")
        found = self._run(GRADIENTS, ["map", "map_slopes", "decibels"], window[None], column)
        values, slopes, decibels = (each[0].astype(np.float64) for each in found)
        return FeatureMap(values, slopes, decibels, np.array(self.contract.hertz), np.array(self.contract.seconds))

    def features(self, windows: Signal) -> Signal:
        """Return the inputs of the network's last layer, [window, feature]."""
        (found,) = self._run(FORWARD, ["features"], windows)
        return found

    def _run(self, graph: str, outputs: list[str], windows: Signal, column: int | None = None) -> list[Signal]:
        """Run a graph on parts of the windows side by side, one thread each, and return its outputs."""
        given = {} if column is None else {"pattern": np.eye(len(PATTERNS), dtype=np.float32)[column]}
        session = self._session(graph)
        n_parts = max(-(-len(windows) // PER_RUN), min(self._workers, len(windows)))
        parts = np.array_split(windows, n_parts)
        found = list(self._pool.map(lambda part: session.run(outputs, {"windows": part, **given}), parts))
        return [np.concatenate(each) for each in zip(*found, strict=True)]

    def _session(self, graph: str) -> Any:
        if graph not in self._sessions:
            import onnxruntime  # commands that explain nothing do not wait for it

            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 1
            options.log_severity_level = 3  # not what it removes while it optimises
            options.enable_cpu_mem_arena = False  # which would keep the memory of the largest run
            path = str(self.folder / graph)
            self._sessions[graph] = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        return self._sessions[graph]


def _log_softmax(logits: Signal) -> Floats:
    apart = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    return np.asarray(apart - np.log(np.exp(apart).sum(axis=1, keepdims=True)))
