"""The parts of a Fidelity: one row an output, a layer, a point of the curve; the user's metric; the latency check.

In and out: plain values and JSON-ready records. Nothing here is computed from arrays.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Self

from embedl_nb.units import Provenance, format_ms

__all__ = ["CalibrationSource", "CurvePoint", "Evaluation", "LatencyCheck", "LayerFidelity", "OutputFidelity"]

# Medians of one model on one machine differ by about as much from one minute to the next.
_LATENCY_NOISE = 0.05


class CalibrationSource(StrEnum):
    """What a model was calibrated with and judged on."""

    GIVEN = "given"
    """The caller's data."""
    RANDOM = "random"
    """Noise: the figures say little of real data."""


class _Row:
    """A dataclass of plain values that becomes JSON and comes back; numbers that are not finite become text."""

    __slots__ = ()

    def to_record(self) -> dict[str, Any]:
        """Return JSON-ready data."""
        return {field.name: to_json(getattr(self, field.name)) for field in fields(self)}  # type: ignore[arg-type]  # dataclasses only

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Rebuild from :meth:`to_record`."""
        types = {field.name: str(field.type) for field in fields(cls)}  # type: ignore[arg-type]  # dataclasses only
        return cls(**{name: _from_json(value, types.get(name, "")) for name, value in record.items()})


def to_json(value: Any) -> Any:
    """Return ``value`` as JSON can hold it."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, tuple):
        return [to_json(item) for item in value]
    return str(value) if isinstance(value, StrEnum) else value


def _from_json(value: Any, annotation: str) -> Any:
    if value is None:
        return None
    if annotation.startswith("float"):
        return float(value)
    if annotation.startswith("tuple[float"):
        return tuple(float(item) for item in value)
    return Provenance(value) if annotation == "Provenance" else value


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFidelity(_Row):
    """How near one output of the quantized model is to the float model's, over all samples together.

    Attributes
    ----------
    sqnr_db, psnr_db, cosine
        See :mod:`embedl_nb.model.evidence`, where they are defined.
    max_error
        Largest absolute difference, in the output's own unit.
    top1_agreement, top5_agreement
        Share of samples, 0 to 1, whose float winner is the quantized model's winner, or among its first five. None
        unless the output holds class scores: shape (N, C), floating, C >= 2 (C > 5 for the first five).
    note
        Why it could not be compared; empty otherwise.
    """

    name: str
    sqnr_db: float
    psnr_db: float
    cosine: float
    max_error: float
    top1_agreement: float | None = None
    top5_agreement: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerFidelity(_Row):
    """How much one operator's output differs from the float network's, and where that comes from.

    The three figures are signal-to-noise ratios at the same tensor, so that their noise powers compare: over
    uncorrelated errors ``10^(-total/10) = 10^(-made here/10) + 10^(-inherited/10)``.

    Attributes
    ----------
    index
        Of the operator in the float model, which is the order of execution.
    name
        Of its output tensor in the float model.
    source
        Dotted name of the source module; "" where the file carries none.
    precision
        What it computes in: ``"w8a8"``, ``"a8"`` for one without weights, ``"f32"``.
    sqnr_db
        Of the quantized network's value against the float network's.
    made_here_db
        Of the operator alone: quantized, but fed with the float network's values. None where it cannot run alone.
    inherited_db
        Of what the errors of its inputs add to that. None where ``made_here_db`` is.
    made_here_share
        Noise power made here, as a share of that made here and inherited, 0 to 1; None as above.
    """

    index: int
    name: str
    operator: str
    source: str
    precision: str
    sqnr_db: float
    made_here_db: float | None = None
    inherited_db: float | None = None
    made_here_share: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation(_Row):
    """The user's own metric on the float and on the quantized model.

    Attributes
    ----------
    metric
        Name of the user's function.
    float_score, quantized_score
        What it returned, or the mean of the scores that it returned.
    higher_is_better
        Whether a larger score is a better one.
    drop_ci95
        95 % interval of :attr:`drop`; None where the metric is one figure.
    num_samples
        Scores that were compared, one a sample; None where the metric is one figure.
    """

    metric: str
    float_score: float
    quantized_score: float
    higher_is_better: bool = True
    drop_ci95: tuple[float, float] | None = None
    num_samples: int | None = None

    @property
    def drop(self) -> float:
        """How much worse the quantized model is, in the metric's unit; negative where it is better."""
        difference = self.float_score - self.quantized_score
        return difference if self.higher_is_better else -difference

    @property
    def sentence(self) -> str:
        """Return one line: both scores, the drop and its interval."""
        scores = f"{self.metric}: float {self.float_score:.4g}, quantized {self.quantized_score:.4g}"
        if self.drop_ci95 is None:
            why = "one figure, no interval: return one score a sample to get one"
            return f"{scores}, drop {self.drop:.4g} ({why})"
        low, high = self.drop_ci95
        return f"{scores}, drop {self.drop:.4g} (95 % interval {low:.4g} to {high:.4g}, {self.num_samples} samples)"


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyCheck(_Row):
    """Float against quantized on one device.

    Attributes
    ----------
    float_p50_ms, quantized_p50_ms
        Medians, ms.
    address
        Of the device: ``"host://"`` is this machine.
    is_clear
        Whether every round of the comparison said the same; on a busy machine they often do not.
    provenance
        What both numbers are.
    """

    float_p50_ms: float
    quantized_p50_ms: float
    address: str = "host://"
    is_clear: bool = True
    provenance: Provenance = Provenance.MEASURED

    @property
    def speedup(self) -> float:
        """How many times as fast the quantized model is."""
        return self.float_p50_ms / self.quantized_p50_ms if self.quantized_p50_ms else math.inf

    @property
    def is_slower(self) -> bool:
        """Whether the quantized model takes longer, by more than such medians vary."""
        return self.is_clear and self.quantized_p50_ms > self.float_p50_ms * (1 + _LATENCY_NOISE)

    @property
    def where(self) -> str:
        """The device, to complete "on ..."."""
        return "this machine" if self.address.startswith("host://") else self.address

    @property
    def sentence(self) -> str:
        """Return one line: both medians and their ratio."""
        if self.is_slower:
            times = f"{1 / self.speedup:.3g} times as slow"
        elif abs(math.log(self.speedup)) <= math.log(1 + _LATENCY_NOISE):
            times = "about as fast"
        else:
            times = f"{self.speedup:.3g} times as fast" if self.is_clear else "too unsteady to tell which is faster,"
        both = f"p50 {format_ms(self.quantized_p50_ms)}, float {format_ms(self.float_p50_ms)}"
        return f"{both}: {times} on {self.where} ({self.provenance})"


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint(_Row):
    """One model on the curve of accuracy against latency.

    Attributes
    ----------
    label
        ``"all quantized"``, ``"5 operators in float"``, ``"all float"``.
    num_float_operators
        Operators that are kept in float.
    sqnr_db
        Of its worst output.
    top1_agreement
        0 to 1; None without class scores.
    metric
        The user's own score; None without one.
    latency_ms
        Of one inference.
    size_bytes
        Of the file.
    is_chosen
        Whether it is the model that was returned.
    provenance
        Of ``latency_ms``: estimated where it is a sum of prices of operators.
    """

    label: str
    num_float_operators: int
    sqnr_db: float
    top1_agreement: float | None = None
    metric: float | None = None
    latency_ms: float
    size_bytes: int
    is_chosen: bool = False
    provenance: Provenance = Provenance.ESTIMATED
