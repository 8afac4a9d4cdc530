"""Export a model as ONNX: whole, and in parts that share what overlapping windows have in common."""

import json
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnx
import torch
from filelock import FileLock
from onnx import ModelProto
from torch import Tensor, nn

from ictal.core.atomic_files import atomic_write, hash_of, remove_partial_files, sha256_of, write_json, writing
from ictal.core.montage import CHAINS, N_CHANNELS
from ictal.core.windows import WINDOW_SAMPLES
from ictal.errors import ModelError
from ictal.models.arm_network import ArmNetwork, MeanOfArms
from ictal.models.arms import file_name
from ictal.models.calibration import NO_CALIBRATION
from ictal.models.checkpoint import Model, load_model
from ictal.models.efficientnet import Efficientnet, without_norms
from ictal.models.estimator_export import TRANSLATIONS, opset_of, with_estimators
from ictal.models.hub import CARD
from ictal.models.input_needs import derivations_seen, seconds_seen
from ictal.models.wavenet import Wavenet, reach
from ictal.preprocessing.regional_spectrogram import CONTEXT_SHAPE
from ictal.scoring.export_contract import (
    ALIGNED,
    CONTRACT,
    WHOLE,
    Contract,
    Part,
    exported_folder,
    frames_name,
    read_contract,
)
from ictal.scoring.export_graphs import JoinedGraph, divided, with_fast_operators
from ictal.scoring.export_modules import (
    ContextModel,
    ImageColumns,
    ImageModel,
    WavenetFrames,
    WavenetHead,
    WindowModel,
)
from ictal.views.spectrogram import Spectrogram

AGREE = 1e-4
"""Largest allowed difference of a probability from torch's, in float32."""
CHECKED = 3
"""Windows on which an export is compared with torch: not as many as it was traced with."""
SCALES = {"windows": 20.0, "electrodes": 20.0, "contexts": 2.0, "means": 1.0, "images": 1.0}
"""Standard deviations of the noise on which they are compared: µV, logarithms of power, features."""


@dataclass(frozen=True)
class _Graph:
    """A module that is exported with these inputs.

    Attributes
    ----------
    files
        One file; or several, into which the graph is divided at its outputs.
    """

    files: tuple[str, ...]
    module: nn.Module
    inputs: dict[str, Tensor]


def export_model(path: Path, folder: Path | None = None) -> Path:
    """Export a saved model as ONNX, unless it has an export; return the folder.

    Parameters
    ----------
    path
        Folder of the model.
    folder
        Where to write; None: see `ictal.scoring.export_contract.exported_folder`.

    Returns
    -------
    Path
        A folder with `model.onnx` (views and network in one graph, any number of windows), the graphs of parts, and
        `contract.json`. All appear at once, after the last graph was checked.

    Raises
    ------
    ModelError
        If the export does not agree with torch within `AGREE`.
    WriteError
        If the folder cannot be written.
    """
    if folder is not None:
        return _export_to(path, folder)
    if found := read_contract(path):
        return found[1]
    out = exported_folder(path)
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        with FileLock(out / ".lock"):  # of several processes, one exports and the others wait
            remove_partial_files(out)
            return out if read_contract(path) else _export_to(path, out)


def _export_to(path: Path, out: Path) -> Path:
    model = load_model(path)
    network, opset = model.own.cpu().eval(), opset_of(model.own)
    parts, graphs = _parts(model)
    with ExitStack() as files:
        # Files are renamed in reverse order: the contract last, so that its graphs always exist.
        contract_file = files.enter_context(atomic_write(out / CONTRACT))
        made: dict[str, Path] = {}

        def write(name: str, graph: ModelProto) -> Path:
            made[name] = files.enter_context(atomic_write(out / name))
            made[name].write_bytes(graph.SerializeToString())
            return made[name]

        exported = [[_exported(graph, opset) for graph in own] for own in graphs]
        for graph, proto in zip(chain(*graphs), chain(*exported), strict=True):
            pieces = divided(proto) if len(graph.files) > 1 else [proto]
            _compare(graph, [write(name, piece) for name, piece in zip(graph.files, pieces, strict=True)])
        if WHOLE not in made:
            whole = _Graph((WHOLE,), WindowModel(network), _examples(network.sees_context))
            _compare(whole, [write(WHOLE, _joined(network, list(zip(parts, exported, strict=True))))])
        hashes = {name: sha256_of(part) for name, part in made.items()}
        write_json(contract_file, _contract(path, model, parts, hashes).model_dump(mode="json"))
    return out


