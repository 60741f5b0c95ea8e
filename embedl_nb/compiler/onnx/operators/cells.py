"""What one time step of RNN, GRU and LSTM computes, with ONNX's activations, clipping, peepholes and order of gates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from embedl_nb.compiler.onnx.operators.arguments import refused

if TYPE_CHECKING:
    from torch import Tensor

    from embedl_nb.compiler.onnx.registry import Call

    Function = Callable[[Tensor], Tensor]
    Step = Callable[[Tensor, tuple[Tensor, ...]], tuple[Tensor, ...]]

__all__ = ["Weights", "activations_of", "gru_step", "lstm_step", "rnn_step"]

_PLAIN: dict[str, Function] = {
    "Relu": torch.relu,
    "Tanh": torch.tanh,
    "Sigmoid": torch.sigmoid,
    "Softsign": F.softsign,
    "Softplus": F.softplus,
}
# With the numbers that hold where a node gives none: those of the operators of the same names.
_WITH_ALPHA: dict[str, tuple[float, Callable[[Tensor, float], Tensor]]] = {
    "LeakyRelu": (0.01, F.leaky_relu),
    "ThresholdedRelu": (1.0, lambda x, alpha: torch.where(x > alpha, x, 0.0)),
    "Elu": (1.0, F.elu),
}
_WITH_ALPHA_AND_BETA: dict[str, tuple[float, float, Callable[[Tensor, float, float], Tensor]]] = {
    "Affine": (1.0, 0.0, lambda x, alpha, beta: x * alpha + beta),
    "ScaledTanh": (1.0, 1.0, lambda x, alpha, beta: (x * beta).tanh() * alpha),
    "HardSigmoid": (0.2, 0.5, lambda x, alpha, beta: (x * alpha + beta).clamp(0.0, 1.0)),
}
_NAMES = {name.lower(): name for name in (*_PLAIN, *_WITH_ALPHA, *_WITH_ALPHA_AND_BETA)}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Weights:
    """One direction's weights: gates lie one after the other in their first axis."""

    weight: Tensor
    recurrence: Tensor
    bias: Tensor | None
    recurrent_bias: Tensor | None
    peepholes: Tensor | None
    functions: list[Function]


def activations_of(call: Call, direction: int, defaults: list[str]) -> list[Function]:
    """Return a direction's activations; those of gates clip what they are given, if the node says so.

    Raises
    ------
    UnsupportedOperatorError
        If ONNX has no activation of that name.
    """
    alphas, betas = list(call.get("activation_alpha") or []), list(call.get("activation_beta") or [])
    first = direction * len(defaults)
    names = [str(name) for name in call.get("activations") or defaults * (direction + 1)]
    functions = [_activation(call, name, alphas, betas) for name in names][first : first + len(defaults)]
    bound = call.get("clip")
    return functions if bound is None else [*(_clipped(each, bound) for each in functions[:2]), *functions[2:]]


def _activation(call: Call, name: str, alphas: list[float], betas: list[float]) -> Function:
    """Return a function; the lists of numbers go through those activations only that take some."""
    known = _NAMES.get(name.lower(), "")
    if known in _PLAIN:
        return _PLAIN[known]
    if known in _WITH_ALPHA:
        default, function = _WITH_ALPHA[known]
        alpha = alphas.pop(0) if alphas else default
        return lambda x: function(x, alpha)
    if known in _WITH_ALPHA_AND_BETA:
        first, second, scaled = _WITH_ALPHA_AND_BETA[known]
        alpha, beta = alphas.pop(0) if alphas else first, betas.pop(0) if betas else second
        return lambda x: scaled(x, alpha, beta)
    raise refused(call, f"activation {name!r} is not one of ONNX's", hint=f"use {', '.join(_NAMES.values())}")


def _clipped(function: Function, bound: float) -> Function:
    return lambda x: function(x.clamp(-bound, bound))


def rnn_step(call: Call, weights: Weights) -> Step:
    """Return H' = f(X W + H R + b)."""
    (activate,) = weights.functions

    def step(given: Tensor, states: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (activate(given + F.linear(states[0], weights.recurrence, weights.recurrent_bias)),)

    return step


def gru_step(call: Call, weights: Weights) -> Step:
    """Return the step of a GRU, whose gates are update, reset and hidden."""
    activate, activate_hidden = weights.functions
    size = weights.recurrence.shape[-1]
    is_reset_last = bool(call.get("linear_before_reset", 0))
    lines, bias = weights.recurrence, weights.recurrent_bias
    biases = (None, None) if bias is None else (bias[: 2 * size], bias[2 * size :])

    def step(given: Tensor, states: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        (hidden,) = states
        if is_reset_last:
            back = F.linear(hidden, lines, bias)
            gates = activate(given + back)  # the hidden one's is not used: cheaper than cutting both
            reset = gates[:, size : 2 * size] * back[:, 2 * size :]
        else:
            gates = activate(given[:, : 2 * size] + F.linear(hidden, lines[: 2 * size], biases[0]))
            reset = F.linear(gates[:, size:] * hidden, lines[2 * size :], biases[1])
        new = activate_hidden(given[:, 2 * size :] + reset)
        return (new + gates[:, :size] * (hidden - new),)

    return step


def lstm_step(call: Call, weights: Weights) -> Step:
    """Return the step of an LSTM, whose gates are input, output, forget and cell."""
    activate, activate_cell, activate_hidden = weights.functions
    size = weights.recurrence.shape[-1]
    peeps = None if weights.peepholes is None else weights.peepholes.chunk(3)
    is_coupled = bool(call.get("input_forget", 0))

    def step(given: Tensor, states: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        hidden, cell = states
        gates = given + F.linear(hidden, weights.recurrence, weights.recurrent_bias)
        new = activate_cell(gates[:, 3 * size :])
        if peeps is None:
            enter, leave, keep, _ = activate(gates).chunk(4, 1)  # the cell's is not used: cheaper than cutting
        else:
            enter = activate(gates[:, :size] + peeps[0] * cell)
            keep = activate(gates[:, 2 * size : 3 * size] + peeps[2] * cell)
        keep = 1.0 - enter if is_coupled else keep
        cell = keep * cell + enter * new
        if peeps is not None:
            leave = activate(gates[:, size : 2 * size] + peeps[1] * cell)
        return leave * activate_hidden(cell), cell

    return step
