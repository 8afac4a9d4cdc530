"""A graph in ONNX to which nodes are added."""

from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from ictal.errors import ModelError

Shape = list[int | str]


class GradientGraph:
    """A graph to which gradients are added, see `ictal.explanations.onnx_gradient.differentiate`.

    Parameters
    ----------
    model
        With the shapes of all tensors; a dimension may be a name, such as 'batch'.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self.graph = model.graph
        self.constants = {one.name: one for one in self.graph.initializer}
        described = (*self.graph.input, *self.graph.value_info, *self.graph.output)
        self.shapes = {one.name: _shape_of(one) for one in described}
        self.shapes |= {name: list(one.dims) for name, one in self.constants.items()}
        self._count = 0

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output, and return its name."""
        self._count += 1
        name = f"gradient_{self._count}"
        self.graph.node.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, value: Any, kind: type[np.generic] = np.int64) -> str:
        """Add a constant, and return its name."""
        self._count += 1
        name = f"gradient_{self._count}"
        self.graph.initializer.append(numpy_helper.from_array(np.asarray(value, dtype=kind), name))
        return name

    def number(self, value: float) -> str:
        """Add a float32 constant, and return its name."""
        return self.constant(value, np.float32)

    def values(self, name: str) -> list[int]:
        """Return the whole numbers of a constant."""
        if name not in self.constants:
            raise ModelError(f"the gradient of this graph is unknown: '{name}' is not constant")
        return [int(value) for value in numpy_helper.to_array(self.constants[name]).ravel()]

    def like(self, slope: str, name: str) -> str:
        """Return a gradient with the number of elements of a tensor in that tensor's shape."""
        return self.add("Reshape", slope, self.add("Shape", name))

    def summed(self, slope: str, over: str, to: str) -> str:
        """Return a gradient with respect to a tensor `to` that was broadcast to the shape of `over`."""
        wide, narrow = self.shapes[over], self.shapes[to]
        extra = len(wide) - len(narrow)
        axes = [axis for axis in range(len(wide)) if axis < extra or narrow[axis - extra] != wide[axis]]
        return self.like(self.add("ReduceSum", slope, self.constant(axes)), to) if axes else slope


def _shape_of(value: onnx.ValueInfoProto) -> Shape:
    return [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
