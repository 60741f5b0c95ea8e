"""What a budget may ask of a benchmark: the names, their values with intervals, and how they are written for people.

In: a Benchmark and what is known of its model. Out: a :class:`Candidate`, and its standing before a query: met, ruled
out, too close to call, or not known. Knows nothing of other candidates.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from embedl_nb.measure.benchmark import Benchmark, OutputState
from embedl_nb.measure.statistics import bootstrap_ci95_ms
from embedl_nb.query import Comparison, Kind, Query
from embedl_nb.units import format_bytes, format_ms

__all__ = ["MODEL_NAMES", "NAMES", "Candidate", "ModelFacts", "Standing", "label_of", "standing_of", "value_text"]

_NUMBERS = (
    *("p50_ms", "p90_ms", "p95_ms", "p99_ms", "mean_ms", "init_ms", "first_ms"),
    *("peak_memory_mib", "peak_memory_bytes", "energy_mj", "size_mib", "size_bytes", "degradation", "sqnr_db"),
)
_TEXTS = ("model", "precision", "device", "compute_unit", "outputs", "provenance")
NAMES: dict[str, str] = {**dict.fromkeys(_NUMBERS, Kind.NUMBER), **dict.fromkeys(_TEXTS, Kind.TEXT)}
"""What may stand in a budget, and what each is."""

MODEL_NAMES = frozenset({"size_mib", "size_bytes", "degradation", "sqnr_db"})
"""Those that no benchmark says: they are known where the step that made the model was recorded."""

_PERCENTILES = {"p50_ms": 50.0, "p90_ms": 90.0, "p95_ms": 95.0, "p99_ms": 99.0}
_SIGNS = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "is not", "!=": "is", "~": "is not", "!~": "is"}


class Standing(StrEnum):
    """How a candidate stands before a budget."""

    MEETS = "meets"
    TOO_CLOSE = "too close to call"
    NOT_KNOWN = "not known"
    RULED_OUT = "ruled out"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What is known of a model besides its benchmarks; None where it is not.

    Attributes
    ----------
    degradation, degradation_ci95
        How much worse it is than the float model, in the unit of the user's own metric, with its 95 % interval.
    sqnr_db
        Of the worst output against the float model.
    """

    size_bytes: int | None = None
    degradation: float | None = None
    degradation_ci95: tuple[float, float] | None = None
    sqnr_db: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One model on one device and unit.

    Attributes
    ----------
    name
        What tells it from the other candidates.
    """

    name: str
    result: Benchmark
    facts: ModelFacts = ModelFacts()

    @property
    def label(self) -> str:
        """The name, and where it ran."""
        device, unit = f"on {self.result.device.name}", self.result.placement.got
        named = self.name if device in self.name else f"{self.name} {device}"
        # What follows the device may be its address, and then the unit.
        return named if unit in named.rpartition(device)[2].split() else f"{named} {unit}"

    def value(self, name: str) -> Any:
        """Return one of :data:`NAMES`, in the unit that it states; None where it is not known."""
        value = self._value(name)
        is_number = not isinstance(value, float) or math.isfinite(value)
        # Of a float model, which makes no noise, infinity is the true one.
        return value if is_number or (name == "sqnr_db" and value == math.inf) else None

    def _value(self, name: str) -> Any:
        result, facts = self.result, self.facts
        if name in ("p50_ms", "p90_ms", "p95_ms", "p99_ms", "mean_ms"):
            return getattr(result.latency, name)
        if name in ("size_bytes", "degradation", "sqnr_db"):
            return getattr(facts, name)
        memory = result.memory.peak_memory_bytes or None  # 0 is what a device says that does not count it
        others = {
            "init_ms": result.init_ms,
            "first_ms": result.first_ms,
            "peak_memory_bytes": memory,
            "peak_memory_mib": memory and memory / 2**20,
            "energy_mj": result.energy and result.energy.energy_mj,
            "size_mib": facts.size_bytes and facts.size_bytes / 2**20,
            "model": result.model_name,
            "precision": result.precision,
            "device": result.device.name,
            "compute_unit": result.placement.got,
            "outputs": str(result.outputs.state),
            "provenance": str(result.provenance),
        }
        return others[name]

    def interval(self, name: str) -> tuple[float, float] | None:
        """Return the 95 % interval of a value; None where nothing says how sure it is."""
        if name == "degradation":
            return self.facts.degradation_ci95
        if name == "energy_mj" and self.result.energy is not None:
            energy = self.result.energy
            return energy.energy_mj - energy.uncertainty_mj, energy.energy_mj + energy.uncertainty_mj
        return self._interval_ms(name) if name in _PERCENTILES else None

    def _interval_ms(self, name: str) -> tuple[float, float] | None:
        latency = self.result.latency
        value = getattr(latency, name)
        if value is None or name == "p50_ms":
            return None if value is None else latency.ci95_ms
        if latency.samples_ms:
            return _tail_interval(latency.samples_ms, _PERCENTILES[name])
        # Of processes that are known by a summary each: as far apart as their medians are.
        low, high = latency.ci95_ms
        return (value * low / latency.p50_ms, value * high / latency.p50_ms) if latency.p50_ms > 0 else None


@functools.lru_cache(maxsize=256)
def _tail_interval(samples_ms: tuple[tuple[float, ...], ...], percentile: float) -> tuple[float, float]:
    return bootstrap_ci95_ms(samples_ms, percentile=percentile)


def standing_of(candidate: Candidate, query: Query | None) -> tuple[Standing, tuple[str, ...]]:
    """Say how it stands, and for what reasons where it does not meet the budget."""
    if candidate.result.outputs.state is OutputState.DIFFER:
        return Standing.RULED_OUT, ("its outputs are not those of the source model",)
    if query is None:
        return Standing.MEETS, ()

    def verdict(leaf: Comparison) -> bool | None:
        return _verdict(candidate, leaf)

    is_met = query.judge(verdict)
    if is_met:
        return Standing.MEETS, ()
    failures = query.failures(verdict)
    reasons = tuple(dict.fromkeys(_reason(candidate, leaf) for leaf in failures))
    if is_met is False:
        return Standing.RULED_OUT, reasons
    is_unknown = any(candidate.value(leaf.name) is None for leaf in failures)
    return Standing.NOT_KNOWN if is_unknown else Standing.TOO_CLOSE, reasons


def label_of(name: str) -> str:
    """Return a name as it is read: ``"peak memory"``."""
    stem, _, unit = name.rpartition("_")
    return (stem if unit in ("ms", "mib", "bytes", "mj", "db") else name).replace("_", " ").replace("sqnr", "SQNR")


def value_text(name: str, value: Any, *, exact: bool = False) -> str:
    """Write a value with its unit; ``exact`` with as many digits as tell it from a bound that is nearly the same."""
    if not isinstance(value, int | float):
        return str(value)
    unit = name.rpartition("_")[2]
    if unit == "ms":
        return f"{value:.6g} ms" if exact else format_ms(value)
    if unit == "mib":
        return f"{value:,.6f} MiB" if exact else format_bytes(value * 2**20)
    if unit == "bytes":
        return f"{value:,.0f} bytes" if exact else format_bytes(value)
    digits = ".6g" if exact else ".3g"
    return f"{value:{digits}}" + {"mj": " mJ", "db": " dB"}.get(unit, "")


def _verdict(candidate: Candidate, leaf: Comparison) -> bool | None:
    """Judge with the whole interval: what holds of the value alone may be luck."""
    value = candidate.value(leaf.name)
    holds = leaf.holds(value)
    interval = candidate.interval(leaf.name) if leaf.operator in ("<", "<=", ">", ">=") else None
    if not holds or interval is None:
        return holds
    return True if all(leaf.holds(end) for end in interval) else None


def _reason(candidate: Candidate, leaf: Comparison) -> str:
    label, value = label_of(leaf.name), candidate.value(leaf.name)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return f"{label} not known"
    shown, bound = value_text(leaf.name, value), value_text(leaf.name, leaf.value)
    if leaf.holds(value):
        low, high = candidate.interval(leaf.name) or (value, value)
        ends = f"{value_text(leaf.name, low)} to {value_text(leaf.name, high)}"
        return f"too close to call: {label} {shown} ({ends}), asked {leaf.operator} {bound}"
    if leaf.kind is Kind.TEXT:
        return f"{label} {shown}, asked {leaf.operator} {bound}"
    if shown == bound:
        shown, bound = (value_text(leaf.name, each, exact=True) for each in (value, leaf.value))
    return f"{label} {shown} {_SIGNS[leaf.operator]} {bound}"
