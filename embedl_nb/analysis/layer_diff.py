"""Which layers make one result slower than another: the difference of two profiles, layer by layer.

In come two Benchmarks with layers, out comes a LayerDiff. Times are means of the profiled inferences on both sides,
which every device gives; what belongs to no layer is a row of its own, so that the differences sum to the whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from embedl_nb.analysis.matching import Match, match_layers
from embedl_nb.display import Displayable, Fact, Table, View
from embedl_nb.display.figures import draw
from embedl_nb.display.names import shortened
from embedl_nb.errors import InputError, SchemaTooNewError
from embedl_nb.measure.benchmark import Benchmark, Layer
from embedl_nb.units import Provenance, counted, format_ms

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SCHEMA_VERSION", "LayerChange", "LayerDiff", "diff_layers"]

SCHEMA_VERSION = 1
_UNATTRIBUTED = "unattributed"

_ENOUGH = 0.8
_MOST_NAMED = 3
_MOST_ROWS = 15
_LONGEST_NAME = 44


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerChange:
    """Layers of either side that do the same work.

    Attributes
    ----------
    index
        Place in the order they ran.
    name
        The source module, else the layer's own name; of several the first, and how many more.
    operator
        On either side; both where they differ.
    first_ms, second_ms
        Mean of one inference; 0.0 where that side has no such layer.
    change_ms
        Second less first.
    gap_share
        Of the whole difference; None where there is none. Layers that go the other way are negative.
    first_unit, second_unit
        Where it ran; empty where that side has no such layer.
    first_layers, second_layers
        Places in the profiles.
    """

    index: int
    name: str
    operator: str
    first_ms: float
    second_ms: float
    change_ms: float
    gap_share: float | None
    first_unit: str
    second_unit: str
    first_layers: tuple[int, ...]
    second_layers: tuple[int, ...]

    @property
    def is_layer(self) -> bool:
        """False of the row of what belongs to no layer."""
        return bool(self.first_layers or self.second_layers)

    @property
    def has_moved(self) -> bool:
        """Whether it ran on another compute unit."""
        return bool(self.first_unit and self.second_unit) and self.first_unit != self.second_unit


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class LayerDiff(Displayable):
    """The difference of two profiles.

    Attributes
    ----------
    first_name, second_name
        What the two results are called.
    first_ms, second_ms
        Mean of the profiled inferences, which take a little longer than those without the profiler.
    changes
        Every layer of both in exactly one of them, in the order they ran; what belongs to no layer is the last.
    """

    first_name: str
    second_name: str
    first_ms: float
    second_ms: float
    changes: tuple[LayerChange, ...]
    provenance: Provenance
    schema_version: int = SCHEMA_VERSION

    @property
    def gap_ms(self) -> float:
        """Second less first, ms."""
        return self.second_ms - self.first_ms

    @property
    def explaining(self) -> tuple[LayerChange, ...]:
        """The fewest layers that explain four fifths of the gap, largest first; fewer where all of them do not."""
        direction = 1 if self.gap_ms >= 0 else -1
        helping = [change for change in self.changes if change.change_ms * direction > 0 and change.is_layer]
        chosen: list[LayerChange] = []
        explained_ms = 0.0
        for change in sorted(helping, key=lambda change: -abs(change.change_ms)):
            if explained_ms >= _ENOUGH * abs(self.gap_ms):
                break
            chosen.append(change)
            explained_ms += abs(change.change_ms)
        return tuple(chosen)

    @property
    def operators(self) -> dict[str, float]:
        """Change of each type of operator, ms, largest first; where a layer's operator changed, of that change."""
        totals: dict[str, float] = {}
        for change in self.changes:
            if change.is_layer:
                totals[change.operator] = totals.get(change.operator, 0.0) + change.change_ms
        return dict(sorted(totals.items(), key=lambda item: -abs(item[1])))

    @property
    def moved(self) -> tuple[LayerChange, ...]:
        """What ran on another compute unit."""
        return tuple(change for change in self.changes if change.has_moved)

    @property
    def sentence(self) -> str:
        """How many layers explain how much of the gap, and which."""
        if not self.gap_ms:
            return "both take the same in their profiled inferences"
        way = "slower" if self.gap_ms > 0 else "faster"
        gap = f"the gap of {format_ms(abs(self.gap_ms))} by which {self.second_name} is {way} than {self.first_name}"
        chosen = self.explaining
        if not chosen:
            return f"no layer explains {gap}: it belongs to none"
        share = sum(change.change_ms for change in chosen) / self.gap_ms
        names = ", ".join(shortened(change.name, _LONGEST_NAME) for change in chosen[:_MOST_NAMED])
        more = f" and {len(chosen) - _MOST_NAMED} more" if len(chosen) > _MOST_NAMED else ""
        verb = "explains" if len(chosen) == 1 else "explain"
        return f"{counted(len(chosen), 'layer')} {verb} {share * 100:.0f} % of {gap}: {names}{more}"

    @property
    def operators_sentence(self) -> str:
        """The types of operators whose time changed most."""
        largest = list(self.operators.items())[:_MOST_NAMED]
        return ", ".join(f"{operator} {change_ms:+.3g} ms" for operator, change_ms in largest) or "none"

    def frame(self) -> pd.DataFrame:
        """Return one row a change, in the order they ran."""
        import pandas as pd

        columns = [f.name for f in fields(LayerChange)]
        return pd.DataFrame([[getattr(change, name) for name in columns] for change in self.changes], columns=columns)

    def waterfall(self) -> Any:
        """Draw the way from the first time to the second, a step a layer.

        Returns
        -------
        plotly.graph_objects.Figure
            The largest changes and all others together, x in ms.
        """
        return draw("layer_diff", self)

    def to_record(self) -> dict[str, Any]:
        """Return everything as plain JSON data."""
        return {**asdict(self), "provenance": str(self.provenance)}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> LayerDiff:
        """Rebuild what :meth:`to_record` wrote, also after a trip through JSON.

        Raises
        ------
        SchemaTooNewError
            If a newer embedl_nb wrote it.
        """
        SchemaTooNewError.check("this layer diff", record["schema_version"], SCHEMA_VERSION)
        places = ("first_layers", "second_layers")
        changes = tuple(
            LayerChange(**{**change, **{name: tuple(change[name]) for name in places}}) for change in record["changes"]
        )
        return cls(**{**record, "changes": changes, "provenance": Provenance(record["provenance"])})

    def _view(self) -> View:
        rows = sorted(self.changes, key=lambda change: -abs(change.change_ms))[:_MOST_ROWS]
        return View(
            headline=f"{self.second_name} against {self.first_name} | {self.sentence}",
            provenance=self.provenance,
            facts=(
                Fact(
                    "profiled mean",
                    f"{self.first_name} {format_ms(self.first_ms)}, {self.second_name} {format_ms(self.second_ms)}",
                ),
                Fact("operators", self.operators_sentence),
                Fact("other unit", _moves(self.moved)),
            ),
            tables=(_table(self, rows),) if rows else (),
            pictures=("layer_diff_svg",) if rows else (),
        )


