"""The arithmetic of rounding, held against closed forms, brute force and plain loops."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest

from embedl_nb.quantizer.refine.problem import Problem, solve
from embedl_nb.quantizer.refine.rounding import (
    choose_scales,
    descend,
    error_of,
    fit_weights,
    round_in_turn,
    round_to_nearest,
    with_ridge,
)
from embedl_nb.quantizer.refine.weights import Geometry, group_weights, patches, ungroup_weights

Array = np.ndarray[Any, Any]


def correlated_inputs(rows: int, unknowns: int, *, groups: int = 1, seed: int = 0) -> Array:
    random = np.random.default_rng(seed)
    mixing = random.normal(size=(groups, unknowns, unknowns)) * np.geomspace(1, 0.05, unknowns)
    return random.normal(size=(groups, rows, unknowns)) @ mixing.transpose(0, 2, 1)


def gram_of(inputs: Array) -> Array:
    return inputs.transpose(0, 2, 1) @ inputs / inputs.shape[1]


def test_the_error_of_a_change_is_its_mean_square_over_the_inputs() -> None:
    inputs = correlated_inputs(50, 4, groups=3)
    change = np.random.default_rng(1).normal(size=(3, 2, 4))
    expected = np.square(inputs @ change.transpose(0, 2, 1)).mean(axis=1)
    np.testing.assert_allclose(error_of(change, gram_of(inputs)), expected, rtol=1e-10)


def test_without_a_ridge_the_fit_is_the_least_squares_solution() -> None:
    random = np.random.default_rng(2)
    inputs, weights = correlated_inputs(60, 5, seed=3), random.normal(size=(1, 2, 5))
    targets = random.normal(size=(1, 60, 2))
    cross = (targets - inputs @ weights.transpose(0, 2, 1)).transpose(0, 2, 1) @ inputs / 60
    fitted = fit_weights(weights, gram_of(inputs), cross, ridge=1e-12)
    expected, *_ = np.linalg.lstsq(inputs[0], targets[0], rcond=None)
    np.testing.assert_allclose(fitted[0], expected.T, rtol=1e-6)


def test_a_firm_ridge_keeps_the_original_weights() -> None:
    weights, cross = np.ones((1, 2, 3)), np.ones((1, 2, 3))
    fitted = fit_weights(weights, np.eye(3)[None], cross, ridge=1e9)
    np.testing.assert_allclose(fitted, weights, atol=1e-8)


def test_a_ridge_makes_inputs_that_are_always_zero_regular() -> None:
    assert np.linalg.matrix_rank(with_ridge(np.zeros((1, 3, 3)), 0.01)[0]) == 3


def test_independent_inputs_are_rounded_to_the_nearest_integer() -> None:
    weights = np.random.default_rng(4).normal(size=(2, 3, 6))
    scales = np.abs(weights).max(axis=-1) / 127
    gram = np.broadcast_to(np.diag([1.0, 4.0, 2.0, 9.0, 1.0, 3.0]), (2, 6, 6))
    np.testing.assert_array_equal(round_in_turn(weights, gram, scales), round_to_nearest(weights, scales))


def test_rounding_in_turn_beats_the_nearest_integers_and_comes_near_the_best_ones() -> None:
    num_cases, moves = 40, np.array(list(itertools.product((-2, -1, 0, 1, 2), repeat=5)))
    gram = with_ridge(gram_of(correlated_inputs(200, 5, groups=num_cases)), 1e-3)
    weights = np.random.default_rng(4).normal(size=(num_cases, 1, 5))
    scales = np.abs(weights).max(axis=-1) / 7  # coarse, so that rounding matters

    def error(integers: Array) -> Array:
        return error_of(integers * scales[..., None] - weights, gram)

    nearest, turned = round_to_nearest(weights, scales), round_in_turn(weights, gram, scales)
    best = error(nearest + moves[None]).min(axis=1)
    descended = descend(turned, weights, gram, scales)
    assert error(turned).mean() < 0.5 * error(nearest).mean()
    assert (error(descended) <= error(turned)).all()
    assert error(descended).mean() < 2 * best.mean()


def test_descent_ends_where_no_single_integer_can_be_moved_for_the_better() -> None:
    gram = with_ridge(gram_of(correlated_inputs(100, 70)), 0.01)  # more columns than one block
    weights = np.random.default_rng(5).normal(size=(1, 3, 70))
    scales = np.abs(weights).max(axis=-1) / 15
    start = round_to_nearest(weights, scales)
    integers = descend(start, weights, gram, scales, rounds=50)

    def error(values: Array) -> Array:
        return error_of(values * scales[..., None] - weights, gram)

    assert (error(integers) < error(start)).all()
    for column, move in itertools.product(range(70), (-1, 1)):
        moved = integers.copy()
        moved[:, :, column] += move
        assert (error(moved) >= error(integers) - 1e-12).all()


def test_a_scale_that_clips_is_chosen_only_where_it_makes_less_error() -> None:
    random = np.random.default_rng(6)
    even, outlying = random.uniform(-1, 1, size=64), random.uniform(-1, 1, size=64)
    outlying[0] = 1.3
    weights = np.stack([np.round(even * 127 / np.abs(even).max()), outlying])[None]
    gram = np.diag([1e-9, *[1.0] * 63])[None]  # what the outlier meets hardly counts
    full = np.abs(weights).max(axis=-1) / 127
    scales = choose_scales(weights, gram)
    assert scales[0, 0] == full[0, 0]  # these are integers already
    assert scales[0, 1] < full[0, 1]


def geometry(kind: str, *, groups: int, kernel: tuple[int, int], **other: Any) -> Geometry:
    return Geometry(kind=kind, num_groups=groups, kernel=kernel, **other)


def slow_convolution(x: Array, weights: Array, g: Geometry) -> Array:
    """One output value after the other; ``weights`` by output, height, width, channel of its group."""
    n, height, width, channels = x.shape
    spans = [(k - 1) * d + 1 for k, d in zip(g.kernel, g.dilations, strict=True)]
    if g.is_same:
        sizes = [-(-size // s) for size, s in zip((height, width), g.strides, strict=True)]
        missing = [
            max((out - 1) * s + span - size, 0)
            for out, s, span, size in zip(sizes, g.strides, spans, (height, width), strict=True)
        ]
    else:
        sizes = [(size - span) // s + 1 for size, span, s in zip((height, width), spans, g.strides, strict=True)]
        missing = [0, 0]
    out = np.zeros((n, *sizes, len(weights)))
    by_group = channels // g.num_groups
    for b, y, i, o in np.ndindex(out.shape):
        first = o // (len(weights) // g.num_groups) * by_group
        for v, h, c in np.ndindex(*weights.shape[1:]):
            row = y * g.strides[0] + v * g.dilations[0] - missing[0] // 2
            column = i * g.strides[1] + h * g.dilations[1] - missing[1] // 2
            if 0 <= row < height and 0 <= column < width:
                out[b, y, i, o] += x[b, row, column, first + c] * weights[o, v, h, c]
    return out


@pytest.mark.parametrize(
    ("g", "shape"),
    [
        (geometry("CONV_2D", groups=1, kernel=(3, 2), is_same=True), (5, 3, 2, 4)),
        (geometry("CONV_2D", groups=1, kernel=(3, 3), strides=(2, 2), is_same=True), (5, 3, 3, 4)),
        (geometry("CONV_2D", groups=2, kernel=(2, 2), strides=(2, 1)), (6, 2, 2, 2)),
        (geometry("CONV_2D", groups=1, kernel=(2, 2), dilations=(2, 3), is_same=True), (3, 2, 2, 4)),
        (geometry("DEPTHWISE_CONV_2D", groups=4, kernel=(3, 3), strides=(2, 2), is_same=True), (1, 3, 3, 4)),
        (geometry("DEPTHWISE_CONV_2D", groups=4, kernel=(3, 3)), (1, 3, 3, 8)),
    ],
    ids=["same", "strided", "grouped", "dilated", "depthwise", "multiplied"],
)
def test_patches_times_grouped_weights_are_the_convolution(g: Geometry, shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(7)
    x, weights = random.normal(size=(2, 7, 6, 4)), random.normal(size=shape)
    by_output = weights.reshape(*shape[1:], 1).transpose(2, 0, 1, 3) if g.kind == "DEPTHWISE_CONV_2D" else weights
    expected = slow_convolution(x, by_output, g)
    grouped = group_weights(weights, g)
    made = (patches(x, g) @ grouped.transpose(0, 2, 1)).transpose(1, 0, 2).reshape(expected.shape)
    np.testing.assert_allclose(made, expected, atol=1e-12)
    np.testing.assert_array_equal(ungroup_weights(grouped, g, shape), weights)
    rows = np.array([0, 5, 11])
    np.testing.assert_array_equal(patches(x, g, rows), patches(x, g)[:, rows])


def problem(*, rows: int = 400, bias: bool = True, bounds: tuple[float, float] = (-np.inf, np.inf)) -> Problem:
    """Inputs with an error that depends on them, as those of a quantized model have."""
    random = np.random.default_rng(8)
    real = correlated_inputs(rows, 12) + 1.0
    weights = random.normal(size=(1, 3, 12))
    real_bias = random.normal(size=(1, 3))
    targets = real @ weights.transpose(0, 2, 1) + (real_bias[:, None] if bias else 0)
    scales = np.abs(weights).max(axis=-1) / 127
    return Problem(
        inputs=(real * 0.97 + 0.05).astype(np.float32),
        targets=targets.astype(np.float32),
        weights=weights,
        bias=real_bias if bias else None,
        present=(round_to_nearest(weights, scales), scales),
        bounds=bounds,
    )


def outputs_of(p: Problem, solution: Any) -> Array:
    weights = solution.integers * solution.scales[..., None]
    outputs = p.inputs @ weights.transpose(0, 2, 1)
    return outputs if solution.bias is None else outputs + solution.bias[:, None]


def error_at(p: Problem, solution: Any) -> float:
    return float(np.square(p.targets - outputs_of(p, solution)).mean())


def test_bias_correction_makes_the_means_agree_and_leaves_the_weights() -> None:
    p = problem()
    solution = solve(p, fits_weights=False, is_bias_corrected=True)
    assert solution is not None
    np.testing.assert_array_equal(solution.integers, p.present[0])
    np.testing.assert_allclose(outputs_of(p, solution).mean(axis=1), p.targets.mean(axis=1), atol=1e-5)


@pytest.mark.parametrize("bias", [True, False])
def test_fitted_weights_make_up_for_the_error_of_the_inputs(bias: bool) -> None:
    p = problem(bias=bias)
    kept = solve(p, fits_weights=False, is_bias_corrected=True)
    fitted = solve(p, fits_weights=True, is_bias_corrected=True)
    assert kept is not None
    assert fitted is not None
    assert (fitted.bias is None) is not bias
    assert error_at(p, fitted) < 0.1 * error_at(p, kept)


def test_inputs_far_from_zero_that_hardly_vary_are_fitted_all_the_same() -> None:
    p = problem()
    near = (1000 + 1e-3 * p.inputs).astype(np.float32)
    shifted = dataclasses.replace(p, inputs=near, weights=p.weights * 1e3, bias=p.bias - 1e6 * p.weights.sum(axis=-1))
    solution = solve(shifted, fits_weights=True, is_bias_corrected=True)
    assert solution is not None
    assert np.isfinite(solution.integers).all()
    np.testing.assert_allclose(outputs_of(shifted, solution).mean(axis=1), p.targets.mean(axis=1), atol=5)


def test_one_row_is_enough_to_get_an_answer() -> None:
    solution = solve(problem(rows=1), fits_weights=True, is_bias_corrected=True)
    assert solution is not None
    assert np.isfinite(solution.scales).all()
    assert np.isfinite(solution.integers).all()


def test_nothing_is_fitted_to_values_that_are_not_finite() -> None:
    p = problem()
    p.targets[0, 3, 1] = np.inf
    assert solve(p, fits_weights=True, is_bias_corrected=True) is None


def test_rows_that_are_clipped_on_both_sides_hardly_count() -> None:
    inputs = np.random.default_rng(9).normal(size=(1, 600, 2)).astype(np.float32)
    weights = np.array([[[1.0, 1.0]]])
    targets = (inputs @ weights.transpose(0, 2, 1)).astype(np.float32)
    is_clipped = targets < -0.2
    scales = np.abs(weights).max(axis=-1) / 127

    def error_where_it_shows(bounds: tuple[float, float]) -> float:
        p = Problem(
            inputs=inputs,
            targets=np.where(is_clipped, targets - 40, targets).astype(np.float32),
            weights=weights,
            bias=np.zeros((1, 1)),
            present=(round_to_nearest(weights, scales), scales),
            bounds=bounds,
        )
        solution = solve(p, fits_weights=True, is_bias_corrected=True)
        return float(np.abs((outputs_of(p, solution) - targets)[~is_clipped]).mean())

    assert error_where_it_shows((0.0, 6.0)) < 0.2
    assert error_where_it_shows((-np.inf, np.inf)) > 2
