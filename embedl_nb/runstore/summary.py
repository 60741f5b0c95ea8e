"""What MLflow and the table of runs show of a record: parameters, metrics with units in their names, and a few words.

Works on plain dicts and knows nothing of the classes behind them. Pure functions; everything else stays in the record.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

__all__ = ["Summary", "flatten", "summarize"]

_HAS_UNIT = re.compile(r"(^n$|^num_|_(ms|us|s|bytes|mib|mj|mw|celsius|hz|db|ratio|share|agreement|error)$|^cosine)")
# What describes the circumstances, not the result: a parameter even where it is a number with a unit.
_CIRCUMSTANCES = ("environment", "device", "options")
_UNSAFE = re.compile(r"[^\w\-./ :]")
_LONGEST_VALUE = 500
_LONGEST_LIST = 8
_LONGEST_NAME = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The words by which a run is found again.

    Attributes
    ----------
    model_sha256
        Hash of the model that the run made or measured; empty where there is none.
    provenance
        Of the run's numbers; empty for a run without any.
    """

    name: str = ""
    model_sha256: str = ""
    device: str = ""
    precision: str = ""
    provenance: str = ""


def summarize(record: Mapping[str, object]) -> Summary:
    """Read the words off a record of any kind."""
    device = record.get("device")
    if isinstance(device, Mapping):
        device = device.get("name") or device.get("address")
    return Summary(
        name=_text(record, "model_name", "name"),
        model_sha256=_text(record, "model_sha256", "sha256"),
        device=str(device or record.get("target") or ""),
        precision=_text(record, "precision"),
        provenance=_text(record, "provenance"),
    )


def flatten(record: Mapping[str, object]) -> tuple[dict[str, str], dict[str, float]]:
    """Split a record into parameters (text) and metrics (finite numbers with a unit in the name).

    A metric takes its own name (``p50_ms``) unless two parts of the record share it, else the dotted path. Lists of
    objects and long lists are left to the record.
    """
    numbers: list[tuple[tuple[str, ...], float]] = []
    params: dict[str, str] = {}
    for path, value in _leaves(record, ()):
        if _is_metric(path, value):
            numbers.append((path, float(value)))  # type: ignore[arg-type]  # _is_metric has looked
        elif value is not None and value != "":
            params[_safe(".".join(path))] = str(value)[:_LONGEST_VALUE]
    names = [path[-1] for path, _ in numbers]
    metrics = {_safe(path[-1] if names.count(path[-1]) == 1 else ".".join(path)): number for path, number in numbers}
    return params, metrics


def _leaves(value: object, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], object]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            # The one group of the records whose unit stands in its parent's name.
            name = f"peak_{key}_bytes" if path and path[-1] == "by_stage" else str(key)
            yield from _leaves(item, (*path, name))
    elif isinstance(value, list | tuple):
        if 0 < len(value) <= _LONGEST_LIST and not any(isinstance(item, Mapping | list | tuple) for item in value):
            yield path, ", ".join(str(item) for item in value)
    else:
        yield path, value


def _is_metric(path: tuple[str, ...], value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return False
    return path[0] not in _CIRCUMSTANCES and _HAS_UNIT.search(path[-1]) is not None


def _text(record: Mapping[str, object], *keys: str) -> str:
    return next((str(record[key]) for key in keys if record.get(key)), "")


def _safe(name: str) -> str:
    return _UNSAFE.sub("_", name)[:_LONGEST_NAME]
