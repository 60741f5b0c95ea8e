"""Ctrl-C for work in other threads: it reaches only the main one, which passes it on with a :class:`Stop`.

Whatever waits for long (for a phone's answer, a child's, a lease) calls :func:`check` while it does. The work then ends
as under Ctrl-C itself, by a KeyboardInterrupt, and cleans up after itself as it does then.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

__all__ = ["Stop", "check"]

_Result = TypeVar("_Result")


class Stop:
    """Ends the work of one thread from another one."""

    def __init__(self) -> None:
        self._is_asked = threading.Event()
        self._is_told = False

    def ask(self) -> None:
        """Have the work end at its next wait."""
        self._is_asked.set()

    def covering(self, work: Callable[[], _Result]) -> _Result:
        """Do ``work`` in this thread, so that it can be stopped."""
        with self.at_work():
            return work()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Have the work of the block, in this thread, be what is stopped."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    def check(self) -> None:
        """Raise once it is asked for, and then never again: cleaning up waits as well."""
        if self._is_asked.is_set() and not self._is_told:
            self._is_told = True
            raise KeyboardInterrupt


_current: ContextVar[Stop | None] = ContextVar("embedl_nb_stop", default=None)


def check() -> None:
    """Raise KeyboardInterrupt, once, if the work of this context is to stop."""
    stop = _current.get()
    if stop is not None:
        stop.check()
