"""Messages between a child and its parent, and errors that cross over."""

from __future__ import annotations

import inspect

import pytest

from embedl_nb import errors
from embedl_nb.errors import BenchmarkError, EmbedlError, OutOfMemoryError, RuntimeCrashedError
from embedl_nb.runtime.wire import decode, encode, error_from_message, error_to_message

CLASSES = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, EmbedlError)]


def sent(err: Exception) -> EmbedlError:
    """Send an error through a line, as a child does."""
    line = encode(error_to_message(err)).strip()
    message = decode(line)
    assert message is not None
    return error_from_message(message, what="the toy", command="work")


def test_a_message_survives_what_somebody_left_on_the_line() -> None:
    lines = (b"half a line of chatter" + encode({"a": 1})).split(b"\n")
    assert [decode(line) for line in lines if decode(line) is not None] == [{"a": 1}]


@pytest.mark.parametrize("line", [b"", b"chatter", b'{"result": 1}', b"\x1eembedl {broken", b"\x1eembedl [1]"])
def test_a_line_that_is_no_message_is_left_alone(line: bytes) -> None:
    assert decode(line) is None


@pytest.mark.parametrize("cls", CLASSES)
def test_every_error_class_crosses_over(cls: type[EmbedlError]) -> None:
    received = sent(cls("what happened", hint="do this", details="the log"))
    assert type(received) is cls
    assert (received.message, received.hint, received.details) == ("what happened", "do this", "the log")


def test_extra_fields_cross_over_as_they_were() -> None:
    received = sent(RuntimeCrashedError("died", signal="SIGSEGV", log_path="/tmp/x.log"))
    assert isinstance(received, RuntimeCrashedError)
    assert (received.signal, received.log_path) == ("SIGSEGV", "/tmp/x.log")


def test_an_error_without_details_gets_the_traceback() -> None:
    with pytest.raises(BenchmarkError) as caught:
        raise BenchmarkError("broken")
    assert "test_an_error_without_details" in sent(caught.value).details


@pytest.mark.parametrize(
    "err",
    [
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"),
        OSError(12, "Cannot allocate memory"),
    ],
)
def test_a_failed_allocation_is_out_of_memory(err: Exception) -> None:
    assert isinstance(sent(err), OutOfMemoryError)


def test_another_exception_is_named_with_its_text() -> None:
    received = sent(ValueError("seven is too many"))
    assert type(received) is BenchmarkError
    assert received.message == "the toy failed in 'work': ValueError: seven is too many"
