"""Progress as events: long work says where it stands, whoever listens decides how it looks.

Lower layers call :func:`emit`; the pipeline picks the bar (a notebook's, a terminal's line, none when piped). A
listener is bound to the current context, so two jobs in two threads do not hear each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from embedl_nb.errors import EmbedlError

__all__ = ["Event", "Job", "Listener", "Reading", "emit", "emit_event", "is_shown", "listening", "showing_alone"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What is known of a measurement while it goes on; None and ``""`` where the event says nothing of it.

    Attributes
    ----------
    latency_ms
        Median of the latest inferences.
    temperature_celsius
        The hottest of the CPU's sensors.
    asked, got
        The compute unit that was asked for, and where it was seen to run.
    """

    latency_ms: float | None = None
    temperature_celsius: float | None = None
    asked: str = ""
    got: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One step of long work.

    Attributes
    ----------
    stage
        What is being done: ``"export"``, ``"lower"``, ``"verify"``, ``"measure"`` ...
    message
        One line for a person; empty when the stage says it all.
    done, total
        Position within the stage; None where it cannot be known.
    reading
        What a measurement has seen; None where it is something else that goes on.
    jobs
        Where each stands, of work that is several jobs at once.
    """

    stage: str
    message: str = ""
    done: float | None = None
    total: float | None = None
    reading: Reading | None = None
    jobs: tuple[Job, ...] = ()

    @property
    def share(self) -> float | None:
        """How much of the stage is done, 0 to 1; None where that cannot be known."""
        return min(self.done / self.total, 1.0) if self.done is not None and self.total else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One of several jobs that go on at once, as a benchmark on one of several devices.

    Attributes
    ----------
    name
        The device's address.
    event
        The latest that it said.
    errors
        What went wrong so far.
    is_over
        Whether it has ended.
    cancel
        Ends it as Ctrl-C ends a single one, and the others go on; may be called from any thread.
    """

    name: str
    event: Event
    errors: tuple[EmbedlError, ...] = ()
    is_over: bool = False
    cancel: Callable[[], None]


Listener = Callable[[Event], None]

_listeners: ContextVar[tuple[Listener, ...]] = ContextVar("embedl_nb_listeners", default=())


def emit(
    stage: str,
    message: str = "",
    *,
    done: float | None = None,
    total: float | None = None,
    reading: Reading | None = None,
    jobs: tuple[Job, ...] = (),
) -> None:
    """Tell every listener of this context where the work stands."""
    emit_event(Event(stage=stage, message=message, done=done, total=total, reading=reading, jobs=jobs))


def emit_event(event: Event) -> None:
    """Pass an event on as it is."""
    for listener in _listeners.get():
        listener(event)


@contextmanager
def listening(listener: Listener, *, alone: bool = False) -> Iterator[None]:
    """Send the events of this context to ``listener`` as well, until the block ends.

    Parameters
    ----------
    alone
        Whether to it only: a thread that was started in somebody else's context.
    """
    token = _listeners.set((*(() if alone else _listeners.get()), listener))
    try:
        yield
    finally:
        _listeners.reset(token)


_is_shown: ContextVar[bool] = ContextVar("embedl_nb_is_shown", default=False)


def is_shown() -> bool:
    """Say whether somebody shows the progress of this context already, so that a verb needs no bar of its own."""
    return _is_shown.get()


@contextmanager
def showing_alone(listener: Listener) -> Iterator[None]:
    """Send the events of this context to ``listener`` only, which shows them in place of a bar."""
    token = _is_shown.set(True)
    try:
        with listening(listener, alone=True):
            yield
    finally:
        _is_shown.reset(token)
