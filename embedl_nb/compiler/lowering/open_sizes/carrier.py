"""How one operator of LiteRT is put into what litert-torch hands to its converter.

In: values of MLIR, whose types know some sizes and leave others open. Out: one value more, made by a call that carries
the operator's name and attributes. Runs in the child only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from litert_converter.mlir import ir
from litert_converter.mlir.dialects import stablehlo
from litert_torch.backend import export_utils
from litert_torch.backend.lowerings import utils

__all__ = [
    "OPEN",
    "carried",
    "constant",
    "converted",
    "flag",
    "int32",
    "is_open",
    "number",
    "one_size",
    "result_type",
    "sizes_of",
]

OPEN: int = export_utils.IR_DYNAMIC
"""What a shape has in the place of a size that is not known."""


def carried(name: str, result: Any, operands: Sequence[Any], **attributes: Any) -> Any:
    """Return the value of ``tfl.<name>``, of the type ``result``."""
    return stablehlo.custom_call(
        result=[result],
        inputs=list(operands),
        call_target_name=ir.StringAttr.get(f"tfl.{name}"),
        has_side_effect=ir.BoolAttr.get(False),
        backend_config=ir.StringAttr.get(str(ir.DictAttr.get(attributes))),
    )


def result_type(shape: Sequence[Any], like: Any) -> Any:
    """Return the type of a tensor of this shape; ``like`` is an element type or a value that has it."""
    element = like.type.element_type if isinstance(like, ir.Value) else like
    return ir.RankedTensorType.get([size if isinstance(size, int) else OPEN for size in shape], element)


def constant(values: Any, dtype: Any = np.int32) -> Any:
    """Return a constant."""
    return utils.numpy_array_constant(np.asarray(values, dtype))


def int32() -> Any:
    """Return the element type of sizes."""
    return ir.IntegerType.get_signless(32)


def number(value: float, like: Any) -> Any:
    """Return a scalar of the element type ``like``."""
    return utils.splat(value, like)


def flag(value: bool) -> Any:
    """Return an attribute that is true or false."""
    return ir.BoolAttr.get(value)


def converted(value: Any, dtype: torch.dtype) -> Any:
    """Return ``value`` (a number, or a value of MLIR) in ``dtype``."""
    element = utils.torch_dtype_to_ir_element_type(dtype)
    if not isinstance(value, ir.Value):
        return number(value, element)
    if value.type.element_type == element:
        return value
    return stablehlo.convert(ir.RankedTensorType.get(value.type.shape, element), value)


def is_open(value: Any) -> bool:
    """Say whether a value, or one in a list of them, has a size that is not known."""
    if isinstance(value, list | tuple):
        return any(is_open(each) for each in value)
    return isinstance(value, ir.Value) and OPEN in value.type.shape


def one_size(x: Any, dimension: int) -> Any:
    """Return a size of ``x``: a number where it is known, else a tensor of one element (int32).

    What SHAPE, GATHER, MUL and CONCATENATION make of a size LiteRT computes before the model runs, so that all tensors
    have their place in memory by then. What SLICE and PACK make of it, it does not, and its runtime then crashes.
    """
    size = x.type.shape[dimension]
    if size != OPEN:
        return size
    whole = carried("shape", result_type([len(x.type.shape)], int32()), [x])
    return gathered(whole, constant([dimension]), 0)


def gathered(x: Any, places: Any, axis: int) -> Any:
    """Return what stands at ``places`` (int32) along ``axis``."""
    attributes = {"axis": ir.IntegerAttr.get(int32(), axis), "batch_dims": ir.IntegerAttr.get(int32(), 0)}
    shape = [*x.type.shape[:axis], *places.type.shape, *x.type.shape[axis + 1 :]]
    return carried("gather", result_type(shape, x), [x, places], **attributes)


def strided_slice(shape: Sequence[Any], x: Any, bounds: Sequence[Any], **masks: int) -> Any:
    """Return ``x`` between ``bounds`` (begins, ends, steps); a bit of a mask stands for an axis."""
    names = ("begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask")
    attributes = {name: ir.IntegerAttr.get(int32(), masks.get(name, 0)) for name in names}
    return carried("strided_slice", result_type(shape, x), [x, *bounds], **attributes, offset=flag(False))


def sizes_of(sizes: Sequence[Any]) -> Any:
    """Return sizes, each a number or a tensor of one element, as one tensor (int32)."""
    if all(isinstance(size, int) for size in sizes):
        return constant(list(sizes))
    parts = [constant([size]) if isinstance(size, int) else size for size in sizes]
    return parts[0] if len(parts) == 1 else concatenated(parts, result_type([len(parts)], int32()), 0)


def concatenated(parts: Sequence[Any], result: Any, axis: int) -> Any:
    """Return tensors joined along ``axis``."""
    attributes = {"axis": ir.IntegerAttr.get(int32(), axis), "fused_activation_function": ir.StringAttr.get("NONE")}
    return carried("concatenation", result, parts, **attributes)
