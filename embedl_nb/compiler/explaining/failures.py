"""What kind of failure a compile ended with, so that two of them can be told to be the same one.

In: the error of a compile, or what became of a script. Out: a Failure, a kind and the names that go with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from embedl_nb.errors import (
    BenchmarkError,
    CompileError,
    ConverterCrashedError,
    EmbedlError,
    InputError,
    OutOfMemoryError,
    ParityError,
    RuntimeCrashedError,
    RuntimeTimeoutError,
    UnsupportedOperatorError,
)
from embedl_nb.runtime.death import OUTSIDE_SIGNALS

__all__ = ["Failure", "FailureKind", "failure_of", "failure_of_child", "unkilled"]

Answer = TypeVar("Answer")
_MOST_KILLS = 3


class FailureKind(StrEnum):
    """How a compile can fail."""

    UNSUPPORTED = "unsupported operator"
    RAISED = "exception in the converter"
    DIED = "crash"
    TIMED_OUT = "time-out"
    REFUSED = "refused by the runtime"
    NOT_EQUAL = "wrong result"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A failure.

    Attributes
    ----------
    names
        Operators, or a signal; empty where none is named.
    exception
        Class of what the converter raised, "" where it raised nothing.
    """

    kind: FailureKind
    names: tuple[str, ...] = ()
    exception: str = ""

    def is_like(self, other: Failure) -> bool:
        """Say whether both are of one kind and share an operator or a signal; or an exception, if one names nothing."""
        if self.names and other.names:
            return self.kind is other.kind and bool(set(self.names) & set(other.names))
        if self.exception or other.exception:
            return self.exception == other.exception
        return self.kind is other.kind and self.names == other.names

    def __str__(self) -> str:
        named = ", ".join(self.names) or self.exception
        return f"{self.kind}: {named}" if named else str(self.kind)


def failure_of(err: EmbedlError) -> Failure | None:
    """Return what ``err`` is; None for what has no cause in the program (no memory, killed from outside, no export)."""
    if isinstance(err, UnsupportedOperatorError):
        return Failure(kind=FailureKind.UNSUPPORTED, names=err.operators, exception=err.exception)
    if isinstance(err, ParityError):
        return Failure(kind=FailureKind.NOT_EQUAL)
    if isinstance(err, CompileError) and err.exception:
        return Failure(kind=FailureKind.RAISED, exception=err.exception)
    cause = err.__cause__
    if not isinstance(err, CompileError) or not isinstance(cause, BenchmarkError | InputError):
        return None
    found = failure_of_child(cause)
    if found is None and not isinstance(cause, OutOfMemoryError | RuntimeCrashedError):
        return None if isinstance(err, ConverterCrashedError) else Failure(kind=FailureKind.REFUSED)
    return found


def failure_of_child(err: EmbedlError) -> Failure | None:
    """Return what the end of a child means; None where somebody else ended it, or it did not end."""
    if isinstance(err, RuntimeTimeoutError):
        return Failure(kind=FailureKind.TIMED_OUT)
    if isinstance(err, RuntimeCrashedError) and err.signal not in OUTSIDE_SIGNALS:
        return Failure(kind=FailureKind.DIED, names=(err.signal or "exit code",))
    return None


def unkilled(ask: Callable[[], Answer]) -> Answer:
    """Return what ``ask`` does; where somebody else has killed its child, it is asked again, three times at most."""
    for kills_left in reversed(range(_MOST_KILLS)):
        try:
            return ask()
        except EmbedlError as err:
            died = err if isinstance(err, RuntimeCrashedError) else err.__cause__
            is_killed = isinstance(died, RuntimeCrashedError) and died.signal in OUTSIDE_SIGNALS
            if not is_killed or not kills_left:
                raise
    raise AssertionError("the last kill is raised")
