"""A unit's answer as plain JSON data, and back."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from embedl_nb.placement.answers import OperatorAnswer, Reason, UnitAnswer
from embedl_nb.units import ComputeUnit

__all__ = ["answer_from_record", "answer_to_record"]


def answer_to_record(answer: UnitAnswer) -> dict[str, Any]:
    """Return plain JSON data."""
    return {
        **_fields(answer),
        "unit": str(answer.unit),
        "operators": [
            {**_fields(said), "reason": None if said.reason is None else str(said.reason)} for said in answer.operators
        ],
        "partitions": [list(partition) for partition in answer.partitions],
        "artifact": None if answer.artifact is None else str(answer.artifact),
        "log_path": None if answer.log_path is None else str(answer.log_path),
        "notes": list(answer.notes),
        "facts": [list(fact) for fact in answer.facts],
    }


def answer_from_record(record: dict[str, Any]) -> UnitAnswer:
    """Rebuild what :func:`answer_to_record` wrote."""
    operators = tuple(
        OperatorAnswer(**{**said, "reason": None if said["reason"] is None else Reason(said["reason"])})
        for said in record["operators"]
    )
    return UnitAnswer(
        **{
            **record,
            "unit": ComputeUnit(record["unit"]),
            "operators": operators,
            "partitions": tuple(tuple(partition) for partition in record["partitions"]),
            "artifact": None if record["artifact"] is None else Path(record["artifact"]),
            "log_path": None if record["log_path"] is None else Path(record["log_path"]),
            "notes": tuple(record["notes"]),
            "facts": tuple((label, text) for label, text in record["facts"]),
        }
    )


def _fields(value: OperatorAnswer | UnitAnswer) -> dict[str, Any]:
    """Return the values of a dataclass by name, without the copies of each that ``asdict`` makes."""
    return {field.name: getattr(value, field.name) for field in fields(value)}
