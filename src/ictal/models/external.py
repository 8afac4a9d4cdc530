"""Run external models: networks from elsewhere, behind a contract. Graphs in ONNX need no torch."""

import hashlib
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ictal.core.labels import PATTERNS
from ictal.core.recording import Signal
from ictal.errors import ModelError, require
from ictal.models.external_contract import ExternalContract
from ictal.models.external_input import ExternalInput
from ictal.models.hub import read_card, weights_file
from ictal.models.hub_fetch import hub_name

Floats = npt.NDArray[np.float64]
Program = Callable[[Signal], Signal]
"""The array of some windows to the network's output, [window, output]."""
SUM_TOLERANCE = 1e-3
"""Largest difference from 1 of the sum of probabilities; float16 rounds by as much."""
BATCH = 16
"""Windows per run of a network."""
ONNX_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}


@dataclass(frozen=True)
class ExternalModel:
    """A network from elsewhere that predicts patterns for our windows.

    Attributes
    ----------
    name
        That of its folder.
    contract
        What it takes and returns.
    input
        Computes what it takes.
    program
        The network.
    described
        Engine and its version.
    weights_sha256
        SHA-256 of the network's file.
    hub
        Its name on the Hub, with the commit, if it was fetched from there.
    """

    name: str
    contract: ExternalContract
    input: ExternalInput
    program: Program
    described: dict[str, Any]
    weights_sha256: str
    hub: str | None = None

    def __call__(self, windows: Signal) -> Floats:
        """Return the calibrated probabilities [window, 6] of standardised windows [window, 20, 10000], µV.

        Patterns that the model does not know have the probability 0; what it cannot tell from 'other' counts there.

        Raises
        ------
        ModelError
            If the network's output is not finite, of another shape than the contract states, or, where it states
            probabilities, does not sum to one.
        """
        parts = [self._some(windows[begin : begin + BATCH]) for begin in range(0, len(windows), BATCH)]
        return np.concatenate(parts) if parts else np.empty((0, len(PATTERNS)))

    def _some(self, windows: Signal) -> Floats:
        output, calibration = self.contract.output, self.contract.calibration
        values = self.output(self.input(windows))
        found = output.probabilities(values)
        if not calibration.changes_nothing:
            known = np.array([name in output.known for name in PATTERNS])
            found = np.where(known, calibration.apply(found), 0)
            found /= found.sum(axis=1, keepdims=True)
        return found

    def output(self, array: Signal) -> Floats:
        """Return the checked output of the network, [window, output], for the array of some windows."""
        returned, patterns = np.asarray(self.program(array)), self.contract.output.patterns
        single = len(patterns) == 1
        if single and returned.shape == (len(array),):
            returned = returned[:, None]
        if returned.shape != (len(array), len(patterns)):
            raise ModelError(
                f"{self.name}: the network returned an array of {list(returned.shape)} for {len(array)} windows; its "
                f"contract states {len(patterns)} output{'' if single else 's'}: [{len(array)}, {len(patterns)}]"
            )
        values: Floats = returned.astype(np.float64)
        if not np.isfinite(values).all():
            raise ModelError(f"{self.name}: the network's output is not finite for some windows")
        if self.contract.output.values == "probabilities":
            _check_probabilities(self.name, values, single)
            values = values.clip(0, 1) if single else values.clip(0) / values.clip(0).sum(axis=1, keepdims=True)
        return values


def _check_probabilities(name: str, values: Floats, single: bool) -> None:
    sums = values.sum(axis=1)
    low, high = values.min(), values.max()
    if low < -SUM_TOLERANCE or high > 1 + SUM_TOLERANCE:
        raise ModelError(
            f"{name}: the network returned values from {low:.3g} to {high:.3g}, which are not probabilities; if they "
            "are logits, state output.values: logits"
        )
    if not single and abs(sums - 1).max() > SUM_TOLERANCE:
        raise ModelError(
            f"{name}: the network's probabilities sum to {sums[abs(sums - 1).argmax()]:.3g}, not to 1; if they are "
            "logits, state output.values: logits"
        )


