"""The answer of a preflight: one model, one chip, and what each compute unit would do with each operator."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from embedl_nb.display import Displayable, View, figures
from embedl_nb.errors import SchemaTooNewError, UnknownNameError
from embedl_nb.model import LiteRTModel
from embedl_nb.placement.answers import OperatorAnswer, UnitAnswer
from embedl_nb.placement.records import answer_from_record, answer_to_record
from embedl_nb.placement.rehearsal import Rehearsal
from embedl_nb.placement.split import Split
from embedl_nb.placement.suggestions import suggestion_for
from embedl_nb.units import ComputeUnit, Provenance

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["OperatorRow", "Placement"]

_SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorRow:
    """An operator as a reader knows it (see :class:`embedl_nb.model.operators.OperatorInfo`)."""

    index: int
    operator: str
    name: str
    source: str
    macs: int | None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Placement(Displayable):
    """Where the operators of a model would run on a phone.

    Attributes
    ----------
    model_name, model_sha256, precision
        Of the model.
    target
        What was asked for, as it was typed: a phone, a chip.
    phones
        The phones of that name that have this chip; empty where a chip was asked for.
    chip
        Its name and part: ``"Snapdragon 8 Gen 3 (SM8650)"``.
    rows
        The model's operators, in order.
    answers
        What each compute unit said.
    splits
        What that means for the model, for each unit that was checked.
    signature_key
        Which signature was asked about, of a model with several; ``""`` where it has one.
    rehearsal
        What the NPU's artifact computed in the vendor's simulator, where that was asked for and could be done.
    run_id
        Set once it is recorded.
    """

    model_name: str
    model_sha256: str
    precision: str
    target: str
    phones: tuple[str, ...]
    chip: str
    rows: tuple[OperatorRow, ...]
    answers: tuple[UnitAnswer, ...]
    splits: dict[ComputeUnit, Split]
    signature_key: str = ""
    rehearsal: Rehearsal | None = None
    run_id: str | None = None

    def answer(self, unit: ComputeUnit | str) -> UnitAnswer:
        """Return what one compute unit said.

        Raises
        ------
        UnknownNameError
            If it was not asked.
        """
        by_unit = {answer.unit: answer for answer in self.answers}
        if unit not in by_unit:
            raise UnknownNameError.among("compute unit", str(unit), by_unit)
        return by_unit[ComputeUnit(unit)]

    @property
    def provenance(self) -> Provenance:
        """Where it is from: LiteRT and the vendor's compiler said so here, of a phone that was not asked."""
        return Provenance.REPORTED

    def said_by(self, answer: UnitAnswer) -> list[tuple[OperatorRow, OperatorAnswer]]:
        """Return each operator with what one compute unit said of it; empty where that was not checked."""
        return list(zip(self.rows, answer.operators, strict=True)) if answer.operators else []

    @property
    def operators(self) -> pd.DataFrame:
        """One row an operator and compute unit.

        Columns: ``index operator name source compute_unit runs by reason evidence suggestion macs``.
        """
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "index": row.index,
                    "operator": row.operator,
                    "name": row.name,
                    "source": row.source,
                    "compute_unit": str(answer.unit),
                    "runs": said.runs,
                    "by": said.by,
                    "reason": str(said.reason or ""),
                    "evidence": said.evidence,
                    "suggestion": "" if said.runs else suggestion_for(row.operator, said.reason),
                    "macs": row.macs,
                }
                for answer in self.answers
                for row, said in self.said_by(answer)
            ]
        )

    @property
    def summary(self) -> pd.DataFrame:
        """One row a compute unit: what would run there, in how many parts, and who said so."""
        import pandas as pd

        from embedl_nb.placement.views import summary_row

        return pd.DataFrame([summary_row(self, answer) for answer in self.answers])

    def frame(self) -> pd.DataFrame:
        """Return :attr:`operators`."""
        return self.operators

    @property
    def verdict(self) -> str:
        """One sentence: how much of the model the fastest unit that was checked would run, and what stops the rest."""
        from embedl_nb.placement.views import verdict

        return verdict(self)

    @property
    def aot(self) -> LiteRTModel | None:
        """The model compiled ahead of time for this chip's NPU, with its ``target``; None where there is none.

        It runs on that chip only. Its file is in the cache; ``.aot.save(path)`` keeps it.
        """
        path = next((answer.artifact for answer in self.answers if answer.unit is ComputeUnit.NPU), None)
        if path is None or not path.exists():
            return None
        return replace(LiteRTModel.open(path, name=self.model_name), target=self.chip)

    def strip(self) -> Any:
        """Draw the network as a strip a unit, as wide as the work, with the reasons in the hover.

        Returns
        -------
        plotly.graph_objects.Figure
        """
        return figures.draw("placement", self)

    def to_record(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return {
            **{name: getattr(self, name) for name in ("model_name", "model_sha256", "precision", "target", "chip")},
            "schema_version": _SCHEMA_VERSION,
            "provenance": str(self.provenance),
            "phones": list(self.phones),
            "signature_key": self.signature_key,
            "rows": [asdict(row) for row in self.rows],
            "answers": [answer_to_record(answer) for answer in self.answers],
            "rehearsal": None if self.rehearsal is None else self.rehearsal.to_record(),
            "splits": {str(unit): asdict(split) for unit, split in self.splits.items()},
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Placement:
        """Rebuild what :meth:`to_record` wrote.

        Raises
        ------
        SchemaTooNewError
            If a newer embedl_nb wrote it.
        """
        SchemaTooNewError.check(f"the placement of {record['model_name']}", record["schema_version"], _SCHEMA_VERSION)
        return cls(
            **{name: record[name] for name in ("model_name", "model_sha256", "precision", "target", "chip")},
            phones=tuple(record["phones"]),
            signature_key=record.get("signature_key", ""),
            rows=tuple(OperatorRow(**row) for row in record["rows"]),
            answers=tuple(answer_from_record(answer) for answer in record["answers"]),
            rehearsal=None if record["rehearsal"] is None else Rehearsal.from_record(record["rehearsal"]),
            splits={ComputeUnit(unit): Split(**split) for unit, split in record["splits"].items()},
        )

    def _view(self) -> View:
        from embedl_nb.placement.views import placement_view

        return placement_view(self)
