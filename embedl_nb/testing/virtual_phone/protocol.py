"""Packets of the adb transport protocol: 24 bytes of header, then data. Knows bytes, not connections.

References
----------
https://android.googlesource.com/platform/packages/modules/adb/+/refs/heads/main/docs/dev/protocol.md
"""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass
from enum import IntEnum

__all__ = [
    "MAX_PAYLOAD",
    "VERSION",
    "AuthKind",
    "Command",
    "Packet",
    "ProtocolError",
    "read_packet",
]

VERSION = 0x01000001
"""From this version on, nobody checks ``data_check``."""
MAX_PAYLOAD = 1024 * 1024
_HEADER = struct.Struct("<6I")
_ALL_BITS = 0xFFFFFFFF


class ProtocolError(Exception):
    """The other side does not speak the protocol."""


class Command(IntEnum):
    """What a packet is for: four letters, as a little-endian number."""

    CNXN = 0x4E584E43
    AUTH = 0x48545541
    OPEN = 0x4E45504F
    OKAY = 0x59414B4F
    CLSE = 0x45534C43
    WRTE = 0x45545257
    STLS = 0x534C5453


class AuthKind(IntEnum):
    """First argument of an AUTH packet."""

    TOKEN = 1
    SIGNATURE = 2
    PUBLIC_KEY = 3


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet; what its arguments mean depends on the command.

    Examples
    --------
    >>> Packet(Command.OKAY, 1, 7).encode()[:4]
    b'OKAY'
    """

    command: Command
    arg0: int = 0
    arg1: int = 0
    data: bytes = b""

    def encode(self) -> bytes:
        """Return it as it goes over the wire."""
        header = (self.command, self.arg0, self.arg1, len(self.data), 0, self.command ^ _ALL_BITS)
        return _HEADER.pack(*header) + self.data


async def read_packet(reader: asyncio.StreamReader) -> Packet:
    """Read one packet.

    Raises
    ------
    ProtocolError
        If what comes is no packet, or claims more data than is allowed.
    asyncio.IncompleteReadError, ConnectionError
        If the connection ends.
    """
    command, arg0, arg1, length, _check, magic = _HEADER.unpack(await reader.readexactly(_HEADER.size))
    if command ^ _ALL_BITS != magic:
        raise ProtocolError(f"magic {magic:#x} does not fit command {command:#x}")
    if length > MAX_PAYLOAD:
        raise ProtocolError(f"{length} bytes of data; {MAX_PAYLOAD} at the most")
    try:
        kind = Command(command)
    except ValueError as err:
        raise ProtocolError(f"unknown command {command:#x}") from err
    return Packet(kind, arg0, arg1, await reader.readexactly(length) if length else b"")
