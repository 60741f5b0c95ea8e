"""Give an exported program the interface that was asked for: channels last, pictures as bytes.

The child's half of interface.py. Operators are put between the program's own inputs and outputs and new ones; a
TRANSPOSE that the converter would put there itself then meets its opposite, and both go.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, InputSpec, TensorArgument
from torch.fx import Node

from embedl_nb.compiler.lowering.inserting import insert_call

__all__ = ["give_interface"]

_aten = torch.ops.aten
_TO_LAST, _TO_FIRST = [0, 2, 3, 1], [0, 3, 1, 2]
_insert = functools.partial(insert_call, has_origin=False)  # what is asked for is no part of a module


def give_interface(program: ExportedProgram, payload: Mapping[str, Any]) -> list[str]:
    """Change ``program`` in place, as ``payload["interface"]`` says, and return what was done in words."""
    interface = payload.get("interface")
    if interface is None:
        return []
    for name, node in zip(payload["input_names"], _input_nodes(program), strict=True):
        if name in interface["inputs"]:
            _turn_input(program, node)
        elif name in interface["images"]:
            _take_pixels(program, node, interface["images"][name])
    for position, name in enumerate(payload["output_names"]):
        if name in interface["outputs"]:
            _turn_output(program, position)
    # The converter calls the program's checks with its example.
    program.example_inputs = (tuple(_example(node) for node in _input_nodes(program)), {})
    program.graph_module.recompile()
    return _in_words(interface)


def _in_words(interface: Mapping[str, Any]) -> list[str]:
    steps = [
        f"input {name} takes {image['dtype']} RGB pixels ({image['in_words']})"
        for name, image in interface["images"].items()
    ]
    turned = [f"{side} {', '.join(interface[side])}" for side in ("inputs", "outputs") if interface[side]]
    return [*steps, *([f"channels last: {' and '.join(turned)}"] if turned else [])]


def _input_nodes(program: ExportedProgram) -> list[Node]:
    by_name = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    return [
        by_name[spec.arg.name]
        for spec in program.graph_signature.input_specs
        if spec.kind is InputKind.USER_INPUT and isinstance(spec.arg, TensorArgument)
    ]


def _example(node: Node) -> torch.Tensor:
    value = node.meta["val"]
    sizes = [size if isinstance(size, int) else size.node.hint for size in value.shape]
    return torch.zeros(sizes, dtype=value.dtype)


def _turn_input(program: ExportedProgram, node: Node) -> None:
    """Let an input have its channels last, and turn it for the program."""
    users = list(node.users)
    _change_input(node, node.meta["val"].permute(_TO_LAST).contiguous())
    turned = _insert(_first_operator(program), _aten.permute.default, node, _TO_FIRST)
    _hand_on(program, node, turned, users)


def _take_pixels(program: ExportedProgram, node: Node, image: Mapping[str, Any]) -> None:
    """Let an input take pixels, and do ``pixel * scale / std - mean / std`` for the program."""
    users, value = list(node.users), node.meta["val"]
    mean, std = torch.tensor(image["mean"], dtype=torch.float64), torch.tensor(image["std"], dtype=torch.float64)
    factor = _constant(program, f"{node.name}_factor", (image["scale"] / std).to(value.dtype))
    offset = _constant(program, f"{node.name}_offset", (-mean / std).to(value.dtype))
    pixels = value.permute(_TO_LAST).contiguous().to(getattr(torch, image["dtype"]))
    _change_input(node, pixels)
    place, current = _first_operator(program), node
    if pixels.dtype != value.dtype:
        current = _insert(place, _aten._to_copy.default, current, dtype=value.dtype)
    if image["order"] == "BGR":
        channels = [_insert(place, _aten.slice.Tensor, current, 3, index, index + 1) for index in (2, 1, 0)]
        current = _insert(place, _aten.cat.default, channels, 3)
    current = _insert(place, _aten.mul.Tensor, current, factor)
    current = _insert(place, _aten.add.Tensor, current, offset)
    current = _insert(place, _aten.permute.default, current, _TO_FIRST)
    _hand_on(program, node, current, users)


def _turn_output(program: ExportedProgram, position: int) -> None:
    """Let an output have its channels last."""
    output = next(node for node in reversed(program.graph.nodes) if node.op == "output")
    results = list(output.args[0])
    user_outputs = [spec for spec in program.graph_signature.output_specs if spec.kind.name == "USER_OUTPUT"]
    spec = user_outputs[position]
    index = program.graph_signature.output_specs.index(spec)
    results[index] = _insert(output, _aten.permute.default, results[index], _TO_LAST)
    output.args = (tuple(results),)
    spec.arg = TensorArgument(name=results[index].name)


def _first_operator(program: ExportedProgram) -> Node:
    return next(node for node in program.graph.nodes if node.op != "placeholder")


def _change_input(node: Node, value: Any) -> None:
    node.meta["val"] = value
    node.meta.pop("tensor_meta", None)


def _hand_on(program: ExportedProgram, node: Node, new: Node, users: list[Node]) -> None:
    """Let those that took the input take ``new``; an output that is the input itself, too."""
    for user in users:
        user.replace_input_with(node, new)
    for spec in program.graph_signature.output_specs:
        if spec.arg.name == node.name:
            spec.arg = TensorArgument(name=new.name)


def _constant(program: ExportedProgram, name: str, value: torch.Tensor) -> Node:
    """Add a tensor that the program carries, as the first of its inputs."""
    first = next(iter(program.graph.nodes))
    example = _input_nodes(program)[0].meta["val"]
    with program.graph.inserting_before(first):
        node = program.graph.placeholder(name)
    node.meta["val"] = example.fake_mode.from_tensor(value)
    spec = InputSpec(kind=InputKind.CONSTANT_TENSOR, arg=TensorArgument(name=node.name), target=node.name)
    program.graph_signature.input_specs.insert(0, spec)
    program.constants[node.name] = value
    return node
