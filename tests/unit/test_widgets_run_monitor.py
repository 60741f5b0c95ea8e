"""The run monitor's Python side: rows, what is sent and when, Cancel, and what is left at the end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("anywidget", reason="needs anywidget: pip install 'embedl-nb[notebook]'")

import ipywidgets

from embedl_nb.errors import BenchmarkError, DeviceLost
from embedl_nb.pipeline import bar
from embedl_nb.progress import Event, Job, Reading, emit
from embedl_nb.widgets import run_monitor
from embedl_nb.widgets.run_monitor import RunMonitor


class Handle:
    """Stands in for a cell's output."""

    shown: list[dict[str, str]]

    def __init__(self) -> None:
        self.shown = []

    def display(self, data: dict[str, str], **_options: Any) -> None:
        self.shown.append(data)

    update = display


@pytest.fixture
def handle(monkeypatch: pytest.MonkeyPatch) -> Handle:
    """Return what a monitor that is opened is shown in."""
    made = Handle()
    monkeypatch.setattr(run_monitor, "DisplayHandle", lambda: made)
    return made


@pytest.fixture
def monitor(handle: Handle) -> RunMonitor:
    """Return a monitor of a benchmark that nothing cancels."""
    return run_monitor.open_monitor("benchmark", lambda: None)


def job(name: str = "adb://one", **facts: Any) -> Job:
    """Return a job that measures, or what ``facts`` say."""
    standing: dict[str, Any] = {"event": Event(stage="measure"), "cancel": lambda: None}
    return Job(name=name, **{**standing, **facts})


def jobs_event(*jobs: Job) -> Event:
    return Event(stage="measure", jobs=jobs)


def rows_of(monitor: RunMonitor) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = monitor._run["rows"]
    return rows


def sent_to(monitor: RunMonitor) -> list[dict[str, Any]]:
    """Return the list that answers of the monitor go to."""
    answers: list[dict[str, Any]] = []
    monitor.send = answers.append
    return answers


def test_a_row_keeps_what_single_events_tell(monitor: RunMonitor) -> None:
    monitor.on_event(Event(stage="process", message="process 2 of 3", done=1, total=3))
    reading = Reading(latency_ms=4.0, temperature_celsius=33.0, asked="gpu", got="cpu")
    monitor.on_event(Event(stage="process", done=2, total=3, reading=reading))
    monitor.on_event(Event(stage="load"))
    (row,) = rows_of(monitor)
    kept = (
        row["process"],
        row["stage"],
        row["latency"],
        row["latencies"],
        row["temperature"],
        row["asked"],
        row["got"],
    )
    assert kept == ("process 3 of 3", "load", "4 ms", [4.0], 33.0, "gpu", "cpu")


def test_several_jobs_have_a_row_each_and_say_how_they_ended(monitor: RunMonitor) -> None:
    lost = DeviceLost("it is gone", address="adb://two", hint="plug it in")
    done = job(event=Event(stage="process", reading=Reading(latency_ms=5.02)), is_over=True)
    monitor.on_event(jobs_event(done, job("adb://two", errors=(lost,), is_over=True), job("adb://three")))
    assert [row["standing"] for row in rows_of(monitor)] == ["done", "failed", "running"]
    assert rows_of(monitor)[1]["errors"] == [{"kind": "DeviceLost", "message": "it is gone", "hint": "plug it in"}]


