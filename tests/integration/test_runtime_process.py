"""Real children that crash, hang, chatter and starve: the parent survives each and says which it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from embedl_nb import progress
from embedl_nb.errors import (
    BenchmarkError,
    OutOfMemoryError,
    RuntimeCrashedError,
    RuntimeTimeoutError,
    UnknownNameError,
)
from embedl_nb.runtime import logs
from embedl_nb.runtime.process import Child

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals and limits")

HERE = Path(__file__).parent
PATIENCE_S = 120.0


@pytest.fixture(autouse=True)
def _child_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(HERE)


@pytest.fixture
def child() -> Iterator[Child]:
    with Child("runtime_child", what="the toy") as child:
        yield child


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_gone(pid):
        assert time.monotonic() < deadline, f"process {pid} is still there"
        threading.Event().wait(0.01)


def run_script(text: str, **options: object) -> subprocess.Popen[str]:
    """Start a parent of its own, with the child's module and the package on its search path."""
    path = os.pathsep.join([str(HERE), str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-c", text],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stdin=subprocess.PIPE,
        text=True,
        **options,
    )


def test_an_answer_comes_back(child: Child) -> None:
    assert child.request("echo", {"numbers": [1, 2.5, None]}, timeout_s=PATIENCE_S) == {"numbers": [1, 2.5, None]}
    assert child.is_alive


def test_chatter_on_stdout_goes_to_the_log_and_not_into_the_answer(child: Child) -> None:
    assert child.request("chatter", {"a": 1}, timeout_s=PATIENCE_S) == {"a": 1}
    assert child.request("chatter", {"a": 2}, timeout_s=PATIENCE_S) == {"a": 2}
    log = child.log_path.read_text()
    for said in ("before the protocol", "python on stdout", "python on stderr", "fd 1", "fd 2", "a grandchild"):
        assert said in log


def test_progress_of_the_child_is_heard_in_the_parent(child: Child) -> None:
    heard: list[progress.Event] = []
    with progress.listening(heard.append):
        child.request("advance", {}, timeout_s=PATIENCE_S)
    assert [(event.stage, event.message, event.done, event.total) for event in heard] == [
        ("step", f"number {done}", done, 3) for done in range(3)
    ]


def test_an_error_of_ours_keeps_its_class_and_its_fields(child: Child) -> None:
    with pytest.raises(UnknownNameError) as caught:
        child.request("refuse", {}, timeout_s=PATIENCE_S)
    assert caught.value.candidates[0] == "green"
    assert "green" in caught.value.hint
    assert child.is_alive


def test_a_foreign_exception_keeps_its_traceback(child: Child) -> None:
    with pytest.raises(BenchmarkError, match="ZeroDivisionError") as caught:
        child.request("stumble", {"divisor": 0}, timeout_s=PATIENCE_S)
    assert "runtime_child.py" in caught.value.details
    assert child.request("stumble", {"divisor": 2}, timeout_s=PATIENCE_S) == {"quotient": 0.5}


def test_an_answer_that_is_not_json_is_an_error_and_not_a_death(child: Child) -> None:
    with pytest.raises(BenchmarkError, match="TypeError"):
        child.request("unsendable", {}, timeout_s=PATIENCE_S)
    assert child.is_alive


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (signal.SIGSEGV, "segmentation fault"),
        (signal.SIGABRT, "aborted itself"),
        (signal.SIGKILL, "killed from outside"),
        (signal.SIGTERM, "stopped from outside"),
        (signal.SIGBUS, "bus error"),
    ],
)
def test_a_death_by_signal_is_named(child: Child, number: signal.Signals, words: str) -> None:
    with pytest.raises(RuntimeCrashedError, match=words) as caught:
        child.request("die_by_signal", {"signal": int(number)}, timeout_s=PATIENCE_S)
    assert caught.value.signal == number.name
    assert "last words" in caught.value.details
    assert Path(caught.value.log_path).is_file()
    assert not child.is_alive


def test_a_real_segmentation_fault_shows_where_python_was(child: Child) -> None:
    with pytest.raises(RuntimeCrashedError) as caught:
        child.request("read_null", {}, timeout_s=PATIENCE_S)
    assert caught.value.signal == "SIGSEGV"
    assert "in read_null" in caught.value.details


def test_kill_9_by_somebody_else_in_the_middle_of_the_work_is_named(child: Child) -> None:
    def kill(event: progress.Event) -> None:
        os.kill(child.pid, signal.SIGKILL)

    with progress.listening(kill), pytest.raises(RuntimeCrashedError, match="killed from outside") as caught:
        child.request("hang", {}, timeout_s=PATIENCE_S)
    assert caught.value.signal == "SIGKILL"


def test_an_exit_is_named_with_its_code(child: Child) -> None:
    with pytest.raises(RuntimeCrashedError, match="exit code 7") as caught:
        child.request("leave", {"code": 7}, timeout_s=PATIENCE_S)
    assert caught.value.signal == ""
    assert "cannot go on" in caught.value.details


def test_a_module_that_cannot_be_imported_says_so_in_the_details() -> None:
    with (
        Child("no_such_module_anywhere", what="the toy") as child,
        pytest.raises(RuntimeCrashedError, match="exit code 1") as caught,
    ):
        child.request("echo", {}, timeout_s=PATIENCE_S)
    assert "no_such_module_anywhere" in caught.value.details


