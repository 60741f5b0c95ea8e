"""Progress as events: long work says where it stands, whoever listens decides how it looks.

Lower layers call :func:`emit`; the pipeline picks the bar (a notebook's, a terminal's line, none when piped). A
listener is bound to the current context, so two jobs in two threads do not hear each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

__all__ = ["Event", "Listener", "emit", "listening"]


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
    """

    stage: str
    message: str = ""
    done: float | None = None
    total: float | None = None


Listener = Callable[[Event], None]

_listeners: ContextVar[tuple[Listener, ...]] = ContextVar("embedl_nb_listeners", default=())


def emit(stage: str, message: str = "", *, done: float | None = None, total: float | None = None) -> None:
    """Tell every listener of this context where the work stands."""
    event = Event(stage=stage, message=message, done=done, total=total)
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
