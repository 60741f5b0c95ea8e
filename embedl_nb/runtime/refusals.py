"""Why the runtime refused a model: its log's sentences become the operators it has no kernel for.

All text patterns on LiteRT's log live here, each with a sample that was recorded from the version it names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from embedl_nb.errors import UnsupportedOperatorError

__all__ = ["REFUSAL_PATTERNS", "RefusalPattern", "unsupported_operator_error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalPattern:
    """One sentence of the runtime.

    Attributes
    ----------
    pattern
        Its group ``operator`` is the operator's name.
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
        pattern=re.compile(r"Didn't find op for builtin opcode '(?P<operator>[^']+)'"),
        sample="Didn't find op for builtin opcode 'STABLEHLO_SORT' version '1'. An older version of this builtin "
        "might be supported. Are you using an old TFLite binary with a newer model?",
        source="ai-edge-litert 2.3.0",
    ),
    RefusalPattern(
        pattern=re.compile(r"Encountered unresolved custom op: (?P<operator>[^\s.]+)"),
        sample="ERROR: Encountered unresolved custom op: DISPATCH_OP.",
        source="ai-edge-litert 2.3.0",
    ),
)


def unsupported_operator_error(log_text: str, *, model: str) -> UnsupportedOperatorError | None:
    """Return the error for the operators that ``log_text`` complains of; None where it complains of none."""
    found = [match["operator"] for entry in REFUSAL_PATTERNS for match in entry.pattern.finditer(log_text)]
    operators = tuple(dict.fromkeys(found))
    if not operators:
        return None
    if "DISPATCH_OP" in operators:
        hint = "it was compiled ahead of time for an NPU; measure the portable model it was made from"
    else:
        hint = "write this part of the model with other operations"
    return UnsupportedOperatorError(
        f"LiteRT on this machine has no implementation of {', '.join(operators)}, which {model} needs",
        operators=operators,
        hint=hint,
        details=log_text[-4000:],
    )