def _contract(path: Path, model: Model, parts: list[Part], hashes: dict[str, str]) -> Contract:
    return Contract(
        name=path.resolve().name,
        arm=model.card.arm,
        weights_sha256=model.card.weights_sha256,
        standardise=model.card.standardise,
        derivations=tuple(str(one) for one in derivations_seen(model.own)),
        sees_context=model.own.sees_context,
        seen_s=seconds_seen(model.own),
        parts=tuple(parts),
        calibration=model.own.calibration if len(parts) > 1 else NO_CALIBRATION,
        graphs=hashes,
        data=model.card.data,
        warnings=model.card.warnings,
        card=hash_of(json.loads((path / CARD).read_text(encoding="utf-8"))),
        torch_version=torch.__version__,
        onnx_version=onnx.__version__,
    )


def _parts(model: Model) -> tuple[list[Part], list[list[_Graph]]]:
    """Return the parts of a model, and the graphs of each."""
    network = model.own
    if isinstance(network, ArmNetwork):
        found = [_part(model.card.arm, network)]
    else:
        found = [_part(name, cast(ArmNetwork, member)) for name, member in network.networks.items()]
    if len(found) == 1 and found[0][0].takes == "windows":  # the whole model is its only part
        part, (graph,) = found[0]
        found = [(part.model_copy(update={"files": (WHOLE,)}), [replace(graph, files=(WHOLE,))])]
    return [part for part, _ in found], [graphs for _, graphs in found]


