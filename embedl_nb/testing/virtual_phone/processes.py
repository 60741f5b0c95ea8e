"""The phone's running programs: what ``/proc`` shows, ``pidof`` finds and ``kill`` ends."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from embedl_nb.testing.virtual_phone.files import PhoneFiles

__all__ = ["KilledError", "Processes"]

_FIRST_PID = 4242


class KilledError(Exception):
    """A program was ended by a signal.

    Attributes
    ----------
    number
        The signal's.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"signal {number}")
        self.number = number


@dataclass(slots=True)
class _Process:
    name: str
    task: asyncio.Task[int]
    killed_by: int = 0


class Processes:
    """Programs that run, by their number."""

    def __init__(self, files: PhoneFiles) -> None:
        self.last_pid = _FIRST_PID
        self._files = files
        self._running: dict[int, _Process] = {}

    def __len__(self) -> int:
        return len(self._running)

    def new_pid(self) -> int:
        """Return the next number."""
        self.last_pid += 1
        return self.last_pid

    def called(self, name: str) -> list[int]:
        """Return the numbers of the programs of this name."""
        return [pid for pid, process in self._running.items() if process.name == name]

    def signal(self, pid: str, number: int) -> bool:
        """Send a signal, 0 for none; whether there was such a program."""
        process = self._running.get(int(pid)) if pid.isascii() and pid.isdecimal() else None
        if process is None:
            return False
        if number:
            process.killed_by = number
            process.task.cancel()
            self._forget(int(pid))
        return True

    async def run(self, path: str, work: Coroutine[Any, Any, int], *, outlives_caller: bool = False) -> int:
        """Run a program and return its exit code.

        Parameters
        ----------
        path
            The program's file.
        outlives_caller
            Whether it stays when its caller goes: a program that hangs notices nothing.

        Raises
        ------
        KilledError
            If a signal ended it.
        """
        pid, name = self.new_pid(), path.rpartition("/")[2]
        process = _Process(name, asyncio.create_task(work))
        self._running[pid] = process
        process.task.add_done_callback(lambda _task: self._forget(pid))
        self._files.provide(f"/proc/{pid}/cmdline", f"{path}\0")
        self._files.provide(f"/proc/{pid}/status", f"Name:\t{name}\nPid:\t{pid}\n")
        self._files.provide_link(f"/proc/{pid}/exe", path)
        try:
            return await (asyncio.shield(process.task) if outlives_caller else process.task)
        except asyncio.CancelledError:
            if process.killed_by:
                raise KilledError(process.killed_by) from None
            raise

    def _forget(self, pid: int) -> None:
        if self._running.pop(pid, None) is not None:
            self._files.withdraw(f"/proc/{pid}")

    async def end(self) -> None:
        """End them all."""
        tasks = [process.task for process in self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
