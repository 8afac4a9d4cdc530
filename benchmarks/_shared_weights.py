"""Let exported graphs read their weights from a model's `model.safetensors`, so that a wheel holds them once."""

import json
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

SMALLEST = 1024
"""Bytes: smaller tensors stay in the graph."""
CLOSE = 1e-6
"""Largest relative difference between a weight of a graph and the stored one times its factor: rounding."""

KINDS = {"F32": (TensorProto.FLOAT, np.float32), "F16": (TensorProto.FLOAT16, np.float16)}
"""Types of stored tensors, as ONNX and numpy call them."""

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class StoredTensor:
    """A tensor in a safetensors file: its values, the place of its bytes, and their type."""

    values: Array
    offset: int
    n_bytes: int
    kind: int


def stored_tensors(weights: Path) -> dict[str, StoredTensor]:
    """Return the float32 and float16 tensors of a safetensors file by name."""
    content = weights.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    found = {}
    for name, known in json.loads(content[8 : 8 + length]).items():
        if known.get("dtype") in KINDS:
            kind, dtype = KINDS[known["dtype"]]
            begin, end = (8 + length + place for place in known["data_offsets"])
            values = np.frombuffer(content[begin:end], dtype).astype(np.float32).reshape(known["shape"])
            found[name] = StoredTensor(values, begin, end - begin, kind)
    return found


def share_weights(graph: Path, weights: Path) -> None:
    """Replace the weights in a graph by references to those in a safetensors file beside it.

    The exporter folds batch normalization into convolutions: such a weight is a stored one times a factor per output
    channel. The graph then multiplies them, and converts float16 to float32, which an engine does once, when it loads
    the graph.
    """
    model, stored = onnx.load(graph), stored_tensors(weights)
    made, kept = [], []
    for tensor in model.graph.initializer:
        found = _source(tensor, stored)
        if found is None:
            kept.append(tensor)
            continue
        (name, factors), result = found, tensor.name
        if factors is not None:
            parts = (f"{result}.stored", f"{result}.factors")
            kept.append(numpy_helper.from_array(factors, parts[1]))
            made.insert(0, helper.make_node("Mul", parts, [result]))
            result = parts[0]
        if stored[name].kind == TensorProto.FLOAT16:
            half = f"{result}.half"
            made.insert(0, helper.make_node("Cast", [half], [result], to=TensorProto.FLOAT))
            result = half
        kept.append(_external(result, stored[name], weights.name))
    nodes = list(model.graph.node)
    for node in nodes:  # stack traces of the machine that exported
        del node.metadata_props[:]
        node.doc_string = ""
    del model.graph.initializer[:], model.graph.node[:], model.graph.value_info[:], model.graph.metadata_props[:]
    del model.metadata_props[:]
    model.graph.initializer.extend(kept)
    model.graph.node.extend([*made, *nodes])
    graph.write_bytes(model.SerializeToString(deterministic=True))


def _source(tensor: TensorProto, stored: dict[str, StoredTensor]) -> tuple[str, Array | None] | None:
    """Return which stored tensor a graph's tensor is, and its factors if it is a multiple of it."""
    values = numpy_helper.to_array(tensor)
    if values.dtype != np.float32 or values.nbytes < SMALLEST:
        return None
    for name, one in stored.items():
        if one.values.shape != values.shape or name.rpartition(".")[2] != tensor.name.rpartition(".")[2]:
            continue
        if np.array_equal(one.values, values):
            return name, None
        factors = _factors(one.values, values)
        if factors is not None:
            return name, factors
    return None


def _factors(stored: Array, values: Array) -> Array | None:
    """Return the factor of each output channel, [channel, 1, ...], or None if there are none."""
    flat, wanted = stored.reshape(len(stored), -1).astype(np.float64), values.reshape(len(values), -1)
    rows, places = np.arange(len(flat)), abs(flat).argmax(axis=1)
    largest = flat[rows, places]
    factors = np.divide(wanted[rows, places], largest, out=np.ones(len(flat)), where=largest != 0).astype(np.float32)
    close = abs(flat * factors[:, None] - wanted).max(axis=1) <= CLOSE * abs(wanted).max(axis=1)
    return factors.reshape(-1, *(1 for _ in values.shape[1:])) if close.all() else None


def _external(name: str, stored: StoredTensor, file: str) -> TensorProto:
    tensor = TensorProto(name=name, data_type=stored.kind, dims=stored.values.shape)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", file), ("offset", stored.offset), ("length", stored.n_bytes)):
        tensor.external_data.add(key=key, value=str(value))
    return tensor