def open_external(folder: Path, threads: int | None = None) -> ExternalModel:
    """Open an external model.

    Parameters
    ----------
    folder
        Holds `contract.yaml` and the network, see `ictal.models.hub.check_files`.
    threads
        CPU threads; None: as many as there are.

    Raises
    ------
    ModelError
        If the contract is not allowed or contradicts the network, or the network is not the one that was checked when
        the model was added.
    MissingExtraError
        If the network or its input needs the extra 'train'.
    """
    folder, contract = read_card(folder, ExternalContract)
    path = weights_file(folder)
    content = path.read_bytes()  # read once: what is run is what was checked
    sha = hashlib.sha256(content).hexdigest()
    if contract.weights_sha256 not in ("", sha):
        raise ModelError(f"{path}: is not the file that the contract describes (its hash differs)")
    name = folder.resolve().name
    try:
        made = ExternalInput(contract.input)
    except ModelError as error:
        raise ModelError(f"{folder / 'contract.yaml'}: {error}") from error
    program, described = OPENERS[path.name](path, content, made, threads)
    return ExternalModel(name, contract, made, program, described, sha, hub_name(folder))


def _open_onnx(
    path: Path, content: bytes, made: ExternalInput, threads: int | None
) -> tuple[Program, dict[str, Any]]:
    import onnxruntime as ort  # commands that only read a card do not wait for it

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or os.cpu_count() or 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has an exception class per status code
        raise ModelError(f"{path}: is not a complete graph in ONNX: {' '.join(str(error).split())[:200]}") from error
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].type not in ONNX_TYPES:
        told = ", ".join(f"{one.name} {one.type}{one.shape}" for one in inputs)
        raise ModelError(f"{path}: takes {told}; allowed is one array of floating-point numbers")
    (only,), kind = inputs, ONNX_TYPES[inputs[0].type]
    fixed = [size if isinstance(size, int) else None for size in only.shape]
    if len(fixed) != len(made.shape) or any(
        size not in (None, own) for size, own in zip(fixed[1:], made.shape[1:], strict=True)
    ):
        raise ModelError(
            f"{path}: takes an array of {only.shape}, but its contract makes one of {['batch', *made.shape[1:]]} "
            f"({made.settings.layout}); correct input.layout, channels, rate_hz or seconds"
        )
    if fixed[0] not in (None, 1):
        raise ModelError(f"{path}: takes exactly {fixed[0]} windows at once; allowed are any number, or one")

    def run(array: Signal) -> Signal:
        return np.asarray(session.run(None, {only.name: array.astype(kind, copy=False)})[0])

    program = run if fixed[0] is None else lambda array: np.concatenate([run(one[None]) for one in array])
    return program, {"engine": "onnxruntime", "version": ort.__version__, "precision": str(np.dtype(kind))}


def _open_torch(
    path: Path, content: bytes, made: ExternalInput, threads: int | None
) -> tuple[Program, dict[str, Any]]:
    require("train", f"running {path}")
    import io

    import torch  # takes seconds

    if threads:
        torch.set_num_threads(threads)  # for the whole process: torch has no other setting
    try:
        if path.suffix == ".pt2":
            module: Any = torch.export.load(io.BytesIO(content)).module()
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of TorchScript, which users still have
                module = torch.jit.load(io.BytesIO(content), map_location="cpu").eval()  # type: ignore[no-untyped-call]
    except Exception as error:  # torch raises many kinds for files that are something else
        raise ModelError(
            f"{path}: is neither a program of torch.export nor of TorchScript; pickled weights or modules are never "
            f"opened, since they can run code: {' '.join(str(error).split())[:150]}"
        ) from error

    def run(array: Signal) -> Signal:
        with torch.inference_mode():
            try:
                found = module(torch.from_numpy(array))
            except Exception as error:  # as above
                raise ModelError(
                    f"{path}: cannot take an array of {list(array.shape)} ({made.settings.layout}), which its "
                    f"contract makes: {' '.join(str(error).split())[:150]}"
                ) from error
        found = found[0] if isinstance(found, tuple | list) else found
        return np.asarray(found.float().cpu().numpy())

    return run, {"engine": "torch", "version": torch.__version__, "precision": "float32"}


OPENERS = {"model.onnx": _open_onnx, "model.pt2": _open_torch, "model.pt": _open_torch}
"""What opens each of `ictal.models.hub.PROGRAMS`."""
