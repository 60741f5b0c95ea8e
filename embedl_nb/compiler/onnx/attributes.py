"""A node's attributes as Python values, those of a function's caller put in where its body refers to them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb.compiler.onnx.hints import DAMAGED
from embedl_nb.compiler.onnx.tensors import dense_of_sparse, read_tensor
from embedl_nb.errors import InputError

if TYPE_CHECKING:
    import onnx

__all__ = ["bound_attributes", "python_value"]

# onnx.AttributeProto.AttributeType: the field that holds the value.
_FIELDS = {
    1: "f",
    2: "i",
    3: "s",
    4: "t",
    5: "g",
    6: "floats",
    7: "ints",
    8: "strings",
    9: "tensors",
    10: "graphs",
    11: "sparse_tensor",
    13: "tp",
}
_SINGLE = ("f", "i", "s", "t", "g", "sparse_tensor", "tp")


def bound_attributes(
    node: onnx.NodeProto, of_caller: Mapping[str, onnx.AttributeProto]
) -> dict[str, onnx.AttributeProto]:
    """Return a node's attributes by name; references to attributes of the function around it are resolved.

    One that the caller leaves out, and that has no default, is left out here too.
    """
    bound: dict[str, onnx.AttributeProto] = {}
    for attribute in node.attribute:
        if not attribute.ref_attr_name:
            bound[attribute.name] = attribute
        elif attribute.ref_attr_name in of_caller:
            bound[attribute.name] = of_caller[attribute.ref_attr_name]
    return bound


def python_value(name: str, attribute: onnx.AttributeProto, folder: Path | None) -> Any:
    """Return a number, a string, a list of them, a numpy array for a tensor, or the protobuf message for a graph.

    Raises
    ------
    InputError
        If the attribute has no type that ONNX knows, or its data is damaged.
    """
    field = _FIELDS.get(attribute.type) or _field_without_type(attribute)
    if field is None:
        raise InputError(
            f"attribute {name!r} has the type number {attribute.type}, which ONNX does not know",
            hint=DAMAGED,
        )
    value = getattr(attribute, field)
    if field == "s":
        return _text(value)
    if field == "strings":
        return [_text(entry) for entry in value]
    if field == "t":
        return read_tensor(value, folder)
    if field == "tensors":
        return [read_tensor(entry, folder) for entry in value]
    if field == "sparse_tensor":
        return dense_of_sparse(value, folder)
    return value if field in _SINGLE else list(value)


def _field_without_type(attribute: onnx.AttributeProto) -> str | None:
    """Before IR version 3 attributes had no type: the field that is set tells."""
    if attribute.type:
        return None
    for field in _FIELDS.values():
        if attribute.HasField(field) if field in _SINGLE else len(getattr(attribute, field)):
            return field
    return "ints"  # an empty list


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
