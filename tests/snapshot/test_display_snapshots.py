"""What users see of one small result, kept as files, so that a change of looks is seen in review.

Renew them with ``EMBEDL_NB_RENEW_SNAPSHOTS=1 pytest tests/snapshot``.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from embedl_nb.charts import draw
from embedl_nb.charts.waterfall_svg import waterfall_picture
from embedl_nb.display import Fact, Table, View
from embedl_nb.display.html import card
from embedl_nb.display.text import render
from embedl_nb.testing.results import fake_benchmark
from embedl_nb.units import Provenance

_KEPT = Path(__file__).parent / "kept"

_VIEW = View(
    headline="mobilenet_v2 | f32 | myhost cpu (asked cpu) | p50 3.41 ms (p95 3.60, 3 x 200) | outputs match",
    provenance=Provenance.MEASURED,
    facts=(Fact("peak memory", "44.1 MiB (measured)"), Fact("placement", "asked cpu, got cpu")),
    warnings=("the machine was busy: load 7.4 on 2 cores",),
    tables=(
        Table(
            title="Slowest layers",
            columns=("#", "source", "mean ms"),
            rows=(("4", "f.4.c.3", "0.515"), ("12", "f.12.c.0", "0.372")),
            numeric=("#", "mean ms"),
            note="The layers sum to 97.7 % of the profiled mean.",
        ),
    ),
    unknown="how fast a phone runs it",
    next_step='model.save("mobilenet_v2.tflite")',
)


def _compare(name: str, shown: str) -> None:
    path = _KEPT / name
    if os.environ.get("EMBEDL_NB_RENEW_SNAPSHOTS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(shown + "\n", encoding="utf-8")
    assert shown + "\n" == path.read_text(encoding="utf-8"), f"{path} differs; if that is meant, renew it"


def test_the_text_of_a_result():
    _compare("card.txt", render(_VIEW))


def test_the_html_of_a_result():
    # One tag a line, so that a difference can be read.
    _compare("card.html", card(_VIEW).replace("><", ">\n<"))


def test_the_small_waterfall():
    _compare("waterfall.svg", waterfall_picture(fake_benchmark(6), uid="snapshot").replace("><", ">\n<"))


def test_the_large_waterfall():
    figure = json.loads(draw("waterfall", fake_benchmark(4)).to_json())
    _compare("waterfall.json", json.dumps(figure, indent=1, ensure_ascii=False))