def test_of_many_events_few_are_sent_but_each_turn_at_once(
    monitor: RunMonitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = [0.0]
    monkeypatch.setattr(run_monitor.time, "monotonic", lambda: seconds[0])
    monitor._sent_s = 0.0
    sent: list[Any] = []
    monitor.observe(sent.append, "_run")
    for done in range(1000):
        seconds[0] = done / 1000  # within a second
        monitor.on_event(Event(stage="measure", done=done))
    assert 3 <= len(sent) <= 6
    monitor.on_event(Event(stage="profile"))
    assert rows_of(monitor)[0]["stage"] == "profile"


def test_the_page_is_answered_and_its_cancel_reaches_one_job_or_all(handle: Handle) -> None:
    asked: list[str] = []
    monitor = run_monitor.open_monitor("benchmark", lambda: asked.append("all"))
    one, two = (job(name, cancel=lambda name=name: asked.append(name)) for name in ("adb://one", "adb://two"))
    monitor.on_event(jobs_event(one, two))
    answers = sent_to(monitor)
    for content in ({"type": "hello", "page": "a"}, {"type": "cancel", "name": "adb://two"}, {"type": "cancel"}):
        monitor._on_message(monitor, content, [])
    for content in ({"type": "cancel", "name": "adb://none"}, {"type": "what"}, {}):
        monitor._on_message(monitor, content, [])
    assert asked == ["adb://two", "all"]
    assert [answer["cancelling"] for answer in answers[:3]] == [[], ["adb://two"], ["", "adb://two"]]
    error = BenchmarkError("it was cancelled")
    monitor.on_event(jobs_event(one, job("adb://two", errors=(error,), is_over=True)))
    assert rows_of(monitor)[1]["standing"] == "cancelled"


def test_a_cancel_that_comes_after_a_job_has_failed_does_not_hide_why(monitor: RunMonitor) -> None:
    asked: list[str] = []
    failed = job(errors=(BenchmarkError("out of memory"),), is_over=True, cancel=lambda: asked.append("one"))
    monitor.on_event(jobs_event(failed))
    for _ in range(2):
        monitor._on_message(monitor, {"type": "cancel", "name": failed.name}, [])
    monitor.on_event(Event(stage="rest", jobs=(failed,)))
    assert not asked
    assert rows_of(monitor)[0]["standing"] == "failed"
    assert rows_of(monitor)[0]["errors"][0]["message"] == "out of memory"


def test_an_error_of_a_megabyte_is_cut_and_markup_stays_text(monitor: RunMonitor, handle: Handle) -> None:
    error = DeviceLost("x" * 2**20, address="adb://one", hint="y" * 2**20)
    monitor.on_event(jobs_event(job("<script>alert(1)</script>", errors=(error,), is_over=True)))
    monitor.on_event(Event(stage="measure", message="z" * 2**20))
    assert len(str(monitor._run)) < 10_000
    monitor.finish("benchmark took 1.0 s")
    left = handle.shown[-1]["text/html"]
    assert len(left) < 20_000
    assert "<script>" not in left
    assert "more characters" in left


def test_the_end_leaves_text_and_no_widget(monitor: RunMonitor, handle: Handle) -> None:
    monitor.on_event(jobs_event(job(is_over=True)))
    monitor._on_message(monitor, {"type": "hello", "page": "a"}, [])
    widgets_before = {monitor.model_id, monitor.layout.model_id}
    monitor.finish("benchmark took 1.0 s (measure 0.9 s)")
    assert set(handle.shown[-1]) == {"text/plain", "text/html"}
    for words in ("benchmark took 1.0 s (measure 0.9 s)", "adb://one", "done"):
        assert words in handle.shown[-1]["text/html"]
        assert words in handle.shown[-1]["text/plain"]
    assert not widgets_before & set(ipywidgets.widgets.widget._instances)


def test_a_page_that_was_loaded_during_the_run_still_gets_the_end(monitor: RunMonitor) -> None:
    for page in ("before", "after"):
        monitor._on_message(monitor, {"type": "hello", "page": page}, [])
    monitor.finish("benchmark took 1.0 s")
    assert monitor.comm is not None
    assert monitor._run["summary"] == "benchmark took 1.0 s"
    monitor.close()


def test_a_page_that_has_fallen_silent_finds_the_end_when_it_is_loaded_again(
    monitor: RunMonitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monitor._on_message(monitor, {"type": "hello", "page": "a"}, [])
    assert monitor._heard_s is not None
    later_s = monitor._heard_s + 7
    monkeypatch.setattr(run_monitor.time, "monotonic", lambda: later_s)
    monitor.finish("benchmark took 7.0 s")
    assert monitor.comm is not None
    monitor.close()


def test_what_a_kernel_that_died_leaves_does_not_pretend_to_go_on(monitor: RunMonitor, handle: Handle) -> None:
    assert "its end was not heard of" in handle.shown[0]["text/html"]
    assert "application/vnd.jupyter.widget-view+json" in handle.shown[0]


@pytest.fixture
def in_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have IPython say that a kernel runs this."""
    shell = type("Shell", (), {"kernel": object()})()
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)


def cancelled_at_once(verb: str, cancel: Callable[[], None]) -> RunMonitor:
    """Open a monitor of which the page cancels everything, from a thread of its own."""
    thread = threading.Thread(target=cancel)
    thread.start()
    thread.join()
    return RunMonitor(verb=verb, cancel=cancel)


@pytest.mark.usefixtures("in_notebook")
def test_cancel_ends_work_where_it_says_where_it_stands(handle: Handle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_monitor, "open_monitor", cancelled_at_once)
    with pytest.raises(KeyboardInterrupt), bar.showing("quantize"):
        emit("calibrate", done=1, total=3)
    assert handle.shown[-1]["text/plain"].startswith("quantize stopped after")


@pytest.mark.usefixtures("in_notebook")
def test_without_anywidget_a_notebook_has_a_plain_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Handle()
    monkeypatch.setattr(bar, "is_installed", lambda _: False)
    monkeypatch.setattr("IPython.display.DisplayHandle", lambda: made)
    with bar.showing("compile"):
        emit("lower", done=1, total=2)
    assert [shown["text/plain"].split(" 0.")[0] for shown in made.shown] == ["compile | lower 50%", "compile took"]
    assert '<progress aria-label="compile | lower 50%" value="0.500">' in made.shown[0]["text/html"]
