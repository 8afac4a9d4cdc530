"""The gradient of each operator against differences, and of a chain of them."""

from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from ictal.errors import ModelError
from ictal.explanations.gradient_graph import GradientGraph
from ictal.explanations.gradient_rules import RULES
from ictal.explanations.onnx_gradient import differentiate

Constants = dict[str, np.ndarray]
RANDOM = np.random.default_rng(0)
WEIGHT = RANDOM.normal(size=(6, 2, 1, 3)).astype(np.float32)
STEP = 1e-4


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def floats(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


def conv(group: int, **known: object) -> onnx.NodeProto:
    usual = {"strides": [1, 1], "dilations": [1, 1], "pads": [0, 1, 0, 1]}
    return helper.make_node("Conv", ["x", "w"], ["y"], group=group, **(usual | known))


NODES: dict[str, tuple[onnx.NodeProto | tuple[str, dict[str, object]], Constants]] = {
    "Abs": (("Abs", {}), {}),
    "Asinh": (("Asinh", {}), {}),
    "Sigmoid": (("Sigmoid", {}), {}),
    "Relu": (("Relu", {}), {}),
    "Softmax": (("Softmax", {"axis": 1}), {}),
    "LogSoftmax": (("LogSoftmax", {"axis": -1}), {}),
    "Transpose": (("Transpose", {"perm": [0, 2, 3, 1]}), {}),
    "Add, wider": (("Add", {}), {"other": floats(3, 1, 4, 1, 7)[0]}),
    "Sub, narrower": (("Sub", {}), {"other": floats(7)}),
    "Mul": (("Mul", {}), {"other": floats(4, 1, 7)}),
    "Div": (("Div", {}), {"other": np.abs(floats(1, 7)) + 1}),
    "Max": (("Max", {}), {"other": floats(7)}),
    "Clip": (("Clip", {}), {"low": np.float32(-0.5), "high": np.float32(0.7)}),
    "Clip, low": (("Clip", {}), {"low": np.float32(-0.5)}),
    "MatMul": (("MatMul", {}), {"other": floats(7, 3)}),
    "ReduceSum": (("ReduceSum", {"keepdims": 0}), {"axes": ints(2)}),
    "ReduceMean": (("ReduceMean", {"keepdims": 1}), {"axes": ints(-1, 1)}),
    "ReduceMax": (("ReduceMax", {"keepdims": 0}), {"axes": ints(-1)}),
    "ReduceMin": (("ReduceMin", {"keepdims": 0}), {"axes": ints(1)}),
    "ReduceLogSumExp": (("ReduceLogSumExp", {"keepdims": 0}), {"axes": ints(1)}),
    "Reshape": (("Reshape", {}), {"shape": ints(0, -1)}),
    "Unsqueeze": (("Unsqueeze", {}), {"axes": ints(2)}),
    "Pad": (("Pad", {}), {"pads": ints(0, 0, 0, 2, 0, 0, 0, 3)}),
    "Slice": (("Slice", {}), {"a": ints(1), "b": ints(6), "c": ints(3), "d": ints(1)}),
    "Slice, without steps": (("Slice", {}), {"a": ints(1), "b": ints(6), "c": ints(3)}),
    "Slice, every second": (("Slice", {}), {"a": ints(1), "b": ints(2**62), "c": ints(3), "d": ints(2)}),
    "Slice, backwards": (("Slice", {}), {"a": ints(-1), "b": ints(-(2**62)), "c": ints(1), "d": ints(-1)}),
    "Gather": (("Gather", {"axis": 1}), {"index": np.array(2, dtype=np.int64)}),
    "Conv": (conv(1), {"w": floats(6, 4, 1, 3)}),
    "Conv, groups": (conv(2), {"w": WEIGHT}),
    "Conv, strides": (conv(2, strides=[1, 2]), {"w": WEIGHT}),
    "Conv, strides that leave samples out": (conv(2, strides=[1, 3]), {"w": WEIGHT}),
    "Conv, dilations": (conv(2, dilations=[1, 2], pads=[0, 2, 0, 2]), {"w": WEIGHT}),
    "MatMul, constant at the left": (helper.make_node("MatMul", ["w", "x"], ["y"]), {"w": floats(5, 2)}),
    "AveragePool": (
        ("AveragePool", {"kernel_shape": [1, 2], "strides": [1, 2], "pads": [0] * 4, "ceil_mode": 1}),
        {},
    ),
}


def graph_of(nodes: list[onnx.NodeProto], constants: Constants) -> onnx.ModelProto:
    """Return a graph from x [batch, 4, 2, 7] to y with the shapes of all tensors."""
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4, 2, 7])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    kept = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    made = helper.make_graph(nodes, "one", inputs, outputs, kept)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return onnx.shape_inference.infer_shapes(model, strict_mode=True)


