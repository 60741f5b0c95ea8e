"""LiteRT's UNSORTED_SEGMENT operators as operators of torch: reduce the rows that have the same number.

The runtime has them, litert-torch 0.10.0 has not: here they get a name, a shape, a CPU kernel and a lowering. They are
what every scattering that adds, multiplies or takes extremes becomes: one operator whose cost grows with the rows, not
with rows times results. They take float32 and int32; the number of a row that lies outside counts for nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from litert_torch.backend.experimental.torch_tfl._lowerings import _ir_operation
from litert_torch.backend.experimental.torch_tfl.torch_library_utils import custom_op_with_fake
from litert_torch.backend.lowerings import registry
from litert_torch.backend.lowerings import utils as lowering_utils

__all__ = ["segment_reduce"]

_OPERATORS = {"sum": "sum", "prod": "prod", "amax": "max", "amin": "min"}


def segment_reduce(kind: str, rows: torch.Tensor, numbers: torch.Tensor, num_segments: int) -> torch.Tensor:
    """Reduce along the first axis, to shape (num_segments, ...).

    Parameters
    ----------
    kind
        One of ``sum``, ``prod``, ``amax``, ``amin``; a segment without rows gets 0, 1, or the end of the dtype's range.
    rows
        Shape (N, ...); other dtypes than float32 and int32 are computed in the nearer of the two.
    numbers
        Which segment each row belongs to, shape (N,), any integer dtype.
    """
    wide = rows.to(torch.float32 if rows.is_floating_point() else torch.int32)
    operator = getattr(torch.ops.tfl, f"unsorted_segment_{_OPERATORS[kind]}").default
    # The runtime gives the operator's result no fixed size, which an output of a model must have: hence a slice.
    found: torch.Tensor = operator(wide, numbers.to(torch.int32), num_segments + 1)[:num_segments]
    return found.to(rows.dtype)


def _define(kind: str, name: str) -> None:
    def compute(rows: torch.Tensor, numbers: torch.Tensor, num_segments: int) -> torch.Tensor:
        found = rows.new_zeros((num_segments, *rows.shape[1:]))
        return found.index_reduce(0, numbers, rows, kind) if kind != "sum" else found.index_add(0, numbers, rows)

    def lower(context: Any, rows: Any, numbers: Any, num_segments: int) -> Any:
        return _ir_operation(
            f"tfl.unsorted_segment_{name}",
            results=lowering_utils.node_meta_to_ir_types(context.node),
            operands=[rows, numbers, lowering_utils.numpy_array_constant(np.array(num_segments, dtype=np.int32))],
        )

    custom_op_with_fake(f"tfl::unsorted_segment_{name}")(compute)
    registry.lower(getattr(torch.ops.tfl, f"unsorted_segment_{name}").default)(lower)


for _kind, _name in _OPERATORS.items():
    _define(_kind, _name)
