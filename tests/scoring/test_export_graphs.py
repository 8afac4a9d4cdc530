"""Operators that engines compute faster give what those that they replace give."""

import numpy as np
import onnxruntime
import pytest
from onnx import ModelProto, TensorProto, helper

from ictal.scoring.export_graphs import with_fast_operators


def model(operator: str, **attributes: object) -> ModelProto:
    given, result = (helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("given", "result"))
    node = helper.make_node(operator, ["given"], ["result"], **attributes)
    graph = helper.make_graph([node], operator, [given], [result])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def run(made: ModelProto, given: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"given": given.astype(np.float32)})[0])


def operators(made: ModelProto) -> list[str]:
    return [node.op_type for node in made.graph.node]


def test_asinh_becomes_a_logarithm():
    given = np.concatenate([[0.0, -0.0], np.geomspace(1e-6, 1e6, 200), -np.geomspace(1e-6, 1e6, 200)])
    changed = with_fast_operators(model("Asinh"))
    assert "Asinh" not in operators(changed)
    np.testing.assert_allclose(run(changed, given), np.arcsinh(given), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("length", range(1, 10))
@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("counted", [0, 1])
def test_a_mean_over_neighbours_pads_its_end(length, size, counted):
    known = {"kernel_shape": [1, size], "strides": [1, size], "count_include_pad": counted, "pads": [0, 0, 0, 0]}
    given = np.random.default_rng(length).normal(size=(2, 3, 4, length))
    changed = with_fast_operators(model("AveragePool", ceil_mode=1, **known))
    assert not any(one.name == "ceil_mode" for one in changed.graph.node[0].attribute)
    padded = np.pad(given, [(0, 0)] * 3 + [(0, -length % size)], constant_values=np.nan)
    expected = np.nanmean(padded.reshape(2, 3, 4, -1, size), axis=-1)
    np.testing.assert_allclose(run(changed, given), expected, atol=1e-6)


def test_a_pool_whose_neighbours_overlap_stays():
    known = {"kernel_shape": [1, 3], "strides": [1, 2], "ceil_mode": 1}
    assert with_fast_operators(model("AveragePool", **known)) == model("AveragePool", **known)
