"""Fold BatchNorm into the convolution or linear layer before it, on the exported graph.

In eval mode BatchNorm is a scale and a shift per channel: ``bn(conv(x, W, b)) = conv(x, W * s, (b - mean) * s + beta)``
with ``s = gamma / sqrt(var + eps)``. Working on the exported graph needs no knowledge of the user's classes. New
constants are computed in float64 and rounded once. Runs in the child only.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, InputSpec, TensorArgument
from torch.fx import Node

__all__ = ["Constants", "fold_batch_norms"]

_aten = torch.ops.aten
# Operator -> axis of the output channels in its weight.
_LINEAR_MAPS = {
    _aten.conv1d.default: 0,
    _aten.conv1d.padding: 0,
    _aten.conv2d.default: 0,
    _aten.conv2d.padding: 0,
    _aten.conv3d.default: 0,
    _aten.conv3d.padding: 0,
    _aten.convolution.default: 0,
    _aten.linear.default: 0,
    _aten.conv_transpose1d.default: 1,
    _aten.conv_transpose2d.input: 1,
    _aten.conv_transpose3d.input: 1,
}
_GROUPS_ARGUMENT = 6  # of the transposed convolutions above
_CONSTANTS = (InputKind.PARAMETER, InputKind.BUFFER, InputKind.CONSTANT_TENSOR)


def fold_batch_norms(program: ExportedProgram) -> int:
    """Fold what can be folded, in place.

    Returns
    -------
    int
        Number of BatchNorm operators that are gone.
    """
    constants = Constants(program)
    num_folded = sum(_fold(node, constants) for node in list(program.graph.nodes) if _is_batch_norm(node))
    if num_folded:
        program.graph.eliminate_dead_code()
        constants.drop_unused()
        program.graph_module.recompile()
    return num_folded


def _is_batch_norm(node: Node) -> bool:
    if node.target is _aten.batch_norm.default:
        return node.args[5] is False
    return node.target is _aten._native_batch_norm_legit_no_training.default


def _fold(norm: Node, constants: Constants) -> bool:
    source = norm.args[0]
    if not isinstance(source, Node) or source.target not in _LINEAR_MAPS or len(source.users) != 1:
        return False
    arguments = [*source.args, *[None] * (3 - len(source.args))]
    weight, bias = constants.value(arguments[1]), constants.value(arguments[2])
    gamma, beta, mean, variance = (constants.value(argument) for argument in norm.args[1:5])
    if weight is None or mean is None or variance is None or not weight.is_floating_point() or source.kwargs:
        return False
    if any(
        value is None and argument is not None
        for value, argument in ((bias, arguments[2]), (gamma, norm.args[1]), (beta, norm.args[2]))
    ):
        return False  # computed in the graph, not a constant
    eps = float(norm.args[7] if norm.target is _aten.batch_norm.default else norm.args[6])
    axis, num_groups = _channels(source, arguments)
    if source.target is _aten.linear.default and len(source.meta["val"].shape) != 2:
        return False  # BatchNorm's channels are axis 1, a linear layer's the last
    scale = torch.rsqrt(variance.double() + eps) * (1.0 if gamma is None else gamma.double())
    shift = ((0.0 if bias is None else bias.double()) - mean.double()) * scale + (
        0.0 if beta is None else beta.double()
    )
    folded = weight.double() * _along(scale, weight, axis=axis, num_groups=num_groups)
    arguments[1] = constants.add(arguments[1], folded.to(weight.dtype), "folded")
    arguments[2] = constants.add(norm.args[3], shift.to(weight.dtype), "folded_bias")  # beside the running mean
    source.args = tuple(arguments)
    _replace(norm, source)
    return True


def _channels(source: Node, arguments: list[Any]) -> tuple[int, int]:
    """Return the weight's axis of output channels and the groups they are split into on it."""
    if source.target is _aten.convolution.default and arguments[6]:  # transposed
        return 1, int(arguments[8])
    axis = _LINEAR_MAPS[source.target]
    groups = arguments[_GROUPS_ARGUMENT] if axis == 1 and len(arguments) > _GROUPS_ARGUMENT else 1
    return axis, int(groups)


def _along(scale: torch.Tensor, weight: torch.Tensor, *, axis: int, num_groups: int) -> torch.Tensor:
    """Shape a factor per output channel so that it multiplies ``weight``."""
    if axis == 0:
        return scale.reshape(-1, *[1] * (weight.dim() - 1))
    # A transposed weight is (inputs, outputs / groups, ...); its inputs go through the groups one after the other.
    per_group = scale.reshape(num_groups, 1, -1).expand(num_groups, weight.shape[0] // num_groups, -1)
    return per_group.reshape(weight.shape[0], weight.shape[1], *[1] * (weight.dim() - 2))


def _replace(norm: Node, source: Node) -> None:
    graph = norm.graph
    if norm.target is _aten.batch_norm.default:
        norm.replace_all_uses_with(source)
    else:  # returns (output, saved mean, saved variance)
        for user in list(norm.users):
            if user.target is operator.getitem and user.args[1] == 0:
                user.replace_all_uses_with(source)
                graph.erase_node(user)
    if not norm.users:
        graph.erase_node(norm)


class Constants:
    """The program's weights: read, add, drop."""

    def __init__(self, program: ExportedProgram) -> None:
        self._program = program
        self._specs = {spec.arg.name: spec for spec in program.graph_signature.input_specs if spec.kind in _CONSTANTS}

    def value(self, node: Any) -> torch.Tensor | None:
        """Return the tensor that a graph input stands for; None if it is not one of the program's own constants."""
        spec = self._specs.get(node.name) if isinstance(node, Node) and node.op == "placeholder" else None
        if spec is None or spec.target is None:
            return None
        stored = self._program.state_dict.get(spec.target)
        tensor = self._program.constants.get(spec.target) if stored is None else stored
        return tensor.detach() if isinstance(tensor, torch.Tensor) else None

    def add(self, beside: Any, tensor: torch.Tensor, suffix: str) -> Node:
        """Add a constant as a graph input next to ``beside``, named after it."""
        graph, specs = self._program.graph, self._program.graph_signature.input_specs
        with graph.inserting_before(beside):
            node = graph.placeholder(f"{beside.name}_{suffix}")
        node.target = node.name  # the graph makes names unique, not targets
        spec = self._specs[beside.name]
        target = f"{spec.target}_{suffix}"
        while target in self._program.state_dict:
            target += "_"
        node.meta["val"] = beside.meta["val"].new_empty(tensor.shape, dtype=tensor.dtype)
        new = InputSpec(InputKind.BUFFER, TensorArgument(name=node.name), target, persistent=True)
        specs.insert(specs.index(spec), new)
        self._specs[node.name] = new
        self._program.state_dict[target] = tensor
        return node

    def drop_unused(self) -> None:
        """Remove the graph inputs that nothing reads any more, with their values where no other input has them."""
        signature = self._program.graph_signature
        unused = {
            node.name: node
            for node in self._program.graph.nodes
            if node.op == "placeholder" and not node.users and node.name in self._specs
        }
        written = {spec.target for spec in signature.output_specs if spec.target is not None}
        kept = [
            spec
            for spec in signature.input_specs
            if getattr(spec.arg, "name", "") not in unused or spec.target in written
        ]
        for spec in signature.input_specs:
            if spec not in kept:
                self._program.graph.erase_node(unused[spec.arg.name])
        signature.input_specs[:] = kept
        used = {spec.target for spec in kept}
        for target in [name for name in self._program.state_dict if name not in used]:
            del self._program.state_dict[target]
