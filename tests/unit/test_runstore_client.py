"""The recorder's thread, with a child that only answers as the test says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from embedl_nb.errors import RuntimeTimeoutError
from embedl_nb.runstore import client, spool
from embedl_nb.runstore.location import current_store

_LIMIT_S = 60.0


class FakeChild:
    """Stands in for the child process: ``answer`` is called for each request but the first, which begins."""

    pid = 0
    is_alive = True

    def __init__(self, answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        self.answer = answer
        self.is_closed = threading.Event()

    def request(self, command: str, payload: dict[str, Any], *, timeout_s: float) -> dict[str, Any]:
        return {} if command == "begin" else self.answer(payload)

    def close(self) -> None:
        self.is_closed.set()

    def kill(self) -> None:
        self.is_closed.set()


@pytest.fixture
def recorder(empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[client.Recorder]:
    made = client.Recorder()
    monkeypatch.setattr(made, "_signal", lambda name: None)
    yield made
    made.close()


def waiting_file() -> Path:
    path = spool.folder() / f"20261122-170401-3f9a.{current_store().fingerprint}.json"
    path.write_text("{}")
    return path


def remove(payload: dict[str, Any]) -> dict[str, Any]:
    Path(payload["path"]).unlink()
    return {"status": "recorded"}


def give(child: FakeChild, monkeypatch: pytest.MonkeyPatch) -> FakeChild:
    monkeypatch.setattr(client, "Child", lambda module, what: child)
    return child


def test_time_that_ran_out_during_a_measurement_is_no_problem_and_the_result_is_recorded(
    recorder: client.Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_GRACE_S", 0.0)
    has_begun, may_end = threading.Event(), threading.Event()

    def run_out_of_time(payload: dict[str, Any]) -> dict[str, Any]:
        child.answer = remove
        has_begun.set()
        may_end.wait(_LIMIT_S)
        raise RuntimeTimeoutError("did not finish in time")

    child = give(FakeChild(run_out_of_time), monkeypatch)
    path = waiting_file()
    recorder.wake(current_store(), after_s=0)
    assert has_begun.wait(_LIMIT_S)
    with recorder.pausing():
        may_end.set()
    assert recorder.wait(_LIMIT_S, drained=True)
    assert not path.exists()
    assert recorder.problems() == []


def test_time_that_ran_out_otherwise_is_told(recorder: client.Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_out_of_time(payload: dict[str, Any]) -> dict[str, Any]:
        raise RuntimeTimeoutError("did not finish in time")

    give(FakeChild(run_out_of_time), monkeypatch)
    path = waiting_file()
    recorder.wake(current_store(), after_s=0)
    assert recorder.wait(_LIMIT_S, drained=True)
    assert path.exists()
    assert [type(err) for err in recorder.problems()] == [RuntimeTimeoutError]


def test_whatever_else_goes_wrong_names_the_file_and_says_that_it_stays(
    recorder: client.Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(payload: dict[str, Any]) -> dict[str, Any]:
        raise BrokenPipeError("the pipe broke")

    give(FakeChild(break_down), monkeypatch)
    path = waiting_file()
    recorder.wake(current_store(), after_s=0)
    assert recorder.wait(_LIMIT_S, drained=True)
    (problem,) = recorder.problems()
    assert problem.message == f"the recorder failed on {path.name}: BrokenPipeError: the pipe broke"
    assert "stays in its file" in problem.hint
    assert path.exists()


def test_a_thread_that_died_of_a_broken_disk_is_started_again(
    recorder: client.Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    give(FakeChild(remove), monkeypatch)
    path = waiting_file()
    list_files = spool.paths

    def broken(*_: Any, **__: Any) -> list[Path]:
        raise OSError("stale file handle")

    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    monkeypatch.setattr(spool, "paths", broken)
    recorder.wake(current_store(), after_s=0)
    assert recorder._thread is not None
    recorder._thread.join(_LIMIT_S)
    assert path.exists()
    monkeypatch.setattr(spool, "paths", list_files)
    recorder.wake(current_store(), after_s=0)
    assert recorder.wait(_LIMIT_S, drained=True)
    assert not path.exists()


def test_an_idle_child_is_let_go_without_holding_up_the_kernel(
    recorder: client.Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_IDLE_S", 0.0)
    is_closing, may_end = threading.Event(), threading.Event()

    class SlowToLeave(FakeChild):
        def close(self) -> None:
            is_closing.set()
            may_end.wait(_LIMIT_S)

    give(SlowToLeave(remove), monkeypatch)
    waiting_file()
    recorder.wake(current_store(), after_s=0)
    assert is_closing.wait(_LIMIT_S)
    assert recorder._changed.acquire(timeout=1.0)  # what every call of the kernel takes
    recorder._changed.release()
    may_end.set()
