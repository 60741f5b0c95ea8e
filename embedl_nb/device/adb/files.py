"""Files to and from a phone, over adb's sync service: in pieces, each with a time limit, pulled ones with a size."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from embedl_nb import progress
from embedl_nb.device.adb.wire import Closed, Connection, Refused, TooLong

__all__ = ["pull_file", "push_file"]

_PIECE_BYTES = 1 << 16
_AT_ONCE = 4
_STALL_S = 20.0
_REGULAR_FILE = 0o100000
_EMIT_EVERY_BYTES = 1 << 22


def push_file(connection: Connection, source: io.RawIOBase, remote_path: str, *, mode: int = 0o755) -> None:
    """Write a file on the phone from where ``source`` stands to its end.

    Raises
    ------
    Refused
        With the phone's reason: no space, no permission.
    Closed, TimeoutError
        If the phone goes away, or takes nothing for long.
    """
    connection.ask("sync:")
    name, total = Path(remote_path).name, os.fstat(source.fileno()).st_size
    connection.send(_request(b"SEND", f"{remote_path},{_REGULAR_FILE | mode}"))
    try:
        sent = said = 0
        for batch, num_bytes in _batches(source):
            connection.extend(_STALL_S)
            connection.send(batch)
            sent += num_bytes
            if sent - said >= _EMIT_EVERY_BYTES:
                said = sent
                progress.emit("push", f"{name} to the phone", done=sent, total=total)
        connection.send(b"DONE" + _uint32(int(time.time())))
    except Closed:
        _answer(connection)  # a phone that has had enough says why before it hangs up
        raise
    connection.extend(_STALL_S)
    kind, _ = _answer(connection)
    if kind != b"OKAY":
        raise Closed(f"{kind!r} instead of OKAY")


def pull_file(connection: Connection, remote_path: str, target: BinaryIO, *, max_bytes: int) -> int:
    """Copy a file of the phone into ``target`` and return its size.

    Raises
    ------
    Refused
        With the phone's reason: no such file.
    TooLong
        If it holds more than ``max_bytes``.
    Closed, TimeoutError
        If the phone goes away, or gives nothing for long.
    """
    connection.ask("sync:")
    connection.send(_request(b"RECV", remote_path))
    received = 0
    while True:
        connection.extend(_STALL_S)
        kind, length = _answer(connection)
        if kind == b"DONE":
            return received
        if kind != b"DATA" or length > _PIECE_BYTES:
            raise Closed(f"{kind!r} of {length} bytes is no piece of a file")
        received += length
        if received > max_bytes:
            raise TooLong(f"{remote_path} holds more than {max_bytes} bytes")
        target.write(connection.read(length))


def _batches(source: io.RawIOBase) -> Iterator[tuple[memoryview, int]]:
    """Yield the file as pieces with their heads, several at a time in one buffer, and how much of it they hold."""
    frame = len(b"DATA") + 4 + _PIECE_BYTES
    buffer = memoryview(bytearray(_AT_ONCE * frame))
    while True:
        end = num_bytes = 0
        while end + frame <= len(buffer):
            count = source.readinto(buffer[end + 8 : end + frame])
            if not count:
                break
            buffer[end : end + 8] = b"DATA" + _uint32(count)
            end, num_bytes = end + 8 + count, num_bytes + count
        if end == 0:
            return
        yield buffer[:end], num_bytes


def _answer(connection: Connection) -> tuple[bytes, int]:
    head = connection.read(8)
    kind, value = head[:4], int.from_bytes(head[4:], "little")
    if kind == b"FAIL":
        raise Refused(connection.read(min(value, 4096)).decode(errors="replace"))
    return kind, value


def _request(kind: bytes, text: str) -> bytes:
    content = text.encode()
    return kind + _uint32(len(content)) + content


def _uint32(value: int) -> bytes:
    return value.to_bytes(4, "little")
