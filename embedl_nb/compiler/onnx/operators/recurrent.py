"""RNN, GRU and LSTM, unrolled: one matrix product for the inputs of all time steps, then the steps one by one.

LiteRT has no recurrent operator that these could become, and no loop that is quicker. Directions, layouts, sequence
lengths and activations are taken care of here, what a step computes in cells.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F

from embedl_nb.compiler.onnx.operators.arguments import refused
from embedl_nb.compiler.onnx.operators.cells import Weights, activations_of, gru_step, lstm_step, rnn_step
from embedl_nb.compiler.onnx.registry import operator

if TYPE_CHECKING:
    from torch import Tensor

    from embedl_nb.compiler.onnx.operators.cells import Step
    from embedl_nb.compiler.onnx.registry import Call, Known

_DEFAULTS = {"RNN": ["Tanh"], "GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}
_DIRECTIONS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}


@operator("RNN")
def rnn(
    call: Call,
    x: Tensor,
    weight: Tensor,
    recurrence: Tensor,
    bias: Tensor | None = None,
    lengths: Known | None = None,
    hidden: Tensor | None = None,
) -> tuple[Tensor, ...]:
    return _run(call, x, (weight, recurrence, bias, None), lengths, (hidden,), rnn_step)


@operator("GRU")
def gru(
    call: Call,
    x: Tensor,
    weight: Tensor,
    recurrence: Tensor,
    bias: Tensor | None = None,
    lengths: Known | None = None,
    hidden: Tensor | None = None,
) -> tuple[Tensor, ...]:
    return _run(call, x, (weight, recurrence, bias, None), lengths, (hidden,), gru_step)


@operator("LSTM")
def lstm(
    call: Call,
    x: Tensor,
    weight: Tensor,
    recurrence: Tensor,
    bias: Tensor | None = None,
    lengths: Known | None = None,
    hidden: Tensor | None = None,
    cell: Tensor | None = None,
    peepholes: Tensor | None = None,
) -> tuple[Tensor, ...]:
    return _run(call, x, (weight, recurrence, bias, peepholes), lengths, (hidden, cell), lstm_step)


def _run(
    call: Call,
    x: Tensor,
    tensors: tuple[Tensor, Tensor, Tensor | None, Tensor | None],
    lengths: Known | None,
    initial: tuple[Tensor | None, ...],
    step_of: Callable[[Call, Weights], Step],
) -> tuple[Tensor, ...]:
    """Run every direction; return Y (time, direction, batch, hidden) and the last states (direction, batch, hidden)."""
    batch_first = bool(call.get("layout", 0))
    x = x.transpose(0, 1) if batch_first else x
    is_live = _live(lengths, x)
    directions = _directions(call, tensors[0])
    outputs, lasts = [], []
    for index, is_reverse in enumerate(directions):
        weights = _weights(call, tensors, index)
        size = weights.recurrence.shape[-1]
        states = tuple(
            x.new_zeros(x.shape[1], size) if state is None else state.select(1 if batch_first else 0, index)
            for state in initial
        )
        output, states = _unrolled(x, weights, states, is_live, step_of(call, weights), is_reverse=is_reverse)
        outputs.append(output)
        lasts.append(states)
    every = torch.stack(outputs, 1)
    ends = [torch.stack(states, 1 if batch_first else 0) for states in zip(*lasts, strict=True)]
    return (every.permute(2, 0, 1, 3) if batch_first else every, *ends)


def _directions(call: Call, weight: Tensor) -> tuple[bool, ...]:
    """Return for each direction whether it runs backwards."""
    name = call.get("direction", "forward")
    directions = _DIRECTIONS.get(name, ())
    if len(directions) != weight.shape[0]:
        raise refused(
            call,
            f"direction {name!r} with weights for {weight.shape[0]} directions",
            hint="export the model again: its file is not valid",
        )
    return directions


def _weights(call: Call, tensors: tuple[Tensor, Tensor, Tensor | None, Tensor | None], index: int) -> Weights:
    weight, recurrence, bias, peepholes = tensors
    biases = (None, None) if bias is None else bias[index].chunk(2)
    return Weights(
        weight=weight[index],
        recurrence=recurrence[index],
        bias=biases[0],
        recurrent_bias=biases[1],
        peepholes=None if peepholes is None else peepholes[index],
        functions=activations_of(call, index, _DEFAULTS[call.operator]),
    )


def _live(lengths: Known | None, x: Tensor) -> Tensor | None:
    """Return whether each (time, batch, 1) lies within its sequence; None where all do."""
    if lengths is None or (isinstance(lengths, np.ndarray) and (lengths >= x.shape[0]).all()):
        return None
    if isinstance(lengths, np.ndarray):
        lengths = torch.from_numpy(lengths)
    return (torch.arange(x.shape[0]).to(lengths.dtype).reshape(-1, 1) < lengths).unsqueeze(-1)


def _unrolled(
    x: Tensor,
    weights: Weights,
    states: tuple[Tensor, ...],
    is_live: Tensor | None,
    step: Step,
    *,
    is_reverse: bool,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Return the hidden states of all time steps, and the last states."""
    count, batch = x.shape[:2]
    given = F.linear(x.reshape(count * batch, -1), weights.weight, weights.bias)
    times = range(count)
    hidden: dict[int, Tensor] = {}
    for time in reversed(times) if is_reverse else times:
        new = step(given[time * batch : (time + 1) * batch], states)
        if is_live is not None:
            new = tuple(torch.where(is_live[time], after, before) for after, before in zip(new, states, strict=True))
        states = new
        hidden[time] = states[0] if is_live is None else torch.where(is_live[time], states[0], 0.0)
    return torch.cat([hidden[time] for time in times]).reshape(count, batch, -1), states
