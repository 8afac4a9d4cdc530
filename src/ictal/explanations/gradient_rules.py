"""The gradients of the operators of ONNX: from those of a node's outputs to those of its inputs."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from ictal.errors import ModelError
from ictal.explanations.gradient_graph import GradientGraph

Slopes = Sequence[str | None]
"""Names of tensors: the gradient with respect to each input or output of a node, or None where there is none."""
Rule = Callable[[GradientGraph, onnx.NodeProto, Slopes, set[str]], Slopes]
"""From the graph, a node, the slopes of its outputs, and the tensors that are not constant."""


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {each.name: helper.get_attribute_value(each) for each in node.attribute}


def _elementwise(derivative: Callable[[GradientGraph, str, str, str], str]) -> Rule:
    """Return the rule of an operator with one input, from a function of the graph, input, output and slope."""

    def rule(graph: GradientGraph, node: onnx.NodeProto, slopes: Slopes, _: set[str]) -> Slopes:
        return [derivative(graph, node.input[0], node.output[0], str(slopes[0]))]

    return rule


def _reshaped(graph: GradientGraph, node: onnx.NodeProto, slopes: Slopes, _: set[str]) -> Slopes:
    return [graph.like(str(slopes[0]), node.input[0])]


def _binary(one: Callable[..., str], other: Callable[..., str]) -> Rule:
    """Return the rule of an operator on two tensors that may be broadcast, from functions as in `_elementwise`."""

    def rule(graph: GradientGraph, node: onnx.NodeProto, slopes: Slopes, dependent: set[str]) -> Slopes:
        left, right = node.input
        result, slope = node.output[0], str(slopes[0])
        return [
            graph.summed(derivative(graph, left, right, result, slope), result, name) if name in dependent else None
            for name, derivative in ((left, one), (right, other))
        ]

    return rule


def _where(graph: GradientGraph, kind: str, left: str, right: str, slope: str) -> str:
    """Return the slope where a comparison holds, and 0 elsewhere; a product is faster than the operator Where."""
    return graph.add("Mul", slope, graph.add("Cast", graph.add(kind, left, right), to=TensorProto.FLOAT))


def _clip(graph: GradientGraph, node: onnx.NodeProto, slopes: Slopes, _: set[str]) -> Slopes:
    given, *limits = node.input  # either limit may be absent
    slope = str(slopes[0])
    for limit, kind in zip(limits, ("GreaterOrEqual", "LessOrEqual"), strict=False):
        slope = _where(graph, kind, given, limit, slope) if limit else slope
    return [slope, *[None] * len(limits)]


def _spread(graph: GradientGraph, node: onnx.NodeProto, slope: str) -> tuple[str, int]:
    """Return the slope of a reduction with the reduced axes as 1, and how many elements were reduced to one."""
    axes = graph.values(node.input[1])
    shape = graph.shapes[node.input[0]]
    kept = slope if _attributes(node).get("keepdims", 1) else graph.add("Unsqueeze", slope, graph.constant(axes))
    return kept, int(np.prod([int(shape[axis]) for axis in axes]))


def _reduce_sum(graph: GradientGraph, node: onnx.NodeProto, slopes: Slopes, _: set[str]) -> Slopes:
    kept, _n = _spread(graph, node, str(slopes[0]))
    return [graph.add("Expand", kept, graph.add("Shape", node.input[0])), None]


def _reduce_mean(graph: GradientGraph, node: onnx.NodeProto, slopes: Slopes, _: set[str]) -> Slopes:
    kept, count = _spread(graph, node, str(slopes[0]))
    share = graph.add("Div", kept, graph.number(count))
    return [graph.add("Expand", share, graph.add("Shape", node.input[0])), None]


def _reduce_extreme(graph: GradientGraph, node: onnx.NodeProto, slopes: Slopes, _: set[str]) -> Slopes:
    """Return the rule of a maximum or minimum; equal elements share its slope."""
    axes = graph.values(node.input[1])
    kept, _n = _spread(graph, node, str(slopes[0]))
    extreme, _n = _spread(graph, node, node.output[0])
    is_extreme = graph.add("Cast", graph.add("Equal", node.input[0], extreme), to=TensorProto.FLOAT)
    share = graph.add("Div", kept, graph.add("ReduceSum", is_extreme, graph.constant(axes)))
    return [graph.add("Mul", is_extreme, share), None]


def _reduce_log_sum_exp(graph: GradientGraph, node: onnx.NodeProto, slopes: Slopes, _: set[str]) -> Slopes:
    kept, _n = _spread(graph, node, str(slopes[0]))
    total, _n = _spread(graph, node, node.output[0])
    return [graph.add("Mul", kept, graph.add("Exp", graph.add("Sub", node.input[0], total))), None]


def _softmax(graph: GradientGraph, node: onnx.NodeProto, slopes: Slopes, _: set[str]) -> Slopes:
    axis, share, slope = _attributes(node).get("axis", -1), node.output[0], str(slopes[0])
    total = graph.add("ReduceSum", graph.add("Mul", slope, share), graph.constant([axis]))
    return [graph.add("Mul", share, graph.add("Sub", slope, total))]


def _log_softmax(graph: GradientGraph, node: onnx.NodeProto, slopes: Slopes, _: set[str]) -> Slopes:
    axis, slope = _attributes(node).get("axis", -1), str(slopes[0])
    total = graph.add("ReduceSum", slope, graph.constant([axis]))
    return [graph.add("Sub", slope, graph.add("Mul", graph.add("Exp", node.output[0]), total))]


def _matmul(graph: GradientGraph, node: onnx.NodeProto, slopes: Slopes, dependent: set[str]) -> Slopes:
    left, right = node.input
    result, slope = node.output[0], str(slopes[0])

    def turned(name: str) -> str:
        order = list(range(len(graph.shapes[name])))
        return graph.add("Transpose", name, perm=[*order[:-2], order[-1], order[-2]])

    def summed(product: str, of: str) -> str:
        wide, narrow = graph.shapes[result][:-2], graph.shapes[of][:-2]
        axes = list(range(len(wide) - len(narrow)))
        if wide[len(axes) :] != narrow:
            raise ModelError(
                f"the gradient of a product of {graph.shapes[left]} and {graph.shapes[right]} is unknown"
            )
        return graph.add("ReduceSum", product, graph.constant(axes), keepdims=0) if axes else product

    return [
        summed(graph.add("MatMul", slope, turned(right)), left) if left in dependent else None,
        summed(graph.add("MatMul", turned(left), slope), right) if right in dependent else None,
    ]


def _gemm(graph: GradientGraph, node: onnx.NodeProto, slopes: Slopes, dependent: set[str]) -> Slopes:
    known = _attributes(node)
    if known.get("transA", 0) or dependent.intersection(node.input[1:]):
        raise ModelError("the gradient of Gemm is only known with respect to its first input")
    alpha, turned = float(known.get("alpha", 1.0)), 1 - int(known.get("transB", 0))
    return [graph.add("Gemm", str(slopes[0]), node.input[1], alpha=alpha, transB=turned), None, None]


def _conv(graph: GradientGraph, node: onnx.NodeProto, slopes: Slopes, dependent: set[str]) -> Slopes:
    """Return the rule of a convolution with constant weights: the transposed convolution."""
    if dependent.intersection(node.input[1:]):
        raise ModelError("the gradient of a convolution is only known with respect to its first input")
    known, signal, weight = _attributes(node), node.input[0], node.input[1]
    strides, dilations, group = known["strides"], known["dilations"], known["group"]
    n_axes = len(strides)
    n_out, n_in, *kernel = (int(size) for size in graph.shapes[weight])
    reaches = [(size - 1) * dilation for size, dilation in zip(kernel, dilations, strict=True)]
    before, after = known["pads"][:n_axes], known["pads"][n_axes:]
    if all(stride == 1 for stride in strides):
        # The convolution with turned weights is the same, and ONNX Runtime computes it faster.
        marks = ([-1] * n_axes, [-(2**62)] * n_axes, range(2, 2 + n_axes), [-1] * n_axes)
        turned = graph.add("Slice", weight, *(graph.constant(list(values)) for values in marks))
        apart = graph.add("Reshape", turned, graph.constant([group, n_out // group, n_in, *kernel]))
        swapped = graph.add("Transpose", apart, perm=[0, 2, 1, *range(3, 3 + n_axes)])
        weights = graph.add("Reshape", swapped, graph.constant([group * n_in, n_out // group, *kernel]))
        pads = [reach - pad for pad, reach in zip((*before, *after), reaches * 2, strict=True)]
        return [graph.add("Conv", str(slopes[0]), weights, group=group, dilations=dilations, pads=pads), None, None]
    lengths = [int(size) for size in graph.shapes[signal][2:]]
    padded = [sum(each) for each in zip(lengths, before, after, strict=True)]
    left = [(size - reach - 1) % stride for size, reach, stride in zip(padded, reaches, strides, strict=True)]
    shared = {"group": group, "dilations": dilations, "strides": strides, "pads": known["pads"]}
    return [graph.add("ConvTranspose", str(slopes[0]), weight, output_padding=left, **shared), None, None]


def _average_pool(graph: GradientGraph, node: onnx.NodeProto, slopes: Slopes, _: set[str]) -> Slopes:
    """Return the rule of a mean over neighbours that do not overlap, in the last dimension."""
    known, signal = _attributes(node), node.input[0]
    *others, size = known["kernel_shape"]
    if known["kernel_shape"] != known["strides"] or any(known["pads"]) or any(other != 1 for other in others):
        raise ModelError("the gradient of AveragePool is only known for neighbours that do not overlap")
    length = int(graph.shapes[signal][-1])
    counts = np.minimum(size, length - np.arange(length) // size * size)
    *outer, n_means = graph.shapes[node.output[0]]
    if int(n_means) * size < length:
        raise ModelError("the gradient of AveragePool is only known if no neighbours are left out")
    last = len(outer)
    widened = graph.add("Unsqueeze", str(slopes[0]), graph.constant([last + 1]))
    repeated = graph.add("Concat", *[widened] * size, axis=last + 1)
    flat = graph.add("Reshape", repeated, graph.constant([*[0] * last, int(n_means) * size]))
    cut = graph.add("Slice", flat, graph.constant([0]), graph.constant([length]), graph.constant([last]))
    return [graph.add("Div", cut, graph.constant(counts, np.float32))]


def _slice(graph: GradientGraph, node: onnx.NodeProto, slopes: Slopes, _: set[str]) -> Slopes:
    signal, slope = node.input[0], str(slopes[0])
    starts, ends, *chosen = (graph.values(name) for name in node.input[1:5])
    axes = chosen[0] if chosen else range(len(starts))
    steps = chosen[1] if len(chosen) > 1 else [1] * len(starts)
    shape = graph.shapes[signal]
    rank = len(shape)
    before, after = [0] * rank, [0] * rank
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        place, length = axis % rank, int(shape[axis])
        kept = range(length)[start:end:step] if end > -(2**31) else range(length)[start::step]
        if step < 0:
            marks = (graph.constant([value]) for value in (-1, -(2**62), place, -1))
            slope = graph.add("Slice", slope, *marks)
            kept = kept[::-1]
        if abs(step) > 1:
            slope = _apart(graph, slope, place, rank, len(kept), abs(step))
        before[place] = kept[0]
        after[place] = length - kept[0] - len(kept) * abs(step)
    pads = graph.constant([*before, *after])
    return [graph.add("Pad", slope, pads) if any(before) or any(after) else slope]


def _apart(graph: GradientGraph, slope: str, axis: int, rank: int, count: int, step: int) -> str:
    """Return a tensor with `step - 1` zeros after each of its `count` elements along an axis."""
    widened = graph.add("Unsqueeze", slope, graph.constant([axis + 1]))
    pads = np.zeros((2, rank + 1), dtype=np.int64)
    pads[1, axis + 1] = step - 1
    filled = graph.add("Pad", widened, graph.constant(pads.ravel()))
    kept = graph.add("Shape", slope)
    first = graph.add("Slice", kept, graph.constant([0]), graph.constant([axis]))
    last = graph.add("Slice", kept, graph.constant([axis + 1]), graph.constant([rank]))
    return graph.add("Reshape", filled, graph.add("Concat", first, graph.constant([count * step]), last, axis=0))


def _pad(graph: GradientGraph, node: onnx.NodeProto, slopes: Slopes, _: set[str]) -> Slopes:
    signal, pads = node.input[0], graph.values(node.input[1])
    if _attributes(node).get("mode", b"constant") != b"constant" or min(pads) < 0 or len(node.input) > 3:
        raise ModelError("the gradient of Pad is only known for constants around a whole tensor")
    rank = len(pads) // 2
    axes = [axis for axis in range(rank) if pads[axis] or pads[rank + axis]]
    begins = [pads[axis] for axis in axes]
    ends = [pads[axis] + int(graph.shapes[signal][axis]) for axis in axes]
    marks = (graph.constant(values) for values in (begins, ends, axes))
    return [graph.add("Slice", str(slopes[0]), *marks) if axes else slopes[0], *[None] * (len(node.input) - 1)]


def _transpose(graph: GradientGraph, node: onnx.NodeProto, slopes: Slopes, _: set[str]) -> Slopes:
    return [graph.add("Transpose", str(slopes[0]), perm=np.argsort(_attributes(node)["perm"]).tolist())]


def _concat(graph: GradientGraph, node: onnx.NodeProto, slopes: Slopes, dependent: set[str]) -> Slopes:
    axis, begin, found = _attributes(node)["axis"], 0, []
    for name in node.input:
        end = begin + int(graph.shapes[name][axis])
        marks = (graph.constant([value]) for value in (begin, end, axis))
        found.append(graph.add("Slice", str(slopes[0]), *marks) if name in dependent else None)
        begin = end
    return found


def _split(graph: GradientGraph, node: onnx.NodeProto, slopes: Slopes, _: set[str]) -> Slopes:
    none = graph.number(0)
    parts = [slope or graph.add("Mul", name, none) for name, slope in zip(node.output, slopes, strict=True)]
    return [graph.add("Concat", *parts, axis=_attributes(node).get("axis", 0)), None]


def _gather(graph: GradientGraph, node: onnx.NodeProto, slopes: Slopes, _: set[str]) -> Slopes:
    """Return the rule for one element of an axis, and for any elements of a flat tensor."""
    signal, index = node.input
    axis, shape = _attributes(node).get("axis", 0), graph.shapes[signal]
    if graph.shapes[index] == []:
        place = graph.values(index)[0] % int(shape[axis])
        pads = np.zeros((2, len(shape)), dtype=np.int64)
        pads[:, axis] = place, int(shape[axis]) - 1 - place
        return [
            graph.add(
                "Pad", graph.add("Unsqueeze", str(slopes[0]), graph.constant([axis])), graph.constant(pads.ravel())
            ),
            None,
        ]
    if len(shape) != 1:
        raise ModelError("the gradient of Gather is only known for one element or a flat tensor")
    flat, places = (graph.add("Reshape", name, graph.constant([-1])) for name in (str(slopes[0]), index))
    zeros = graph.add("Mul", signal, graph.number(0))
    return [graph.add("ScatterElements", zeros, places, flat, axis=0, reduction="add"), None]


def _gather_nd(graph: GradientGraph, node: onnx.NodeProto, slopes: Slopes, _: set[str]) -> Slopes:
    zeros = graph.add("Mul", node.input[0], graph.number(0))
    return [graph.add("ScatterND", zeros, node.input[1], str(slopes[0]), reduction="add"), None]


def _top_k(graph: GradientGraph, node: onnx.NodeProto, slopes: Slopes, _: set[str]) -> Slopes:
    zeros, axis = graph.add("Mul", node.input[0], graph.number(0)), _attributes(node).get("axis", -1)
    return [graph.add("ScatterElements", zeros, node.output[1], str(slopes[0]), axis=axis, reduction="add"), None]


def _of_asinh(graph: GradientGraph, given: str, _: str, slope: str) -> str:
    squared = graph.add("Add", graph.add("Mul", given, given), graph.number(1))
    return graph.add("Div", slope, graph.add("Sqrt", squared))


def _of_sigmoid(graph: GradientGraph, _: str, result: str, slope: str) -> str:
    rest = graph.add("Sub", graph.number(1), result)
    return graph.add("Mul", slope, graph.add("Mul", result, rest))


def _of_divisor(graph: GradientGraph, _: str, right: str, result: str, slope: str) -> str:
    return graph.add("Neg", graph.add("Div", graph.add("Mul", slope, result), right))


RULES: dict[str, Rule] = {
    "Abs": _elementwise(lambda graph, given, _, slope: graph.add("Mul", slope, graph.add("Sign", given))),
    "Add": _binary(lambda *known: known[-1], lambda *known: known[-1]),
    "Asinh": _elementwise(_of_asinh),
    "AveragePool": _average_pool,
    "Clip": _clip,
    "Concat": _concat,
    "Conv": _conv,
    "Div": _binary(lambda graph, _, right, __, slope: graph.add("Div", slope, right), _of_divisor),
    "Gather": _gather,
    "GatherND": _gather_nd,
    "Gemm": _gemm,
    "Log": _elementwise(lambda graph, given, _, slope: graph.add("Div", slope, given)),
    "LogSoftmax": _log_softmax,
    "MatMul": _matmul,
    "Max": _binary(
        lambda graph, left, right, _, slope: _where(graph, "GreaterOrEqual", left, right, slope),
        lambda graph, left, right, _, slope: _where(graph, "Less", left, right, slope),
    ),
    "Mul": _binary(
        lambda graph, _, right, __, slope: graph.add("Mul", slope, right),
        lambda graph, left, _, __, slope: graph.add("Mul", slope, left),
    ),
    "Pad": _pad,
    "ReduceLogSumExp": _reduce_log_sum_exp,
    "ReduceMax": _reduce_extreme,
    "ReduceMean": _reduce_mean,
    "ReduceMin": _reduce_extreme,
    "ReduceSum": _reduce_sum,
    "Relu": _elementwise(lambda graph, _, result, slope: _where(graph, "Greater", result, graph.number(0), slope)),
    "Reshape": _reshaped,
    "Sigmoid": _elementwise(_of_sigmoid),
    "Slice": _slice,
    "Softmax": _softmax,
    "Split": _split,
    "Squeeze": _reshaped,
    "Sub": _binary(lambda *known: known[-1], lambda graph, *known: graph.add("Neg", known[-1])),
    "TopK": _top_k,
    "Transpose": _transpose,
    "Unsqueeze": _reshaped,
}
"""The rule of each operator: from the slopes of its outputs to those of its inputs."""
