"""Ready a program's own quantization for the converter, so that its operators run in integers.

A program that was quantized elsewhere has pairs of quantize and dequantize around its operators. The converter turns
them into integer kernels where a pair stands together, in int8, on float weights. So here weights that are stored as
integers become float again with a pair of their own, uint8 pairs move to int8 (both ends by 128, which changes no
value), and what stands alone is written out as arithmetic. Runs in the child only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.ao.quantization.fx._decomposed
from torch.export import ExportedProgram
from torch.fx import Node

from embedl_nb.compiler.lowering.fold import Constants
from embedl_nb.compiler.lowering.inserting import insert_call

__all__ = ["integer_kernels", "ready_quantization"]

_aten = torch.ops.aten
_pair = torch.ops.quantized_decomposed
_QUANTIZE = (_pair.quantize_per_tensor.default, _pair.quantize_per_channel.default)
_DEQUANTIZE = (_pair.dequantize_per_tensor.default, _pair.dequantize_per_channel.default)
_COPIES = (_aten.lift_fresh_copy.default, _aten.clone.default, _aten.detach.default, _aten.alias.default)
_BYTES = (torch.int8, torch.uint8)
_INT8 = (-128, 127, torch.int8)


def ready_quantization(program: ExportedProgram) -> list[str]:
    """Change ``program`` in place, and return what was done in words; nothing where it is not quantized."""
    nodes = [node for node in program.graph.nodes if node.target in (*_QUANTIZE, *_DEQUANTIZE)]
    if not nodes:
        return []
    readying = _Readying(program)
    for node in nodes:
        if node.target in _DEQUANTIZE:
            readying.constant(node)
    num_pairs = sum(readying.quantize(node) for node in list(program.graph.nodes) if node.target in _QUANTIZE)
    for node in list(program.graph.nodes):
        if node.target in _DEQUANTIZE and node.args[0].target not in _QUANTIZE:
            readying.write_out_dequantize(node)
    program.graph.eliminate_dead_code()
    readying.constants.drop_unused()
    program.graph_module.recompile()
    num_shifted = readying.num_shifted
    return [
        *([f"{num_pairs} quantized tensors kept"] if num_pairs else []),
        *([f"{num_shifted} weights with a zero point quantized anew without one"] if num_shifted else []),
    ]


def integer_kernels(programs: Sequence[ExportedProgram]) -> Any:
    """Return the converter's setting under which pairs become integer kernels; None where there are no pairs."""
    if not any(node.target in _QUANTIZE for program in programs for node in program.graph.nodes):
        return None
    from litert_torch.quantize import pt2e_quantizer, quant_config

    scheme = pt2e_quantizer.get_symmetric_quantization_config(is_per_channel=True)
    return quant_config.QuantConfig(pt2e_quantizer=pt2e_quantizer.PT2EQuantizer().set_global(scheme))


class _Readying:
    """The changes, and what they need of the program."""

    def __init__(self, program: ExportedProgram) -> None:
        self.constants = Constants(program)
        self.num_shifted = 0

    def constant(self, node: Node) -> None:
        """Turn a dequantized constant into a float one, with a pair of its own where kernels take it in integers."""
        place = _source(node.args[0])
        stored = self.constants.value(place)
        parameters = self._parameters(node)
        if stored is None or parameters is None:
            return
        scales, shifts, axis = parameters
        shape = [1] * stored.dim()
        if axis is not None:
            shape[axis] = -1
        real = ((stored.double() - shifts.double().reshape(shape)) * scales.double().reshape(shape)).float()
        weight = self.constants.add(place, real, "real")
        if stored.dtype == torch.uint8:
            shifts = shifts - 128
        if stored.dtype not in _BYTES or bool(shifts.any()):  # a bias, or weights that no kernel of LiteRT takes
            self.num_shifted += stored.dtype in _BYTES
            node.replace_all_uses_with(weight)
            return
        if axis is None:
            arguments: tuple[Any, ...] = (float(scales), 0, *_INT8)
        else:
            both = [
                self.constants.add(place, values, name) for values, name in ((scales, "scales"), (shifts, "shifts"))
            ]
            arguments = (*both, axis, *_INT8)
        quantize = _QUANTIZE[axis is not None]
        whole = insert_call(node, quantize, weight, *arguments)
        node.args = (whole, *arguments)

    def quantize(self, node: Node) -> bool:
        """Make a pair int8 and return True; write out what is used by something else than the other half of a pair."""
        others = [user for user in node.users if not _is_other_half(node, user)]
        if others:
            alone = self._written_out(node)
            for user in others:
                user.replace_input_with(node, alone)
        if not node.users:
            return False
        if node.args[-1] == torch.uint8 and node.target is _QUANTIZE[0]:
            for half in (node, *node.users):
                half.args = (*half.args[:2], int(half.args[2]) - 128, *_INT8)
            node.meta["val"] = node.meta["val"].to(torch.int8)
            node.meta.pop("tensor_meta", None)
        return True

    def write_out_dequantize(self, node: Node) -> None:
        """Put ``(x - zero point) * scale`` in the node's place."""
        value, axis = node.args[0], node.args[3] if node.target is _DEQUANTIZE[1] else None
        real = insert_call(node, _aten._to_copy.default, value, dtype=torch.float32)
        scale, shift = node.args[1:3]
        if axis is not None:
            scale, shift = (_along(node, part, int(axis)) for part in (scale, shift))
        moved = insert_call(node, _aten.sub.Tensor, real, shift)
        node.replace_all_uses_with(insert_call(node, _aten.mul.Tensor, moved, scale))

    def _written_out(self, node: Node) -> Node:
        """Return ``saturate(round(x / scale) + zero point)``."""
        scale, shift = node.args[1:3]
        axis = node.args[3] if node.target is _QUANTIZE[1] else None
        low, high, dtype = node.args[-3:]
        if axis is not None:
            scale, shift = (_along(node, part, int(axis)) for part in (scale, shift))
        steps = insert_call(node, _aten.round.default, insert_call(node, _aten.div.Tensor, node.args[0], scale))
        moved = insert_call(node, _aten.add.Tensor, steps, shift)
        bounded = insert_call(node, _aten.clamp.default, moved, low, high)
        whole = insert_call(node, _aten._to_copy.default, bounded, dtype=torch.int32)
        return insert_call(node, _aten._to_copy.default, whole, dtype=dtype)

    def _parameters(self, node: Node) -> tuple[torch.Tensor, torch.Tensor, int | None] | None:
        """Return scales, zero points and their axis; None where they are no constants."""
        if node.target is _DEQUANTIZE[0]:
            return torch.tensor(node.args[1], dtype=torch.float32), torch.tensor(node.args[2]), None
        scales, shifts = (self.constants.value(_source(part)) for part in node.args[1:3])
        if scales is None or shifts is None:
            return None
        return scales.float(), shifts.long(), int(node.args[3])


def _along(node: Node, part: Node, axis: int) -> Node:
    shape = [1] * node.meta["val"].dim()
    shape[axis] = part.meta["val"].numel()
    real = insert_call(node, _aten._to_copy.default, part, dtype=torch.float32)
    return insert_call(node, _aten.view.default, real, shape)


def _is_other_half(node: Node, user: Node) -> bool:
    """Tell whether ``user`` takes back what ``node`` does."""
    return user.target is _DEQUANTIZE[_QUANTIZE.index(node.target)] and user.args[1:] == node.args[1:]


def _source(node: Any) -> Any:
    """Return what a copy is a copy of."""
    while isinstance(node, Node) and node.target in _COPIES:
        node = node.args[0]
    return node
