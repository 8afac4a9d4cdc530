"""Run exported graphs with OpenVINO, in bfloat16 where the CPU has it and it agrees with float32."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import openvino

from ictal.errors import ModelError
from ictal.models.output import ModelOutput
from ictal.scoring.engines.exported import BATCH, ExportedEngine, WindowBatch
from ictal.scoring.engines.frames import Run
from ictal.scoring.export_contract import Contract

BF16_AGREES = 0.01
"""Largest allowed difference of bfloat16 from float32 on the first windows of a recording: of a probability, and of a
concentration as a share of it."""


def open_openvino(contract: Contract, graphs: dict[str, Path], threads: int | None) -> ExportedEngine:
    """Return an engine that runs graphs, by file name, on the CPU.

    Raises
    ------
    ModelError
        If a graph contains an estimator.
    """
    if any(b"ai.onnx.ml" in path.read_bytes() for path in graphs.values()):  # OpenVINO ends the process
        raise ModelError(f"OpenVINO cannot run the estimator of the model {contract.name}; use --engine onnxruntime")
    core = openvino.Core()
    limits = {"INFERENCE_NUM_THREADS": threads} if threads else {}

    def compiled(precision: str) -> dict[str, Run]:
        hint = {"INFERENCE_PRECISION_HINT": precision, **limits}
        return {name: _run(core.compile_model(str(path), "CPU", hint)) for name, path in graphs.items()}

    described = {"engine": "openvino", "version": openvino.__version__, "precision": "float32"}
    exact = ExportedEngine(contract, described, compiled("f32"))
    if "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        return exact
    return CheckedEngine(contract, described, compiled("bf16"), exact=exact)


def _run(graph: Any) -> Run:
    return lambda inputs: [np.array(output) for output in graph(inputs).values()]


@dataclass
class CheckedEngine(ExportedEngine):
    """Runs in bfloat16 if that agrees with float32 on the first windows of a recording, else in float32.

    Attributes
    ----------
    exact
        The same model in float32.
    agrees
        Whether bfloat16 agrees; None before the first windows.
    """

    exact: ExportedEngine = field(kw_only=True)
    agrees: bool | None = None

    def for_recording(self) -> "CheckedEngine":
        """Return an engine that checks the precision again."""
        return replace(self, agrees=None, described=self.exact.described)

    def __call__(self, batch: WindowBatch) -> ModelOutput:
        """Return what the model predicts; the first time, also decide the precision."""
        if self.agrees is None:
            few = batch.some(range(min(BATCH, len(batch.starts))))
            off = _difference(super().__call__(few), self.exact(few))
            self.agrees = off <= BF16_AGREES
            precision = "bfloat16" if self.agrees else "float32"
            self.described = {**self.described, "precision": precision, "bfloat16_differs_by": off}
        return super().__call__(batch) if self.agrees else self.exact(batch)


def _difference(found: ModelOutput, exact: ModelOutput) -> float:
    differences = [abs(found.probabilities - exact.probabilities).max()]
    if found.concentrations is not None and exact.concentrations is not None:
        differences.append(abs(found.concentrations / exact.concentrations - 1).max())
    return float(max(differences))
