"""The arithmetic of rounding weights: least squares, scales and integers, for many small problems at once.

In: weights, and the Gram matrix of the inputs that they meet. Out: integers and their scales. Pure numpy.

One operator is ``G`` problems (groups) of ``O`` outputs each that read the same ``K`` inputs: a dense convolution or a
fully connected layer is one group, a depthwise convolution has one group a channel. With ``H`` the mean of ``x x^T``
over the inputs, the mean squared error that a change ``d`` of one output's weights makes is ``d H d^T``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["choose_scales", "descend", "error_of", "fit_weights", "round_in_turn", "round_to_nearest", "with_ridge"]

Array = np.ndarray[Any, Any]

LARGEST_INT8 = 127
# Shares of the largest weight that the outermost integer may stand for; a smaller one clips it and spares the others.
_SHARES = (1.0, 0.95, 0.9, 0.85, 0.78, 0.7, 0.6)
_BLOCK = 64


def with_ridge(gram: Array, ridge: float) -> Array:
    """Return the Gram matrices with ``ridge`` times their mean diagonal added to it, which makes them regular.

    Parameters
    ----------
    gram
        Shape (G, K, K), symmetric and not negative.
    """
    size = gram.shape[-1]
    diagonal = np.einsum("gkk->gk", gram)
    added = ridge * diagonal.mean(axis=1)
    added = np.where(added > 0, added, 1.0)
    return gram + added[:, None, None] * np.eye(size)


def error_of(change: Array, gram: Array) -> Array:
    """Return the mean squared error ``d H d^T`` that a change of the weights makes, one value an output.

    Parameters
    ----------
    change
        Shape (G, O, K).
    gram
        Shape (G, K, K).

    Returns
    -------
    array
        Shape (G, O).
    """
    return np.asarray(np.einsum("gok,gok->go", change @ gram, change))


def fit_weights(weights: Array, gram: Array, cross: Array, *, ridge: float) -> Array:
    """Return the weights that least squares finds, held to the original ones where the inputs say little.

    Minimises ``mean((t - x w^T)^2) + r * |w - weights|^2`` with ``r`` = ``ridge`` times the mean diagonal of ``gram``.

    Parameters
    ----------
    weights
        Shape (G, O, K).
    gram
        Mean of ``x x^T``, shape (G, K, K).
    cross
        Mean of ``(t - x weights^T) x``, what the original weights leave unexplained; shape (G, O, K).
    """
    regular = with_ridge(gram, ridge)
    change = np.linalg.solve(regular, cross.transpose(0, 2, 1)).transpose(0, 2, 1)
    return np.asarray(weights + change)


def round_to_nearest(weights: Array, scales: Array) -> Array:
    """Return the nearest integers in -127 .. 127; ``scales`` has shape (G, O)."""
    return np.clip(np.round(weights / scales[..., None]), -LARGEST_INT8, LARGEST_INT8)


def choose_scales(weights: Array, gram: Array) -> Array:
    """Return the scale of each output, shape (G, O), whose nearest integers make the least error.

    Parameters
    ----------
    weights
        Shape (G, O, K).
    gram
        Shape (G, K, K).
    """
    largest = np.abs(weights).max(axis=-1)
    full = np.where(largest > 0, largest, 1.0) / LARGEST_INT8
    best, least = full, np.full(full.shape, np.inf)
    for share in _SHARES:  # the earlier wins a tie
        scales = full * share
        error = error_of(round_to_nearest(weights, scales) * scales[..., None] - weights, gram)
        better = error < least
        best, least = np.where(better, scales, best), np.where(better, error, least)
    return best


def round_in_turn(weights: Array, gram: Array, scales: Array) -> Array:
    """Round one input's weights after the other, each error made good by those that are still free.

    This is the GPTQ order of rounding: with the inverse Cholesky factor ``U`` of ``gram``, the error of column ``k``
    is spread over the later ones by row ``k`` of ``U``. Columns with the largest diagonal go first.

    Parameters
    ----------
    weights
        Shape (G, O, K).
    gram
        Shape (G, K, K), regular (see :func:`with_ridge`).
    scales
        Shape (G, O).

    Returns
    -------
    array
        Integers in -127 .. 127, shape (G, O, K), float64.

    References
    ----------
    Frantar et al., GPTQ, 2022, https://arxiv.org/abs/2210.17323
    """
    order = np.argsort(-np.einsum("gkk->gk", gram), axis=1, kind="stable")
    rows = np.arange(len(gram))[:, None]
    sorted_gram = gram[rows[..., None], order[:, :, None], order[:, None, :]]
    rest = np.take_along_axis(weights, order[:, None, :], axis=2).astype(np.float64)
    factor = _inverse_factor(sorted_gram)
    num_columns = rest.shape[-1]
    rounded = np.empty_like(rest)
    for start in range(0, num_columns, _BLOCK):
        stop = min(start + _BLOCK, num_columns)
        errors = np.empty((*rest.shape[:2], stop - start))
        for k in range(start, stop):
            column = rest[:, :, k]
            rounded[:, :, k] = np.clip(np.round(column / scales), -LARGEST_INT8, LARGEST_INT8)
            error = (column - rounded[:, :, k] * scales) / factor[:, None, k, k]
            rest[:, :, k + 1 : stop] -= error[..., None] * factor[:, None, k, k + 1 : stop]
            errors[:, :, k - start] = error
        rest[:, :, stop:] -= errors @ factor[:, start:stop, stop:]
    restored = np.empty_like(rounded)
    np.put_along_axis(restored, order[:, None, :], rounded, axis=2)
    return restored


def _inverse_factor(gram: Array) -> Array:
    """Return the upper Cholesky factor of the inverse of each matrix: ``U^T U = H^-1``."""
    inverse = np.linalg.inv(gram)
    inverse = (inverse + inverse.transpose(0, 2, 1)) / 2
    return np.linalg.cholesky(inverse).transpose(0, 2, 1)


def descend(integers: Array, weights: Array, gram: Array, scales: Array, *, rounds: int = 2) -> Array:
    """Move single integers for as long as that lowers the error; every column is tried ``rounds`` times.

    Parameters
    ----------
    integers, weights
        Shape (G, O, K).
    gram
        Shape (G, K, K), regular.
    scales
        Shape (G, O).

    Returns
    -------
    array
        Integers whose error is not larger than that of those given.
    """
    integers = integers.copy()
    step = scales[..., None]
    slope = (integers * step - weights) @ gram
    diagonal = np.einsum("gkk->gk", gram)
    num_columns = integers.shape[-1]
    for _ in range(rounds):
        moved = False
        for start in range(0, num_columns, _BLOCK):
            stop = min(start + _BLOCK, num_columns)
            moves = np.zeros((*integers.shape[:2], stop - start))
            for k in range(start, stop):
                wanted = integers[:, :, k] - slope[:, :, k] / diagonal[:, None, k] / scales
                new = np.clip(np.round(wanted), -LARGEST_INT8, LARGEST_INT8)
                move = (new - integers[:, :, k]) * scales
                slope[:, :, k:stop] += move[..., None] * gram[:, None, k, k:stop]
                # columns before k in this block are touched at its end, with all others
                slope[:, :, start:k] += move[..., None] * gram[:, None, k, start:k]
                integers[:, :, k] = new
                moves[:, :, k - start] = move
            moved = moved or bool(moves.any())
            slope[:, :, :start] += moves @ gram[:, start:stop, :start]
            slope[:, :, stop:] += moves @ gram[:, start:stop, stop:]
        if not moved:
            break
    return integers
