"""How a child died, told from its exit code, its log and the kernel's counters."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from embedl_nb.errors import EmbedlError, OutOfMemoryError, RuntimeCrashedError
from embedl_nb.runtime.death import death_error, num_oom_kills

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX exit codes")


def death(returncode: int, *, log_tail: str = "", oom_kills: int = 0) -> EmbedlError:
    return death_error(
        what="the toy",
        command="work",
        returncode=returncode,
        log_tail=log_tail,
        log_path=Path("/tmp/toy.log"),
        oom_kills=oom_kills,
    )


def test_sigkill_is_out_of_memory_only_when_the_kernel_counted_one() -> None:
    assert isinstance(death(-signal.SIGKILL, oom_kills=1), OutOfMemoryError)
    assert isinstance(death(-signal.SIGKILL), RuntimeCrashedError)


def test_a_segfault_is_not_out_of_memory_because_somebody_else_was() -> None:
    assert isinstance(death(-signal.SIGSEGV, oom_kills=1), RuntimeCrashedError)


@pytest.mark.parametrize("said", ["MemoryError", "terminate called ... what():  std::bad_alloc"])
def test_a_log_that_ends_with_a_failed_allocation_is_out_of_memory(said: str) -> None:
    assert isinstance(death(-signal.SIGABRT, log_tail=f"loading\n{said}\n"), OutOfMemoryError)


def test_an_old_failed_allocation_in_the_log_is_not_the_cause() -> None:
    tail = "MemoryError\n" + "later\n" * 100
    assert isinstance(death(-signal.SIGSEGV, log_tail=tail), RuntimeCrashedError)


def test_an_unknown_signal_is_given_by_its_number() -> None:
    err = death(-250)
    assert isinstance(err, RuntimeCrashedError)
    assert err.signal == "signal 250"


def test_the_log_is_named_and_its_tail_kept() -> None:
    err = death(3, log_tail="the last line")
    assert "/tmp/toy.log" in err.hint
    assert "the last line" in err.details


def test_kills_for_want_of_memory_are_counted_or_zero() -> None:
    assert num_oom_kills() >= 0
