"""What one operator's weights have to do, and how they do it best in integers.

In: the inputs that the quantized model really has, the outputs that the float model makes. Out: integers, scales and a
bias (:class:`Solution`). Numbers only: no model, no file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from embedl_nb.quantizer.refine.rounding import (
    choose_scales,
    descend,
    error_of,
    fit_weights,
    round_in_turn,
    with_ridge,
)

__all__ = ["Problem", "Solution", "solve"]

Array = np.ndarray[Any, Any]

# How firmly least squares is held to the original weights, relative to the inputs' mean square.
RIDGES = (0.003, 0.03, 0.3, 3.0, 30.0)
# The same for rounding, where no target is fitted that could be fitted too well.
_ROUNDING_RIDGE = 0.03
# Share of the rows that the ridge is judged on.
_HELD_OUT = 0.25
# Outputs of a group that it is judged on.
_JUDGED_OUTPUTS = 64
# Weight of a row whose output is clipped by the activation function on both sides: it hardly matters.
_CLIPPED_WEIGHT = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One operator: ``G`` groups of ``O`` outputs, each from ``K`` inputs, at ``R`` places.

    Attributes
    ----------
    inputs
        Real values of the integers that the quantized model has there; shape (G, R, K), float32. Rows are in the order
        of the samples.
    targets
        What the outputs should be before the activation function; shape (G, R, O), float32.
    weights, bias
        Of the float model; shapes (G, O, K) and (G, O), float64; the bias is None where there is none.
    present
        The integers and the scales that the quantized model has now; shapes (G, O, K) and (G, O).
    bounds
        Between which the activation function clips.
    """

    inputs: Array
    targets: Array
    weights: Array
    bias: Array | None
    present: tuple[Array, Array]
    bounds: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """Integers in -128 .. 127, shape (G, O, K), float64; their scales and the bias as a real value, both (G, O)."""

    integers: Array
    scales: Array
    bias: Array | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moments:
    """Sums over rows: of the rows' weights, the inputs, what is left of the targets, and their products.

    With a bias, which takes care of the means, the products are counted from the means.
    """

    has_bias: bool
    count: Array
    input_sum: Array
    left_sum: Array
    input_products: Array
    left_products: Array

    @classmethod
    def of(
        cls, inputs: Array, left: Array, row_weights: Array | None, *, has_bias: bool, has_products: bool
    ) -> _Moments:
        """Sum over rows; ``has_products=False`` leaves the products out, which are most of the work."""
        weighted = inputs if row_weights is None else inputs * row_weights[..., None]
        if row_weights is None:
            count, left_sum = np.full(len(inputs), float(inputs.shape[1])), left.sum(axis=1, dtype=np.float64)
        else:
            count, left_sum = row_weights.sum(axis=1, dtype=np.float64), np.einsum("gr,gro->go", row_weights, left)
        turned, left_turned = weighted.transpose(0, 2, 1), left.transpose(0, 2, 1)
        return cls(
            has_bias=has_bias,
            count=count,
            input_sum=weighted.sum(axis=1, dtype=np.float64),
            left_sum=left_sum,
            input_products=(turned @ inputs).astype(np.float64) if has_products else np.zeros(1),
            left_products=(left_turned @ weighted).astype(np.float64) if has_products else np.zeros(1),
        )

    def __add__(self, other: _Moments) -> _Moments:
        sums = {name: getattr(self, name) + getattr(other, name) for name in self.__slots__ if name != "has_bias"}
        return _Moments(has_bias=self.has_bias, **sums)

    @property
    def mean_input(self) -> Array:
        """Shape (G, K)."""
        return self.input_sum / self.count[:, None]

    @property
    def mean_left(self) -> Array:
        """Shape (G, O)."""
        return self.left_sum / self.count[:, None]

    def gram(self) -> Array:
        """Return the mean products of the inputs, shape (G, K, K)."""
        products = self.input_products / self.count[:, None, None]
        return products - self.mean_input[:, :, None] * self.mean_input[:, None] if self.has_bias else products

    def cross(self) -> Array:
        """Return the mean products of what is left with the inputs, shape (G, O, K)."""
        products = self.left_products / self.count[:, None, None]
        return products - self.mean_left[..., None] * self.mean_input[:, None] if self.has_bias else products