def test_a_request_to_a_dead_child_says_how_it_died(child: Child) -> None:
    os.kill(child.pid, signal.SIGKILL)
    wait_until_gone(child.pid)
    with pytest.raises(RuntimeCrashedError, match="killed from outside"):
        child.request("echo", {}, timeout_s=PATIENCE_S)


def test_a_hang_ends_with_the_time_limit_and_takes_its_family_along(child: Child) -> None:
    pids: list[int] = []
    child.request("echo", {}, timeout_s=PATIENCE_S)  # its start is not part of the limit
    with (
        progress.listening(lambda event: pids.append(int(event.message))),
        pytest.raises(RuntimeTimeoutError, match="within 4 s"),
    ):
        child.request("hang_with_family", {}, timeout_s=4)
    assert len(pids) == 1
    for pid in (child.pid, *pids):
        wait_until_gone(pid)


@pytest.mark.parametrize("command", ["eat_memory", "abort_for_want_of_memory"])
def test_a_failed_allocation_is_an_out_of_memory_error(child: Child, command: str) -> None:
    with pytest.raises(OutOfMemoryError, match="ran out of memory"):
        child.request(command, {}, timeout_s=PATIENCE_S)


def test_ctrl_c_stays_keyboard_interrupt_and_ends_the_family(child: Child) -> None:
    pids: list[int] = []

    def interrupt(event: progress.Event) -> None:
        pids.append(int(event.message))
        signal.raise_signal(signal.SIGINT)

    with progress.listening(interrupt), pytest.raises(KeyboardInterrupt):
        child.request("hang_with_family", {}, timeout_s=PATIENCE_S)
    for pid in (child.pid, *pids):
        wait_until_gone(pid)


def test_a_child_has_a_session_of_its_own_and_is_first_to_go_when_memory_is_short(child: Child) -> None:
    said = child.request("describe", {}, timeout_s=PATIENCE_S)
    assert said == {"pid": child.pid, "session": child.pid, "group": child.pid, "oom_score_adj": 1000}


def test_closing_ends_the_child(child: Child) -> None:
    child.request("echo", {}, timeout_s=PATIENCE_S)
    child.close()
    assert is_gone(child.pid)
    assert not child.is_alive


START_AND_HANG = """
from embedl_nb import progress
from embedl_nb.runtime.process import Child
child = Child("runtime_child", what="the toy")
with progress.listening(lambda event: print(child.pid, event.message, flush=True)):
    child.request("hang_with_family", {}, timeout_s=600)
"""


def test_a_busy_child_and_its_family_are_gone_when_the_parent_is_killed() -> None:
    parent = run_script(START_AND_HANG)
    assert parent.stdout is not None
    pids = [int(word) for word in parent.stdout.readline().split()]
    parent.kill()
    parent.communicate()
    assert len(pids) == 2
    for pid in pids:
        wait_until_gone(pid)


FORK_AND_LEAVE = """
import os
from embedl_nb.runtime.process import Child
child = Child("runtime_child", what="the toy")
child.request("echo", {}, timeout_s=30)
if os.fork() == 0:
    assert not child.is_alive
    child.close()
    os.read(0, 1)
    os._exit(0)
assert child.is_alive
assert child.request("echo", {"a": 1}, timeout_s=30) == {"a": 1}
print(child.pid, flush=True)
os._exit(0)
"""


def test_a_fork_of_the_parent_does_not_keep_the_child_alive() -> None:
    parent = run_script(FORK_AND_LEAVE)
    assert parent.stdout is not None
    assert parent.stdin is not None
    pid = int(parent.stdout.readline())
    wait_until_gone(pid)
    parent.stdin.close()  # lets the fork go
    parent.wait()


def test_a_log_folder_that_vanishes_does_not_break_the_run_nor_hide_the_log(child: Child) -> None:
    child.request("echo", {}, timeout_s=PATIENCE_S)
    child.log_path.unlink()
    assert child.request("chatter", {"a": 1}, timeout_s=PATIENCE_S) == {"a": 1}
    with pytest.raises(RuntimeCrashedError) as caught:
        child.request("die_by_signal", {"signal": int(signal.SIGSEGV)}, timeout_s=PATIENCE_S)
    assert "last words" in caught.value.details


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_costs_the_log_and_not_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    full = Path("/dev/full")
    monkeypatch.setattr(logs, "_open", lambda name: (full, os.open(full, os.O_RDWR)))
    with Child("runtime_child", what="the toy") as child:
        # What is printed before the protocol takes over is Python's own stream, which may refuse; nothing after it may.
        assert child.request("echo", {"a": 1}, timeout_s=PATIENCE_S) == {"a": 1}
        with pytest.raises(BenchmarkError, match="ZeroDivisionError"):
            child.request("stumble", {"divisor": 0}, timeout_s=PATIENCE_S)


def test_a_file_in_the_working_folder_does_not_shadow_a_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise RuntimeError('not the json you want')")
    monkeypatch.chdir(tmp_path)
    with Child("runtime_child", what="the toy") as child:
        assert child.request("echo", {}, timeout_s=PATIENCE_S) == {}
