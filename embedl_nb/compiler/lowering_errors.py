"""Why litert-torch gave up: its exceptions become errors that name operators and the user's modules and lines.

All text patterns on litert-torch's exceptions live here, each with a sample that was recorded from the version it
names. Runs in the child only.
"""

from __future__ import annotations

import re
from typing import Any

import torch
from torch.export import ExportedProgram
from torch.fx import Node

from embedl_nb.compiler.names import module_path
from embedl_nb.compiler.user_code import is_installed_file, where
from embedl_nb.errors import CompileError, EmbedlError, UnsupportedOperatorError
from embedl_nb.runtime.refusals import RefusalPattern

__all__ = ["FAILURE_PATTERNS", "lowering_error"]

_LOCATION = re.compile(r'loc\("(?P<path>[^"|;]+)\|')
_LINE = re.compile(r"(?P<file>/\S+\.py):(?P<line>\d+):\d+: error")
_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+)')


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
)


def lowering_error(err: Exception, program: ExportedProgram | None) -> EmbedlError:
    """Return the error for ``err``; ``program`` is what was being lowered, as far as it had come."""
    text = str(err)
    named = [match["name"] for entry in FAILURE_PATTERNS for match in entry.pattern.finditer(text)]
    nodes = _without_lowering(program) if program is not None else []
    if named or nodes:
        operators = tuple(dict.fromkeys([*(_short(node.target) for node in nodes), *map(_short, named)]))
        nodes += _at_lines(program, _LINE.findall(text)) if program is not None else []
        found = [*map(_place, nodes), *(f"module {name!r}" for name in _LOCATION.findall(text))]
        places = "; ".join(dict.fromkeys(place for place in found if place)) or "the model"
        return UnsupportedOperatorError(
            f"LiteRT's converter has no lowering for {', '.join(operators)} (in {places})",
            operators=operators,
            hint=_hint(program),
            details=text,
        )
    first = next((line.strip() for line in text.splitlines() if line.strip()), type(err).__name__)
    return CompileError(
        f"LiteRT's converter failed: {first}",
        hint=f"{_hint(program)}; .details has what it said",
        details=f"{type(err).__name__}: {text}",
    )


def _hint(program: ExportedProgram | None) -> str:
    if program is not None and program.range_constraints:
        return "export the program with fixed sizes: what lowers a dimension that varies is often missing"
    values = [node.meta.get("val") for node in program.graph.nodes] if program is not None else []
    dtypes = {value.dtype for value in values if isinstance(value, torch.Tensor)}
    if torch.float64 in dtypes:
        return "LiteRT has few operators in float64: compile module.float() with float32 inputs"
    if any(dtype.is_complex for dtype in dtypes):
        return "LiteRT has next to no complex numbers: compute real and imaginary parts apart"
    return "write this part of the module with other operations"


def _without_lowering(program: ExportedProgram) -> list[Node]:
    from litert_torch.backend import lowerings

    # Placeholders for constants are calls of a Python function, which has no schema.
    calls = [node for node in program.graph.nodes if node.op == "call_function" and hasattr(node.target, "_schema")]
    return [node for node in calls if lowerings.lookup(node.target) is None]


def _at_lines(program: ExportedProgram, lines: list[tuple[str, str]]) -> list[Node]:
    """Return the nodes whose innermost line is one of ``lines``: MLIR says no more than that."""
    wanted = set(lines)
    return [
        node
        for node in program.graph.nodes
        if (frames := _FRAME.findall(node.meta.get("stack_trace") or "")) and frames[-1] in wanted
    ]


def _place(node: Node) -> str:
    module, line = module_path(node), _user_line(node)
    named = f"module {module!r}" if module else ""
    return ", ".join(part for part in (named, line) if part)


def _user_line(node: Node) -> str:
    """Return the deepest line of the user's own code in the trace that torch.export keeps for each node."""
    frames = _FRAME.findall(node.meta.get("stack_trace") or "")
    own = [(file, int(line)) for file, line in frames if not is_installed_file(file)]
    return where(*own[-1]) if own else ""


def _short(name: Any) -> str:
    return str(name).removesuffix(".default")