def solve(problem: Problem, *, fits_weights: bool, is_bias_corrected: bool) -> Solution | None:
    """Find the integers.

    Parameters
    ----------
    problem
        What they are for.
    fits_weights
        Whether the weights are fitted to the quantized inputs and rounded in turn; otherwise the integers stay.
    is_bias_corrected
        Whether the bias makes up for the mean error of each output; otherwise it is the float model's.

    Returns
    -------
    Solution or None
        None where values are not finite: nothing can be fitted to them.
    """
    outputs = problem.inputs @ problem.weights.transpose(0, 2, 1).astype(np.float32)
    if problem.bias is not None:
        outputs += problem.bias[:, None].astype(np.float32)
    left = problem.targets - outputs
    if not np.isfinite(left).all():
        return None
    inputs, shift = problem.inputs, np.zeros((), np.float32)
    # Weights may leave a mean error only where a bias takes it.
    moves_bias = is_bias_corrected and problem.bias is not None
    if moves_bias:
        # Products of values that are far from 0 and nearly alike would cancel in float32.
        shift = inputs.mean(axis=1, dtype=np.float64).astype(np.float32)
        inputs = inputs - shift[:, None]
    row_weights = _row_weights(problem, outputs)
    parts = _moments(inputs, left, row_weights, has_bias=moves_bias, has_products=fits_weights)
    integers, scales = _fit(problem.weights, parts) if fits_weights else problem.present
    bias = problem.bias
    if moves_bias and bias is not None:
        whole = parts[0] + parts[1]
        change = integers * scales[..., None] - problem.weights
        bias = bias + whole.mean_left - np.einsum("gk,gok->go", whole.mean_input + shift, change)
    return Solution(integers=integers, scales=scales, bias=bias)


def _moments(
    inputs: Array, left: Array, row_weights: Array | None, *, has_bias: bool, has_products: bool
) -> list[_Moments]:
    """Return the moments of the rows that weights are fitted to, and of those that the fit is judged on."""
    num_rows = left.shape[1]
    seen = max(1, round(num_rows * (1 - _HELD_OUT)))
    # A single row has to serve for both.
    rows = [slice(0, seen), slice(seen if num_rows > 1 else 0, num_rows)]
    return [
        _Moments.of(
            inputs[:, part],
            left[:, part],
            None if row_weights is None else row_weights[:, part],
            has_bias=has_bias,
            has_products=has_products,
        )
        for part in rows
    ]


def _row_weights(problem: Problem, outputs: Array) -> Array | None:
    """Return how much each row counts, shape (G, R); None where all count alike.

    Where a group has one output only, rows in which it is clipped anyway need not be met.
    """
    low, high = problem.bounds
    if problem.targets.shape[2] != 1 or not np.isfinite(low):
        return None
    targets = problem.targets
    is_clipped = ((targets < low) & (outputs < low)) | ((targets > high) & (outputs > high))
    return np.where(is_clipped[..., 0], np.float32(_CLIPPED_WEIGHT), np.float32(1))


def _fit(weights: Array, parts: list[_Moments]) -> tuple[Array, Array]:
    """Return integers and scales."""
    whole = parts[0] + parts[1]
    gram = whole.gram()
    fitted = fit_weights(weights, gram, whole.cross(), ridge=_choose_ridge(weights, parts))
    regular = with_ridge(gram, _ROUNDING_RIDGE)
    scales = choose_scales(fitted, regular)
    integers = round_in_turn(fitted, regular, scales)
    return descend(integers, fitted, regular, scales), scales


def _choose_ridge(weights: Array, parts: list[_Moments]) -> float:
    """Return the ridge whose weights, fitted on the first part, leave the least error on the second."""
    chosen = slice(None, None, -(-weights.shape[1] // _JUDGED_OUTPUTS))
    gram, cross = parts[0].gram(), parts[0].cross()[:, chosen]
    other_gram, other_cross = parts[1].gram(), parts[1].cross()[:, chosen]
    errors = []
    for ridge in RIDGES:
        change = fit_weights(np.zeros_like(cross), gram, cross, ridge=ridge)
        errors.append(float((error_of(change, other_gram) - 2 * np.einsum("gok,gok->go", change, other_cross)).sum()))
    return RIDGES[int(np.argmin(errors))]
