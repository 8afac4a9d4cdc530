"""Engines: what runs a model over the windows of a piece of a recording."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from ictal.core.recording import Signal
from ictal.core.windows import CENTRE_SAMPLES, WINDOW_SAMPLES
from ictal.errors import ModelError, UnknownNameError, listed
from ictal.scoring.export_contract import Contract, Part, read_contract

EngineName = Literal["auto", "onnxruntime", "openvino", "torch"]
ENGINES: tuple[EngineName, ...] = ("auto", "onnxruntime", "openvino", "torch")
BATCH = 4
"""Windows that go through a network at once: more fall out of the processor's cache."""
SHARING = 16
"""Windows whose frames or columns are made at once: each group makes those of its first 40 s anew."""
MOST_WORKERS = 4
"""Each needs memory of its own, some 100 MB for an EfficientNet-B2."""
BF16_AGREES = 0.01
"""How far a probability in bfloat16 may be from that in float32, on the first windows of a recording."""

Floats = npt.NDArray[np.float64]
Run = Callable[[dict[str, Signal]], list[Signal]]
"""Run one graph: inputs by name to outputs."""


@dataclass(frozen=True)
class Piece:
    """Windows that are scored together.

    Attributes
    ----------
    signal
        [20, time], standardised.
    starts
        First sample of each window in it.
    contexts
        [window, 4, 100, 300] for a model that looks at them.
    """

    signal: Signal
    starts: Sequence[int]
    contexts: Signal | None = None

    def window(self, number: int) -> Signal:
        """Return one window, [20, 10000]."""
        start = self.starts[number]
        return self.signal[:, start : start + WINDOW_SAMPLES]

    @property
    def windows(self) -> Signal:
        """All windows, [window, 20, 10000]."""
        return np.stack([self.window(number) for number in range(len(self.starts))])

    def some(self, numbers: Sequence[int]) -> "Piece":
        """Return some of the windows, in their order, with what they look at."""
        starts = [self.starts[number] for number in numbers]
        signal = self.signal[:, starts[0] : starts[-1] + WINDOW_SAMPLES]
        contexts = None if self.contexts is None else self.contexts[list(numbers)]
        return Piece(signal, [start - starts[0] for start in starts], contexts)


@dataclass(frozen=True)
class Answer:
    """Probabilities [window, 6], and how closely panels follow them [window] where a model says it."""

    probabilities: Floats
    concentrations: Floats | None = None


class Engine(Protocol):
    """What every engine offers."""

    contract: Contract

    @property
    def described(self) -> dict[str, Any]:
        """Name, version and precision, for the manifest."""

    def __call__(self, piece: Piece) -> Answer:
        """Return what the model says of the windows of a piece."""


