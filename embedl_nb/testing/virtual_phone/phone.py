"""The public face of a virtual phone: start it, find it, break it, end it. What it does happens in loop.py's thread."""

from __future__ import annotations

import asyncio
import shutil
import socket
import tempfile
from pathlib import Path
from types import TracebackType

from embedl_nb.testing.virtual_phone import loop
from embedl_nb.testing.virtual_phone.clock import Clock, RealClock
from embedl_nb.testing.virtual_phone.daemon import Connection
from embedl_nb.testing.virtual_phone.faults import Faults
from embedl_nb.testing.virtual_phone.handset import Handset
from embedl_nb.testing.virtual_phone.hardware import catalog_phone
from embedl_nb.testing.virtual_phone.protocol import MAX_PAYLOAD

__all__ = ["VirtualPhone"]

_HOST = "127.0.0.1"
_BACKLOG = 16


class VirtualPhone:
    """A phone that is a program: a real adb server connects to it over TCP, only its silicon is this machine's.

    Use it as a context manager.

    Parameters
    ----------
    name
        Of a phone in the catalog; what it says of itself comes from there.
    soc
        Part number of its chip, where the phone is sold with several; None for the first.
    faults
        What is wrong with it.
    clock
        Its time, for tests that do not want to wait.

    Attributes
    ----------
    address
        ``"127.0.0.1:PORT"``: what ``adb connect`` takes, and its serial from then on.
    root
        The folder with its files; gone with the phone.

    Raises
    ------
    UnknownNameError, InputError
        If there is no such phone in the catalog.
    """

    address: str
    root: Path

    def __init__(
        self,
        name: str = "Samsung Galaxy S24",
        *,
        soc: str | None = None,
        faults: Faults | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._phone = catalog_phone(name, soc)
        self._faults = faults or Faults()
        self._clock = clock or RealClock()

    @property
    def faults(self) -> Faults:
        """What is wrong with it; set it to change that while it runs."""
        return self._faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._faults = faults
        self._loop.run(self._set_faults(faults))

    @property
    def commands(self) -> tuple[str, ...]:
        """What its shell was asked so far, in order."""
        return tuple(self._handset.commands)

    @property
    def num_running(self) -> int:
        """How many pushed programs are running."""
        return len(self._handset.processes)

    def unplug(self) -> None:
        """Pull its cable: connections end, and no new one is taken."""
        self._loop.run(self._unplug_now())

    def plug_in(self) -> None:
        """Put the cable back in; its address stays."""
        self._loop.run(self._listen())

    def __enter__(self) -> VirtualPhone:
        self.root = Path(tempfile.mkdtemp(prefix="embedl_nb-phone-"))
        self._loop = loop.acquire()
        # Keeps the port while nobody listens on it, so that an unplugged phone comes back where it was.
        self._port_holder = _bound_socket(0)
        self._port: int = self._port_holder.getsockname()[1]
        self.address = f"{_HOST}:{self._port}"
        self._server: asyncio.Server | None = None
        self._connections: dict[Connection, asyncio.Task[None]] = {}
        self._loop.run(self._start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._loop.run(self._end())
        finally:
            self._port_holder.close()
            loop.release()
            shutil.rmtree(self.root, ignore_errors=True)

    async def _start(self) -> None:
        self._handset = Handset(
            self._phone, self.root, faults=self._faults, clock=self._clock, loop=self._loop, unplug=self._unplug_soon
        )
        await self._listen()

    async def _end(self) -> None:
        await self._unplug_now()
        await self._handset.processes.end()

    async def _set_faults(self, faults: Faults) -> None:
        self._handset.set_faults(faults)
        for connection in self._connections:
            connection.faults_changed()

    async def _listen(self) -> None:
        if self._server is None:
            listener = _bound_socket(self._port)
            self._server = await asyncio.start_server(
                self._serve, sock=listener, limit=2 * MAX_PAYLOAD, backlog=_BACKLOG
            )

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(self._handset, reader, writer)
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - for the type checker: a coroutine that runs has one
        self._connections[connection] = task
        try:
            await connection.serve()
        finally:
            del self._connections[connection]

    def _unplug_soon(self) -> None:
        """Pull the cable, from within the loop."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in self._connections:
            connection.drop()

    async def _unplug_now(self) -> None:
        tasks = list(self._connections.values())
        self._unplug_soon()
        await asyncio.gather(*tasks, return_exceptions=True)


def _bound_socket(port: int) -> socket.socket:
    # Only where the protocol is named, asyncio sends small packets at once.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((_HOST, port))
    return bound
