"""Two failures are the same one, or they are not."""

from __future__ import annotations

import pytest

from embedl_nb.compiler.explaining.failures import Failure, FailureKind, failure_of
from embedl_nb.errors import (
    BenchmarkError,
    CompileError,
    ConverterCrashedError,
    EmbedlError,
    OutOfMemoryError,
    ParityError,
    RuntimeCrashedError,
    RuntimeTimeoutError,
    UnsupportedOperatorError,
)

LGAMMA = Failure(kind=FailureKind.UNSUPPORTED, names=("aten.lgamma", "aten.i0"), exception="RuntimeError")


def _caused(err: EmbedlError, cause: EmbedlError) -> EmbedlError:
    err.__cause__ = cause
    return err


@pytest.mark.parametrize(
    ("err", "failure"),
    [
        (
            UnsupportedOperatorError("x", operators=("aten.lgamma", "aten.i0"), exception="RuntimeError"),
            LGAMMA,
        ),
        (ParityError("x"), Failure(kind=FailureKind.NOT_EQUAL)),
        (CompileError("x", exception="AssertionError"), Failure(kind=FailureKind.RAISED, exception="AssertionError")),
        (
            _caused(ConverterCrashedError("x"), RuntimeCrashedError("x", signal="SIGSEGV")),
            Failure(kind=FailureKind.DIED, names=("SIGSEGV",)),
        ),
        (
            _caused(CompileError("does not run"), RuntimeCrashedError("x", signal="SIGABRT")),
            Failure(kind=FailureKind.DIED, names=("SIGABRT",)),
        ),
        (_caused(ConverterCrashedError("x"), RuntimeTimeoutError("x")), Failure(kind=FailureKind.TIMED_OUT)),
        (_caused(CompileError("does not run"), BenchmarkError("status 3")), Failure(kind=FailureKind.REFUSED)),
        (_caused(ConverterCrashedError("x"), RuntimeCrashedError("x", signal="SIGKILL")), None),
        (_caused(CompileError("x"), OutOfMemoryError("x")), None),
        (CompileError("torch cannot export it"), None),
        (OutOfMemoryError("x"), None),
    ],
)
def test_each_error_of_a_compile_is_a_failure_of_its_kind(err: EmbedlError, failure: Failure | None) -> None:
    assert failure_of(err) == failure


@pytest.mark.parametrize(
    ("other", "is_like"),
    [
        (Failure(kind=FailureKind.UNSUPPORTED, names=("aten.i0",)), True),
        (Failure(kind=FailureKind.UNSUPPORTED, names=("aten.erfc",), exception="RuntimeError"), False),
        (Failure(kind=FailureKind.RAISED, exception="RuntimeError"), True),
        (Failure(kind=FailureKind.RAISED, exception="ValueError"), False),
        (Failure(kind=FailureKind.NOT_EQUAL), False),
        (Failure(kind=FailureKind.DIED, names=("aten.i0",)), False),
    ],
)
def test_a_shared_operator_or_exception_makes_the_same_failure(other: Failure, is_like: bool) -> None:
    assert LGAMMA.is_like(other) is is_like
    assert other.is_like(LGAMMA) is is_like


def test_crashes_are_the_same_by_their_signal() -> None:
    segfault = Failure(kind=FailureKind.DIED, names=("SIGSEGV",))
    assert segfault.is_like(Failure(kind=FailureKind.DIED, names=("SIGSEGV",)))
    assert not segfault.is_like(Failure(kind=FailureKind.DIED, names=("SIGABRT",)))
    assert not segfault.is_like(Failure(kind=FailureKind.TIMED_OUT))


def test_a_failure_says_what_it_is() -> None:
    assert str(LGAMMA) == "unsupported operator: aten.lgamma, aten.i0"
    assert str(Failure(kind=FailureKind.NOT_EQUAL)) == "wrong result"
    assert str(Failure(kind=FailureKind.RAISED, exception="ValueError")) == "exception in the converter: ValueError"
