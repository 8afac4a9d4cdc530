"""Reverse-mode differentiation of ONNX graphs: gradients become ordinary operators of the graph."""

from collections.abc import Sequence

from ictal.errors import ModelError
from ictal.explanations.gradient_graph import GradientGraph
from ictal.explanations.gradient_rules import RULES


def differentiate(graph: GradientGraph, slopes: dict[str, str], wanted: Sequence[str]) -> list[str]:
    """Add the gradients with respect to `wanted` tensors, and return their names.

    Parameters
    ----------
    graph
        The graph.
    slopes
        Names of the gradients with respect to some tensors, where the chain rule begins.
    wanted
        Names of tensors of the graph.

    Raises
    ------
    ModelError
        If the graph has an operator on the way whose gradient is unknown.
    """
    nodes = list(graph.graph.node)
    dependent = set(wanted)
    for node in nodes:
        if dependent.intersection(node.input):
            dependent.update(node.output)
    found = dict(slopes)
    for node in reversed(nodes):
        outputs = [found.get(name) for name in node.output]
        if not any(outputs) or not dependent.intersection(node.input):
            continue
        if node.op_type not in RULES:
            raise ModelError(f"the gradient of the operator '{node.op_type}' is unknown")
        rule = RULES[node.op_type]
        for name, slope in zip(node.input, rule(graph, node, outputs, dependent), strict=False):
            if slope is not None and name in dependent:
                found[name] = graph.add("Add", found[name], slope) if name in found else slope
    return [found[name] for name in wanted]
