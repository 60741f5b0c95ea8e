"""``x.view(dtype)`` as LiteRT's BITCAST: litert-torch takes it for a ``view`` with another shape.

Runs in the child only.
"""

from __future__ import annotations

import functools
from typing import Any

import torch

__all__ = ["lower_bit_casts"]


@functools.cache
def lower_bit_casts() -> None:
    """Teach litert-torch the operator, once."""
    from litert_converter.mlir import ir
    from litert_converter.mlir.dialects import stablehlo
    from litert_torch.backend.lowerings import lower, utils

    def bit_cast(_: Any, x: Any, dtype: torch.dtype) -> Any:
        shape = ir.RankedTensorType(x.type).shape
        return stablehlo.bitcast_convert(ir.RankedTensorType.get(shape, utils.torch_dtype_to_ir_element_type(dtype)), x)

    lower(torch.ops.aten.view.dtype)(bit_cast)
