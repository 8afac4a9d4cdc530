"""Divide and join exported graphs, and replace operators by equal ones that engines compute faster."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnx.compose import add_prefix_graph
from onnx.utils import Extractor


def divided(model: ModelProto) -> list[ModelProto]:
    """Divide a graph with one input at its outputs; each part leads from one of them to the next."""
    names = [value.name for value in (*model.graph.input, *model.graph.output)]
    extractor = Extractor(model)
    return [extractor.extract_model([one], [other]) for one, other in pairwise(names)]


def with_fast_operators(model: ModelProto) -> ModelProto:
    """Replace operators that ONNX Runtime does not compute with vector instructions, in place; return the model.

    Asinh becomes sign(x) log(|x| + sqrt(x^2 + 1)). A mean over neighbours, the last of which may be fewer, becomes
    one over a padded input that does not count the padding, which stays in the blocked layout of convolutions.
    """
    nodes = list(model.graph.node)
    del model.graph.node[:]
    for node in nodes:
        if node.op_type == "Asinh":
            model.graph.node.extend(_asinh(node.input[0], node.output[0]))
            continue
        if node.op_type == "AveragePool":
            _pad_instead_of_ceiling(node)
        model.graph.node.append(node)
    return model


def _asinh(given: str, result: str) -> list[NodeProto]:
    size, square, more, root, total, logarithm, sign, one = (f"{result}/{number}" for number in range(8))
    return [
        helper.make_node("Constant", [], [one], value_float=1.0),
        helper.make_node("Abs", [given], [size]),
        helper.make_node("Mul", [given, given], [square]),
        helper.make_node("Add", [square, one], [more]),
        helper.make_node("Sqrt", [more], [root]),
        helper.make_node("Add", [size, root], [total]),
        helper.make_node("Log", [total], [logarithm]),
        helper.make_node("Sign", [given], [sign]),
        helper.make_node("Mul", [logarithm, sign], [result]),
    ]


def _pad_instead_of_ceiling(node: NodeProto) -> None:
    """Let a pool of neighbours that do not overlap pad its end; it then needs no other rounding of its length."""
    known = {one.name: helper.get_attribute_value(one) for one in node.attribute}
    size = known["kernel_shape"]
    if known.get("ceil_mode") and known.get("strides") == size and not any(known.get("pads", ())):
        del node.attribute[:]
        pads = [0] * len(size) + [one - 1 for one in size]
        changed = {"kernel_shape": size, "strides": size, "pads": pads, "count_include_pad": 0}
        node.attribute.extend(helper.make_attribute(name, value) for name, value in changed.items())


class JoinedGraph:
    """A graph that is made of others, one after the other.

    Parameters
    ----------
    inputs
        Shape of each input, float32, by name; a text stands for any size.
    """

    def __init__(self, inputs: dict[str, Sequence[int | str]]) -> None:
        self.inputs = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()
        ]
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self.opsets: dict[str, int] = {}
        self.ir_version = 0
        self.n_added = 0

    def add(self, model: ModelProto, *inputs: str) -> list[str]:
        """Add a model that takes these values, and return the names of its outputs."""
        graph = add_prefix_graph(model.graph, self._prefix())
        given = dict(zip((value.name for value in graph.input), inputs, strict=True))
        for node in graph.node:
            node.input[:] = [given.get(name, name) for name in node.input]
        self.nodes.extend(graph.node)
        self.constants.extend(graph.initializer)
        self.opsets |= {one.domain: one.version for one in model.opset_import}
        self.ir_version = max(self.ir_version, model.ir_version)
        return [value.name for value in graph.output]

    def node(self, operator: str, *inputs: str | npt.NDArray[Any], **attributes: Any) -> str:
        """Add an operator on values or constants, and return the name of its output."""
        prefix, names = self._prefix(), []
        for number, one in enumerate(inputs):
            if isinstance(one, np.ndarray):
                self.constants.append(numpy_helper.from_array(one, f"{prefix}{number}"))
                one = f"{prefix}{number}"
            names.append(one)
        self.nodes.append(helper.make_node(operator, names, [f"{prefix}out"], **attributes))
        return f"{prefix}out"

    def model(self, outputs: Sequence[str]) -> ModelProto:
        """Return the model with these outputs, float32."""
        values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
        graph = helper.make_graph(self.nodes, "joined", self.inputs, values, self.constants)
        opsets = [helper.make_opsetid(domain, version) for domain, version in self.opsets.items()]
        return helper.make_model(graph, opset_imports=opsets, ir_version=self.ir_version)

    def _prefix(self) -> str:
        self.n_added += 1
        return f"{self.n_added}/"
