"""The run browser's Python side: rows and news, ticks, queries, what is done with runs, and what goes wrong."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("anywidget", reason="needs anywidget: pip install 'embedl-nb[notebook]'")

from embedl_nb import runstore, stopping
from embedl_nb.errors import InputError, RunStoreError, UnknownNameError
from embedl_nb.runstore import reading, spool
from embedl_nb.testing.results import fake_benchmark
from embedl_nb.widgets import RunBrowser, base, run_actions
from embedl_nb.widgets.cells import Execution
from tests.unit.recorded_runs import HOSTILE, RestingRecorder, record_benchmark, record_family, rest_recorder


@pytest.fixture(autouse=True)
def _resting(empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rest_recorder(monkeypatch)


@pytest.fixture
def ids(tmp_path: Path) -> dict[str, str]:
    """Record five runs that belong together, and return their ids."""
    return record_family(tmp_path)


@pytest.fixture
def run_in_cell(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Callable[..., RunBrowser]:
    """Return ``run_in_cell(query)``, which makes a browser as one more run of one cell does."""
    runs = iter(range(100))

    def run(query: str = "") -> RunBrowser:
        execution = Execution(request.node.name, f"run {next(runs)}")
        monkeypatch.setattr(base, "current_execution", lambda: execution)
        return RunBrowser(query)

    return run


def tell(browser: RunBrowser, *messages: dict[str, Any]) -> None:
    """Send what the page sends, and wait until all is done."""

    async def telling() -> None:
        for message in messages:
            browser._on_message(browser, message, [])
        await asyncio.gather(*(task for task in browser._tasks.values() if not task.done()))

    asyncio.run(telling())


def unpacked(packed: dict[str, Any]) -> list[dict[str, Any]]:
    """Return packed rows as the page unpacks them."""
    columns, first = packed["columns"], len(packed["columns"]) - packed["numWords"]
    return [
        {name: value if place < first else packed["words"][value] for place, (name, value) in enumerate(pairs)}
        for pairs in (list(zip(columns, row, strict=True)) for row in packed["rows"])
    ]


def test_every_run_is_sent_once_newest_first_with_what_it_ran_on(ids):
    rows = {row["run_id"]: row for row in unpacked(RunBrowser()._rows)}
    assert list(rows) == list(runstore.runs()["run_id"])
    fast = rows[ids["fast"]]
    assert (fast["kind"], fast["compute_unit"], fast["provenance"]) == ("benchmark", "cpu", "virtual")
    assert fast["parent_run_id"] == ids["quantized"]
    assert rows[ids["compiled"]]["size_bytes"] > 0
    assert rows[ids["hostile"]]["name"] == HOSTILE


def test_ticked_runs_are_named_by_a_beginning_once_and_in_order(ids):
    browser = RunBrowser()
    browser.value = [ids["fast"], ids["slow"][: len(ids["slow"]) - 1], ids["fast"]]
    assert browser.value == [ids["fast"], ids["slow"]]
    assert list(browser.runs["run_id"]) == browser.value
    with pytest.raises(UnknownNameError, match="5 runs begin"):
        browser.value = [ids["fast"][:8]]
    with pytest.raises(UnknownNameError, match="run '19990101-000000-aaaa'"):
        browser.value = ["19990101-000000-aaaa"]
    assert browser.value == [ids["fast"], ids["slow"]]


def test_a_run_that_a_page_ticks_and_there_is_not_is_not_kept_but_told(ids):
    browser = RunBrowser()
    browser.value = [ids["slow"], ids["fast"]]
    next(path for path in spool.paths() if spool.run_id_of(path) == ids["fast"]).unlink()
    tell(browser, {"type": "list"})
    browser.set_state({"value": [*browser.value, "19990101-000000-aaaa"]})
    assert browser.value == [ids["slow"], ids["fast"]]
    assert "19990101-000000-aaaa" in browser._error["message"]
    browser.set_state({"value": [ids["fast"]]})
    assert browser.value == [ids["fast"]], "a run that was deleted stays ticked"


def test_a_re_run_of_the_cell_keeps_what_was_ticked_searched_and_compared(ids, run_in_cell):
    first = run_in_cell()
    first.value, first.selected = [ids["slow"], ids["fast"]], ids["fast"]
    first._query = {"search": "resnet"}
    tell(first, {"type": "compare"})
    again = run_in_cell()
    assert (again.value, again.selected, again._query) == (first.value, ids["fast"], {"search": "resnet"})
    assert again._comparison["ids"] == again.value
    assert run_in_cell("vit")._query == {"search": "vit"}, "what the cell asks for now goes before"


def test_a_query_is_answered_as_enb_runs_answers_it(ids):
    query = "p50_ms < 7 and compute_unit == cpu"
    browser = RunBrowser(query)
    assert browser._found == {"text": query, "ids": list(runstore.runs(query)["run_id"])}
    tell(browser, {"type": "filter", "text": "p50_ms <"}, {"type": "filter", "text": "p50 < 3"})
    assert "p50" in browser._found["message"]
    assert "p50_ms" in browser._found["hint"], "the latest question is the one that is answered"
    with pytest.raises(InputError):
        RunBrowser("p50_ms <")


def test_a_cell_that_is_run_again_finds_what_was_recorded_since(ids, run_in_cell):
    first = run_in_cell()
    tell(first, {"type": "filter", "text": "kind == benchmark"})
    new = record_benchmark("another")  # while the kernel was busy, so that no page could ask
    assert new in run_in_cell()._found["ids"]


def test_only_news_is_sent_and_nothing_is_read_where_nothing_has_changed(ids, monkeypatch):
    browser = RunBrowser("kind == benchmark")
    sent = browser._rows
    with monkeypatch.context() as patched:
        patched.setattr(reading, "find", lambda *_, **__: pytest.fail("the store was read again"))
        tell(browser, {"type": "list"})
    new = record_benchmark("another")  # as another kernel does: into the same store
    waiting = {spool.run_id_of(path): path for path in spool.paths()}
    waiting[ids["hostile"]].unlink()
    tell(browser, {"type": "list"})
    assert browser._rows is sent
    assert [row["run_id"] for row in unpacked(browser._news)] == [new]
    assert browser._news["gone"] == [ids["hostile"]]
    assert browser._found["ids"] == list(runstore.runs("kind == benchmark")["run_id"])
    assert browser._num_listed == 2


def test_many_news_are_sent_as_a_new_beginning(ids, monkeypatch):
    monkeypatch.setattr("embedl_nb.widgets.run_browser._MOST_NEWS", 1)
    browser = RunBrowser()
    record_benchmark("one more")
    record_benchmark("and another")
    tell(browser, {"type": "list"})
    assert len(browser._rows["rows"]) == 7
    assert browser._news == {}


def test_a_run_that_was_deleted_meanwhile_stays_ticked_and_says_so_where_it_is_asked_for(ids):
    browser = RunBrowser()
    browser.value = [ids["slow"], ids["fast"]]
    next(path for path in spool.paths() if spool.run_id_of(path) == ids["fast"]).unlink()
    tell(browser, {"type": "list"}, {"type": "show", "id": ids["fast"]}, {"type": "compare"})
    assert browser.value == [ids["slow"], ids["fast"]]
    assert list(browser.runs["run_id"]) == [ids["slow"]]
    assert ids["fast"] in browser._details["message"]
    assert ids["fast"] in browser._comparison["message"]


def test_a_cell_that_is_run_again_after_a_ticked_run_was_deleted_keeps_what_was_ticked(ids, run_in_cell):
    run_in_cell().value = [ids["slow"], ids["fast"]]
    next(path for path in spool.paths() if spool.run_id_of(path) == ids["fast"]).unlink()
    again = run_in_cell()
    assert again.value == [ids["slow"], ids["fast"]]
    again.value = [ids["fast"]]
    assert len(again.runs) == 0


@pytest.mark.parametrize("kind", [None, [], {}, "<b>", -1, float("nan"), "x" * 1_000_000])
def test_a_message_of_a_kind_that_there_is_not_is_left_alone(kind):
    browser = RunBrowser()
    browser._on_message(browser, {"type": kind}, [])
    assert not browser._tasks


def test_two_benchmarks_are_compared_with_pictures_and_a_table_to_take_away(ids):
    browser = RunBrowser()
    browser.value = [ids["slow"], ids["fast"]]
    tell(browser, {"type": "compare"})
    said = browser._comparison
    assert "2.4 times as fast" in said["view"]["headline"]
    assert said["view"]["provenance"] == "virtual"
    assert all(picture.startswith("<svg") for picture in said["pictures"])
    head, line, *_ = said["csv"].splitlines()
    assert head.startswith("first,second,about,first_p50_ms")
    assert "virtual" in line
    json.dumps(said)


def test_the_same_comparison_made_again_is_told_again(ids):
    browser = RunBrowser()
    browser.value = [ids["slow"], ids["fast"]]
    told: list[dict[str, Any]] = []
    browser.observe(lambda change: told.append(change["new"]), "_comparison")
    tell(browser, {"type": "compare"})
    tell(browser, {"type": "compare"})
    begun, first, *again = told
    assert begun == {"ids": browser.value, "isBeingMade": True}
    assert again == [begun, first], "a page that has said that it compares waits for this"


def test_what_an_earlier_run_of_the_cell_had_not_finished_is_not_waited_for(ids, run_in_cell):
    first = run_in_cell()
    first._comparison = {"ids": [ids["slow"], ids["fast"]], "isBeingMade": True}
    first._report = {"ids": [ids["slow"]], "isBeingWritten": True}
    again = run_in_cell()
    assert (again._comparison, again._report) == ({}, {})


def test_models_are_not_measured_by_a_click_on_compare(ids):
    browser = RunBrowser()
    browser.value = [ids["compiled"], ids["fast"]]
    tell(browser, {"type": "compare"})
    assert "is no benchmark" in browser._comparison["message"]
    assert "enb.compare(*browser.value)" in browser._comparison["hint"]


def test_a_report_is_written_beside_the_notebook_and_found_below_the_servers_root(ids, tmp_path, monkeypatch):
    folder = tmp_path / "notebooks" / "my work"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    browser = RunBrowser()
    browser.value = [ids["slow"], ids["fast"]]
    tell(browser, {"type": "compare"})
    tell(browser, {"type": "report", "root": str(tmp_path / "notebooks")})
    said = browser._report
    assert said["served"] == f"my%20work/embedl_nb_report_{ids['slow']}_and_1_more.html"
    text = Path(said["path"]).read_text(encoding="utf-8")
    assert "2.4 times as fast" in text
    sent: list[Any] = []
    monkeypatch.setattr(browser, "send", lambda content, buffers: sent.append((content, buffers)))
    tell(browser, {"type": "download"})
    assert sent == [({"type": "report", "name": Path(said["path"]).name}, [text.encode()])]
    tell(browser, {"type": "report", "root": str(tmp_path / "elsewhere")})
    assert browser._report["served"] == ""


def test_a_report_that_is_gone_when_it_is_asked_for_says_so_until_it_is_written_again(ids, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    browser = RunBrowser()
    browser.value = [ids["fast"]]
    tell(browser, {"type": "report", "root": ""})
    Path(browser._report["path"]).unlink()
    tell(browser, {"type": "download"})
    tell(browser, {"type": "list"})  # as the page asks every few seconds
    assert "cannot be read" in browser._report["message"]
    assert browser._report["hint"] == "write it again"


def test_a_report_that_cannot_be_written_says_why(ids, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    browser = RunBrowser()
    tell(browser, {"type": "report", "root": ""})
    assert "1 to 100 runs, not 0" in browser._report["message"]
    browser.value = [ids["fast"]]
    (tmp_path / f"embedl_nb_report_{ids['fast']}.html").mkdir()
    tell(browser, {"type": "report", "root": ""})
    assert "is a folder" in browser._report["message"]


def test_a_run_is_done_again_once_at_a_time_and_its_outcome_is_shown(ids, monkeypatch):
    began: list[str] = []

    def rerun(run_id: str) -> Any:
        began.append(run_id)
        record_benchmark("again")
        return runs_again

    runs_again = type("R", (), {"_view": lambda self: fake_benchmark(0)._view(), "after": fake_benchmark(0)})()
    monkeypatch.setattr(run_actions, "rerun", rerun)
    browser, other = RunBrowser(), RunBrowser()

    async def telling() -> None:
        for each in (browser, other):
            each._on_message(each, {"type": "again", "id": ids["fast"]}, [])
        await asyncio.gather(browser._tasks["again"], other._tasks["again"])

    asyncio.run(telling())
    assert began == [ids["fast"]]
    assert browser._again["view"]["headline"]
    assert "one at a time" in other._again["message"]
    assert len(browser._news["rows"]) == 1, "the new run is listed at once"


def test_the_run_that_was_done_again_is_listed_before_the_page_can_go_to_it(ids, monkeypatch):
    def rerun(_run_id: str) -> Any:
        record_benchmark("again")
        return type("R", (), {"_view": lambda self: fake_benchmark(0)._view(), "after": fake_benchmark(0)})()

    monkeypatch.setattr(run_actions, "rerun", rerun)
    browser = RunBrowser()
    num_listed: list[int] = []
    browser.observe(lambda change: "view" in change["new"] and num_listed.append(len(browser._listing.rows)), "_again")
    tell(browser, {"type": "again", "id": ids["fast"]})
    assert num_listed == [6]


def test_a_run_that_was_done_again_has_ended_even_where_the_store_cannot_be_listed(ids, monkeypatch):
    def fail(*_: object, **__: object) -> Any:
        raise OSError("too many open files")

    browser = RunBrowser()
    monkeypatch.setattr(runstore, "list_all", fail)
    with pytest.raises(OSError, match="too many open files"):
        tell(browser, {"type": "again", "id": ids["compiled"]})
    assert "isRunning" not in browser._again
    assert run_actions.Again._now is None


def test_cancel_ends_a_run_at_its_next_wait(ids, monkeypatch):
    browser = RunBrowser()
    loops: list[asyncio.AbstractEventLoop] = []

    def rerun(_run_id: str) -> Any:
        loops[0].call_soon_threadsafe(browser._on_message, browser, {"type": "stop"}, [])
        gives_up_s = time.monotonic() + 60
        while time.monotonic() < gives_up_s:
            stopping.check()
        pytest.fail("nothing has stopped it")

    async def telling() -> None:
        loops.append(asyncio.get_running_loop())
        browser._on_message(browser, {"type": "again", "id": ids["fast"]}, [])
        await browser._tasks["again"]

    monkeypatch.setattr(run_actions, "rerun", rerun)
    asyncio.run(telling())
    assert browser._again == {"id": ids["fast"], "message": "cancelled", "hint": ""}


def test_an_error_of_a_megabyte_is_cut_and_says_so():
    said = run_actions.error_json(InputError("x" * 2**20, hint="y" * 2**20))
    assert all(len(each) < 3000 and each.endswith("more characters") for each in said.values())


def test_a_step_that_cannot_be_done_again_says_what_to_hand_over(ids):
    browser = RunBrowser()
    tell(browser, {"type": "again", "id": ids["compiled"]})
    assert "the record does not hold its source" in browser._again["message"]
    assert "source=..." in browser._again["hint"]


def test_an_empty_store_says_how_to_make_the_first_run():
    browser = RunBrowser()
    assert browser.value == []
    assert "enb.compile(model, example_inputs)" in repr(browser)


class _Down(RestingRecorder):
    def ask(self, command: str, question: object) -> dict[str, list[object]]:
        raise RunStoreError("the run store http://localhost:1 does not answer", hint="start it")


def test_a_store_that_is_down_is_said_and_what_was_read_before_stays(ids, monkeypatch):
    browser = RunBrowser()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://localhost:1")
    monkeypatch.setattr(reading, "recorder", _Down)
    tell(browser, {"type": "list", "isAskedFor": True})
    assert browser._error == {"message": "the run store http://localhost:1 does not answer", "hint": "start it"}
    assert len(browser.runs) == 0
    assert len(browser._listing.rows) == 5
    told: list[Any] = []
    browser.observe(told.append, "_error")
    tell(browser, {"type": "list"})
    assert told == [], "a screen reader is told once, not every few seconds"
    assert "does not answer" in repr(RunBrowser())
    assert "nothing is recorded" not in repr(RunBrowser())


def test_a_record_of_a_newer_version_and_one_that_is_damaged_are_said_and_the_others_shown(ids):
    paths = {spool.run_id_of(path): path for path in spool.paths()}
    newer = json.loads(paths[ids["fast"]].read_text(encoding="utf-8"))
    paths[ids["fast"]].write_text(json.dumps({**newer, "schema_version": 99}), encoding="utf-8")
    paths[ids["slow"]].write_text("{", encoding="utf-8")
    browser = RunBrowser()
    assert len(browser._listing.rows) == 3
    assert "newer" in browser._error["message"]
    tell(browser, {"type": "show", "id": ids["fast"]})
    assert "newer" in browser._details["message"]


def test_a_record_that_no_result_can_be_made_of_is_said_to_be_so(ids):
    path = next(path for path in spool.paths() if spool.run_id_of(path) == ids["fast"])
    entry = json.loads(path.read_text(encoding="utf-8"))
    entry["result"].pop("latency")
    path.write_text(json.dumps(entry), encoding="utf-8")
    browser = RunBrowser()
    tell(browser, {"type": "show", "id": ids["fast"]})
    assert "no record of a benchmark" in browser._details["message"]
    browser.value = [ids["slow"], ids["fast"]]
    tell(browser, {"type": "compare"})
    assert browser._comparison["message"]


def test_what_is_left_without_a_kernel_is_a_table_in_which_markup_is_text(ids):
    browser = RunBrowser()
    browser.value = [ids["hostile"]]
    bundle = browser._repr_mimebundle_()
    assert bundle is not None
    assert "<img" not in bundle[0]["text/html"]
    assert "onerror=alert(1)" in bundle[0]["text/html"]
