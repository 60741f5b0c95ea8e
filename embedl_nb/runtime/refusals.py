"""Why the runtime refused a model: its log's sentences become an error that names the operator or the output.

All text patterns on LiteRT's log live here, each with a sample that was recorded from the version it names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from embedl_nb.errors import EmbedlError, InputError, UnsupportedOperatorError

__all__ = [
    "INVOKE_PATTERN",
    "PREPARE_PATTERN",
    "REFUSAL_PATTERNS",
    "VALUE_SHAPE_PATTERN",
    "RefusalPattern",
    "refusal_error",
    "refusal_line",
    "refused_operators",
    "unprepared_operators",
]


_KEPT_LOG = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalPattern:
    """One sentence of a tool.

    Attributes
    ----------
    pattern
        Its group ``name`` is the operator's or the tensor's name.
    sample
        A line as it was seen.
    source
        Which version said it.
    """

    pattern: re.Pattern[str]
    sample: str
    source: str


REFUSAL_PATTERNS = (
    RefusalPattern(
        pattern=re.compile(r"Didn't find op for builtin opcode '(?P<name>[^']+)'"),
        sample="Didn't find op for builtin opcode 'STABLEHLO_SORT' version '1'. An older version of this builtin "
        "might be supported. Are you using an old TFLite binary with a newer model?",
        source="ai-edge-litert 2.3.0",
    ),
    RefusalPattern(
        pattern=re.compile(r"Encountered unresolved custom op: (?P<name>\S+?)\.?\s*$", re.MULTILINE),
        sample="ERROR: Encountered unresolved custom op: MyOperator.",
        source="ai-edge-litert 2.3.0",
    ),
)


PREPARE_PATTERN = RefusalPattern(
    pattern=re.compile(r"Node number \d+ \((?P<name>[A-Z][A-Z0-9_]+)\) failed to prepare"),
    sample="Only update, Add, Multiply, Maximum and Minimum operations are currently supported for "
    "stablehlo.scatter.Node number 7 (STABLEHLO_SCATTER) failed to prepare.",
    source="ai-edge-litert 2.3.0",
)
INVOKE_PATTERN = RefusalPattern(
    pattern=re.compile(r"Node number \d+ \((?P<name>[A-Z][A-Z0-9_]+)\) failed to invoke"),
    sample="ERROR: Node number 0 (TANH) failed to invoke.",
    source="ai-edge-litert 2.3.0",
)
VALUE_SHAPE_PATTERN = RefusalPattern(
    pattern=re.compile(r"Failed to set custom allocation for output tensor (?P<name>\S+)"),
    sample="ERROR: [compiled_model.cc:1901] Failed to set custom allocation for output tensor y (index -1): 1",
    source="ai-edge-litert 2.3.0",
)


def refusal_error(log_text: str, *, model: str) -> EmbedlError | None:
    """Return the error for what ``log_text`` complains of; None where it says nothing that is known."""
    found = refused_operators(log_text)
    if found:
        return _unsupported_operators(found, model=model, log_text=log_text)
    output = VALUE_SHAPE_PATTERN.pattern.search(log_text)
    if output:
        return InputError(
            f"the shape of output {output['name']!r} of {model} depends on the values of its inputs, and LiteRT's "
            "compiled models cannot return such an output",
            hint="return it in a fixed shape, padded, together with a count",
            details=log_text[-_KEPT_LOG:],
        )
    return None


def unprepared_operators(log_text: str) -> tuple[str, ...]:
    """Return the operators that the runtime knows and cannot run in the form that the model has them in."""
    return tuple(dict.fromkeys(match["name"] for match in PREPARE_PATTERN.pattern.finditer(log_text)))


def refusal_line(log_text: str) -> str:
    """Return the sentence in which the runtime gives an operator up, after the one that says why; "" without one."""
    patterns = [entry.pattern for entry in (*REFUSAL_PATTERNS, PREPARE_PATTERN, INVOKE_PATTERN)]
    before = ""
    for line in log_text.splitlines():
        said = line.strip().removeprefix("ERROR: ")
        if any(pattern.search(said) for pattern in patterns):
            return f"{before} {said}".strip()
        before = said if line.startswith("ERROR: ") else ""
    return ""


def refused_operators(log_text: str) -> tuple[str, ...]:
    """Return the operators that ``log_text`` says the runtime has no implementation of."""
    found = [match["name"] for entry in REFUSAL_PATTERNS for match in entry.pattern.finditer(log_text)]
    return tuple(dict.fromkeys(found))


def _unsupported_operators(operators: tuple[str, ...], *, model: str, log_text: str) -> UnsupportedOperatorError:
    if "DISPATCH_OP" in operators:
        hint = "it was compiled ahead of time for an NPU; measure the portable model it was made from"
    else:
        hint = "write this part of the model with other operations"
    return UnsupportedOperatorError(
        f"LiteRT on this machine has no implementation of {', '.join(operators)}, which {model} needs",
        operators=operators,
        hint=hint,
        details=log_text[-_KEPT_LOG:],
    )
