"""``If``, ``Loop`` and ``Scan``, where it is known beforehand how often they run.

The branch that is taken stands in the place of its node; the body of a loop stands there once for each round. Where
the model's inputs decide, both branches are computed, and one is chosen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from embedl_nb.compiler.onnx.evaluation import described
from embedl_nb.compiler.onnx.hints import SENSELESS
from embedl_nb.compiler.onnx.registry import Call, Operator
from embedl_nb.compiler.onnx.scope import Scope
from embedl_nb.compiler.onnx.values import Computed, Constant, Sizes, Value
from embedl_nb.errors import InputError, UnsupportedOperatorError

if TYPE_CHECKING:
    import onnx
    import torch

    from embedl_nb.compiler.onnx.planning import Planner

__all__ = ["OPERATORS", "outputs_of"]

_MOST_ROUNDS = 1000


def outputs_of(
    planner: Planner,
    call: Call,
    attributes: Mapping[str, onnx.AttributeProto],
    arguments: Sequence[Value | None],
    scope: Scope,
) -> Sequence[Value | None]:
    """Return the outputs of a node with subgraphs.

    Raises
    ------
    UnsupportedOperatorError
        If the model's inputs decide which way it goes or how often.
    """
    return OPERATORS[call.operator](planner, call, attributes, arguments, scope)


def _if(
    planner: Planner,
    call: Call,
    attributes: Mapping[str, onnx.AttributeProto],
    arguments: Sequence[Value | None],
    scope: Scope,
) -> Sequence[Value | None]:
    condition = arguments[0] if arguments else None
    if condition is None:
        raise InputError(f"node {call.name!r} (If) has no condition", hint=SENSELESS)
    if isinstance(condition, Constant):
        branch = "then_branch" if bool(condition.array.reshape(-1)[:1].any()) else "else_branch"
        return _walk_body(planner, call, _graph(call, attributes, branch), (), scope)
    sides = [
        _walk_body(planner, call, _graph(call, attributes, branch), (), scope)
        for branch in ("then_branch", "else_branch")
    ]
    return [_chosen(planner, call, condition, *pair) for pair in zip(*sides, strict=False)]


def _loop(
    planner: Planner,
    call: Call,
    attributes: Mapping[str, onnx.AttributeProto],
    arguments: Sequence[Value | None],
    scope: Scope,
) -> Sequence[Value | None]:
    import numpy as np

    body = _graph(call, attributes, "body")
    padded = [*arguments, *[None] * (2 - len(arguments))]
    limit, condition, carried = padded[0], padded[1], padded[2:]
    most = _MOST_ROUNDS + 1
    if limit is not None:
        most = int(_known(call, limit, "how often it runs", arguments).array.reshape(-1)[0])
    if condition is not None:
        condition = _known(call, condition, "whether it runs", arguments)
    carried += [None] * (len(body.input) - 2 - len(carried))
    scanned: list[list[Value | None]] = [[] for _ in range(len(body.output) - 1 - len(carried))]
    going = condition is None or bool(condition.array.any())
    number = 0
    while going and number < most:
        _bound(call, number)
        given = (Constant.of(np.asarray(number, np.int64)), condition or Constant.of(np.asarray(True)), *carried)
        condition, *rest = _walk_body(planner, call, body, given, scope)
        carried, new = rest[: len(carried)], rest[len(carried) :]
        for values, value in zip(scanned, new, strict=True):
            values.append(value)
        number += 1
        if condition is not None and number < most:
            condition = _known(call, condition, f"whether it goes on after round {number}", arguments)
            going = bool(condition.array.any())
        elif condition is not None and not isinstance(condition, Constant):
            condition = None
    return [*carried, *(_joined(planner, call, values, 0) for values in scanned)]


def _scan(
    planner: Planner,
    call: Call,
    attributes: Mapping[str, onnx.AttributeProto],
    arguments: Sequence[Value | None],
    scope: Scope,
) -> Sequence[Value | None]:
    if call.opset < 9:
        raise UnsupportedOperatorError(
            f"node {call.name!r} (Scan) is that of opset 8, which has a batch axis",
            operators=("Scan",),
            hint="convert the model: onnx.version_converter.convert_version(model, 13)",
        )
    body = _graph(call, attributes, "body")
    num_scanned = int(call.get("num_scan_inputs", 0))
    num_states = len(arguments) - num_scanned
    states, inputs = list(arguments[:num_states]), arguments[num_states:]
    if num_scanned < 1 or num_states < 0 or any(value is None for value in arguments):
        raise InputError(
            f"node {call.name!r} (Scan) has {len(arguments)} inputs and scans {num_scanned}",
            hint=SENSELESS,
        )
    num_outputs = len(body.output) - num_states
    axes = call.get("scan_input_axes", [0] * num_scanned)
    reversed_inputs = call.get("scan_input_directions", [0] * num_scanned)
    output_axes = call.get("scan_output_axes", [0] * num_outputs)
    reversed_outputs = call.get("scan_output_directions", [0] * num_outputs)
    length = min(_size(value, axis) for value, axis in zip(inputs, axes, strict=True))
    scanned: list[list[Value | None]] = [[] for _ in range(num_outputs)]
    for number in range(length):
        _bound(call, number)
        slices = [
            _picked(planner, call, value, axis, length - 1 - number if is_reversed else number)
            for value, axis, is_reversed in zip(inputs, axes, reversed_inputs, strict=True)
        ]
        returned = _walk_body(planner, call, body, (*states, *slices), scope)
        states = list(returned[:num_states])
        for values, value in zip(scanned, returned[num_states:], strict=True):
            values.append(value)
    outputs = [
        _joined(planner, call, values[::-1] if is_reversed else values, axis)
        for values, axis, is_reversed in zip(scanned, output_axes, reversed_outputs, strict=True)
    ]
    return [*states, *outputs]


OPERATORS = {"If": _if, "Loop": _loop, "Scan": _scan}
"""The operators that have subgraphs."""


def _walk_body(
    planner: Planner, call: Call, body: onnx.GraphProto, given: Sequence[Value | None], scope: Scope
) -> list[Value | None]:
    if len(body.input) != len(given):
        raise InputError(
            f"node {call.name!r} ({call.operator}) has a body with {len(body.input)} inputs; {len(given)} are given",
            hint=SENSELESS,
        )
    inner = scope.inner()
    for slot, value in zip(body.input, given, strict=True):
        if value is not None:
            inner.define(slot.name, value)
    planner.walk_graph(body, inner)
    return [inner.value(output.name, of=f"the outputs of {call.name!r}") for output in body.output]


def _chosen(planner: Planner, call: Call, condition: Value, yes: Value | None, no: Value | None) -> Value:
    """Return one of two values that are both computed, as the model's inputs decide."""
    if yes is None or no is None or _kind(yes) != _kind(no):
        raise _depends(call, f"whether it returns {described([yes])} or {described([no])}", [condition])

    def choose(_: Call, condition: torch.Tensor, yes: torch.Tensor, no: torch.Tensor) -> torch.Tensor:
        import torch

        return torch.where(condition.reshape(()), yes, no)

    return _computed(planner, call, choose, [condition, yes, no])


