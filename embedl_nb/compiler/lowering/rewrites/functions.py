"""Element-wise functions that litert-torch has no lowering for, by those that it has."""

from __future__ import annotations

import math

import torch

from embedl_nb.compiler.lowering.rewrites.table import NO_LOWERING, WITH_TORCH, rewrite

__all__: list[str] = []

# Chebyshev-like fits of erfinv(x) / x in w = -log(1 - x * x), highest power first, for w below 5 and from 5 on:
# M. Giles, Approximating the erfinv function, GPU Computing Gems Jade Edition (2011), table 5.
_NEAR = (
    2.81022636e-08,
    3.43273939e-07,
    -3.5233877e-06,
    -4.39150654e-06,
    0.00021858087,
    -0.00125372503,
    -0.00417768164,
    0.246640727,
    1.50140941,
)
_FAR = (
    -0.000200214257,
    0.000100950558,
    0.00134934322,
    -0.00367342844,
    0.00573950773,
    -0.0076224613,
    0.00943887047,
    1.00167406,
    2.83297682,
)


@rewrite("erfinv.default", reason=NO_LOWERING, seen_with=WITH_TORCH)
def _erfinv(x: torch.Tensor) -> torch.Tensor:
    w = -torch.log((1 - x) * (1 + x))
    near, far = w - 2.5, torch.sqrt(torch.clamp(w, min=5)) - 3
    found = torch.where(w < 5, _polynomial(near, _NEAR), _polynomial(far, _FAR)) * x
    # At the ends w is infinite; torch.sign keeps NaN, which marks what is beyond them.
    return torch.where(x.abs() == 1, torch.sign(x) * math.inf, found)


def _polynomial(x: torch.Tensor, coefficients: tuple[float, ...]) -> torch.Tensor:
    total = torch.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        total = total * x + coefficient
    return total


@rewrite("erfc.default", reason=NO_LOWERING, seen_with=WITH_TORCH)
def _erfc(x: torch.Tensor) -> torch.Tensor:
    return 1 - torch.erf(x)


@rewrite("exp2.default", reason=NO_LOWERING, seen_with=WITH_TORCH)
def _exp2(x: torch.Tensor) -> torch.Tensor:
    return torch.pow(torch.full_like(x, 2.0, dtype=x.dtype if x.is_floating_point() else torch.float32), x)


@rewrite("fmax.default", reason=NO_LOWERING, seen_with=WITH_TORCH)
def _fmax(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.where(torch.isnan(x), y, torch.where(torch.isnan(y), x, torch.maximum(x, y)))


@rewrite("fmin.default", reason=NO_LOWERING, seen_with=WITH_TORCH)
def _fmin(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.where(torch.isnan(x), y, torch.where(torch.isnan(y), x, torch.minimum(x, y)))


@rewrite("hypot.default", reason=NO_LOWERING, seen_with=WITH_TORCH)
def _hypot(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.sqrt(x * x + y * y)