def diff_layers(first: Benchmark, second: Benchmark, *, names: tuple[str, str]) -> LayerDiff:
    """Compare two profiles.

    Raises
    ------
    InputError
        If one of them has no layers, or their numbers are of different provenance.
    """
    for result, name in zip((first, second), names, strict=True):
        if not result.layer_table or result.profiled_mean_ms is None:
            raise InputError(
                f"the benchmark of {name} has no layers", hint="measure it with enb.benchmark(model, profile=True)"
            )
    if first.provenance is not second.provenance:
        raise InputError(
            f"layers of {names[0]} are {first.provenance} and those of {names[1]} {second.provenance}: not compared",
            hint="compare results of the same provenance",
        )
    is_same = first.model_sha256 == second.model_sha256
    matches = match_layers(first.layer_table, second.layer_table, is_same_model=is_same)
    first_ms, second_ms = first.profiled_mean_ms or 0.0, second.profiled_mean_ms or 0.0
    gap_ms = second_ms - first_ms
    changes = [
        _change(index, match, first.layer_table, second.layer_table, gap_ms) for index, match in enumerate(matches)
    ]
    changes.append(
        _row(
            index=len(changes),
            name=_UNATTRIBUTED,
            operator="",
            times_ms=(
                first_ms - sum(change.first_ms for change in changes),
                second_ms - sum(change.second_ms for change in changes),
            ),
            gap_ms=gap_ms,
        )
    )
    return LayerDiff(
        first_name=names[0],
        second_name=names[1],
        first_ms=first_ms,
        second_ms=second_ms,
        changes=tuple(changes),
        provenance=first.provenance,
    )