def _kind(value: Value) -> tuple[Any, Any]:
    if isinstance(value, Sizes):
        return "sizes", value.array.shape
    tensor = value.fake if isinstance(value, Computed) else value.tensor
    return tensor.dtype, tensor.shape


def _joined(planner: Planner, call: Call, values: list[Value | None], axis: int) -> Value:
    """Return the values of all rounds as one, along a new axis."""
    if not values:
        raise UnsupportedOperatorError(
            f"node {call.name!r} ({call.operator}) runs not once, so that its output is empty",
            operators=(call.operator,),
            hint="leave this output out of the graph",
        )

    def stack(_: Call, *tensors: torch.Tensor) -> torch.Tensor:
        import torch

        return torch.stack(tensors, dim=axis)

    return _computed(planner, call, stack, values)


def _picked(planner: Planner, call: Call, value: Value | None, axis: int, index: int) -> Value:
    """Return one slice of a value."""

    def pick(_: Call, tensor: torch.Tensor) -> torch.Tensor:
        return tensor.select(axis, index)

    return _computed(planner, call, pick, [value])


def _computed(planner: Planner, call: Call, function: Any, values: Sequence[Value | None]) -> Value:
    row = Operator(name=call.operator, domain="", since=1, function=function, arrivals=("Tensor",), is_variadic=True)
    outcome = planner.evaluated(row, call, values)
    if outcome.known:
        return outcome.known[0]
    step: Value = planner.add_step(call, function, outcome.arguments, outcome.fakes)[0]
    return step


def _graph(call: Call, attributes: Mapping[str, onnx.AttributeProto], name: str) -> onnx.GraphProto:
    if name not in attributes or not attributes[name].HasField("g"):
        raise InputError(f"node {call.name!r} ({call.operator}) has no {name}", hint=SENSELESS)
    return attributes[name].g


def _size(value: Value | None, axis: int) -> int:
    shape = value.fake.shape if isinstance(value, Computed) else value.array.shape if value else ()
    if not -len(shape) <= axis < len(shape):
        raise InputError(f"a Scan goes along axis {axis} of a tensor of shape {tuple(shape)}")
    return int(shape[axis])


def _known(call: Call, value: Value, what: str, arguments: Sequence[Value | None]) -> Constant:
    if isinstance(value, Constant):
        return value
    raise _depends(call, what, arguments)


def _bound(call: Call, number: int) -> None:
    if number >= _MOST_ROUNDS:
        raise UnsupportedOperatorError(
            f"node {call.name!r} ({call.operator}) runs more than {_MOST_ROUNDS} times, too often to write it out",
            operators=(call.operator,),
            hint="export the part inside the loop as a model of its own, and loop outside",
        )


def _depends(call: Call, what: str, arguments: Sequence[Value | None]) -> UnsupportedOperatorError:
    return UnsupportedOperatorError(
        f"node {call.name!r} ({call.operator}): the model's inputs decide {what}, and a LiteRT model goes one way; "
        f"its inputs are {described(arguments)}",
        operators=(call.operator,),
        hint="compile the parts inside it as models of their own, and decide outside",
    )
