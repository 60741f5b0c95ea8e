"""Numbers that were not measured look so in every chart that draws them: hatched, hollow or dashed."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from test_measure_sustained import WarmingPhone, sustained_by

import embedl_nb as enb
from embedl_nb import charts
from embedl_nb.charts.stills import still
from embedl_nb.measure.benchmark import Benchmark
from embedl_nb.testing.results import fake_benchmark
from embedl_nb.units import Provenance


def _result(provenance: Provenance, *, p50_ms: float = 8.0) -> Benchmark:
    made = fake_benchmark(6, p50_ms=p50_ms, model_name=f"net{p50_ms:g}")
    return dataclasses.replace(made, provenance=provenance, sustained=sustained_by(WarmingPhone()))


def _compared(provenance: Provenance) -> Any:
    return enb.compare(_result(provenance), _result(provenance, p50_ms=4.0))


def _picked(provenance: Provenance) -> Any:
    return enb.pick([_result(provenance), _result(provenance, p50_ms=4.0)], where="peak_memory_mib <= 150")


_DRAWN_FROM: dict[str, Callable[[Provenance], Any]] = {
    **dict.fromkeys(("waterfall", "operators", "treemap", "latency", "over_time", "sustained"), _result),
    **dict.fromkeys(("comparison", "comparison_svg", "layer_diff", "layer_diff_svg"), _compared),
    **dict.fromkeys(("pareto", "pareto_svg"), _picked),
    "waterfall_svg": _result,
}
_BARS = ("waterfall", "operators", "treemap", "latency", "comparison", "layer_diff")
_HOLLOW = re.compile(r'<(?:circle|path)[^>]*fill="none"[^>]*stroke-width="2')


def _looks_unmeasured(kind: str, provenance: Provenance) -> bool:
    drawn = charts.draw(kind, _DRAWN_FROM[kind](provenance))
    if kind.endswith("_svg"):
        return 'stroke-dasharray="2 2"' in drawn or _HOLLOW.search(drawn) is not None
    traces = json.dumps(json.loads(drawn.to_json())["data"])
    return any(look in traces for look in ('"pattern"', '-open"', '"dash": "dash"'))


@pytest.mark.parametrize("kind", _DRAWN_FROM)
def test_a_chart_tells_what_was_not_measured(kind: str) -> None:
    assert _looks_unmeasured(kind, Provenance.VIRTUAL)
    assert not _looks_unmeasured(kind, Provenance.MEASURED)


@pytest.mark.parametrize("kind", _BARS)
def test_the_still_of_a_chart_does_so_too(kind: str) -> None:
    stills = {each: still(charts.draw(kind, _DRAWN_FROM[kind](each))) for each in Provenance}
    assert [each for each in stills if 'stroke-dasharray="3 2"' not in stills[each]] == [Provenance.MEASURED]