def _change(index: int, match: Match, first: Sequence[Layer], second: Sequence[Layer], gap_ms: float) -> LayerChange:
    sides = [first[place] for place in match.first], [second[place] for place in match.second]
    longest = max((layer for side in sides for layer in side), key=lambda layer: layer.mean_ms)
    more = max(len(side) for side in sides) - 1
    operators = [max(side, key=lambda layer: layer.mean_ms).operator for side in sides if side]
    return _row(
        index=index,
        name=(longest.source or longest.name) + (f" (+{more})" if more else ""),
        operator=" -> ".join(dict.fromkeys(operators)),
        times_ms=(sum(layer.mean_ms for layer in sides[0]), sum(layer.mean_ms for layer in sides[1])),
        gap_ms=gap_ms,
        units=(_units(sides[0]), _units(sides[1])),
        places=(tuple(match.first), tuple(match.second)),
    )


def _row(
    *,
    index: int,
    name: str,
    operator: str,
    times_ms: tuple[float, float],
    gap_ms: float,
    units: tuple[str, str] = ("", ""),
    places: tuple[tuple[int, ...], tuple[int, ...]] = ((), ()),
) -> LayerChange:
    change_ms = times_ms[1] - times_ms[0]
    return LayerChange(
        index=index,
        name=name,
        operator=operator,
        first_ms=times_ms[0],
        second_ms=times_ms[1],
        change_ms=change_ms,
        gap_share=change_ms / gap_ms if gap_ms else None,
        first_unit=units[0],
        second_unit=units[1],
        first_layers=places[0],
        second_layers=places[1],
    )


def _units(side: Sequence[Layer]) -> str:
    return " + ".join(dict.fromkeys(layer.compute_unit for layer in side))


def _moves(moved: Sequence[LayerChange]) -> str:
    ways = Counter(f"{change.first_unit} to {change.second_unit}" for change in moved)
    return ", ".join(f"{counted(count, 'layer')} from {way}" for way, count in ways.most_common()) or "none"


def _table(diff: LayerDiff, rows: Sequence[LayerChange]) -> Table:
    return Table(
        title=f"Largest changes ({len(rows)} of {len(diff.changes)})",
        columns=("layer", "operator", "unit", "first ms", "second ms", "change ms", "share"),
        rows=tuple(_cells(change) for change in rows),
        numeric=("first ms", "second ms", "change ms", "share"),
        note=f"First is {diff.first_name}, second {diff.second_name}; means of inferences under the profiler.",
    )


def _cells(change: LayerChange) -> tuple[str, ...]:
    units = dict.fromkeys(unit for unit in (change.first_unit, change.second_unit) if unit)
    return (
        shortened(change.name, _LONGEST_NAME),
        change.operator,
        " -> ".join(units),
        f"{change.first_ms:.3f}" if change.first_layers or not change.second_layers else "",
        f"{change.second_ms:.3f}" if change.second_layers or not change.first_layers else "",
        f"{change.change_ms:+.3f}",
        "" if change.gap_share is None else f"{change.gap_share:.0%}".replace("%", " %"),
    )
