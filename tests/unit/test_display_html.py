"""A View as HTML: escaped, scoped, accessible, without script."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from embedl_nb.display import Displayable, Fact, Table, View
from embedl_nb.display.html import render
from embedl_nb.display.markup import Markup, element
from embedl_nb.display.style import CSS
from embedl_nb.errors import InputError
from embedl_nb.testing.results import fake_benchmark
from embedl_nb.units import Provenance

_HOSTILE = (
    "<script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</code></td></table>",
    "<!-- ",
    "&lt;b&gt;",
    "nul\x00 and escape\x1b and half a pair\ud800",
)


class _Reader(HTMLParser):
    """Collects tags, attributes and text as a browser would see them."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def _view(name: str) -> View:
    table = Table(title=name, columns=("#", name), rows=((name, name), ("1", "2")), numeric=("#",), note=name)
    return View(
        headline=f"{name} | f32",
        provenance=Provenance.MEASURED,
        facts=(Fact(name, name),),
        warnings=(name,),
        tables=(table,),
        unknown=name,
        next_step=name,
    )


@pytest.mark.parametrize("hostile", _HOSTILE)
def test_a_hostile_name_changes_neither_tags_nor_attributes(hostile):
    plain, attacked = _Reader(render(_view("name"))), _Reader(render(_view(hostile)))
    assert attacked.tags == plain.tags
    assert [name for name, _ in attacked.attributes] == [name for name, _ in plain.attributes]


@pytest.mark.parametrize("hostile", _HOSTILE[:-1])
def test_a_hostile_name_is_shown_as_it_is(hostile):
    assert _Reader(render(_view(hostile))).text.count(hostile) >= 7


def test_what_html_cannot_hold_becomes_a_replacement_character():
    markup = render(_view(_HOSTILE[-1]))
    markup.encode("utf-8")
    assert "\x00" not in markup
    assert "\N{REPLACEMENT CHARACTER}" in markup


def test_nothing_that_is_shown_contains_a_script_or_a_handler():
    reader = _Reader(fake_benchmark()._repr_html_())
    assert "script" not in reader.tags
    assert not [name for name, _ in reader.attributes if name.startswith("on")]


def test_an_attribute_is_escaped_even_if_it_was_built_as_markup():
    assert element("p", title=Markup('"><b>')) == '<p title="&quot;&gt;&lt;b&gt;"></p>'


def test_every_rule_is_scoped():
    without_media = re.sub(r"@media[^{]*\{", "", CSS)
    selectors = re.findall(r"(?:^|\})\s*([^{}]+)\{", without_media)
    assert len(selectors) > 20
    assert [each for group in selectors for each in group.split(",") if not each.strip().startswith(".embedl-")] == []


def test_colours_follow_jupyterlab_and_the_system():
    assert "--jp-layout-color0" in CSS
    assert "prefers-color-scheme:dark" in CSS


def test_no_address_is_loaded():
    markup = fake_benchmark()._repr_html_().replace("http://www.w3.org/2000/svg", "")
    assert "http" not in markup
    assert "@import" not in markup


def test_a_table_has_a_caption_and_column_scopes():
    markup = render(_view("name"))
    assert "<caption>name</caption>" in markup
    assert markup.count('scope="col"') == 2


def test_a_long_table_counts_the_rows_it_leaves_out():
    table = Table(title="t", columns=("#",), rows=tuple((str(number),) for number in range(5000)))
    markup = render(View(headline="x", tables=(table,)))
    assert "4800 more rows" in markup
    assert len(markup) < 40_000


def test_a_warning_is_marked_in_words_not_only_in_colour():
    assert "Warning" in _Reader(render(_view("name"))).text


@pytest.mark.parametrize("provenance", list(Provenance))
def test_the_provenance_stands_beside_the_headline(provenance):
    head = render(View(headline="x", provenance=provenance)).split('class="embedl-head"')[1]
    assert f">{provenance}</span>" in head


def test_unstyled_text_keeps_the_headline_on_one_line_with_its_bars():
    assert "net | f32 | p50 1 ms" in _Reader(render(View(headline="net | f32 | p50 1 ms"))).text


def test_the_next_command_can_be_copied():
    assert "<code>enb.benchmark(model, device=&quot;x&quot;)</code>" in render(
        View(headline="x", next_step='enb.benchmark(model, device="x")')
    )


def test_a_picture_that_cannot_be_drawn_does_not_hide_the_result(monkeypatch):
    def refuse(kind: str, result: object) -> str:
        raise InputError("its profile was off")

    monkeypatch.setattr("embedl_nb.display.figures.draw", refuse)
    markup = render(View(headline="net", pictures=("waterfall_svg",)), object())
    assert "net" in markup
    assert "its profile was off" in markup


def test_a_result_draws_its_picture_inline():
    assert fake_benchmark()._repr_html_().count("<svg") == 1


def test_the_notebook_bundle_holds_text_and_html():
    class Result(Displayable):
        def _view(self) -> View:
            return View(headline="x")

    assert set(Result()._repr_mimebundle_(include=None, exclude=None)) == {"text/plain", "text/html"}