def run(model: onnx.ModelProto, output: str) -> Callable[[np.ndarray], np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda x: session.run([output], {"x": x})[0]


def check(model: onnx.ModelProto) -> None:
    """Compare the gradient of the weighted sum of the output with differences along random directions."""
    before = run(model, "y")
    x = floats(3, 4, 2, 7)
    weights = floats(*before(x).shape)
    graph = GradientGraph(model)
    (slope,) = differentiate(graph, {"y": graph.constant(weights, np.float32)}, ["x"])
    model.graph.output.append(helper.make_tensor_value_info(slope, TensorProto.FLOAT, None))
    found = run(model, slope)(x).astype(np.float64)
    assert found.shape == x.shape
    for _ in range(5):
        direction = floats(*x.shape)
        ahead, behind = (before(x + sign * STEP * direction).astype(np.float64) for sign in (1, -1))
        expected = float(((ahead - behind) * weights).sum()) / (2 * STEP)
        assert float((found * direction).sum()) == pytest.approx(expected, rel=0.03, abs=0.15)


@pytest.mark.parametrize("name", NODES)
def test_the_gradient_of_an_operator_is_the_limit_of_differences(name):
    made, constants = NODES[name]
    node = (
        made if isinstance(made, onnx.NodeProto) else helper.make_node(made[0], ["x", *constants], ["y"], **made[1])
    )
    check(graph_of([node], constants))


def test_gradients_add_up_where_a_tensor_is_used_twice():
    nodes = [
        helper.make_node("Split", ["x"], ["a", "b"], axis=1, num_outputs=2),
        helper.make_node("Mul", ["a", "b"], ["c"]),
        helper.make_node("Concat", ["c", "a"], ["y"], axis=1),
    ]
    check(graph_of(nodes, {}))


CHAINS: dict[str, tuple[list[onnx.NodeProto], Constants]] = {
    "Log": (
        [
            helper.make_node("Sigmoid", ["x"], ["a"]),
            helper.make_node("Log", ["a"], ["y"]),
        ],
        {},
    ),
    "Div, by a sum": (
        [
            helper.make_node("Sigmoid", ["x"], ["a"]),
            helper.make_node("ReduceSum", ["a", "axes"], ["b"], keepdims=1),
            helper.make_node("Div", ["x", "b"], ["y"]),
        ],
        {"axes": ints(1, -1)},
    ),
    "Max, of two that depend on x": (
        [
            helper.make_node("ReduceMean", ["x", "axes"], ["a"], keepdims=1),
            helper.make_node("Max", ["x", "a"], ["y"]),
        ],
        {"axes": ints(2)},
    ),
    "MatMul, with itself": (
        [
            helper.make_node("Transpose", ["x"], ["a"], perm=[0, 1, 3, 2]),
            helper.make_node("MatMul", ["x", "a"], ["y"]),
        ],
        {},
    ),
    "Squeeze": (
        [
            helper.make_node("ReduceSum", ["x", "axes"], ["a"], keepdims=1),
            helper.make_node("Squeeze", ["a", "axes"], ["y"]),
        ],
        {"axes": ints(2)},
    ),
    "Gemm": (
        [
            helper.make_node("Reshape", ["x", "shape"], ["a"]),
            helper.make_node("Gemm", ["a", "w", "b"], ["y"], transB=1, alpha=2.0),
        ],
        {"shape": ints(-1, 56), "w": floats(5, 56), "b": floats(5)},
    ),
    "Gather, of a flat tensor": (
        [
            helper.make_node("Reshape", ["x", "shape"], ["a"]),
            helper.make_node("Gather", ["a", "index"], ["y"]),
        ],
        {"shape": ints(-1), "index": np.array([[0, 3], [3, 9]], dtype=np.int64)},
    ),
    "GatherND": (
        [helper.make_node("GatherND", ["x", "index"], ["y"])],
        {"index": np.array([[0, 1], [2, 3], [0, 1]], dtype=np.int64)},
    ),
    "TopK": ([helper.make_node("TopK", ["x", "k"], ["y", "places"], axis=-1)], {"k": ints(3)}),
}


@pytest.mark.parametrize("name", CHAINS)
def test_the_gradient_of_a_chain_is_the_limit_of_differences(name):
    check(graph_of(*CHAINS[name]))


@pytest.mark.parametrize(
    ("kind", "known", "pads"),
    [
        ("Pad", {"mode": "reflect"}, ints(0, 0, 0, 2, 0, 0, 0, 2)),
        ("Pad", {}, ints(0, 0, 0, -1, 0, 0, 0, 2)),
        ("AveragePool", {"kernel_shape": [1, 2], "strides": [1, 2], "pads": [0] * 4}, None),
    ],
)
def test_variants_of_operators_whose_gradient_is_unknown_are_refused(kind, known, pads):
    constants = {} if pads is None else {"pads": pads}
    graph = GradientGraph(graph_of([helper.make_node(kind, ["x", *constants], ["y"], **known)], constants))
    with pytest.raises(ModelError, match=f"the gradient of {kind} is only known"):
        differentiate(graph, {"y": "y"}, ["x"])


def test_an_unknown_operator_is_named():
    assert "Erf" not in RULES
    graph = GradientGraph(graph_of([helper.make_node("Erf", ["x"], ["y"])], {}))
    with pytest.raises(ModelError, match="the gradient of the operator 'Erf' is unknown"):
        differentiate(graph, {"y": "y"}, ["x"])
