"""One stream of an adb connection: bytes in both directions, each packet of them acknowledged before the next.

Services (sync.py, shell_service.py) read and write here; daemon.py feeds it. What the host sends waits in memory, one
packet at the most.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from embedl_nb.testing.virtual_phone.protocol import Command, Packet

if TYPE_CHECKING:
    from embedl_nb.testing.virtual_phone.daemon import Connection

__all__ = ["Stream", "StreamClosedError"]


class StreamClosedError(Exception):
    """The host has closed the stream, or the connection is gone."""


class Stream:
    """The phone's end of one stream.

    Attributes
    ----------
    local_id, remote_id
        What the phone and the host call it.
    """

    def __init__(self, connection: Connection, local_id: int, remote_id: int) -> None:
        self.local_id, self.remote_id = local_id, remote_id
        self._connection = connection
        self._chunks: deque[memoryview] = deque()
        self._num_buffered = 0
        self._owes_ack = False
        self._is_discarding = False
        self._is_closed = False
        self._news = asyncio.Event()
        self._may_write = asyncio.Event()
        self._may_write.set()

    def feed(self, data: bytes) -> None:
        """Take what the host sent; it is acknowledged when it is read, or at once where nobody reads."""
        if self._is_discarding:
            self._ack()
            return
        self._chunks.append(memoryview(data))
        self._num_buffered += len(data)
        self._owes_ack = True
        self._news.set()

    def acknowledged(self) -> None:
        """Note that the host has taken what was written last."""
        self._may_write.set()

    def closed(self) -> None:
        """Note that the host has closed it, or that the connection is gone."""
        self._is_closed = True
        self._news.set()
        self._may_write.set()

    def discard_incoming(self) -> None:
        """Throw away whatever the host sends."""
        self._is_discarding = True
        self._chunks.clear()
        if self._owes_ack:
            self._ack()

    async def read(self, size: int) -> memoryview:
        """Return exactly ``size`` bytes.

        Raises
        ------
        StreamClosedError
            If the stream ends before.
        """
        while self._num_buffered < size:
            if self._owes_ack:
                self._ack()
            if self._is_closed:
                raise StreamClosedError
            self._news.clear()
            await self._news.wait()
        self._num_buffered -= size
        first = self._chunks[0] if self._chunks else memoryview(b"")
        if len(first) > size:
            self._chunks[0] = first[size:]
            return first[:size]
        return self._take_several(size)

    def _take_several(self, size: int) -> memoryview:
        parts, missing = [], size
        while missing:
            chunk = self._chunks.popleft()
            if len(chunk) > missing:
                self._chunks.appendleft(chunk[missing:])
                chunk = chunk[:missing]
            parts.append(chunk)
            missing -= len(chunk)
        return parts[0] if len(parts) == 1 else memoryview(b"".join(parts))

    async def write(self, data: bytes) -> None:
        """Send ``data``, in as many packets as it takes.

        Raises
        ------
        StreamClosedError
            If nobody listens any more.
        """
        size = self._connection.max_payload
        for start in range(0, len(data), size):
            await self._may_write.wait()
            if self._is_closed:
                raise StreamClosedError
            self._may_write.clear()
            await self._connection.send(Packet(Command.WRTE, self.local_id, self.remote_id, data[start : start + size]))

    async def flush(self) -> None:
        """Wait until the host has taken everything."""
        await self._may_write.wait()

    def _ack(self) -> None:
        self._owes_ack = False
        self._connection.send_soon(Packet(Command.OKAY, self.local_id, self.remote_id))
