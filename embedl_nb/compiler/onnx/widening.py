"""The same model with float32 for its float16 and bfloat16, so that its reference is computed as it is compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedl_nb.compiler.onnx.dtypes import computed_attribute
from embedl_nb.compiler.onnx.reading import Model, all_graphs
from embedl_nb.compiler.onnx.tensors import is_external, loaded, read_tensor

if TYPE_CHECKING:
    import onnx

__all__ = ["widened"]

_FLOAT = 1
_LOW = (10, 16)


def widened(model: Model) -> onnx.ModelProto:
    """Return a copy whose inputs, outputs, constants and casts are float32; its external data is inside."""
    import onnx

    proto = onnx.ModelProto()
    proto.CopyFrom(model.proto)
    for graph in all_graphs(proto.graph):
        del graph.value_info[:]
        for value in (*graph.input, *graph.output):
            if value.type.tensor_type.elem_type in _LOW:
                value.type.tensor_type.elem_type = _FLOAT
        for tensor in graph.initializer:
            _widen(tensor, model)
        for node in graph.node:
            _widen_node(node, model)
    for function in proto.functions:
        del function.value_info[:]
        for node in function.node:
            _widen_node(node, model)
    return proto


def _widen_node(node: onnx.NodeProto, model: Model) -> None:
    for attribute in node.attribute:
        if attribute.HasField("t"):
            _widen(attribute.t, model)
        attribute.i = computed_attribute(attribute.name, attribute.i)


def _widen(tensor: onnx.TensorProto, model: Model) -> None:
    from onnx import numpy_helper

    if tensor.data_type in _LOW:
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(read_tensor(tensor, model.folder), name))
    elif is_external(tensor):
        tensor.CopyFrom(loaded(tensor, model.folder))
