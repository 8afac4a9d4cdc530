"""Export what explanations need of a model as ONNX graphs, one of them with gradients."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper
from scipy.special import logsumexp
from torch import Tensor, nn

from ictal.core.labels import N_PATTERNS
from ictal.core.montage import N_CHANNELS
from ictal.core.recording import Signal
from ictal.core.windows import WINDOW_SAMPLES
from ictal.errors import ModelError
from ictal.explanations.explained import Floats
from ictal.explanations.exported_model import FORWARD, GRADIENTS, ExplanationContract
from ictal.explanations.gradient_graph import GradientGraph
from ictal.explanations.onnx_gradient import differentiate
from ictal.explanations.torch_model import TorchModel, axes_of, chain_decibels, image_networks_of
from ictal.models.arm_network import ArmNetwork, MeanOfArms, parts_of
from ictal.models.checkpoint import load_model
from ictal.models.input_needs import seconds_seen

AGREE = 1e-4
"""Largest allowed difference of outputs from torch, relative to their norm; of gradients for one window at least."""
JUMP = 0.02
"""Largest allowed difference of a gradient: it jumps where a unit of the network is within rounding of zero."""
OPSET = 20


class Observed(nn.Module):
    """Windows [batch, 20, 10000] to logits and features, and with an EfficientNet to its last map and decibels."""

    def __init__(self, network: ArmNetwork | MeanOfArms) -> None:
        super().__init__()
        self.network = network
        found = image_networks_of(network)
        if len(found) > 1:
            raise ModelError(f"this network has {len(found)} EfficientNets on spectrograms; allowed is at most one")
        self.images = next(iter(found.values()), None)

    def forward(self, windows: Tensor) -> tuple[Tensor, ...]:
        """Return logits, features, and perhaps the map and the decibels."""
        features: list[Tensor] = []
        maps: list[Tensor] = []
        heads = [part.network.get_submodule("head") for part in parts_of(self.network)]
        hooks = [head.register_forward_pre_hook(lambda _, given: features.append(given[0])) for head in heads]
        if self.images:
            hooks.append(self.images[1].bn2.register_forward_hook(lambda _, __, made: maps.append(made)))
        try:
            logits = self.network(windows)
        finally:
            for hook in hooks:
                hook.remove()
        known = (logits, torch.cat(features, dim=1))
        return (*known, maps[0], chain_decibels(self.images[0], windows)) if self.images else known


def export_explanation(model: Path, folder: Path) -> ExplanationContract:
    """Write the graphs for explanations of a saved model; return what is known about them, without hashes of files.

    Raises
    ------
    ModelError
        If the graph contains an operator whose gradient is unknown, or does not agree with torch, see `AGREE`.
    """
    loaded = load_model(model)
    network = loaded.own.cpu().eval().requires_grad_(False)
    observed = Observed(network)
    outputs = ["logits", "features", *(["map", "decibels"] if observed.images else [])]
    batch = torch.export.Dim("batch", min=1, max=4096)
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # of the exporter, about itself
        program = torch.onnx.export(
            observed,
            kwargs={"windows": torch.zeros(2, N_CHANNELS, WINDOW_SAMPLES)},
            dynamo=True,
            dynamic_shapes={"windows": {0: batch}},
            input_names=["windows"],
            output_names=outputs,
            opset_version=OPSET,
            verbose=False,
        )
    assert program is not None
    made = program.model_proto
    (folder / FORWARD).write_bytes(made.SerializeToString(deterministic=True))
    add_gradients(made, "map" in outputs)
    (folder / GRADIENTS).write_bytes(made.SerializeToString(deterministic=True))
    for name in (FORWARD, GRADIENTS):
        _compare(TorchModel(network), folder / name)
    hertz, seconds = axes_of(observed.images[0].settings) if observed.images else (np.empty(0), np.empty(0))
    return ExplanationContract(
        arm=loaded.title,
        weights_sha256=loaded.card.weights_sha256,
        seen_s=seconds_seen(network),
        hertz=tuple(hertz.tolist()),
        seconds=tuple(seconds.tolist()),
        files={},
    )


def add_gradients(model: onnx.ModelProto, has_map: bool) -> None:
    """Add the gradients of log p with respect to the windows, and to the map, to a graph with the output `logits`.

    The new input `pattern` [6] is 1 for the pattern whose log p is meant. Its gradient with respect to the logits is
    `pattern` minus the probabilities.
    """
    graph = GradientGraph(model)
    top = graph.add("Sub", "pattern", graph.add("Softmax", "logits", axis=1))
    wanted = {"windows": "window_slopes", **({"map": "map_slopes"} if has_map else {})}
    slopes = differentiate(graph, {"logits": top}, list(wanted))
    inner = model.graph
    inner.input.append(helper.make_tensor_value_info("pattern", TensorProto.FLOAT, [N_PATTERNS]))
    for (source, name), slope in zip(wanted.items(), slopes, strict=True):
        inner.node.append(helper.make_node("Identity", [slope], [name]))
        inner.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, graph.shapes[source]))


def _compare(torch_model: TorchModel, graph: Path) -> None:
    """Compare a graph with torch on noise, with another number of windows than it was traced with."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    inputs, names = ([each.name for each in some] for some in (session.get_inputs(), session.get_outputs()))
    windows = np.random.default_rng(0).normal(0, 20, (3, N_CHANNELS, WINDOW_SAMPLES)).astype(np.float32)
    for column in range(N_PATTERNS if "pattern" in inputs else 1):
        given = {"windows": windows, "pattern": np.eye(N_PATTERNS, dtype=np.float32)[column]}
        found = dict(zip(names, session.run(names, {name: given[name] for name in inputs}), strict=True))
        found["logits"] = found["logits"] - logsumexp(found["logits"], axis=1, keepdims=True)
        for name, ours in found.items():
            off = _differences(ours, _expected(torch_model, name, windows, column))
            close = off.min() if name.endswith("slopes") else off.max()
            if not (close <= AGREE and off.max() <= JUMP):  # as it is for NaN
                raise ModelError(
                    f"{graph.name}: '{name}' differs from torch by {off.max():.2g}; allowed is {AGREE:g}"
                )


def _expected(model: TorchModel, output: str, windows: Signal, column: int) -> npt.NDArray[Any]:
    """Return what torch computes for an output of a graph; logits as log p."""
    if output == "logits":
        return model.log_probabilities(windows)
    if output == "features":
        return model.features(windows)
    if output == "window_slopes":
        slopes = np.zeros_like(windows)
        slopes[..., model.seen] = model.slopes(windows, column)[1]
        return slopes
    part = {"map": "values", "map_slopes": "slopes", "decibels": "decibels"}[output]
    return np.stack([getattr(model.feature_map(window, column), part) for window in windows])


def _differences(ours: npt.NDArray[Any], theirs: npt.NDArray[Any]) -> Floats:
    """Return the norm of the difference for each window, relative to that of `theirs`."""
    apart, size = (np.linalg.norm(each.reshape(len(each), -1), axis=1) for each in (ours - theirs, theirs))
    return np.asarray(apart / np.maximum(size, 1e-12))
