"""Engines, which run a model on windows. Exported graphs need no torch."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from ictal.errors import ModelError, UnknownNameError, require
from ictal.models.hub import is_external
from ictal.scoring.engines.exported import Engine, ExportedEngine, WindowBatch
from ictal.scoring.export_contract import Contract, read_contract
from ictal.scoring.export_process import export_apart

__all__ = ["ENGINES", "Engine", "EngineName", "ExportedEngine", "WindowBatch", "open_engine"]

EngineName = Literal["auto", "onnxruntime", "openvino", "torch"]
ENGINES: tuple[EngineName, ...] = ("auto", "onnxruntime", "openvino", "torch")


def open_engine(
    model: Path,
    name: EngineName = "auto",
    threads: int | None = None,
    on_export: Callable[[], None] = lambda: None,
    export: Callable[[Path], object] = export_apart,
) -> Engine:
    """Return an engine for a saved model.

    A model that ictal trained and that has no export is exported first, which needs torch. An external model is run
    as it is.

    Parameters
    ----------
    model
        Folder of the model.
    name
        'onnxruntime'; 'openvino' (pip install 'ictal[openvino]'); 'torch' (pip install 'ictal[train]'); or 'auto',
        which is 'onnxruntime'.
    threads
        CPU threads; None: as many as there are.
    on_export
        Called before the model is exported, which takes some seconds.
    export
        What exports it.

    Raises
    ------
    UnknownNameError, ModelError
        If there is no such engine or model.
    MissingExtraError
        If the engine, or exporting the model, needs an extra that is not installed.
    """
    if name not in ENGINES:
        raise UnknownNameError("engine", name, ENGINES)
    if name == "openvino":
        require("openvino", "the engine 'openvino'")
    if name == "torch":
        require("train", "the engine 'torch'")
    if is_external(model):
        from ictal.scoring.engines.external import ExternalEngine

        return ExternalEngine.open(model, name, threads)
    contract, folder = read_contract(model) or _exported(model, on_export, export)
    if name == "torch":
        from ictal.scoring.engines.torch import TorchEngine  # torch takes seconds to import

        return TorchEngine.open(contract, model, threads)
    graphs = {file: folder / file for part in contract.parts for file in part.files}
    if name == "openvino":
        from ictal.scoring.engines.openvino import open_openvino

        return open_openvino(contract, graphs, threads)
    from ictal.scoring.engines.exported import open_onnxruntime

    return open_onnxruntime(contract, graphs, threads)


def _exported(model: Path, on_export: Callable[[], None], export: Callable[[Path], object]) -> tuple[Contract, Path]:
    """Export a model, and return its contract and the folder of the graphs."""
    require("train", f"scoring with {model}, which must be exported as ONNX once,")
    on_export()
    export(model)
    found = read_contract(model)
    if found is None:
        raise ModelError(f"{model}: another program changed the export while it was made; try again")
    return found
