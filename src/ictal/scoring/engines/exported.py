"""Score windows with the graphs of an exported model, by ONNX Runtime or another library."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ictal.core.recording import Signal
from ictal.core.windows import CENTRE_SAMPLES, WINDOW_SAMPLES
from ictal.errors import ModelError
from ictal.models.output import ModelOutput
from ictal.scoring.engines.frames import Run, means_of_frames
from ictal.scoring.export_contract import Contract, Part, ScoringContract

BATCH = 4
"""Windows per run of a network; more no longer fit into the CPU's cache."""
SHARING = 16
"""Windows whose frames or columns are computed together; each group computes those of its first 40 s anew."""
MOST_WORKERS = 4
"""Each needs memory of its own, about 100 MB for an EfficientNet-B2."""


@dataclass(frozen=True)
class WindowBatch:
    """Windows that are scored together.

    Attributes
    ----------
    signal
        [20, time], standardised.
    starts
        First sample of each window in the signal.
    contexts
        [window, 4, 100, 300], for a model that uses the ten minutes around a window.
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

    def some(self, numbers: Sequence[int]) -> "WindowBatch":
        """Return some of the windows in their order, with their contexts."""
        starts = [self.starts[number] for number in numbers]
        signal = self.signal[:, starts[0] : starts[-1] + WINDOW_SAMPLES]
        contexts = None if self.contexts is None else self.contexts[list(numbers)]
        return WindowBatch(signal, [start - starts[0] for start in starts], contexts)


class Engine(Protocol):
    """The interface of every engine."""

    @property
    def contract(self) -> ScoringContract:
        """What is known about the model."""

    @property
    def described(self) -> dict[str, Any]:
        """Name, version and precision, for the manifest."""

    def for_recording(self) -> "Engine":
        """Return the engine for another recording: what depends on the recording is decided again."""

    def __call__(self, batch: WindowBatch) -> ModelOutput:
        """Return what the model predicts for the windows of a batch."""


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
        What runs each graph, by file name.
    workers
        Jobs that run at once. Graphs side by side on one thread each are faster than one graph on several threads,
        which wait for each other at every layer.
    """

    contract: Contract
    described: dict[str, Any]
    runs: dict[str, Run]
    workers: int = 1

    def for_recording(self) -> "ExportedEngine":
        """Return the engine itself: nothing depends on the recording."""
        return self

    def __call__(self, batch: WindowBatch) -> ModelOutput:
        """Return what the model predicts: the calibrated mean over its parts."""
        parts = self.contract.parts
        jobs = [(part, batch.some(range(*ends))) for part in parts for ends in _groups(batch.starts, part)]
        with ThreadPoolExecutor(self.workers) as pool:
            outputs = list(pool.map(lambda job: self._part(*job), jobs))
        found = [
            _joined([output for (owner, _), output in zip(jobs, outputs, strict=True) if owner is part])
            for part in parts
        ]
        mean = self.contract.calibration.apply(np.mean([output.probabilities for output in found], axis=0))
        return ModelOutput(mean, found[0].concentrations if len(found) == 1 else None)

    def _part(self, part: Part, batch: WindowBatch) -> ModelOutput:
        if part.takes == "frames":
            return self._frames(part, batch)
        if part.takes == "columns":
            return self._columns(part, batch)
        run = self.runs[part.files[0]]
        if part.takes == "contexts":
            return _output(run({"contexts": _contexts(batch)}))
        return _output(run({"windows": batch.windows}))

    def _frames(self, part: Part, batch: WindowBatch) -> ModelOutput:
        """Score windows by the means of their frames."""
        means = means_of_frames(part, self.runs, batch.signal, batch.starts)
        return _output(self.runs[part.files[-1]]({"means": np.ascontiguousarray(means)}))

    def _columns(self, part: Part, batch: WindowBatch) -> ModelOutput:
        """Score windows by their images, each of whose columns is computed once.

        A column that extends beyond its window sees zeros there, so the first and last columns are each window's own.
        """
        half, every = part.frame // 2, part.every
        first, last = -(-half // every), (WINDOW_SAMPLES - half) // every + 1
        if any(start % every for start in batch.starts):
            first, last = part.width, part.width
        run, found = self.runs[part.files[0]], []
        shared = run({"electrodes": batch.signal[None, :, first * every - half :]})[0][0] if first < last else None
        for begin in range(0, len(batch.starts), BATCH):
            numbers = range(begin, min(begin + BATCH, len(batch.starts)))
            windows = batch.some(numbers).windows
            images = [run({"electrodes": _lengthened(windows, 0, first, part)})[0]]
            if shared is not None:
                places = [batch.starts[number] // every for number in numbers]
                images.append(np.stack([shared[..., place : place + last - first] for place in places]))
            if last < part.width:
                images.append(run({"electrodes": _lengthened(windows, last, part.width, part)})[0])
            found.append(self.runs[part.files[1]]({"images": np.concatenate(images, axis=-1)}))
        return _output([np.concatenate(outputs) for outputs in zip(*found, strict=True)])


def open_onnxruntime(contract: Contract, graphs: dict[str, Path], threads: int | None) -> ExportedEngine:
    """Return an engine that runs graphs, by file name, on the CPU."""
    import onnxruntime as ort  # the other engines, and commands that only read a recording, do not wait for it

    def run_of(path: Path) -> Run:
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        return lambda inputs: session.run(None, inputs)

    cores = threads or os.cpu_count() or 1
    workers = min(cores, MOST_WORKERS)
    options = ort.SessionOptions()
    options.intra_op_num_threads = cores // workers
    _register_common_arena()
    options.add_session_config_entry("session.use_env_allocators", "1")
    # A plan for the memory of each shape of input is kept for good, and groups of windows have many shapes.
    options.enable_mem_pattern = False
    # The thread that reads and filters ahead needs a core, which threads that spin while they wait would occupy.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    runs = {name: run_of(path) for name, path in graphs.items()}
    described = {"engine": "onnxruntime", "version": ort.__version__, "precision": "float32"}
    return ExportedEngine(contract, described, runs, workers)


@cache
def _register_common_arena() -> None:
    """Register an arena from which all graphs take memory; each would otherwise keep what its largest run needed."""
    import onnxruntime as ort

    place = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    ort.create_and_register_allocator(place, None)


def _lengthened(windows: Signal, first: int, last: int, part: Part) -> Signal:
    """Return the input of columns `first` to `last` of each window, with zeros beyond the windows."""
    begin, end = first * part.every - part.frame // 2, (last - 1) * part.every + part.frame - part.frame // 2
    inner = windows[..., max(begin, 0) : min(end, WINDOW_SAMPLES)]
    return np.pad(inner, ((0, 0), (0, 0), (max(-begin, 0), max(end - WINDOW_SAMPLES, 0))))


def _groups(starts: Sequence[int], part: Part) -> Iterator[tuple[int, int]]:
    """Divide windows into jobs (first, last + 1) that are short, so that they need little memory."""
    shares = part.takes in ("frames", "columns")
    size, begin = SHARING if shares else BATCH, 0
    for number, start in enumerate(starts):
        if number - begin == size or (shares and start - starts[begin] >= size * CENTRE_SAMPLES):
            yield begin, number
            begin = number
    yield begin, len(starts)


def _joined(outputs: list[ModelOutput]) -> ModelOutput:
    """Concatenate the outputs of consecutive windows."""
    concentrations = [output.concentrations for output in outputs if output.concentrations is not None]
    return ModelOutput(
        np.concatenate([output.probabilities for output in outputs]),
        np.concatenate(concentrations) if concentrations else None,
    )


def _output(outputs: list[Signal]) -> ModelOutput:
    probabilities = outputs[0].astype(np.float64)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return ModelOutput(probabilities, outputs[1].astype(np.float64) if len(outputs) > 1 else None)


def _contexts(batch: WindowBatch) -> Signal:
    if batch.contexts is None:
        raise ModelError("this model needs the ten minutes around each window, and no contexts were given")
    return batch.contexts
