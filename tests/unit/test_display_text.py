"""A View as plain text."""

from __future__ import annotations

import pytest

from embedl_nb.display import Displayable, Fact, Table, View
from embedl_nb.display.text import render
from embedl_nb.units import Provenance

_TABLE = Table(
    title="Layers",
    columns=("#", "name", "ms"),
    rows=tuple((str(index), f"features.{index}", f"{index / 10:.1f}") for index in range(56)),
    numeric=("#", "ms"),
)


def test_the_headline_is_the_first_line():
    text = render(View(headline="net | f32 | p50 3.41 ms", facts=(Fact("peak memory", "44.1 MiB"),)))
    assert text.splitlines()[0] == "net | f32 | p50 3.41 ms"


def test_fact_values_stand_in_one_column():
    lines = render(View(headline="x", facts=(Fact("a", "1"), Fact("longer", "2")))).splitlines()
    assert lines[1].index("1") == lines[2].index("2")


def test_the_provenance_is_said():
    assert "virtual" in render(View(headline="x", provenance=Provenance.VIRTUAL))


def test_a_long_table_shows_its_first_rows_and_counts_the_rest():
    text = render(View(headline="x", tables=(_TABLE,)))
    assert "features.9" in text
    assert "features.10" not in text
    assert "... 46 more" in text


def test_numeric_columns_end_where_their_title_ends():
    lines = render(View(headline="x", tables=(_TABLE,))).splitlines()
    title = next(line for line in lines if line.endswith("ms"))
    row = next(line for line in lines if "features.3" in line)
    assert len(row) == len(title)


@pytest.mark.parametrize("letter", ["n", "名"])
def test_no_table_line_is_wider_than_a_page(letter):
    columns = tuple(f"column {number}" for number in range(5))
    wide = Table(title="t", columns=columns, rows=(tuple(letter * 300 for _ in columns),))
    lines = render(View(headline="x", tables=(wide,))).splitlines()
    # A terminal gives this letter two columns.
    assert max(len(line) + line.count("名") for line in lines) <= 110


def test_a_shortened_name_keeps_its_start_and_its_end():
    table = Table(title="t", columns=("name",), rows=(("first" + "x" * 200 + "last",),))
    line = render(View(headline="x", tables=(table,))).splitlines()[-1]
    assert line.strip().startswith("first")
    assert line.endswith("last")


def test_a_cell_of_a_hundred_thousand_letters_is_cut_at_once():
    table = Table(title="Errors", columns=("where", "error"), rows=(("phone", "a" + "x" * 2**17 + "z"),))
    (line,) = [line for line in render(View(headline="x", tables=(table,))).splitlines() if "…" in line]
    assert " ax" in line
    assert line.endswith("xz")


def test_a_long_fact_wraps_under_itself_and_a_path_stays_whole():
    path = "/home/somebody/" + "deep/" * 30 + "model.tflite"
    lines = render(View(headline="x", facts=(Fact("path", f"the file is at {path}"),))).splitlines()
    assert any(path in line for line in lines)
    assert all(line.startswith("        ") for line in lines[2:])


def test_the_last_line_says_what_is_unknown_and_what_finds_out():
    view = View(headline="x", tables=(_TABLE,), unknown="how fast on a phone", next_step="enb.benchmark(model)")
    assert render(view).splitlines()[-1] == "Still unknown: how fast on a phone. Next: enb.benchmark(model)"


@pytest.mark.parametrize("hostile", ["\x1b[31mred", "right\u202eleft", "bell\x07", "\x9b2J"])
def test_a_name_cannot_drive_the_terminal(hostile):
    table = Table(title=hostile, columns=(hostile,), rows=((hostile,),), note=hostile)
    view = View(
        headline=hostile,
        facts=(Fact(hostile, hostile),),
        warnings=(hostile,),
        tables=(table,),
        unknown=hostile,
        next_step=hostile,
    )
    text = render(view)
    assert all(letter.isprintable() or letter == "\n" for letter in text)


def test_a_line_break_in_a_name_does_not_break_the_headline():
    assert render(View(headline="a\nb")).splitlines() == ["a b"]


def test_a_result_shows_the_same_text_in_repr_and_in_a_notebook():
    class Result(Displayable):
        def _view(self) -> View:
            return View(headline="one line", facts=(Fact("a", "1"),))

    assert Result()._repr_mimebundle_()["text/plain"] == repr(Result())
