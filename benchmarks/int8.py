"""Measure how 8-bit integers, quantised by onnxruntime, would change the time and probabilities of scoring.

Ranges of values come from one simulated recording, and another is evaluated. Graphs that contain a view are left
unchanged, because a spectrum spans more than the 48 dB of 8 bits.
"""

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from _machine import machine
from _sides import timed
from _table import Ratio, markdown
from ictal.core.recording import Signal
from ictal.core.windows import RATE_HZ, WINDOW_SAMPLES
from ictal.models.checkpoint import load_model
from ictal.preprocessing.settings import StandardiseSettings
from ictal.preprocessing.standardise import standardise
from ictal.scoring.engines import ExportedEngine, WindowBatch, open_engine
from ictal.scoring.engines.exported import Run
from ictal.scoring.export_contract import read_contract
from ictal.simulator import simulate_recording

SEEDS = (1, 2)
"""Seeds of the recording for the ranges and of the one that is evaluated."""
N_WINDOWS, STEP = 32, 10 * RATE_HZ
HEADER = (
    "model",
    "int8 graphs",
    "float32, ms per window",
    "int8",
    "times as fast",
    "largest change of a probability",
    "median over windows",
    "same top pattern",
)
NETWORK = {"frames": 0, "columns": 1}
"""By the input of a part, which of its graphs contains the network and no view."""
RANGES = {"percentile": CalibrationMethod.Percentile, "all": CalibrationMethod.MinMax}
"""Whether 8 bits span 99.999 % of the values of a layer, or all of them."""

Inputs = dict[str, list[dict[str, Signal]]]


class Reader(CalibrationDataReader):
    """Yields the recorded inputs of a graph."""

    def __init__(self, fed: list[dict[str, Signal]]) -> None:
        self.left: Iterator[dict[str, Signal]] = iter(fed)

    def get_next(self) -> dict[str, Signal] | None:
        """Return the next inputs."""
        return next(self.left, None)


def piece(seed: int, settings: StandardiseSettings) -> WindowBatch:
    """Return overlapping windows of a simulated recording."""
    length = WINDOW_SAMPLES + (N_WINDOWS - 1) * STEP
    signal = standardise(simulate_recording(seed, 0, length / RATE_HZ / 3600), settings).signal
    return WindowBatch(signal[:, :length], range(0, N_WINDOWS * STEP, STEP))


def fed(engine: ExportedEngine, to: WindowBatch) -> Inputs:
    """Return the inputs of each graph of an engine for a piece."""
    found: Inputs = defaultdict(list)

    def listening(name: str, run: Run) -> Run:
        def heard(inputs: dict[str, Signal]) -> list[Signal]:
            found[name].append(inputs)
            return run(inputs)

        return heard

    replace(engine, runs={name: listening(name, run) for name, run in engine.runs.items()}, workers=1)(to)
    return found


def quantised(source: Path, inputs: list[dict[str, Signal]], ranges: str, folder: Path) -> Run:
    """Return a function that runs a graph in 8 bits, see RANGES."""
    plain, made = folder / f"{source.stem}-plain.onnx", folder / source.name
    quant_pre_process(str(source), str(plain), skip_symbolic_shape=True)
    quantize_static(
        str(plain),
        str(made),
        Reader(inputs),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
        calibrate_method=RANGES[ranges],
    )
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(made), options, providers=["CPUExecutionProvider"])
    return lambda given: session.run(None, given)


def changes(exact: npt.NDArray[np.float64], rough: npt.NDArray[np.float64]) -> list[str]:
    """Return the differences between two sets of probabilities, as cells of the table."""
    off = abs(exact - rough).max(axis=1)
    same = (exact.argmax(axis=1) == rough.argmax(axis=1)).mean()
    return [f"{off.max():.3f}", f"{np.median(off):.3f}", f"{same:.0%}"]


def row(model: Path, rounds: int, ranges: str, folder: Path) -> list[Any]:
    """Measure a model, which must have a part whose views are in a separate graph."""
    engine, found = open_engine(model), read_contract(model)
    assert isinstance(engine, ExportedEngine)
    assert found is not None
    contract = found[0]
    files = [part.files[NETWORK[part.takes]] for part in contract.parts if part.takes in NETWORK]
    if not files:
        raise SystemExit(
            f"{model}: its views are in the graphs of its networks; only models that share work can be measured"
        )
    learned, judged = (piece(seed, contract.standardise) for seed in SEEDS)
    inputs = fed(engine, learned)
    rough = replace(
        engine, runs=engine.runs | {file: quantised(found[1] / file, inputs[file], ranges, folder) for file in files}
    )
    sides = [timed(lambda side=side: side(judged), N_WINDOWS) for side in (engine, rough)]
    figures = np.array([[side() for side in sides] for _ in range(rounds + 1)][1:])
    exact, other = (side(judged).probabilities for side in (engine, rough))
    times = [f"{value:.2f}" for value in np.median(figures, axis=0)]
    ratio = str(Ratio.of(figures[:, 1].tolist(), figures[:, 0].tolist()))
    n_parameters = sum(weight.numel() for weight in load_model(model).network.parameters())
    return [f"{contract.arm}, {n_parameters:,} parameters", ", ".join(files), *times, ratio, *changes(exact, other)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "models", type=Path, nargs="+", help="trained models, so that the probabilities are meaningful"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--ranges", choices=RANGES, default="percentile", help="ranges of values; random weights need 'all'"
    )
    options = parser.parse_args()
    rows = []
    for model in options.models:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(row(model, options.rounds, options.ranges, Path(folder)))
    print(machine(), "", *markdown(HEADER, rows), sep="\n")


if __name__ == "__main__":
    main()
