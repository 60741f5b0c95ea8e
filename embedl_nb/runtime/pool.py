"""Warm children: kept for ten minutes after their last use, so that the next call does not wait for their imports."""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from embedl_nb.runtime.process import Child

__all__ = ["close_all", "close_unused", "prewarm", "warm"]

_IDLE_S = 600.0


class _Pool:
    """Idle children by module; every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: dict[str, list[tuple[Child, float]]] = {}
        self._num_busy: dict[str, int] = {}
        self._timer: threading.Timer | None = None

    def check_out(self, module: str, what: str) -> Child:
        with self._lock:
            self._num_busy[module] = self._num_busy.get(module, 0) + 1
            idle = self._idle.get(module, [])
            while idle:
                child, _ = idle.pop()
                if child.is_alive:
                    return child
                child.close()
        try:
            return Child(module, what=what)
        except BaseException:
            with self._lock:
                self._num_busy[module] -= 1
            raise

    def check_in(self, module: str, child: Child) -> None:
        with self._lock:
            self._num_busy[module] -= 1
            if child.is_alive:
                self._keep(module, child)
                return
        child.close()

    def prewarm(self, module: str, what: str) -> None:
        with self._lock:
            living = [child for child, _ in self._idle.get(module, []) if child.is_alive]
            if not living and not self._num_busy.get(module):
                self._keep(module, Child(module, what=what))

    def close_idle(self, *, idle_for_s: float = 0.0) -> None:
        limit = time.monotonic() - idle_for_s
        with self._lock:
            leaving = [child for idle in self._idle.values() for child, since in idle if since <= limit]
            for module, idle in self._idle.items():
                self._idle[module] = [(child, since) for child, since in idle if since > limit]
        for child in leaving:
            child.close()

    def close_unused(self, module: str) -> None:
        with self._lock:
            idle = self._idle.get(module, [])
            leaving = [child for child, _ in idle if child.is_unused]
            idle[:] = [(child, since) for child, since in idle if not child.is_unused]
        for child in leaving:
            child.close()

    def _keep(self, module: str, child: Child) -> None:
        """Add an idle child, and see to it that somebody looks whether it has been idle for too long."""
        self._idle.setdefault(module, []).append((child, time.monotonic()))
        if self._timer is None:
            self._look_again_in(_IDLE_S)

    def _on_timer(self) -> None:
        self.close_idle(idle_for_s=_IDLE_S)
        with self._lock:
            since = [since for idle in self._idle.values() for _, since in idle]
            self._timer = None
            if since:
                self._look_again_in(max(1.0, min(since) + _IDLE_S - time.monotonic()))

    def _look_again_in(self, delay_s: float) -> None:
        self._timer = threading.Timer(delay_s, self._on_timer)
        self._timer.daemon = True
        self._timer.start()


_pool = _Pool()


@contextmanager
def warm(module: str, *, what: str) -> Iterator[Child]:
    """Lend a child that runs ``module``: an idle one, else a new one. It goes back to the pool if it still lives.

    A child has one caller at a time; a second thread gets a child of its own.

    Examples
    --------
    >>> with warm("embedl_nb.runtime.worker", what="the LiteRT runtime") as child:  # doctest: +SKIP
    ...     child.request("run", {...}, timeout_s=60)
    """
    pool = _pool
    child = pool.check_out(module, what)
    try:
        yield child
    finally:
        pool.check_in(module, child)


def prewarm(module: str, *, what: str) -> None:
    """Start a child for ``module`` without waiting for it, unless there is one already."""
    _pool.prewarm(module, what)


def close_unused(module: str) -> None:
    """Close the children for ``module`` that were started and then not needed."""
    _pool.close_unused(module)


def close_all() -> None:
    """Close every idle child."""
    _pool.close_idle()


def _start_over() -> None:
    """In a fork the children belong to the parent."""
    global _pool
    _pool = _Pool()


atexit.register(close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_over)
