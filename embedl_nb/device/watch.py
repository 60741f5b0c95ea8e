"""Readings taken beside something that runs: one now and then from a thread of its own, until the block ends."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, Self, TypeVar

from embedl_nb.errors import DeviceError

__all__ = ["Watch"]

T = TypeVar("T")


class Watch(Generic[T]):
    """Takes a reading every ``every_s`` seconds, the first after that time.

    Parameters
    ----------
    read
        Takes one. Once it raises a DeviceError no more are taken: the run beside it meets the same and says so.

    Attributes
    ----------
    readings
        What was read, in order; whole once the block has ended.
    """

    def __init__(self, read: Callable[[], T], *, every_s: float) -> None:
        self.readings: list[T] = []
        self._read = read
        self._every_s = every_s
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="embedl_nb watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._is_over.wait(self._every_s):
            try:
                self.readings.append(self._read())
            except DeviceError:
                return
