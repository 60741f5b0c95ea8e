"""Two results side by side, and the sentence that may be said of them. The statistics are those of noise.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from embedl_nb.analysis.layer_diff import LayerDiff, diff_layers
from embedl_nb.analysis.naming import distinct_names
from embedl_nb.analysis.noise import MARGIN, More, Verdict, judge
from embedl_nb.analysis.unlike import Unlike, find_unlike, what_is_compared
from embedl_nb.analysis.views import comparison_view, comparisons_view
from embedl_nb.analysis.words import sentence_of
from embedl_nb.display import Displayable, ResultSet, View
from embedl_nb.display.figures import draw
from embedl_nb.errors import InputError, SchemaTooNewError
from embedl_nb.measure.benchmark import Benchmark
from embedl_nb.units import Provenance, counted

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SCHEMA_VERSION", "Comparison", "Comparisons", "check_margin", "compare_results"]

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Comparison(Displayable):
    """How many times as fast one result is as another, and whether that can be said.

    Attributes
    ----------
    first, second
        The results; the first is what the second is held against.
    first_name, second_name
        What tells them apart.
    about
        What is compared: ``"model"``, ``"device"``, ``"compute unit"`` ..., ``"repeat"`` where nothing differs.
    unlike
        Every other respect in which they differ.
    verdict
        The ratio, its interval and how it was made.
    """

    first: Benchmark
    second: Benchmark
    first_name: str
    second_name: str
    about: str
    unlike: tuple[Unlike, ...]
    verdict: Verdict
    schema_version: int = SCHEMA_VERSION

    @property
    def sentence(self) -> str:
        """The answer."""
        return sentence_of(
            self.verdict, self.first_name, self.second_name, self.unlike, can_take_turns=self.can_take_turns
        )

    @property
    def can_take_turns(self) -> bool:
        """Whether both could be measured in turns, process by process: models on one device can."""
        return self.about in ("model", "repeat") and self.first.device.address == self.second.device.address

    @property
    def is_different(self) -> bool | None:
        """True, False for "no difference larger than the margin", None for "cannot tell yet"."""
        return self.verdict.is_different

    @property
    def ratio(self) -> float | None:
        """How many times as fast the second is as the first; None where the numbers are not to be compared."""
        return self.verdict.ratio

    @property
    def ci95(self) -> tuple[float, float] | None:
        """95 % interval of the ratio."""
        return self.verdict.ci95

    @property
    def provenance(self) -> Provenance | None:
        """What the numbers are; None where that differs."""
        return self.first.provenance if self.first.provenance is self.second.provenance else None

    @property
    def layers(self) -> LayerDiff:
        """Which layers make the difference.

        Raises
        ------
        InputError
            If one of the results has no layers, or their numbers are of different provenance.
        """
        return diff_layers(self.first, self.second, names=(self.first_name, self.second_name))

    def frame(self) -> pd.DataFrame:
        """Return one row with the ratio and both latencies."""
        import pandas as pd

        low, high = self.ci95 or (None, None)
        row = {
            "first": self.first_name,
            "second": self.second_name,
            "about": self.about,
            "first_p50_ms": self.first.latency.p50_ms,
            "second_p50_ms": self.second.latency.p50_ms,
            "ratio": self.ratio,
            "ci95_low": low,
            "ci95_high": high,
            "is_different": self.is_different,
            "unlike": ", ".join(each.kind for each in self.unlike),
            "first_provenance": str(self.first.provenance),
            "second_provenance": str(self.second.provenance),
        }
        return pd.DataFrame([row])

    def chart(self) -> Any:
        """Draw both latencies with their intervals.

        Returns
        -------
        plotly.graph_objects.Figure
            One bar a result, p50 in ms.
        """
        return draw("comparison", self)

    def to_record(self) -> dict[str, Any]:
        """Return everything as plain JSON data."""
        return {
            "first": self.first.to_record(),
            "second": self.second.to_record(),
            "first_name": self.first_name,
            "second_name": self.second_name,
            "about": self.about,
            "unlike": [asdict(each) for each in self.unlike],
            "verdict": asdict(self.verdict),
            "schema_version": self.schema_version,
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Comparison:
        """Rebuild what :meth:`to_record` wrote, also after a trip through JSON.

        Raises
        ------
        SchemaTooNewError
            If a newer embedl_nb wrote it.
        """
        SchemaTooNewError.check("this comparison", record["schema_version"], SCHEMA_VERSION)
        verdict = record["verdict"]
        ci95 = None if verdict["ci95"] is None else (verdict["ci95"][0], verdict["ci95"][1])
        more = None if verdict["more"] is None else More(**verdict["more"])
        return cls(
            **{
                **record,
                "first": Benchmark.from_record(record["first"]),
                "second": Benchmark.from_record(record["second"]),
                "unlike": tuple(Unlike(**each) for each in record["unlike"]),
                "verdict": Verdict(**{**verdict, "ci95": ci95, "more": more}),
            }
        )

    def _view(self) -> View:
        return comparison_view(self)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Comparisons(ResultSet):
    """A :class:`Comparison` of each of several results with the first, by name; each interval is at 95 % by itself."""

    @property
    def sentence(self) -> str:
        """All answers."""
        return "; ".join(each.sentence for each in self)

    def chart(self) -> Any:
        """Draw all latencies with their intervals.

        Returns
        -------
        plotly.graph_objects.Figure
            One bar a result, p50 in ms.
        """
        return draw("comparison", self)

    def _view(self) -> View:
        return comparisons_view(self)


def compare_results(results: Sequence[Benchmark], *, margin: float = MARGIN) -> Comparison | Comparisons:
    """Compare the first result with each of the others.

    Parameters
    ----------
    results
        Two or more.
    margin
        Share of the latency, above 0 and below 1, below which a difference is none.

    Returns
    -------
    Comparison or Comparisons
        Of two results the former, of more the latter.

    Raises
    ------
    InputError
        If there are fewer than two, one of them is no Benchmark, or the margin makes no sense.
    """
    for result in results:
        if not isinstance(result, Benchmark):
            raise InputError(
                f"only benchmarks are compared, not a {type(result).__name__}",
                hint="result = enb.benchmark(model), or give models to have them measured in turns",
            )
    if len(results) < 2:
        raise InputError(
            f"there is nothing to compare: {counted(len(results), 'result')}",
            hint="give two or more results, or two or more models to be measured in turns",
        )
    run_ids = [result.run_id for result in results if result.run_id]
    twice = next((run_id for run_id in run_ids if run_ids.count(run_id) > 1), None)
    if twice is not None:
        raise InputError(f"run {twice} is given twice", hint="compare it with another run, or measure it again")
    check_margin(margin)
    names = distinct_names(results)
    first = results[0]
    compared = {
        name: _compared(first, second, names=(names[0], name), margin=float(margin))
        for name, second in zip(names[1:], results[1:], strict=True)
    }
    return next(iter(compared.values())) if len(compared) == 1 else Comparisons(results=compared, errors={})


def check_margin(margin: object) -> None:
    """Refuse what is no share of a latency.

    Raises
    ------
    InputError
        Naming its value.
    """
    if isinstance(margin, bool) or not isinstance(margin, int | float) or not 0 < margin < 1:
        raise InputError(f"margin={margin!r} is no share of a latency", hint="give e.g. margin=0.02 for 2 %")


def _compared(first: Benchmark, second: Benchmark, *, names: tuple[str, str], margin: float) -> Comparison:
    unlike = find_unlike(first, second, names=names)
    decisive = [each for each in unlike if each.is_decisive]
    if decisive:
        reason = "; ".join(each.sentence for each in decisive)
        verdict = Verdict(ratio=None, ci95=None, is_different=None, margin=margin, reason=reason)
    else:
        in_turns = bool(first.in_turns) and first.in_turns == second.in_turns
        verdict = judge(first.latency, second.latency, are_interleaved=in_turns, margin=margin)
    return Comparison(
        first=first,
        second=second,
        first_name=names[0],
        second_name=names[1],
        about=what_is_compared(first, second),
        unlike=unlike,
        verdict=verdict,
    )
