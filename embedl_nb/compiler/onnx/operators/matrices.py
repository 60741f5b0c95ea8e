"""ONNX products of matrices, sums over indices, and determinants."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from embedl_nb.compiler.onnx.operators.dtypes import with_dtype
from embedl_nb.compiler.onnx.registry import operator

if TYPE_CHECKING:
    from embedl_nb.compiler.onnx.registry import Call


@operator("MatMul")
def matmul(call: Call, a: Tensor, b: Tensor) -> Tensor:
    """Multiply matrices, in batches where there are more axes."""
    return with_dtype(torch.matmul, a, b)


@operator("Gemm")
def gemm(call: Call, a: Tensor, b: Tensor, c: Tensor | None = None) -> Tensor:
    """Compute ``alpha * A' B' + beta * C``; a linear layer where the factors allow it."""
    alpha, beta = call.get("alpha", 1.0), call.get("beta", 1.0)
    a = a.t() if call.get("transA") else a
    columns = b if call.get("transB") else b.t()  # shape (N, K), as a linear layer has it
    has_bias = c is not None and beta != 0
    if c is not None and has_bias and beta != 1:
        c = c * beta if c.dtype.is_floating_point else (c * beta).to(c.dtype)
    if alpha == 1 and c is not None and has_bias and tuple(c.shape) in ((columns.shape[0],), (1, columns.shape[0])):
        return F.linear(a, columns, c.reshape(-1))
    product = F.linear(a, columns)
    if alpha != 1:
        product = (product * alpha).to(a.dtype)
    return product + c if c is not None and has_bias else product


@operator("Einsum", since=12)
def einsum(call: Call, *tensors: Tensor) -> Tensor:
    """Sum products over the indices that the equation leaves out."""
    return torch.einsum(call.get("equation").replace(" ", ""), *tensors)


@operator("Det", since=11)
def determinant(call: Call, x: Tensor) -> Tensor:
    """Multiply the pivots of an elimination: LiteRT has no determinant.

    The row with the largest pivot is picked by a mask, since rows cannot be swapped by values that are only known when
    the model runs; the cost grows with the third power of the size.
    """
    size = x.shape[-1]
    result = torch.ones_like(x[..., 0, 0])
    for step in range(size - 1):
        column = x[..., :, 0].abs()  # shape (..., size - step)
        places = torch.arange(size - step)
        best = places == torch.argmax(column, -1, keepdim=True)
        picked = torch.where(best[..., None], x, torch.zeros_like(x)).sum(-2, keepdim=True)
        first = x[..., :1, :]
        x = torch.where(best[..., None], first, x)[..., 1:, :]  # the first row stands where the picked one was
        pivot = picked[..., 0, 0]
        result = result * torch.where(best[..., 0], pivot, -pivot)
        divisor = torch.where(pivot == 0, torch.ones_like(pivot), pivot)[..., None, None]
        x = (x - x[..., :, :1] / divisor * picked)[..., :, 1:]
    return result * x[..., 0, 0]