def _part(name: str, member: ArmNetwork) -> tuple[Part, list[_Graph]]:
    """Return what one network of a model takes, and its graphs."""
    inner, name_of_files = member.network, file_name(name)
    if isinstance(inner, Wavenet) and inner.shares and ALIGNED % inner.view.settings.decimate == 0:
        frames, reaches = _frames(name_of_files, inner)
        n_chains = len(inner.view.chain_sizes)
        means = torch.zeros(2, inner.n_features // n_chains, n_chains)
        head = _Graph((f"{name_of_files}-head.onnx",), WavenetHead(member, inner), {"means": means})
        sizes = {"every": inner.view.settings.decimate, "reach": reaches}
        return Part(name=name, takes="frames", files=(*frames.files, *head.files), **sizes), [frames, head]
    if isinstance(inner, Efficientnet) and inner.shares:
        view = cast(Spectrogram, inner.view)
        chosen = view.settings
        image = torch.zeros(2, len(CHAINS), chosen.n_mels, chosen.width)
        electrodes = _examples()["windows"][..., :1000]
        columns = _Graph((f"{name_of_files}-columns.onnx",), ImageColumns(view), {"electrodes": electrodes})
        images = _Graph((f"{name_of_files}-images.onnx",), ImageModel(member, inner), {"images": image})
        sizes = {"every": chosen.hop, "frame": chosen.frame, "width": chosen.width}
        return Part(name=name, takes="columns", files=(*columns.files, *images.files), **sizes), [columns, images]
    files = (f"{name_of_files}.onnx",)
    if member.sees_context:
        contexts = {"contexts": _examples(sees_context=True)["contexts"]}
        return Part(name=name, takes="contexts", files=files), [_Graph(files, ContextModel(member), contexts)]
    return Part(name=name, takes="windows", files=files), [_Graph(files, WindowModel(member), _examples())]


def _frames(name: str, network: Wavenet) -> tuple[_Graph, tuple[tuple[int, int], ...]]:
    """Return the graph of what windows share of a WaveNet, and the reach of its stages, see `Part`."""
    if network.drops:
        return _Graph((f"{name}-frames.onnx",), WavenetFrames(network), _examples()), ()
    reaches = tuple(map(reach, network.stages))
    stages = (f"{name}-stage{number}.onnx" for number in range(len(reaches)))
    return _Graph((f"{name}-traces.onnx", *stages), WavenetFrames(network), _examples()), reaches


def _examples(sees_context: bool = False) -> dict[str, Tensor]:
    """Return two windows, and their contexts. Only their shapes matter; the comparison with torch uses noise."""
    windows, contexts = torch.zeros(2, N_CHANNELS, WINDOW_SAMPLES), torch.ones(2, *CONTEXT_SHAPE)
    return {"windows": windows, "contexts": contexts} if sees_context else {"windows": windows}


def _joined(network: ArmNetwork | MeanOfArms, parts: Sequence[tuple[Part, Sequence[ModelProto]]]) -> ModelProto:
    """Join the graphs of all parts to that of the whole model, from windows and contexts to probabilities."""
    examples = _examples(network.sees_context)
    joined = JoinedGraph({name: ("batch", *example.shape[1:]) for name, example in examples.items()})
    results = [_results(joined, part, graphs) for part, graphs in parts]
    if isinstance(network, ArmNetwork):
        return joined.model(results[0])
    mean, calibration = joined.node("Mean", *(probabilities for probabilities, *_ in results)), network.calibration
    if not calibration.changes_nothing:
        temperature, bias = (np.array(one, np.float32) for one in (calibration.temperature, calibration.bias))
        logits = joined.node("Div", joined.node("Log", mean), temperature)
        mean = joined.node("Softmax", joined.node("Add", logits, bias), axis=1)
    return joined.model([mean])


def _results(joined: JoinedGraph, part: Part, graphs: Sequence[ModelProto]) -> list[str]:
    """Add the graphs of a part, as the whole model uses them for single windows; return the names of the results."""
    if part.takes in ("windows", "contexts"):
        return joined.add(graphs[0], part.takes)
    first, last = graphs
    if part.takes == "frames":
        return joined.add(
            last, joined.node("ReduceMean", joined.add(first, "windows")[-1], np.array([3]), keepdims=0)
        )
    half = part.frame // 2
    missing = (part.width - 1) * part.every + part.frame - half - WINDOW_SAMPLES  # negative: the end is not used
    padded = joined.node("Pad", "windows", np.array([0, 0, half, 0, 0, missing]))
    return joined.add(last, *joined.add(first, padded))


def _exported(graph: _Graph, opset: int | None) -> ModelProto:
    """Return the graph of a module, for any number of windows and, if windows share it, any length.

    The exporter would fold batch normalisation as well, but only after tracing it, which takes a second longer.
    """
    batch, time = torch.export.Dim("batch", min=1, max=4096), torch.export.Dim("time", min=1, max=10_000_000)
    shapes: dict[str, dict[int, Any]] = {name: {0: batch} for name in graph.inputs}
    outputs = None
    if isinstance(graph.module, WavenetFrames):
        shapes["windows"][2] = graph.module.network.view.settings.decimate * time
        outputs = [frames_name(number) for number in range(len(graph.files))]
    elif isinstance(graph.module, ImageColumns):
        shapes["electrodes"][2] = torch.export.Dim("time", min=graph.module.view.settings.frame)
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # of the exporter, about itself
        try:
            program = torch.onnx.export(
                without_norms(graph.module.eval()),
                kwargs=graph.inputs,
                dynamo=True,
                dynamic_shapes=shapes,
                input_names=list(graph.inputs),
                output_names=outputs,
                custom_translation_table=TRANSLATIONS,
                opset_version=opset,
                verbose=False,
            )
        except Exception as error:  # of many kinds: a network may use an operation that ONNX lacks
            raise ModelError(
                f"{graph.files[0]}: the network cannot be exported as ONNX: {type(error).__name__}: {error}"
            ) from error
    assert program is not None
    return with_fast_operators(with_estimators(program.model_proto))


def _compare(graph: _Graph, files: Sequence[Path]) -> None:
    """Compare a graph, or the parts into which it is divided, with torch on other inputs than it was traced with."""
    import onnxruntime

    given = _noise(graph)
    with torch.inference_mode():
        found = graph.module(**given)
    outputs = found if isinstance(found, tuple) else (found,)
    expected = [(output,) for output in outputs] if len(files) > 1 else [outputs]
    for name, file, results in zip(graph.files, files, expected, strict=True):
        session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        inputs = [given[one.name].numpy() for one in session.get_inputs()]
        made = session.run(None, dict(zip((one.name for one in session.get_inputs()), inputs, strict=True)))
        for ours, theirs in zip(results, made, strict=True):
            off = float((ours - torch.from_numpy(theirs)).abs().max() / ours.abs().max().clamp(min=1))
            if not off <= AGREE:
                raise ModelError(f"{name}: the exported graph differs from torch by {off:.2g}; allowed is {AGREE:g}")
        given = {one.name: result for one, result in zip(session.get_outputs(), results, strict=True)}


def _noise(graph: _Graph) -> dict[str, Tensor]:
    """Return noise of another shape than the graph was traced with: more windows, or a longer signal."""
    generator = torch.Generator().manual_seed(0)
    found = {}
    for name, example in graph.inputs.items():
        longer = (1, N_CHANNELS, WINDOW_SAMPLES + 10 * ALIGNED)
        shape = longer if isinstance(graph.module, WavenetFrames | ImageColumns) else (CHECKED, *example.shape[1:])
        found[name] = torch.randn(shape, generator=generator) * SCALES[name]
        if name == "contexts":  # powers, some of which are missing
            found[name] = found[name].exp()
            found[name][:, 1, :, : shape[3] // 3] = torch.nan
    return found
