"""Export a model as ONNX: whole, and in parts that share what overlapping windows have in common."""

import json
import warnings
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import onnx
import torch
from filelock import FileLock
from torch import Tensor, nn

from ictal.core.atomic_files import atomic_write, hash_of, remove_partial_files, sha256_of, write_json, writing
from ictal.core.montage import CHAINS, N_CHANNELS
from ictal.core.windows import WINDOW_SAMPLES
from ictal.errors import ModelError
from ictal.models.arm_network import ArmNetwork, MeanOfArms
from ictal.models.arms import file_name
from ictal.models.calibration import NO_CALIBRATION
from ictal.models.checkpoint import Model, load_model
from ictal.models.efficientnet import Efficientnet
from ictal.models.estimator_export import TRANSLATIONS, opset_of, with_estimators
from ictal.models.hub import CARD
from ictal.models.input_needs import derivations_seen, seconds_seen
from ictal.models.wavenet import Wavenet
from ictal.preprocessing.regional_spectrogram import CONTEXT_SHAPE
from ictal.scoring.export_contract import (
    ALIGNED,
    CONTRACT,
    WHOLE,
    Contract,
    Part,
    exported_folder,
    read_contract,
)
from ictal.views.spectrogram import Spectrogram

AGREE = 1e-4
"""Largest allowed difference of a probability from torch's, in float32."""
CHECKED = 3
"""Windows on which an export is compared with torch: not as many as it was traced with."""
SCALES = {"windows": 20.0, "electrodes": 20.0, "contexts": 2.0, "means": 1.0, "images": 1.0}
"""Standard deviations of the noise on which they are compared: µV, logarithms of power, features."""