@dataclass
class ExportedEngine:
    """Runs the graphs of an exported model; what overlapping windows share is computed once.

    Attributes
    ----------
    contract
        Of the export.
    described
        See `Engine`.
    runs
        By file, what runs it.
    workers
        Run so many jobs at once. Graphs that each run on one thread, side by side, are faster than one graph on
        several threads, which wait for each other at every layer.
    """

    contract: Contract
    described: dict[str, Any]
    runs: dict[str, Run]
    workers: int = 1

    def __call__(self, piece: Piece) -> Answer:
        """Return what the model says: the mean over its parts."""
        parts = self.contract.parts
        jobs = [(part, piece.some(range(*ends))) for part in parts for ends in _groups(piece.starts, part)]
        with ThreadPoolExecutor(self.workers) as pool:
            answers = list(pool.map(lambda job: self._part(*job), jobs))
        found = [
            _joined([answer for (owner, _), answer in zip(jobs, answers, strict=True) if owner is part])
            for part in parts
        ]
        mean = np.mean([answer.probabilities for answer in found], axis=0)
        return Answer(mean, found[0].concentrations if len(found) == 1 else None)

    def _part(self, part: Part, piece: Piece) -> Answer:
        if part.takes == "frames":
            return self._frames(part, piece)
        if part.takes == "columns":
            return self._columns(part, piece)
        run = self.runs[part.files[0]]
        if part.takes == "contexts":
            return _answer(run({"contexts": _contexts(piece)}))
        return _answer(run({"windows": piece.windows}))

    def _frames(self, part: Part, piece: Piece) -> Answer:
        """Score windows by the means of their frames, each of which is computed once.

        The network drops the edges of what it is given. So the frames of a window are those of the whole piece at
        its place, and their mean is a difference of two sums.
        """
        frames_file, head_file = part.files
        if any(start % part.every for start in piece.starts):
            raise ValueError(
                f"windows begin at {listed(piece.starts)}; allowed are multiples of {part.every} samples"
            )
        length = piece.signal.shape[1] // part.every * part.every
        frames = self.runs[frames_file]({"windows": piece.signal[None, :, :length]})[0]
        dropped = length // part.every - frames.shape[1]
        n_frames = WINDOW_SAMPLES // part.every - dropped
        sums = np.pad(np.cumsum(frames, axis=1, dtype=np.float64), ((0, 0), (1, 0)))
        first = np.asarray(piece.starts) // part.every
        means = ((sums[:, first + n_frames] - sums[:, first]) / n_frames).T.astype(np.float32)
        return _answer(self.runs[head_file]({"means": np.ascontiguousarray(means)}))

    def _columns(self, part: Part, piece: Piece) -> Answer:
        """Score windows by their images, each of whose columns is computed once.

        A column that looks beyond its window sees zeros there, so that the first and last ones are each window's own.
        """
        half, every = part.frame // 2, part.every
        first, last = -(-half // every), (WINDOW_SAMPLES - half) // every + 1
        if any(start % every for start in piece.starts):
            first, last = part.width, part.width
        run, found = self.runs[part.files[0]], []
        shared = run({"electrodes": piece.signal[None, :, first * every - half :]})[0][0] if first < last else None
        for begin in range(0, len(piece.starts), BATCH):
            numbers = range(begin, min(begin + BATCH, len(piece.starts)))
            windows = piece.some(numbers).windows
            images = [run({"electrodes": _lengthened(windows, 0, first, part)})[0]]
            if shared is not None:
                places = [piece.starts[number] // every for number in numbers]
                images.append(np.stack([shared[..., place : place + last - first] for place in places]))
            if last < part.width:
                images.append(run({"electrodes": _lengthened(windows, last, part.width, part)})[0])
            found.append(self.runs[part.files[1]]({"images": np.concatenate(images, axis=-1)}))
        return _answer([np.concatenate(outputs) for outputs in zip(*found, strict=True)])


@dataclass
class TorchEngine:
    """Runs the saved model itself, on the GPU where there is one."""

    contract: Contract
    model: Any
    described: dict[str, Any] = field(default_factory=dict)

    def __call__(self, piece: Piece) -> Answer:
        """Return what the model says of each window."""
        predict = import_module("ictal.models.checkpoint").predict
        rows = np.arange(len(piece.starts))
        found = predict(self.model.network, piece.windows, rows, BATCH, piece.contexts)
        return Answer(found.probabilities, found.concentrations)


def open_engine(
    model: Path,
    name: EngineName = "auto",
    threads: int | None = None,
    on_export: Callable[[], None] = lambda: None,
    export: Callable[[Path], object] | None = None,
) -> Engine:
    """Return an engine for a saved model; the model is exported first where it has not been.

    Parameters
    ----------
    model
        Folder of the model.
    name
        'onnxruntime'; 'openvino', where it is installed (pip install ictal[openvino]); 'torch'; or 'auto', which is
        'onnxruntime'.
    threads
        Of the processor; None: as many as there are.
    on_export
        Called before the model is exported, which takes some seconds.
    export
        What exports it; None: `ictal.scoring.export.export_model`, in this process.

    Raises
    ------
    UnknownNameError, ModelError
        If there is no such engine or model.
    """
    if name not in ENGINES:
        raise UnknownNameError("engine", name, ENGINES)
    if name == "openvino" and find_spec("openvino") is None:
        raise ModelError("the engine 'openvino' is not installed; pip install 'ictal[openvino]', or use another")
    found = read_contract(model)
    if found is None:
        on_export()
        (export or import_module("ictal.scoring.export").export_model)(model)  # takes torch, and is done once
        found = read_contract(model)
    if found is None:
        raise ModelError(f"{model}: another program changed the export while it was made; try again")
    contract, folder = found
    if name == "torch":
        return _torch_engine(contract, model, threads)
    open_graphs = _openvino if name == "openvino" else _onnxruntime
    files = list(dict.fromkeys(file for part in contract.parts for file in part.files))
    return open_graphs(contract, {file: folder / file for file in files}, threads)


def _torch_engine(contract: Contract, model: Path, threads: int | None) -> TorchEngine:
    torch, weights = import_module("torch"), import_module("ictal.models.checkpoint")
    if threads:
        torch.set_num_threads(threads)  # it knows no other way than one number for the whole program
    loaded, device = weights.load_model(model), weights.device()
    loaded.network.to(device)
    described = {"engine": "torch", "version": torch.__version__, "precision": "float32", "device": str(device)}
    return TorchEngine(contract, loaded, described)


def _onnxruntime(contract: Contract, files: dict[str, Path], threads: int | None) -> ExportedEngine:
    import onnxruntime as ort

    cores = threads or os.cpu_count() or 1
    workers = min(cores, MOST_WORKERS)
    options = ort.SessionOptions()
    options.intra_op_num_threads = cores // workers
    # What reads and filters the next piece needs a processor too, which a waiting thread would keep busy.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    runs = {name: _onnx_run(ort, path, options) for name, path in files.items()}
    described = {"engine": "onnxruntime", "version": ort.__version__, "precision": "float32"}
    return ExportedEngine(contract, described, runs, workers)


def _onnx_run(ort: Any, path: Path, options: Any) -> Run:
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(None, inputs)


def _openvino(contract: Contract, files: dict[str, Path], threads: int | None) -> ExportedEngine:
    import openvino

    core = openvino.Core()
    limits = {"INFERENCE_NUM_THREADS": threads} if threads else {}

    def compiled(precision: str) -> dict[str, Run]:
        hint = {"INFERENCE_PRECISION_HINT": precision, **limits}
        return {name: _openvino_run(core.compile_model(str(path), "CPU", hint)) for name, path in files.items()}

    described = {"engine": "openvino", "version": openvino.__version__, "precision": "float32"}
    exact = ExportedEngine(contract, described, compiled("f32"))
    if "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        return exact
    return CheckedEngine(contract, described, compiled("bf16"), exact=exact)


def _openvino_run(graph: Any) -> Run:
    return lambda inputs: [np.array(output) for output in graph(inputs).values()]


@dataclass
class CheckedEngine(ExportedEngine):
    """Runs in bfloat16 if that agrees with float32 on the first piece of a recording, else in float32.

    Attributes
    ----------
    exact
        The same model in float32.
    """

    exact: ExportedEngine = field(kw_only=True)
    checked: bool = False

    def __call__(self, piece: Piece) -> Answer:
        """Return what the model says; the first time, also see which precision is to be used."""
        if self.checked:
            return super().__call__(piece)
        self.checked = True
        few = Piece(piece.signal, piece.starts[:BATCH], None if piece.contexts is None else piece.contexts[:BATCH])
        off = float(abs(super().__call__(few).probabilities - self.exact(few).probabilities).max())
        agrees = off <= BF16_AGREES
        self.described = {
            **self.described,
            "precision": "bfloat16" if agrees else "float32",
            "bfloat16_differs_by": off,
        }
        if not agrees:
            self.runs = self.exact.runs
        return super().__call__(piece)


def _lengthened(windows: Signal, first: int, last: int, part: Part) -> Signal:
    """Return what the columns of windows from `first` to `last` look at, with zeros beyond the windows."""
    begin, end = first * part.every - part.frame // 2, (last - 1) * part.every + part.frame - part.frame // 2
    inner = windows[..., max(begin, 0) : min(end, WINDOW_SAMPLES)]
    return np.pad(inner, ((0, 0), (0, 0), (max(-begin, 0), max(end - WINDOW_SAMPLES, 0))))


def _groups(starts: Sequence[int], part: Part) -> Iterator[tuple[int, int]]:
    """Divide windows into jobs, from which to which; none is long, so that it needs little memory."""
    shares = part.takes in ("frames", "columns")
    size, begin = SHARING if shares else BATCH, 0
    for number, start in enumerate(starts):
        if number - begin == size or (shares and start - starts[begin] >= size * CENTRE_SAMPLES):
            yield begin, number
            begin = number
    yield begin, len(starts)


def _joined(answers: list[Answer]) -> Answer:
    """Return the answers about windows that follow each other as one."""
    concentrations = [answer.concentrations for answer in answers if answer.concentrations is not None]
    return Answer(
        np.concatenate([answer.probabilities for answer in answers]),
        np.concatenate(concentrations) if concentrations else None,
    )


def _answer(outputs: list[Signal]) -> Answer:
    probabilities = outputs[0].astype(np.float64)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return Answer(probabilities, outputs[1].astype(np.float64) if len(outputs) > 1 else None)


def _contexts(piece: Piece) -> Signal:
    if piece.contexts is None:
        raise ModelError("this model looks at the ten minutes around each window, and no contexts were given")
    return piece.contexts
