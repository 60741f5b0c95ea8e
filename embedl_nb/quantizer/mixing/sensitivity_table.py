"""Sensitivity: which operators make the noise of a quantized model, as a ranked table that shows itself.

Built by sensitivity.py from measured noise powers; read by people and by targets.py. It measures nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from embedl_nb.display import Displayable, Fact, Table, View
from embedl_nb.errors import InputError, SchemaTooNewError
from embedl_nb.model.likeness import decibels
from embedl_nb.units import Provenance, format_ratio

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Grouping", "Sensitivity", "SensitivityRow"]

SCHEMA_VERSION = 1
_NUM_SHOWN = 10
_COLUMNS = (
    "rank",
    "index",
    "name",
    "operator",
    "source",
    "alone_sqnr_db",
    "left_out_sqnr_db",
    "gain_db",
    "share",
    "num_operators",
)


class Grouping(StrEnum):
    """What is quantized alone and left out alone."""

    OPERATOR = "operator"
    SOURCE = "source"
    """All operators of one block of the source model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SensitivityRow:
    """One operator, or one block, and the noise it makes.

    Attributes
    ----------
    indices
        The operators' positions in the subgraph.
    name
        Of the first operator's output tensor; of the block where there are several operators.
    operator
        The operator's type, or how many there are.
    alone_noise
        Noise power of the output with only this quantized, relative to the signal's; of several outputs, the mean.
    left_out_noise
        The same with everything but this quantized.
    """

    indices: tuple[int, ...]
    name: str
    operator: str
    source: str
    alone_noise: float
    left_out_noise: float

    @property
    def alone_sqnr_db(self) -> float:
        """SQNR of the output with only this quantized, dB."""
        return decibels(self.alone_noise)

    @property
    def left_out_sqnr_db(self) -> float:
        """SQNR of the output with everything but this quantized, dB."""
        return decibels(self.left_out_noise)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Sensitivity(Displayable):
    """The noise of each operator (or block): quantized alone, and left out alone.

    Attributes
    ----------
    rows
        Ranked, the one that adds the most noise alone first. That order, not what leaving one out gains, foretells what
        keeping several in float gives: the noise that is left is about the sum of what the others make alone, while one
        that is left out leaves its neighbours' noise on the same values.
    all_noise
        Noise power with everything quantized, relative to the signal's.
    without_worst
        For some counts k, the noise power with the first k rows together left in float: ``((1, 0.05), (3, 0.02))``.
    num_candidates
        Operators (or blocks) that the recipe quantizes; more than there are rows where time was up.
    by
        What a row is.
    num_samples
        Held-out samples that every figure is the mean of.
    recipe
        One line: what was applied.
    """

    model_name: str
    model_sha256: str
    recipe: str
    by: Grouping
    rows: tuple[SensitivityRow, ...]
    all_noise: float
    num_candidates: int
    num_samples: int
    without_worst: tuple[tuple[int, float], ...] = ()
    schema_version: int = SCHEMA_VERSION

    @property
    def all_sqnr_db(self) -> float:
        """SQNR of the output with everything quantized, dB."""
        return decibels(self.all_noise)

    @property
    def is_complete(self) -> bool:
        """Whether every operator (or block) was measured."""
        return len(self.rows) == self.num_candidates

    @property
    def sentence(self) -> str:
        """Return one line: how much of the noise the worst few make."""
        kind = "operators" if self.by is Grouping.OPERATOR else "blocks"
        if not self.rows:
            return f"none of {self.num_candidates} {kind} measured"
        count, noise = self._telling()
        of = f"{count} of {len(self.rows)} {kind}" + ("" if self.is_complete else " measured so far")
        if not noise < self.all_noise:
            return f"no few {kind} make the noise: without the worst {of} it is {decibels(noise):.1f} dB"
        share = 1 - noise / self.all_noise
        return f"{of} make{'s' if count == 1 else ''} {share * 100:.0f} % of the noise: {self._named(count)}"

    def share(self, row: SensitivityRow) -> float:
        """Return a row's part, 0 to 1, of the noise that all rows make alone."""
        total = sum(each.alone_noise for each in self.rows)
        return row.alone_noise / total if total and math.isfinite(total) else 0.0

    def gain_db(self, row: SensitivityRow) -> float:
        """Return by how much the SQNR rises when this row alone is left in float, dB."""
        return row.left_out_sqnr_db - self.all_sqnr_db

    def frame(self) -> pd.DataFrame:
        """Return one row an operator (or block), the worst first; ``share`` is of the noise that all make alone."""
        import pandas as pd

        return pd.DataFrame([self._cells(rank, row) for rank, row in enumerate(self.rows, 1)], columns=list(_COLUMNS))

    def to_record(self) -> dict[str, Any]:
        """Return JSON-ready data; numbers that are not finite become text."""
        rows = [
            {**asdict(row), "indices": list(row.indices)}
            | {key: _to_json(getattr(row, key)) for key in ("alone_noise", "left_out_noise")}
            for row in self.rows
        ]
        record = {field.name: getattr(self, field.name) for field in fields(self)}
        return record | {
            "by": str(self.by),
            "rows": rows,
            "all_noise": _to_json(self.all_noise),
            "without_worst": [[count, _to_json(noise)] for count, noise in self.without_worst],
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Sensitivity:
        """Rebuild from :meth:`to_record`.

        Raises
        ------
        SchemaTooNewError
            If a newer embedl_nb wrote it.
        InputError
            If it is no record of a sensitivity.
        """
        try:
            SchemaTooNewError.check("this table of sensitivities", int(record["schema_version"]), SCHEMA_VERSION)
            rows = tuple(
                SensitivityRow(
                    **{**row, "indices": tuple(row["indices"])}
                    | {key: float(row[key]) for key in ("alone_noise", "left_out_noise")}
                )
                for row in record["rows"]
            )
            parts = {
                "by": Grouping(record["by"]),
                "rows": rows,
                "all_noise": float(record["all_noise"]),
                "without_worst": tuple((int(count), float(noise)) for count, noise in record["without_worst"]),
            }
            return cls(**{**record, **parts})
        except (KeyError, TypeError, ValueError) as err:
            if isinstance(err, SchemaTooNewError):
                raise
            raise InputError(
                f"this is no record of a sensitivity: {type(err).__name__}: {err}",
                hint="pass what Sensitivity.to_record() returned",
            ) from err

    def _telling(self) -> tuple[int, float]:
        """Return the smallest measured count of worst rows that make most of the noise, and what is left without."""
        measured = [(count, noise) for count, noise in self.without_worst if count <= len(self.rows)]
        if not measured:
            return 1, self.rows[0].left_out_noise
        half = [pair for pair in measured if pair[1] <= self.all_noise / 2]
        return half[0] if half else min(measured, key=lambda pair: pair[1])

    def _named(self, count: int) -> str:
        names = [row.source or row.name for row in self.rows[: min(count, 3)]]
        return ", ".join(names) + (" ..." if count > len(names) else "")

    def _cells(self, rank: int, row: SensitivityRow) -> tuple[Any, ...]:
        figures = (row.alone_sqnr_db, row.left_out_sqnr_db, self.gain_db(row), self.share(row), len(row.indices))
        return (rank, row.indices[0], row.name, row.operator, row.source, *figures)

    def _view(self) -> View:
        rows = []
        for rank, row in enumerate(self.rows[:_NUM_SHOWN], 1):
            figures = (f"{row.alone_sqnr_db:.1f}", f"{row.left_out_sqnr_db:.1f}", format_ratio(self.share(row)))
            rows.append((str(rank), str(row.indices[0]), row.operator, row.source or row.name, *figures))
        figures = ("alone dB", "left out dB", "share")
        table = Table(
            title=f"the worst {len(rows)} of {self.num_candidates}",
            columns=("rank", "index", "operator", "source", *figures),
            rows=tuple(rows),
            numeric=("rank", "index", *figures),
            note="alone: only this quantized; left out: all but this; share: of what all make alone",
        )
        left = self.num_candidates - len(self.rows)
        waiting = f"{left} of {self.num_candidates} not measured: time was up; the same call goes on from here"
        return View(
            headline=f"{self.model_name} | {self.all_sqnr_db:.1f} dB with all quantized | {self.sentence}",
            provenance=Provenance.MEASURED,
            facts=(
                Fact("recipe", self.recipe),
                Fact("judged on", f"{self.num_samples} held-out sample{'' if self.num_samples == 1 else 's'}"),
                *(
                    Fact(f"without the worst {count}", f"{decibels(noise):.1f} dB")
                    for count, noise in self.without_worst
                ),
            ),
            warnings=(waiting,) if left else (),
            tables=(table,) if rows else (),
            unknown="what keeping the worst in float costs in latency",
            next_step="enb.quantize(model, data, min_sqnr_db=25)",
        )


def _to_json(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)
