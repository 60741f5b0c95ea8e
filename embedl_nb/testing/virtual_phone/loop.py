"""One event loop in one thread for all virtual phones of this process: it begins with the first and ends with the last.

Work that blocks (a model that is measured) goes to a pool of as many threads as this machine has cores, so that 32
phones are not 32 measurements at once.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

__all__ = ["PhoneLoop", "acquire", "release"]

T = TypeVar("T")


class PhoneLoop:
    """A running event loop, seen from other threads and from the coroutines in it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="virtual phones", daemon=True)
        self._workers = ThreadPoolExecutor(max_workers=os.cpu_count() or 1, thread_name_prefix="virtual phone")
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """From another thread: run ``work`` in the loop and return what it returns."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def call(self, function: Callable[[], object]) -> None:
        """From any thread: have the loop call ``function`` soon."""
        self._loop.call_soon_threadsafe(function)

    async def blocking(self, function: Callable[[], T]) -> T:
        """From the loop: run ``function`` in a thread of the pool, once there is one."""
        return await self._loop.run_in_executor(self._workers, function)

    def close(self) -> None:
        """End the loop and its threads."""
        self._workers.shutdown(wait=True, cancel_futures=True)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


_lock = threading.Lock()
_shared: PhoneLoop | None = None
_num_users = 0


def acquire() -> PhoneLoop:
    """Return the loop, started if need be; give it back with :func:`release`."""
    global _shared, _num_users
    with _lock:
        _num_users += 1
        if _shared is None:
            _shared = PhoneLoop()
        return _shared


def release() -> None:
    """Give the loop back; whoever is last ends it."""
    global _shared, _num_users
    with _lock:
        _num_users -= 1
        if _num_users == 0 and _shared is not None:
            _shared.close()
            _shared = None
