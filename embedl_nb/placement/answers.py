"""What a compute unit answers when it is asked about a model: operator by operator, with its own words for a refusal.

Every way of asking (cpu.py, gpu/, npu/) returns a :class:`UnitAnswer`, and placement.py puts them together. An
operator is named by its index in the subgraph that was asked about.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from embedl_nb.units import ComputeUnit

__all__ = ["OperatorAnswer", "Reason", "UnitAnswer"]


class Reason(StrEnum):
    """Why an operator does not run on a unit, as far as it can be classed."""

    UNSUPPORTED_OPERATOR = "unsupported operator"
    DTYPE = "dtype"
    RANK = "rank"
    DYNAMIC_SHAPE = "dynamic shape"
    FORM = "form of the operator"
    """The unit knows the operator, but not with these attributes or inputs."""
    PARTITION_TOO_SMALL = "partition too small"
    NO_FLOAT16 = "no float16 on this chip"
    """The unit would compute it in float16, which it does not have."""
    COMPILER_FAILURE = "compiler failure"
    """Taking it makes the vendor's compiler fail as a whole, so it was left out."""
    UNKNOWN = "not said"


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorAnswer:
    """Whether one operator would run on a unit.

    Attributes
    ----------
    index
        In its subgraph.
    runs
        Whether the unit takes it.
    by
        What runs it, where that differs from operator to operator: ``"XNNPACK"``, ``"built-in kernel"``.
    reason
        None where it runs.
    evidence
        The line in which the compiler, delegate or runtime said so, as it said it; ``""`` where it runs.
    """

    index: int
    runs: bool
    by: str = ""
    reason: Reason | None = None
    evidence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitAnswer:
    """What one compute unit would do with a model.

    Attributes
    ----------
    unit
        Which was asked about.
    asked
        Who answered, with its version, and for which chip where that matters:
        ``"Qualcomm's compiler (QAIRT 2.44) for SM8650"``.
    operators
        In the order of the subgraph; empty where nothing was checked.
    not_checked
        Why nothing was checked; ``""`` where it was.
    next_step
        The command that would change that.
    cause
        A cause that holds for the whole model or chip and is said once: ``"this chip's NPU has no float16"``.
    partitions
        Runs of operators that are handed over together, in order.
    artifact
        The compiled model for this unit, where there is one.
    log_path
        The whole log of who answered, where it is kept.
    seconds
        What asking took.
    notes
        What a reader must know: ``"a phone's OpenCL driver may differ"``.
    facts
        Versions, sizes and the like: a label and a text each.
    """

    unit: ComputeUnit
    asked: str
    operators: tuple[OperatorAnswer, ...] = ()
    not_checked: str = ""
    next_step: str = ""
    cause: str = ""
    partitions: tuple[tuple[int, ...], ...] = ()
    artifact: Path | None = None
    log_path: Path | None = None
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()

    @property
    def num_running(self) -> int:
        """How many operators would run there."""
        return sum(answer.runs for answer in self.operators)
