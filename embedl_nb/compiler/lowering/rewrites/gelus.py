"""Recognise GELU where it is written out: LiteRT has it as one operator, and no erf but a polynomial of a dozen.

ONNX files hold ``0.5 * x * (1 + erf(x / sqrt(2)))`` for it in most opsets, and so do models that were written before
torch had the function. Runs in the child only, on the program as it was exported.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.fx import Node

from embedl_nb.compiler.lowering.inserting import insert_call

__all__ = ["recognise_gelus"]

_aten = torch.ops.aten
_SCALINGS = {_aten.mul.Tensor: False, _aten.mul.Scalar: False, _aten.div.Tensor: True, _aten.div.Scalar: True}
"""Whether the second operand divides."""
_SUMS = (_aten.add.Tensor, _aten.add.Scalar)
_MEANINGLESS = (_aten._assert_tensor_metadata.default,)
_RELATIVE_ERROR = 1e-5  # of constants that were rounded to float32, or written down with a few digits


def recognise_gelus(program: ExportedProgram) -> int:
    """Put ``gelu`` in the place of each that is written out, in place.

    Returns
    -------
    int
        How many there were.
    """
    constants = _Constants(program)
    found = 0
    for node in list(program.graph.nodes):
        if node.target is _aten.erf.default and (match := _match(node, constants)) is not None:
            x, last = match
            last.replace_all_uses_with(insert_call(last, _aten.gelu.default, x))
            _erase_unread(last)
            found += 1
    if found:
        program.graph_module.recompile()
    return found


class _Constants:
    """Numbers in a program, written in it or kept beside it."""

    def __init__(self, program: ExportedProgram) -> None:
        held = {**program.state_dict, **program.constants}
        targets = {spec.arg.name: spec.target for spec in program.graph_signature.input_specs if spec.target}
        self._held = {name: held[target] for name, target in targets.items() if target in held}

    def is_near(self, value: Any, number: float) -> bool:
        """Say whether ``value`` is a constant and one number, the one given."""
        if isinstance(value, Node):
            tensor = self._held.get(_seen_through(value).name)
            if not isinstance(tensor, torch.Tensor) or tensor.numel() != 1:
                return False
            value = tensor.item()
        return isinstance(value, int | float) and math.isclose(value, number, rel_tol=_RELATIVE_ERROR)

    def unscaled(self, node: Any, factor: float) -> Node | None:
        """Return x where ``node`` is x times ``factor``, as a product or a division."""
        if not isinstance(node, Node) or _seen_through(node).target not in _SCALINGS:
            return None
        node = _seen_through(node)
        first, second = node.args[:2]
        if _SCALINGS[node.target]:
            pairs, number = [(first, second)], 1 / factor
        else:
            pairs, number = [(first, second), (second, first)], factor
        return next((_seen_through(x) for x, c in pairs if isinstance(x, Node) and self.is_near(c, number)), None)


def _match(erf: Node, constants: _Constants) -> tuple[Node, Node] | None:
    """Return x and the last operator of the GELU that ``erf`` is part of."""
    x = constants.unscaled(erf.args[0], math.sqrt(0.5))
    one_more = _only_user(erf)
    if x is None or one_more is None or one_more.target not in _SUMS or one_more.kwargs:
        return None
    if not any(constants.is_near(other, 1.0) for other in one_more.args[:2]):
        return None
    last, is_halved, has_x = one_more, False, False
    while not (is_halved and has_x):
        user = _only_user(last)
        if user is None or user.target not in _SCALINGS:
            return None
        first, second = user.args[:2]
        is_first = isinstance(first, Node) and _seen_through(first) is last
        other = second if is_first else first
        if _SCALINGS[user.target]:
            if is_halved or not is_first or not constants.is_near(second, 2.0):
                return None
            is_halved = True
        elif not is_halved and constants.is_near(other, 0.5):
            is_halved = True
        elif not has_x and isinstance(other, Node) and _seen_through(other) is x:
            has_x = True
        elif not (is_halved or has_x) and constants.unscaled(other, 0.5) is x:
            is_halved = has_x = True
        else:
            return None
        last = user
    return (x, last) if last.meta["val"].dtype is torch.float32 else None


def _erase_unread(node: Node) -> None:
    """Erase ``node`` and what only it has read."""
    if node.op != "call_function" or any(user.target not in _MEANINGLESS for user in node.users):
        return
    for user in list(node.users):
        node.graph.erase_node(user)
    read = node.all_input_nodes
    node.graph.erase_node(node)
    for each in read:
        _erase_unread(each)


def _seen_through(node: Node) -> Node:
    """Return what ``node`` is without conversions that convert nothing."""
    while node.target is _aten.to.dtype and node.meta["val"].dtype == node.args[0].meta["val"].dtype:
        node = node.args[0]
    return node


def _only_user(node: Node) -> Node | None:
    """Return the one operator that reads ``node``, past conversions that convert nothing."""
    users = [user for user in node.users if user.target not in _MEANINGLESS]
    if len(users) != 1:
        return None
    return _only_user(users[0]) if _seen_through(users[0]) is not users[0] else users[0]
