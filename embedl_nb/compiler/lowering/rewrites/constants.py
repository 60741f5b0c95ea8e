"""Constants in a rewrite: an operator whose arguments are the numbers.

What ``torch.tensor`` leaves behind in a trace (an attribute, a write) only some ways of decomposing take.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from litert_torch.backend.experimental.torch_tfl.torch_library_utils import custom_op_with_fake
from litert_torch.backend.lowerings import registry
from litert_torch.backend.lowerings import utils as lowering_utils

__all__ = ["constant"]


def constant(values: Any) -> torch.Tensor:
    """Return nested lists of integers as a tensor, int64."""
    array = np.array(values, dtype=np.int64)
    found: torch.Tensor = _operator(array.ravel().tolist(), list(array.shape))
    return found


def _compute(values: Sequence[int], shape: Sequence[int]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.int64).reshape(shape)


def _lower(_context: Any, values: Sequence[int], shape: Sequence[int]) -> Any:
    return lowering_utils.numpy_array_constant(np.array(values, dtype=np.int64).reshape(shape))


custom_op_with_fake("embedl_nb::constant")(_compute)
_operator = torch.ops.embedl_nb.constant.default
registry.lower(_operator)(_lower)
