"""Why litert-torch gave up: its exceptions become errors that name operators and the user's modules and lines.

All text patterns on litert-torch's exceptions live here, each with a sample that was recorded from the version it
names. Runs in the child only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import torch
from torch.export import ExportedProgram
from torch.fx import Node
from torch.utils import _pytree

from embedl_nb.compiler.explaining.advice import DEFAULT, advice_for
from embedl_nb.compiler.explaining.places import described_inputs, innermost_line, place, short
from embedl_nb.compiler.lowering.names import module_path
from embedl_nb.errors import CompileError, EmbedlError, UnsupportedOperatorError
from embedl_nb.runtime.refusals import RefusalPattern

__all__ = ["FAILURE_PATTERNS", "NODE_PATTERN", "lowering_error", "named_operators"]

_LOCATION = re.compile(r'loc\("(?P<path>[^"|;]+)\|')
_LINE = re.compile(r"(?P<file>/\S+\.py):(?P<line>\d+):\d+: error")
_MOST_PLACES = 3
_MOST_DIMENSIONS = 8
# What torch.export adds beside an operator whose output's shape depends on values; it is never the cause itself.
_BOOKKEEPING = ("aten._assert_scalar.", "aten.sym_constrain_range")

FAILURE_PATTERNS = (
    RefusalPattern(
        pattern=re.compile(r"Lowering not found: (?P<name>[\w.:]+)"),
        sample="Lowering not found: aten.erfinv.default",
        source="litert-torch 0.10.0",
    ),
    RefusalPattern(
        pattern=re.compile(r"failed to legalize operation '(?P<name>[^']+)'"),
        sample="error: failed to legalize operation 'stablehlo.sort' that was explicitly marked illegal",
        source="litert-converter 0.5.0",
    ),
    RefusalPattern(
        pattern=re.compile(r"TF Select ops: (?P<name>\w+)"),
        sample="Some ops are not supported by the native TFLite runtime, you can enable TF kernels fallback using TF "
        "Select. See instructions: https://www.tensorflow.org/lite/guide/ops_select \nTF Select ops: BitwiseAnd",
        source="litert-converter 0.5.0",
    ),
)
# What torch.fx adds to any exception of a node's lowering.
NODE_PATTERN = RefusalPattern(
    pattern=re.compile(r"While executing %(?P<node>\w+) : .*?\[target=torch\.ops\.(?P<name>[\w.]+)\]"),
    sample="While executing %index : [num_users=2] = call_function[target=torch.ops.aten.index.Tensor](args = (%a_0, "
    "[%gt]), kwargs = {})",
    source="torch 2.13.0",
)


def lowering_error(err: Exception, program: ExportedProgram | None) -> EmbedlError:
    """Return the error for ``err``; ``program`` is what was being lowered, as far as it had come."""
    text, kind = str(err), type(err).__name__
    nodes = _failed_nodes(text, program) if program is not None else []
    operators = tuple(dict.fromkeys([*(short(node.target) for node in nodes), *named_operators(text)]))
    if operators:
        nodes += _at_lines(program, _LINE.findall(text)) if program is not None else []
        found = [*map(place, nodes), *(f"module {name!r}" for name in _LOCATION.findall(text))]
        return UnsupportedOperatorError(
            f"{_said(text, operators, nodes)} (in {_listed(found)})",
            operators=operators,
            suspects=_suspects(nodes),
            exception=kind,
            hint=_hint(program, nodes, operators),
            details=f"{kind}: {text}",
        )
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return CompileError(
        f"LiteRT's converter failed: {kind}: {first}" if first else f"LiteRT's converter failed: {kind}",
        exception=kind,
        hint=f"{_hint(program, [], ())}; .details has what it said",
        details=f"{kind}: {text}",
    )


def named_operators(text: str) -> tuple[str, ...]:
    """Return the operators that an exception of the converter names."""
    named = [match["name"] for entry in FAILURE_PATTERNS for match in entry.pattern.finditer(text)]
    named += [match["name"] for match in NODE_PATTERN.pattern.finditer(text)]
    return tuple(dict.fromkeys(map(short, named)))


def _failed_nodes(text: str, program: ExportedProgram) -> list[Node]:
    """Return the nodes that have no lowering, and the one whose lowering has raised."""
    names = {match["node"] for match in NODE_PATTERN.pattern.finditer(text)}
    raised = [node for node in program.graph.nodes if node.name in names]
    return list(dict.fromkeys([*_without_lowering(program), *raised]))


def _without_lowering(program: ExportedProgram) -> list[Node]:
    from litert_torch.backend import lowerings

    # Placeholders for constants are calls of a Python function, which has no schema.
    calls = [node for node in program.graph.nodes if node.op == "call_function" and hasattr(node.target, "_schema")]
    return [
        node
        for node in calls
        if lowerings.lookup(node.target) is None and not str(node.target).startswith(_BOOKKEEPING)
    ]


def _at_lines(program: ExportedProgram, lines: list[tuple[str, str]]) -> list[Node]:
    """Return the nodes whose innermost line is one of ``lines``: MLIR says no more than that."""
    wanted = set(lines)
    return [node for node in program.graph.nodes if innermost_line(node) in wanted]


def _said(text: str, operators: tuple[str, ...], nodes: list[Node]) -> str:
    inputs = {short(node.target): described_inputs(node) for node in reversed(nodes)}
    named = ", ".join(f"{name} of {inputs[name]}" if inputs.get(name) else name for name in operators)
    if any(sign in text for sign in ("Lowering not found", "failed to legalize", "TF Select ops")):
        return f"LiteRT's converter has no lowering for {named}"
    reason = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return f"LiteRT's converter cannot lower {named}: {reason}"


def _listed(places: Iterable[str]) -> str:
    found = list(dict.fromkeys(filter(None, places)))
    more = f"; and {len(found) - _MOST_PLACES} more places" if len(found) > _MOST_PLACES else ""
    return ("; ".join(found[:_MOST_PLACES]) or "the model") + more


def _suspects(nodes: list[Node]) -> tuple[str, ...]:
    """Name the modules and lines of ``nodes``, by which they are found in the program before it was decomposed."""
    return tuple(dict.fromkeys(f"{module_path(node)}\n{node.meta.get('stack_trace') or ''}" for node in nodes))


def _hint(program: ExportedProgram | None, nodes: list[Node], operators: tuple[str, ...]) -> str:
    """Return the nearest rewrite; without one, what is special about the program (its dtypes, open sizes)."""
    known = advice_for(operators)
    if known == DEFAULT and program is not None and program.range_constraints:
        return "leave the dimension that it works on out of dynamic_shapes, or compile for one size of it"
    around = nodes or (list(program.graph.nodes) if program is not None else [])
    values = [
        leaf
        for node in around
        for used in (node, *node.all_input_nodes)
        for leaf in _pytree.tree_leaves(used.meta.get("val"))
    ]
    tensors = [value for value in values if isinstance(value, torch.Tensor)]
    for dtype in (torch.float64, torch.bfloat16):
        if any(tensor.dtype is dtype for tensor in tensors):
            named = str(dtype).removeprefix("torch.")
            return f"LiteRT has few operators in {named}: compile module.float() with float32 inputs"
    if known == DEFAULT and any(tensor.dtype.is_complex for tensor in tensors):
        return advice_for(["aten.complex"])
    if known == DEFAULT and any(tensor.dim() > _MOST_DIMENSIONS for tensor in tensors):
        return f"LiteRT has few operators on more than {_MOST_DIMENSIONS} dimensions: reshape to fewer"
    return known
