"""Warm children are lent, kept, replaced when they died, and gone with the program that warmed them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from embedl_nb.errors import RuntimeCrashedError
from embedl_nb.runtime import pool

HERE = Path(__file__).parent
MODULE = "runtime_child"
PATIENCE_S = 120.0


@pytest.fixture(autouse=True)
def _own_pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(HERE)
    pool.close_all()
    yield
    pool.close_all()


def pid_of_warm_child() -> int:
    with pool.warm(MODULE, what="the toy") as child:
        child.request("echo", {}, timeout_s=PATIENCE_S)
        return child.pid


def test_a_second_call_gets_the_same_child() -> None:
    assert pid_of_warm_child() == pid_of_warm_child()


def test_a_second_caller_at_once_gets_another_child() -> None:
    with pool.warm(MODULE, what="the toy") as first, pool.warm(MODULE, what="the toy") as second:
        assert first.pid != second.pid


def test_a_child_that_died_while_idle_is_replaced() -> None:
    pid = pid_of_warm_child()
    os.kill(pid, signal.SIGKILL)
    # With several threads it is a zombie before the last of them is gone; only then can its parent see the death.
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert pid_of_warm_child() != pid


def test_a_child_that_crashed_is_not_lent_again() -> None:
    with pool.warm(MODULE, what="the toy") as child, pytest.raises(RuntimeCrashedError):
        child.request("die_by_signal", {"signal": int(signal.SIGSEGV)}, timeout_s=PATIENCE_S)
    assert pid_of_warm_child() != child.pid


def test_only_a_child_that_was_never_asked_anything_is_closed_as_unused() -> None:
    with pool.warm(MODULE, what="the toy") as unused:
        pid = pid_of_warm_child()
    pool.close_unused(MODULE)
    assert not unused.is_alive
    assert pid_of_warm_child() == pid


def test_a_prewarmed_child_is_the_one_that_is_lent() -> None:
    pool.prewarm(MODULE, what="the toy")
    pool.prewarm(MODULE, what="the toy")
    assert pid_of_warm_child() == pid_of_warm_child()


def test_closing_all_ends_idle_children() -> None:
    pid = pid_of_warm_child()
    pool.close_all()
    assert not psutil.pid_exists(pid)


def test_children_that_were_idle_for_too_long_leave_and_fresh_ones_stay() -> None:
    pid = pid_of_warm_child()
    pool._pool.close_idle(idle_for_s=600)
    assert pid_of_warm_child() == pid
    pool._pool.close_idle(idle_for_s=0)
    assert not psutil.pid_exists(pid)


def test_the_end_of_the_program_ends_its_warm_children() -> None:
    text = (
        "from embedl_nb.runtime import pool\n"
        f"with pool.warm({MODULE!r}, what='the toy') as child:\n"
        "    child.request('echo', {}, timeout_s=30)\n"
        "print(child.pid)\n"
    )
    path = os.pathsep.join([str(HERE), str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", text],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_S,
    )
    assert not psutil.pid_exists(int(done.stdout))
