"""The offline report: whole, escaped, and asking the network for nothing."""

from __future__ import annotations

import dataclasses
import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import html5lib
import pytest

from embedl_nb.display import Displayable, Fact, View
from embedl_nb.errors import DeviceLost, EmbedlError, InputError
from embedl_nb.measure.benchmark import Benchmark, OutputCheck, OutputState
from embedl_nb.measure.benchmarks import Benchmarks
from embedl_nb.model.evidence import compare_outputs
from embedl_nb.model.litert_model import LiteRTModel
from embedl_nb.reports import write_report
from embedl_nb.testing.models import add, write
from embedl_nb.testing.results import fake_benchmark, fake_fidelity

_HOSTILE = "</script><script>window.attacked = 1</script></style>\"'<!--"


class _Note(Displayable):
    """A result without charts."""

    def __init__(self, headline: str = "net | f32") -> None:
        self._headline = headline

    def _view(self) -> View:
        return View(headline=self._headline, facts=(Fact("size", "1.0 MiB"),), unknown="all", next_step="enb.doctor()")


class _Page(HTMLParser):
    """The page as a browser parses it: scripts by type, text, addresses."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.scripts: list[tuple[str | None, str]] = []
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.text = ""
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href", "action", "data"}]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag == "script":
            self.scripts.append((named.get("type"), ""))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script":
            kind, text = self.scripts[-1]
            self.scripts[-1] = (kind, text + data)
        else:
            self.text += data

    def figures(self) -> list[dict]:
        return [json.loads(text) for kind, text in self.scripts if kind == "application/json"]


def _page(results: Displayable | list[Displayable], tmp_path: Path) -> _Page:
    return _Page(write_report(results, tmp_path / "report.html").read_text(encoding="utf-8"))


def _hostile() -> Benchmark:
    result = fake_benchmark(3)
    layers = tuple(
        dataclasses.replace(layer, name=_HOSTILE, source=_HOSTILE, operator=_HOSTILE, kernel=_HOSTILE)
        for layer in result.layer_table
    )
    return dataclasses.replace(result, model_name=_HOSTILE, layer_table=layers)


def test_a_benchmark_shows_its_headline_charts_layers_and_environment(tmp_path):
    result = fake_benchmark(20)
    page = _page(result, tmp_path)
    assert "virtual_net" in page.text
    assert len(page.figures()) == 5
    assert "All layers, in the order they ran" in page.text
    assert "features.4.conv.3" in page.text
    assert "Made-up CPU" in page.text
    assert result._view().unknown in page.text


def test_percentiles_that_a_layer_does_not_have_are_empty(tmp_path):
    made = fake_benchmark(2)
    layers = tuple(dataclasses.replace(layer, p50_ms=None, p95_ms=None) for layer in made.layer_table)
    text = write_report(dataclasses.replace(made, layer_table=layers), tmp_path / "r.html").read_text(encoding="utf-8")
    table = text.partition("All layers, in the order they ran")[2].partition("</table>")[0]
    for layer in layers:
        cells = re.findall(r"<td[^>]*>(.*?)</td>", table.partition(f">{layer.source}<")[2])
        assert cells[2:6] == [f"{layer.start_ms:.3f}", f"{layer.mean_ms:.4f}", "", ""]


def test_every_figure_finds_its_box(tmp_path):
    path = write_report([fake_benchmark(4), fake_benchmark(4)], tmp_path / "report.html")
    page = _Page(path.read_text(encoding="utf-8"))
    targets = re.findall(r'type="application/json" data-target="([^"]+)"', path.read_text(encoding="utf-8"))
    assert len(targets) == 10
    assert set(targets) <= set(page.ids)
    assert len(set(page.ids)) == len(page.ids)


@pytest.mark.parametrize("num_results", [0, 1])
def test_a_set_is_reported_with_its_errors_and_then_each_of_its_results(tmp_path, num_results):
    results = {"adb://A": fake_benchmark(4)} if num_results else {}
    errors = {"adb://B": DeviceLost("cable pulled", address="adb://B", hint="plug it in")}
    page = _page(Benchmarks(results=results, errors=errors), tmp_path)
    assert "adb://B: cable pulled" in page.text
    assert "plug it in" in page.text
    assert "1 of 2 failed" in page.text or not num_results
    assert ("All layers, in the order they ran" in page.text) == bool(num_results)


def test_plotly_is_in_the_file_once(tmp_path):
    path = write_report([fake_benchmark(4), fake_benchmark(4)], tmp_path / "report.html")
    scripts = [text for kind, text in _Page(path.read_text(encoding="utf-8")).scripts if kind is None]
    assert len([text for text in scripts if len(text) > 1_000_000]) == 1
    assert path.stat().st_size < 7_000_000


def test_a_report_of_twenty_runs_stays_under_seven_megabytes(tmp_path):
    path = write_report([fake_benchmark(66, seed=seed) for seed in range(20)], tmp_path / "report.html")
    assert path.stat().st_size < 7_000_000


def test_results_without_charts_need_no_script(tmp_path):
    path = write_report(_Note(), tmp_path / "report.html")
    assert _Page(path.read_text(encoding="utf-8")).scripts == []
    assert path.stat().st_size < 30_000


def test_a_benchmark_without_layers_is_reported_with_its_latency(tmp_path):
    assert len(_page(fake_benchmark(0), tmp_path).figures()) == 2


def test_the_page_loads_nothing_and_forbids_itself_to(tmp_path):
    path = write_report(fake_benchmark(4), tmp_path / "report.html")
    page = _Page(path.read_text(encoding="utf-8"))
    assert page.addresses == []
    assert "link" not in page.tags
    assert "default-src &#x27;none&#x27;" in path.read_text(encoding="utf-8")


def test_hostile_names_stay_text_in_the_page_and_in_the_data(tmp_path):
    plain, attacked = _page(fake_benchmark(3), tmp_path), _page(_hostile(), tmp_path)
    assert set(attacked.tags) == set(plain.tags)
    assert [kind for kind, _ in attacked.scripts] == [kind for kind, _ in plain.scripts]
    assert _HOSTILE in attacked.text
    assert "window.attacked" in json.dumps(attacked.figures())


def test_a_screen_reader_hears_the_name_of_a_chart_as_it_is_written(tmp_path):
    result = dataclasses.replace(fake_benchmark(3), model_name="a<b & c")
    page = write_report(result, tmp_path / "report.html").read_text(encoding="utf-8")
    labels = [html.unescape(label) for label in re.findall('class="embedl-chart"[^>]*aria-label="([^"]*)"', page)]
    assert labels
    assert all(label.startswith("a<b & c f32 on virtual bench") for label in labels), labels


def test_parity_is_a_table(tmp_path):
    parity = compare_outputs([{"logits": [1.0, 2.0]}], [{"logits": [1.0, 2.0001]}])
    checked = OutputCheck(state=OutputState.MATCH, parity=parity, sentence="")
    page = _page(dataclasses.replace(fake_benchmark(0), outputs=checked), tmp_path)
    assert "Parity of each output" in page.text
    assert "logits" in page.text
    assert parity.sentence in page.text


def test_a_model_shows_its_parity(tmp_path):
    parity = compare_outputs([{"logits": [1.0, 2.0]}], [{"logits": [1.0, 2.0001]}])
    model = LiteRTModel.open(write(tmp_path, add()))
    page = _page(dataclasses.replace(model, parity=parity), tmp_path)
    assert "Parity of each output" in page.text
    assert "logits" in page.text


def test_several_results_are_listed_with_links_into_the_page(tmp_path):
    page = _page([_Note("one | f32"), _Note("two | f32")], tmp_path)
    assert page.addresses == ["#result-1", "#result-2"]
    assert "Report: one, two" in page.text


def test_an_existing_report_is_replaced_whole(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old" * 100_000)
    assert write_report(_Note(), path) == path
    assert path.read_text(encoding="utf-8").endswith("</html>\n")
    assert list(tmp_path.iterdir()) == [path]


def test_a_report_that_fails_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "report.html"
    path.write_text("old")

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(EmbedlError, match="No space left on device"):
        write_report(_Note(), path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupt_stays_an_interrupt_and_leaves_no_half_file(tmp_path, monkeypatch):
    def interrupted(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_report(_Note(), tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_made(tmp_path):
    assert write_report(_Note(), str(tmp_path / "a" / "b" / "report.html")).is_file()


def test_a_folder_as_path_is_named(tmp_path):
    with pytest.raises(InputError, match="is a folder") as caught:
        write_report(_Note(), tmp_path)
    assert "report.html" in caught.value.hint


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be made"):
        write_report(_Note(), tmp_path / "file" / "report.html")


def test_no_results_are_refused(tmp_path):
    with pytest.raises(InputError, match="at least one result"):
        write_report([], tmp_path / "report.html")


def test_something_that_is_no_result_is_named(tmp_path):
    with pytest.raises(InputError, match="not int"):
        write_report([_Note(), 3], tmp_path / "report.html")  # type: ignore[list-item]


@pytest.mark.parametrize("wrong", [3, "20261122-170401-3f9a"])
def test_one_thing_that_is_no_result_is_named_as_a_whole(wrong, tmp_path):
    with pytest.raises(InputError, match=f"not {type(wrong).__name__}"):
        write_report(wrong, tmp_path / "report.html")


def test_the_page_has_a_language_a_title_and_both_colour_schemes(tmp_path):
    text = write_report(_Note(), tmp_path / "report.html").read_text(encoding="utf-8")
    assert '<html lang="en">' in text
    assert "<title>Report: net</title>" in text
    assert "color-scheme:light dark" in text


def test_it_is_html_without_a_single_parse_error(tmp_path, monkeypatch):
    # plotly.js has a test of its own: a pure Python parser reads megabytes for half a minute.
    monkeypatch.setattr("embedl_nb.reports.html_report._plotly_js", lambda: "")
    text = write_report([_hostile(), _Note(_HOSTILE), fake_fidelity()], tmp_path / "report.html").read_text("utf-8")
    html5lib.HTMLParser(strict=True).parse(text)


def test_what_it_carries_of_plotly_is_text_that_html_may_hold(tmp_path):
    text = write_report(fake_benchmark(4), tmp_path / "report.html").read_text("utf-8")
    assert re.findall("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]", text) == []
    assert "8BPS\\0\\x01" in text
