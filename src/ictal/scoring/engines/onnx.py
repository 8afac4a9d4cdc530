"""Run exported graphs with ONNX Runtime."""

import os
from pathlib import Path

import onnxruntime as ort

from ictal.scoring.engines.exported import ExportedEngine, Run
from ictal.scoring.export_contract import Contract

MOST_WORKERS = 4
"""Each needs its own memory, about 100 MB for an EfficientNet-B2."""


def open_onnxruntime(contract: Contract, graphs: dict[str, Path], threads: int | None) -> ExportedEngine:
    """Return an engine that runs graphs, by file name, on the CPU."""
    cores = threads or os.cpu_count() or 1
    workers = min(cores, MOST_WORKERS)
    options = ort.SessionOptions()
    options.intra_op_num_threads = cores // workers
    # The thread that reads and filters ahead needs a core, which threads that spin while they wait would occupy.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    runs = {name: _run(path, options) for name, path in graphs.items()}
    described = {"engine": "onnxruntime", "version": ort.__version__, "precision": "float32"}
    return ExportedEngine(contract, described, runs, workers)


def _run(path: Path, options: ort.SessionOptions) -> Run:
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(None, inputs)
