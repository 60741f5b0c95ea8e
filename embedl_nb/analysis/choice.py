"""Which of several benchmarks to take under a budget: the choice, the runner-up, what ruled out the others, the front.

In: candidates and a query. Out: :class:`Choice`. A model that meets the budget by luck only, its interval reaching
beyond a bound, is not picked. Numbers of different provenance are not held against each other.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from embedl_nb.analysis.budget import NAMES, Candidate, ModelFacts, Standing, label_of, standing_of
from embedl_nb.display import Displayable, View
from embedl_nb.display.figures import draw
from embedl_nb.errors import InputError, SchemaTooNewError, UnknownNameError
from embedl_nb.measure.benchmark import Benchmark
from embedl_nb.query import Comparison, Kind, Query, parse
from embedl_nb.units import Provenance

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Axis", "Choice", "Rejected", "choose", "pareto_front", "parse_budget"]

SCHEMA_VERSION = 1
_SECOND_AXES = ("peak_memory_mib", "size_mib", "init_ms")
_FAR = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """Something that is better the smaller it is, or the larger."""

    name: str
    is_minimized: bool = True

    def cost(self, value: float) -> float:
        """Return what is better the smaller it is."""
        return value if self.is_minimized else -value


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A candidate that is not picked, and why.

    Attributes
    ----------
    reasons
        One a condition that it does not meet: ``"p95 12.1 ms > 10 ms"``.
    """

    candidate: Candidate
    standing: Standing
    reasons: tuple[str, ...]

    @property
    def result(self) -> Benchmark:
        """The benchmark."""
        return self.candidate.result


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Choice(Displayable):
    """The best of several benchmarks under a budget.

    Attributes
    ----------
    where
        The budget as it was written; empty where there is none.
    objective
        What the candidates that meet it are ranked by.
    meeting
        Those that meet the budget, the best first.
    rejected
        All others with what ruled them out, the nearest first.
    axes
        The objective, then what the budget limits: nothing on the front is beaten in all of them.
    bounds
        The limits of the budget, each with its name.
    """

    where: str
    objective: Axis
    meeting: tuple[Candidate, ...]
    rejected: tuple[Rejected, ...]
    axes: tuple[Axis, ...]
    bounds: tuple[tuple[str, float], ...] = ()
    schema_version: int = SCHEMA_VERSION

    @property
    def winner(self) -> Benchmark | None:
        """The choice; None where nothing meets the budget."""
        return self.meeting[0].result if self.meeting else None

    @property
    def runner_up(self) -> Benchmark | None:
        """The next best that meets the budget."""
        return self.meeting[1].result if len(self.meeting) > 1 else None

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """All of them, the best first."""
        return (*self.meeting, *(each.candidate for each in self.rejected))

    @property
    def drawn(self) -> tuple[Candidate, ...]:
        """Those that have a place by the first two of :attr:`axes`; a float model's SQNR has none."""
        values = ((each, [each.value(axis.name) for axis in self.axes[:2]]) for each in self.candidates)
        return tuple(each for each, pair in values if None not in pair and all(map(math.isfinite, pair)))

    @property
    def front_candidates(self) -> tuple[Candidate, ...]:
        """Those that no other beats in one of :attr:`axes` without losing in another, by the objective."""
        return pareto_front(self.candidates, self.axes)

    @property
    def front(self) -> tuple[Benchmark, ...]:
        """The benchmarks of the Pareto front, the best objective first."""
        return tuple(each.result for each in self.front_candidates)

    @property
    def sentence(self) -> str:
        """The answer: the winner and why, or that there is none and what comes nearest."""
        from embedl_nb.analysis.choice_view import sentence_of

        return sentence_of(self)

    def frame(self) -> pd.DataFrame:
        """Return one row a candidate, the best first, with how it stands and why."""
        import pandas as pd

        on_front = {id(each) for each in self.front_candidates}
        reasons = {id(each.candidate): each for each in self.rejected}
        rows = [
            {
                "name": each.name,
                "standing": str(reasons[id(each)].standing if id(each) in reasons else Standing.MEETS),
                "reason": "; ".join(reasons[id(each)].reasons) if id(each) in reasons else "",
                **{name: each.value(name) for name in NAMES},
                "is_on_front": id(each) in on_front,
                "run_id": each.result.run_id,
            }
            for each in self.candidates
        ]
        return pd.DataFrame(rows)

    def pareto(self) -> Any:
        """Draw the candidates by the objective and by the first thing that the budget limits.

        Returns
        -------
        plotly.graph_objects.Figure
            x is the objective; the front is joined.

        Raises
        ------
        InputError
            If no candidate has both values.
        """
        return draw("pareto", self)

    def to_record(self) -> dict[str, Any]:
        """Return everything as plain JSON data."""
        return {
            "where": self.where,
            "objective": asdict(self.objective),
            "axes": [asdict(axis) for axis in self.axes],
            "bounds": [list(bound) for bound in self.bounds],
            "meeting": [_candidate_record(each) for each in self.meeting],
            "rejected": [
                {
                    "candidate": _candidate_record(each.candidate),
                    "standing": str(each.standing),
                    "reasons": list(each.reasons),
                }
                for each in self.rejected
            ],
            "schema_version": self.schema_version,
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Choice:
        """Rebuild what :meth:`to_record` wrote, also after a trip through JSON.

        Raises
        ------
        SchemaTooNewError
            If a newer embedl_nb wrote it.
        """
        SchemaTooNewError.check("this choice", record["schema_version"], SCHEMA_VERSION)
        return cls(
            where=record["where"],
            objective=Axis(**record["objective"]),
            axes=tuple(Axis(**axis) for axis in record["axes"]),
            bounds=tuple((name, bound) for name, bound in record["bounds"]),
            meeting=tuple(_candidate(each) for each in record["meeting"]),
            rejected=tuple(
                Rejected(
                    candidate=_candidate(each["candidate"]),
                    standing=Standing(each["standing"]),
                    reasons=tuple(each["reasons"]),
                )
                for each in record["rejected"]
            ),
            schema_version=record["schema_version"],
        )

    def _view(self) -> View:
        from embedl_nb.analysis.choice_view import choice_view

        return choice_view(self)


def parse_budget(where: str | None, objective: str) -> Query | None:
    """Read a budget, and check the name of what is minimized or maximized.

    Raises
    ------
    InputError
        If the budget cannot be read, or the objective is not a number.
    UnknownNameError
        If a name is unknown; close ones are its candidates.
    """
    numbers = [name for name, kind in NAMES.items() if kind == Kind.NUMBER]
    if objective not in numbers:
        raise UnknownNameError.among("objective", objective, numbers)
    return None if where is None else parse(where, NAMES)


def choose(candidates: Sequence[Candidate], query: Query | None, objective: Axis) -> Choice:
    """Rank those that meet the budget, and say of all others why they do not.

    Raises
    ------
    InputError
        If there is no candidate, or their numbers are of different provenance.
    """
    if not candidates:
        raise InputError("there is no result to pick from", hint="measure some: enb.benchmark(model, 'adb://*')")
    standings = [_standing(each, query, objective) for each in candidates]
    _check_provenance([each for each in standings if not _is_out_for_provenance(each, query)])
    meeting = [each.candidate for each in standings if each.standing is Standing.MEETS]
    rejected = [each for each in standings if each.standing is not Standing.MEETS]
    return Choice(
        where=query.text if query else "",
        objective=objective,
        meeting=tuple(sorted(meeting, key=lambda each: objective.cost(each.value(objective.name)))),
        rejected=tuple(sorted(rejected, key=lambda each: _distance(each, query))),
        axes=_axes(candidates, query, objective),
        bounds=tuple((leaf.name, float(leaf.value)) for leaf in _limits(query) if isinstance(leaf.value, float)),
    )


def _standing(candidate: Candidate, query: Query | None, objective: Axis) -> Rejected:
    standing, reasons = standing_of(candidate, query)
    if standing is Standing.MEETS and candidate.value(objective.name) is None:
        standing, reasons = Standing.NOT_KNOWN, (f"{label_of(objective.name)} not known",)
    return Rejected(candidate=candidate, standing=standing, reasons=reasons)


def _is_out_for_provenance(each: Rejected, query: Query | None) -> bool:
    """Say whether the budget itself leaves this kind of number out."""
    if query is None or "provenance" not in query.columns:
        return False
    failures = query.failures(lambda leaf: leaf.holds(each.candidate.value(leaf.name)))
    return any(leaf.name == "provenance" for leaf in failures)


def _check_provenance(standings: Sequence[Rejected]) -> None:
    counts = Counter(each.result.provenance for each in standings)
    if len(counts) > 1:
        said = " and ".join(f"{count} {provenance}" for provenance, count in counts.items())
        kept = Provenance.MEASURED if Provenance.MEASURED in counts else next(iter(counts))
        raise InputError(
            f"results of different provenance are not held against each other: {said}",
            hint=f"pick among one kind: where='provenance == \"{kept}\" and ...'",
        )


def _distance(each: Rejected, query: Query | None) -> tuple[int, float]:
    """Return how far a candidate is from the budget: undecided ones first, then by how much it misses in all."""
    order = (Standing.TOO_CLOSE, Standing.NOT_KNOWN, Standing.RULED_OUT).index(each.standing)
    leaves = query.failures(lambda leaf: leaf.holds(each.candidate.value(leaf.name))) if query else ()
    return order, sum(_excess(each.candidate.value(leaf.name), leaf) for leaf in leaves)


def _excess(value: Any, leaf: Comparison) -> float:
    """Return by what share a value misses its bound; a device or a name that differs is far."""
    if not isinstance(value, int | float) or not isinstance(leaf.value, int | float):
        return _FAR
    return min(_FAR, abs(value - leaf.value) / (abs(leaf.value) or 1.0))


def _axes(candidates: Sequence[Candidate], query: Query | None, objective: Axis) -> tuple[Axis, ...]:
    limits = {leaf.name: leaf.operator.startswith("<") for leaf in _limits(query)}
    others = [Axis(name=name, is_minimized=down) for name, down in limits.items() if name != objective.name]
    # p95 goes with p50: what has another unit says more beside it.
    unit = objective.name.rpartition("_")[2]
    axes = [objective, *sorted(others, key=lambda axis: axis.name.rpartition("_")[2] == unit)]
    if len(axes) == 1:
        second = next((name for name in _SECOND_AXES if any(each.value(name) is not None for each in candidates)), None)
        axes += [Axis(name=second)] if second else []
    return tuple(axes)


def _limits(query: Query | None) -> list[Comparison]:
    leaves = query.comparisons if query else ()
    return [leaf for leaf in leaves if leaf.kind is Kind.NUMBER and leaf.operator in ("<", "<=", ">", ">=")]


def pareto_front(candidates: Sequence[Candidate], axes: Sequence[Axis]) -> tuple[Candidate, ...]:
    """Return those that no other beats in one of ``axes`` without losing in another; what is not known is left out."""
    costs = [(each, [each.value(axis.name) for axis in axes]) for each in candidates]
    known = [
        (each, tuple(axis.cost(value) for axis, value in zip(axes, values, strict=True)))
        for each, values in costs
        if None not in values
    ]
    front = [(each, cost) for each, cost in known if not any(_beats(other, cost) for _, other in known)]
    return tuple(each for each, _ in sorted(front, key=lambda pair: pair[1]))


def _beats(other: tuple[float, ...], cost: tuple[float, ...]) -> bool:
    return other != cost and all(theirs <= ours for theirs, ours in zip(other, cost, strict=True))


def _candidate_record(candidate: Candidate) -> dict[str, Any]:
    return {"name": candidate.name, "result": candidate.result.to_record(), "facts": asdict(candidate.facts)}


def _candidate(record: dict[str, Any]) -> Candidate:
    facts = dict(record["facts"])
    ci95 = facts["degradation_ci95"]
    facts["degradation_ci95"] = None if ci95 is None else (ci95[0], ci95[1])
    return Candidate(name=record["name"], result=Benchmark.from_record(record["result"]), facts=ModelFacts(**facts))
