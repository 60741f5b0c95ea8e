"""What answers an adb server: connections, the handshake with its states, streams and the services behind them.

In: bytes from whoever connects, trusted in nothing. A client that breaks the protocol loses its connection, and nobody
else notices.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from embedl_nb.testing.virtual_phone.protocol import (
    MAX_PAYLOAD,
    VERSION,
    AuthKind,
    Command,
    Packet,
    ProtocolError,
    read_packet,
)
from embedl_nb.testing.virtual_phone.shell_service import serve_shell
from embedl_nb.testing.virtual_phone.streams import Stream, StreamClosedError
from embedl_nb.testing.virtual_phone.sync import serve_sync

if TYPE_CHECKING:
    from embedl_nb.testing.virtual_phone.handset import Handset

__all__ = ["Connection"]

_FEATURES = "shell_v2,cmd,stat_v2"
_FIRST_WORD_S = 30.0
_MOST_STREAMS = 256
_LEAST_PAYLOAD = 4096


class Connection:
    """One adb server that is connected to the phone."""

    def __init__(self, handset: Handset, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.max_payload = _LEAST_PAYLOAD
        self._handset = handset
        self._reader, self._writer = reader, writer
        self._streams: dict[int, Stream] = {}
        self._services: dict[int, asyncio.Task[None]] = {}
        self._last_id = 0
        self._is_asking, self._is_online = False, False
        # What is sent is out of Python's hands before more is: a cable that is pulled after it does not take it back.
        writer.transport.set_write_buffer_limits(high=0)

    async def serve(self) -> None:
        """Answer until the connection ends."""
        try:
            await self._take_packets()
        except (ProtocolError, asyncio.IncompleteReadError, ConnectionError, TimeoutError):
            pass  # the other side is gone, or is no adb server
        finally:
            await self._end_services()
            self.drop()

    def drop(self) -> None:
        """End it at once, as a cable that is pulled does."""
        self._writer.transport.abort()

    def faults_changed(self) -> None:
        """Let the host in if it has been waiting for that, or drop it if it may not be in any more."""
        faults = self._handset.faults
        may_be_in = not faults.unauthorized and not faults.silent
        if self._is_online and not may_be_in:
            self.drop()
        elif self._is_asking and not self._is_online and may_be_in:
            self._is_online = True
            self.send_soon(Packet(Command.CNXN, VERSION, MAX_PAYLOAD, self._banner()))

    async def send(self, packet: Packet) -> None:
        """Send a packet, no faster than the link is.

        Raises
        ------
        StreamClosedError
            If the connection is gone.
        """
        await self._handset.link_delay(len(packet.data))
        if self._writer.transport.is_closing():
            raise StreamClosedError
        self._writer.write(packet.encode())
        try:
            await self._writer.drain()
        except ConnectionError as err:
            raise StreamClosedError from err

    def send_soon(self, packet: Packet) -> None:
        """Send a small packet that nobody waits for."""
        if not self._writer.transport.is_closing():
            self._writer.write(packet.encode())

    async def _take_packets(self) -> None:
        async with asyncio.timeout(_FIRST_WORD_S):
            packet = await read_packet(self._reader)
        while True:
            if packet.data:
                await self._handset.link_delay(len(packet.data))
            if packet.command in (Command.CNXN, Command.AUTH):
                self._shake_hands(packet)
            elif self._is_online:
                self._take_stream_packet(packet)
            else:
                raise ProtocolError(f"{packet.command.name} before the handshake")
            packet = await read_packet(self._reader)

    def _shake_hands(self, packet: Packet) -> None:
        if packet.command is Command.CNXN:
            self.max_payload = min(max(packet.arg1, _LEAST_PAYLOAD), MAX_PAYLOAD)
            self._is_asking = True
        if self._handset.faults.silent:
            return
        if self._handset.faults.unauthorized:
            # A phone that knows none of the host's keys asks until it gets a public one, which its owner must accept.
            if packet.command is Command.CNXN or packet.arg0 == AuthKind.SIGNATURE:
                self.send_soon(Packet(Command.AUTH, AuthKind.TOKEN, 0, os.urandom(20)))
            return
        self.faults_changed()

    def _take_stream_packet(self, packet: Packet) -> None:
        if packet.command is Command.OPEN:
            self._open(packet)
            return
        stream = self._streams.get(packet.arg1)
        if stream is None:
            if packet.command is Command.WRTE:
                self.send_soon(Packet(Command.CLSE, 0, packet.arg0))
        elif packet.command is Command.WRTE:
            stream.feed(packet.data)
        elif packet.command is Command.OKAY:
            stream.acknowledged()
        elif packet.command is Command.CLSE:
            self._hang_up(stream)

    def _open(self, packet: Packet) -> None:
        destination = packet.data.rstrip(b"\0").decode(errors="surrogateescape")
        service = _service(self._handset, destination)
        if service is None or len(self._streams) >= _MOST_STREAMS or packet.arg0 == 0:
            self.send_soon(Packet(Command.CLSE, 0, packet.arg0))
            return
        self._last_id += 1
        stream = Stream(self, self._last_id, packet.arg0)
        self._streams[stream.local_id] = stream
        self.send_soon(Packet(Command.OKAY, stream.local_id, stream.remote_id))
        self._services[stream.local_id] = asyncio.create_task(self._serve_stream(stream, service))

    async def _serve_stream(self, stream: Stream, service: Callable[[Stream], Awaitable[None]]) -> None:
        try:
            with contextlib.suppress(StreamClosedError):
                await service(stream)
                await stream.flush()
        finally:
            self._streams.pop(stream.local_id, None)
            self._services.pop(stream.local_id, None)
            self.send_soon(Packet(Command.CLSE, stream.local_id, stream.remote_id))

    def _hang_up(self, stream: Stream) -> None:
        stream.closed()
        service = self._services.get(stream.local_id)
        if service is not None:
            service.cancel()

    async def _end_services(self) -> None:
        for stream in list(self._streams.values()):
            self._hang_up(stream)
        await asyncio.gather(*self._services.values(), return_exceptions=True)

    def _banner(self) -> bytes:
        named = self._handset.properties
        said = "".join(f"{key}={named[key]};" for key in ("ro.product.name", "ro.product.model", "ro.product.device"))
        return f"{self._handset.faults.mode}::{said}features={_FEATURES}".encode()


def _service(handset: Handset, destination: str) -> Callable[[Stream], Awaitable[None]] | None:
    """Return what serves a stream to ``destination``; None where the phone has no such service."""
    kind, _, command = destination.partition(":")
    name, *options = kind.split(",")
    if name == "sync":
        return lambda stream: serve_sync(handset, stream)
    if name in ("shell", "exec") and "pty" not in options and command:
        return lambda stream: serve_shell(handset, stream, command, has_frames="v2" in options)
    return None
