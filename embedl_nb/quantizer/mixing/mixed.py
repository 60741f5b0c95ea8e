"""Mixed: the set of operators that was kept in float for a target, and the curve of accuracy against latency.

Built by mix.py; read by the quantizer, which keeps the curve and the warnings with the model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from embedl_nb.errors import InputError
from embedl_nb.model.fidelity_rows import CurvePoint
from embedl_nb.units import Provenance, format_ms

__all__ = ["Goal", "Judgement", "Mixed", "MixedPoint"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """How near a model is to the float one on held-out samples.

    Attributes
    ----------
    sqnr_db
        Of its worst output.
    top1_agreement
        0 to 1; None without class scores.
    metric
        The user's own score; None without one.
    """

    sqnr_db: float
    top1_agreement: float | None = None
    metric: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """When a mixed model is good enough; every limit that is given must hold.

    Attributes
    ----------
    min_sqnr_db
        The least SQNR of the worst output.
    max_degradation
        The most that the user's metric may lose against ``float_metric``, in its own unit.
    """

    min_sqnr_db: float | None = None
    max_degradation: float | None = None
    float_metric: float | None = None
    higher_is_better: bool = True

    def __post_init__(self) -> None:
        if self.min_sqnr_db is None and self.max_degradation is None:
            raise InputError("a mix needs a target", hint="give min_sqnr_db= or max_degradation=")
        for name in ("min_sqnr_db", "max_degradation"):
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                raise InputError(f"{name}={value} is no target", hint=f"give a number, e.g. {name}=25")
        if self.max_degradation is not None and (self.max_degradation < 0 or self.float_metric is None):
            raise InputError(
                f"max_degradation={self.max_degradation} needs a metric to degrade, and is at least 0",
                hint="pass evaluate=, a function of a callable model",
            )

    @property
    def sentence(self) -> str:
        """What is asked for, e.g. ``"at least 26 dB"``."""
        parts = []
        if self.min_sqnr_db is not None:
            parts.append(f"at least {self.min_sqnr_db:g} dB")
        if self.max_degradation is not None:
            parts.append(f"a drop of the metric of at most {self.max_degradation:g}")
        return " and ".join(parts)

    def figures(self, judgement: Judgement) -> str:
        """Return what a model has of what is asked for, e.g. ``"24.1 dB and a drop of 0.02"``."""
        dropped = "" if self.max_degradation is None else f" and a drop of {self.drop(judgement):.3g}"
        return f"{judgement.sqnr_db:.1f} dB{dropped}"

    def drop(self, judgement: Judgement) -> float:
        """Return what the metric lost, positive where it got worse; infinite where there is none."""
        if judgement.metric is None or self.float_metric is None or math.isnan(judgement.metric):
            return math.inf
        lost = self.float_metric - judgement.metric
        return lost if self.higher_is_better else -lost

    def is_met(self, judgement: Judgement) -> bool:
        """Say whether every limit holds."""
        is_near = self.min_sqnr_db is None or judgement.sqnr_db >= self.min_sqnr_db
        return is_near and (self.max_degradation is None or self.drop(judgement) <= self.max_degradation)

    def value(self, judgement: Judgement) -> tuple[float, float]:
        """Return what orders models that all fall short: the drop first where one is limited, then the SQNR."""
        drop = 0.0 if self.max_degradation is None else -max(self.drop(judgement), self.max_degradation)
        return drop, judgement.sqnr_db


@dataclass(frozen=True, slots=True, kw_only=True)
class MixedPoint:
    """One model that was made and judged.

    Attributes
    ----------
    indices
        Operators that were kept in float, by their place in the float model.
    kept_float
        The names that a recipe keeps them by: see :meth:`Recipe.with_float`.
    latency_ms
        Estimated: the sum of its operators' prices.
    """

    indices: tuple[int, ...]
    kept_float: tuple[str, ...]
    judgement: Judgement
    latency_ms: float
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixed:
    """What mixed precision found.

    Attributes
    ----------
    is_met
        Whether ``chosen`` meets the goal; without, it is the best that was made.
    points
        Every model that was made, the one with the fewest operators in float first.
    num_candidates
        Operators that the recipe quantizes when none is kept.
    float_latency_ms, float_size_bytes
        Of the float model; the latency is estimated as that of the points is.
    price_sentence
        Whose prices the latencies are made of.
    """

    goal: Goal
    is_met: bool
    chosen: MixedPoint
    points: tuple[MixedPoint, ...]
    num_candidates: int
    float_latency_ms: float
    float_size_bytes: int
    price_sentence: str = ""

    @property
    def kept_float(self) -> tuple[str, ...]:
        """The names that a recipe keeps the chosen operators by."""
        return self.chosen.kept_float

    @property
    def warnings(self) -> tuple[str, ...]:
        """What must not be missed: a goal out of reach, or a mix that saves no time."""
        sentences = []
        if not self.is_met:
            best = f"{self.goal.figures(self.chosen.judgement)} with {self._count(self.chosen)} in float"
            tried = f"the best of {len(self.points)} has {best}"
            sentences.append(f"no mix of float and quantized operators gives {self.goal.sentence}; {tried}")
        if self.chosen.indices and self.chosen.latency_ms >= self.float_latency_ms:
            times = f"({format_ms(self.chosen.latency_ms)}) than all float ({format_ms(self.float_latency_ms)})"
            prices = self.price_sentence or "another device has other prices"
            sentences.append(f"by the prices of its operators the mix is no faster {times}; {prices}")
        return tuple(sentences)

    @property
    def curve(self) -> tuple[CurvePoint, ...]:
        """Accuracy against latency, from all quantized to all float: models that no other beats, and the chosen one."""
        points = [
            CurvePoint(
                label=f"{self._count(point)} in float" if point.indices else "all quantized",
                num_float_operators=len(point.indices),
                sqnr_db=point.judgement.sqnr_db,
                top1_agreement=point.judgement.top1_agreement,
                metric=point.judgement.metric,
                latency_ms=point.latency_ms,
                size_bytes=point.size_bytes,
                is_chosen=point == self.chosen,
                provenance=Provenance.ESTIMATED,
            )
            for point in self.points
            if point == self.chosen or not point.indices or not self._is_beaten(point)
        ]
        has_classes = self.chosen.judgement.top1_agreement is not None
        all_float = CurvePoint(
            label="all float",
            num_float_operators=self.num_candidates,
            sqnr_db=math.inf,
            top1_agreement=1.0 if has_classes else None,
            metric=self.goal.float_metric,
            latency_ms=self.float_latency_ms,
            size_bytes=self.float_size_bytes,
            provenance=Provenance.ESTIMATED,
        )
        return (*points, all_float)

    def _is_beaten(self, point: MixedPoint) -> bool:
        return any(
            other.latency_ms <= point.latency_ms and self.goal.value(other.judgement) > self.goal.value(point.judgement)
            for other in self.points
        )

    def _count(self, point: MixedPoint) -> str:
        return f"{len(point.indices)} operator{'' if len(point.indices) == 1 else 's'}"
