"""Export networks that contain an estimator: its graph becomes part of the exported graph."""

from collections.abc import Callable
from typing import Any

import onnx
import torch
from onnx.compose import add_prefix_graph
from onnxscript import values
from torch import nn

from ictal.models.estimator import OPSET, EstimatorNetwork

DOMAIN, OPERATOR = "ictal", "Estimate"
_PARAMETER = onnx.defs.OpSchema.FormalParameter
_SCHEMA = onnx.defs.OpSchema(
    OPERATOR,
    DOMAIN,
    1,
    inputs=[_PARAMETER("features", "tensor(float)"), _PARAMETER("graph", "tensor(uint8)")],
    outputs=[_PARAMETER("probabilities", "tensor(float)")],
)
"""The operator that stands for an estimator while torch exports; `with_estimators` replaces it."""
if not onnx.defs.has(OPERATOR, DOMAIN):
    onnx.defs.register_schema(_SCHEMA)


def _translated(features: Any, graph: Any) -> Any:
    return values.Opset(DOMAIN, 1).Estimate(features, graph)


TRANSLATIONS: dict[Callable[..., Any], Callable[..., Any]] = {torch.ops.ictal.estimate.default: _translated}
"""For `torch.onnx.export`."""


def opset_of(module: nn.Module) -> int | None:
    """Return the version of operators with which a module must be exported; None: any."""
    return OPSET if any(isinstance(part, EstimatorNetwork) for part in module.modules()) else None


def with_estimators(exported: onnx.ModelProto) -> onnx.ModelProto:
    """Replace each operator that stands for an estimator by the estimator's graph; the model is changed."""
    graph = exported.graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    nodes = []
    for number, node in enumerate(graph.node):
        if (node.domain, node.op_type) != (DOMAIN, OPERATOR):
            nodes.append(node)
            continue
        tensor = stored[node.input[1]]
        inner = onnx.load_from_string(onnx.numpy_helper.to_array(tensor).tobytes())
        named = add_prefix_graph(inner.graph, f"estimator{number}_")
        ends = {named.input[0].name: node.input[0], named.output[0].name: node.output[0]}
        for step in named.node:
            step.input[:] = [ends.get(name, name) for name in step.input]
            step.output[:] = [ends.get(name, name) for name in step.output]
            nodes.append(step)
        graph.initializer.extend(named.initializer)
        graph.initializer.remove(tensor)
        known = {one.domain for one in exported.opset_import}
        exported.opset_import.extend(one for one in inner.opset_import if one.domain not in known)
    del graph.node[:]
    graph.node.extend(nodes)
    kept = [one for one in exported.opset_import if one.domain != DOMAIN]
    del exported.opset_import[:]
    exported.opset_import.extend(kept)
    return exported
