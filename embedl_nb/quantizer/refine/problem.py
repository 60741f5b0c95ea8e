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
    round_to_nearest,
    with_ridge,
)

__all__ = ["Problem", "Solution", "solve"]

Array = np.ndarray[Any, Any]

# How firmly least squares is held to the original weights, relative to the inputs' mean square.
RIDGES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
# Share of the rows that the ridge is judged on.
_HELD_OUT = 0.25
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
        Of the float model; shapes (G, O, K) and (G, O), float64.
    bounds
        Between which the activation function clips.
    """

    inputs: Array
    targets: Array
    weights: Array
    bias: Array
    bounds: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """Integers in -127 .. 127, shape (G, O, K), float64; their scales and the bias as a real value, both (G, O)."""

    integers: Array
    scales: Array
    bias: Array


def solve(problem: Problem, *, fits_weights: bool, is_bias_corrected: bool) -> Solution:
    """Find the integers.

    Parameters
    ----------
    problem
        What they are for.
    fits_weights
        Whether the weights are fitted to the quantized inputs and rounded in turn; otherwise each goes to the nearest
        integer.
    is_bias_corrected
        Whether the bias makes up for the mean error of each output; otherwise it stays.
    """
    row_weights = _row_weights(problem)
    total = row_weights.sum(axis=1)[:, None]
    mean_input = np.einsum("gr,grk->gk", row_weights, problem.inputs) / total
    mean_target = np.einsum("gr,gro->go", row_weights, problem.targets) / total
    if fits_weights:
        integers, scales = _fit(problem, row_weights, mean_input, mean_target)
    else:
        largest = np.abs(problem.weights).max(axis=-1)
        scales = np.where(largest > 0, largest, 1.0) / 127
        integers = round_to_nearest(problem.weights, scales)
    bias = problem.bias
    if is_bias_corrected:
        bias = mean_target - np.einsum("gk,gok->go", mean_input, integers * scales[..., None])
    return Solution(integers=integers, scales=scales, bias=bias)


def _row_weights(problem: Problem) -> Array:
    """Return how much each row counts, shape (G, R); one output a group can leave out where it is clipped anyway."""
    low, high = problem.bounds
    rows = problem.inputs.shape[:2]
    if problem.targets.shape[2] != 1 or not np.isfinite(high):
        return np.ones(rows, np.float32)
    outputs = problem.inputs @ problem.weights.transpose(0, 2, 1).astype(np.float32)
    outputs = outputs[..., 0] + problem.bias.astype(np.float32)
    targets = problem.targets[..., 0]
    is_clipped = ((targets < low) & (outputs < low)) | ((targets > high) & (outputs > high))
    return np.where(is_clipped, np.float32(_CLIPPED_WEIGHT), np.float32(1))


def _fit(problem: Problem, row_weights: Array, mean_input: Array, mean_target: Array) -> tuple[Array, Array]:
    root = np.sqrt(row_weights)[..., None]
    inputs = (problem.inputs - mean_input[:, None].astype(np.float32)) * root
    left = (problem.targets - mean_target[:, None].astype(np.float32)) * root
    left -= inputs @ problem.weights.transpose(0, 2, 1).astype(np.float32)
    num_rows = inputs.shape[1]
    seen = max(1, round(num_rows * (1 - _HELD_OUT)))
    parts = [_moments(inputs[:, part], left[:, part]) for part in (slice(0, seen), slice(seen, num_rows))]
    ridge = _choose_ridge(problem.weights, parts)
    gram, cross = (parts[0][i] + parts[1][i] for i in (0, 1))
    weights = fit_weights(problem.weights, gram, cross, ridge=ridge)
    regular = with_ridge(gram, ridge)
    scales = choose_scales(weights, regular)
    integers = round_in_turn(weights, regular, scales)
    return descend(integers, weights, regular, scales), scales


def _moments(inputs: Array, left: Array) -> tuple[Array, Array]:
    turned = inputs.transpose(0, 2, 1)
    return (turned @ inputs).astype(np.float64), (left.transpose(0, 2, 1) @ inputs).astype(np.float64)


def _choose_ridge(weights: Array, parts: list[tuple[Array, Array]]) -> float:
    """Return the ridge whose weights, fitted on the first part, leave the least error on the second."""
    (gram, cross), (other_gram, other_cross) = parts
    errors = []
    for ridge in RIDGES:
        change = fit_weights(weights, gram, cross, ridge=ridge) - weights
        errors.append(float((error_of(change, other_gram) - 2 * np.einsum("gok,gok->go", change, other_cross)).sum()))
    return RIDGES[int(np.argmin(errors))]