class WholeModel(nn.Module):
    """Windows, contexts or both to probabilities [batch, 6] and perhaps concentrations [batch]."""

    def __init__(self, network: ArmNetwork | MeanOfArms) -> None:
        super().__init__()
        self.network = network

    def forward(self, windows: Tensor, contexts: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return probabilities, and concentrations if the network predicts them."""
        return _outputs(*self.network.panel(windows, contexts))


class ContextModel(WholeModel):
    """Contexts alone to what `WholeModel` returns."""

    def forward(self, contexts: Tensor) -> tuple[Tensor, ...]:  # type: ignore[override]
        """Return probabilities, and concentrations if the network predicts them."""
        return super().forward(contexts, contexts)


class WavenetFrames(nn.Module):
    """A chunk of a recording [1, 20, time] to the features of a WaveNet over time, [filters x chain, time]."""

    def __init__(self, network: Wavenet) -> None:
        super().__init__()
        self.network = network

    def forward(self, windows: Tensor) -> Tensor:
        """Return the features of each frame."""
        return self.network.over_time(windows)[0].flatten(0, 1)


class WavenetHead(nn.Module):
    """Means over the frames of windows [batch, filters x chain] to what `WholeModel` returns."""

    def __init__(self, network: ArmNetwork, wavenet: Wavenet) -> None:
        super().__init__()
        self.n_chains = len(wavenet.view.chain_sizes)
        self.head, self.arm = wavenet.head, network

    def forward(self, means: Tensor) -> tuple[Tensor, ...]:
        """Return probabilities, and perhaps concentrations."""
        features = means.reshape(means.shape[0], -1, self.n_chains).transpose(1, 2).flatten(1)
        return _outputs(*self.arm.of_outputs(self.head(features)))


class ImageColumns(nn.Module):
    """Chunks of a recording [batch, 20, time] to the columns of their images, [batch, 4, n_mels, column]."""

    def __init__(self, view: Spectrogram) -> None:
        super().__init__()
        self.view = view

    def forward(self, electrodes: Tensor) -> Tensor:
        """Return the columns."""
        return self.view.columns(electrodes)


class ImageModel(nn.Module):
    """Images [batch, 4, n_mels, width] to what `WholeModel` returns."""

    def __init__(self, network: ArmNetwork, efficientnet: Efficientnet) -> None:
        super().__init__()
        self.efficientnet, self.arm = efficientnet, network

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return probabilities, and perhaps concentrations."""
        return _outputs(*self.arm.of_outputs(self.efficientnet.of_images(images)))


def _outputs(logits: Tensor, concentrations: Tensor | None) -> tuple[Tensor, ...]:
    probabilities = logits.softmax(dim=1)
    return (probabilities,) if concentrations is None else (probabilities, concentrations)


@dataclass(frozen=True)
class _Graph:
    file: str
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
    graphs, parts = _graphs(model)
    with ExitStack() as files:
        # Files are renamed in reverse order: the contract last, so that its graphs always exist.
        contract_file = files.enter_context(atomic_write(out / CONTRACT))
        made = {graph.file: files.enter_context(atomic_write(out / graph.file)) for graph in graphs}
        for graph in graphs:
            _export(graph, made[graph.file])
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


def _graphs(model: Model) -> tuple[list[_Graph], list[Part]]:
    """Return the graph of the whole model and those of its parts, and what the parts are."""
    network = model.own.cpu().eval()
    windows, contexts = _examples()
    inputs = {"windows": windows, "contexts": contexts} if network.sees_context else {"windows": windows}
    graphs, parts = [_Graph(WHOLE, WholeModel(network), inputs)], []
    if isinstance(network, ArmNetwork):
        members: dict[str, nn.Module] = {model.card.arm: network}
    else:
        members = dict(network.networks.items())
    for name, member in members.items():
        assert isinstance(member, ArmNetwork)
        part, own = _part(name, member)
        if len(members) == 1 and part.takes == "windows":  # the whole model is its only part
            part, own = part.model_copy(update={"files": (WHOLE,)}), []
        graphs += own
        parts.append(part)
    return graphs, parts


def _part(name: str, member: ArmNetwork) -> tuple[Part, list[_Graph]]:
    """Return what one network of a model takes, and its graphs."""
    inner = member.network
    windows, contexts = _examples()
    if isinstance(inner, Wavenet) and inner.shares and ALIGNED % inner.view.settings.decimate == 0:
        files = (f"{name}-frames.onnx", f"{name}-head.onnx")
        frames = _Graph(files[0], WavenetFrames(inner), {"windows": windows[:1]})
        head = _Graph(files[1], WavenetHead(member, inner), {"means": torch.zeros(2, inner.n_features)})
        return Part(name=name, takes="frames", files=files, every=inner.view.settings.decimate), [frames, head]
    if isinstance(inner, Efficientnet) and inner.shares:
        files = (f"{name}-columns.onnx", f"{name}-images.onnx")
        view = cast(Spectrogram, inner.view)
        chosen = view.settings
        image = torch.zeros(2, len(CHAINS), chosen.n_mels, chosen.width)
        columns = _Graph(files[0], ImageColumns(view), {"electrodes": windows[..., :1000]})
        images = _Graph(files[1], ImageModel(member, inner), {"images": image})
        sizes = {"every": chosen.hop, "frame": chosen.frame, "width": chosen.width}
        return Part(name=name, takes="columns", files=files, **sizes), [columns, images]
    file = f"{file_name(name)}.onnx"
    if member.sees_context:
        graph = _Graph(file, ContextModel(member), {"contexts": contexts})
        return Part(name=name, takes="contexts", files=(file,)), [graph]
    return Part(name=name, takes="windows", files=(file,)), [_Graph(file, WholeModel(member), {"windows": windows})]


def _examples() -> tuple[Tensor, Tensor]:
    """Return two windows and their contexts. Only their shapes matter; the comparison with torch uses noise."""
    return torch.zeros(2, N_CHANNELS, WINDOW_SAMPLES), torch.ones(2, *CONTEXT_SHAPE)


def _export(graph: _Graph, part: Path) -> None:
    """Write one graph and compare it with torch on other inputs than it was traced with."""
    batch = torch.export.Dim("batch", min=1, max=4096)
    shapes = {name: {0: batch} for name in graph.inputs}
    if isinstance(graph.module, ImageColumns):
        shapes = {"electrodes": {0: batch, 2: torch.export.Dim("time", min=graph.module.view.settings.frame)}}
    if isinstance(graph.module, WavenetFrames):
        every = graph.module.network.view.settings.decimate
        shapes = {"windows": {2: every * torch.export.Dim("time", min=WINDOW_SAMPLES // every, max=10_000_000)}}
    module = graph.module.eval()
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # of the exporter, about itself
        program = torch.onnx.export(
            module,
            kwargs=graph.inputs,
            dynamo=True,
            dynamic_shapes=shapes,
            input_names=list(graph.inputs),
            custom_translation_table=TRANSLATIONS,
            opset_version=opset_of(module),
            verbose=False,
        )
        assert program is not None
        part.write_bytes(with_estimators(program.model_proto).SerializeToString())
        _compare(module, graph, part)


def _compare(module: nn.Module, graph: _Graph, part: Path) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(part), providers=["CPUExecutionProvider"])
    inputs = _noise(graph)
    expected = module(**inputs)
    expected = expected if isinstance(expected, tuple) else (expected,)
    found = session.run(None, {name: value.numpy() for name, value in inputs.items()})
    for ours, theirs in zip(expected, found, strict=True):
        off = float((ours - torch.from_numpy(theirs)).abs().max() / ours.abs().max().clamp(min=1))
        if not off <= AGREE:
            raise ModelError(
                f"{graph.file}: the exported graph differs from torch by {off:.2g}; allowed is {AGREE:g}"
            )


def _noise(graph: _Graph) -> dict[str, Tensor]:
    """Return noise of another shape than the graph was traced with: more windows, or a longer chunk."""
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
