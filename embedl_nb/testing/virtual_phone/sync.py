"""The sync service: files that are pushed to the phone, pulled from it, looked at and listed (version 1, with stat 2).

References
----------
https://android.googlesource.com/platform/packages/modules/adb/+/refs/heads/main/docs/dev/sync.md
"""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import struct
from typing import TYPE_CHECKING

from embedl_nb.testing.virtual_phone.streams import Stream, StreamClosedError

if TYPE_CHECKING:
    from embedl_nb.testing.virtual_phone.files import FileWriter
    from embedl_nb.testing.virtual_phone.handset import Handset

__all__ = ["serve_sync"]

_LONGEST_PATH = 1024
_CHUNK, _CHUNKS_AT_ONCE = 64 * 1024, 8
_UID = 2000
_STAT_1, _STAT_2, _ENTRY = struct.Struct("<4sIII"), struct.Struct("<4sIQQIIIIQqqq"), struct.Struct("<4sIIII")


class _RefusedError(Exception):
    """A file cannot be pushed, and why."""


class _NonsenseError(StreamClosedError):
    """What came is no part of a push, so nothing after it can be read."""


async def serve_sync(handset: Handset, stream: Stream) -> None:
    """Answer requests until the host is done."""
    while True:
        request, argument = await _read_request(stream)
        if request == b"QUIT":
            return
        if request in (b"STAT", b"LSTA", b"STA2", b"LST2"):
            await stream.write(_stat(handset, request, argument))
        elif request == b"LIST":
            await stream.write(_list(handset, argument))
        elif request == b"SEND":
            await _receive_file(handset, stream, argument)
        elif request == b"RECV":
            await _send_file(handset, stream, argument)
        else:
            await stream.write(_fail(f"unknown command {request.decode(errors='replace')}"))
            return


async def _read_request(stream: Stream) -> tuple[bytes, str]:
    name, length = struct.unpack("<4sI", await stream.read(8))
    if length > _LONGEST_PATH:
        await stream.write(_fail("path too long"))
        raise StreamClosedError
    return name, bytes(await stream.read(length)).decode(errors="surrogateescape")


def _stat(handset: Handset, request: bytes, path: str) -> bytes:
    number, found = 0, None
    try:
        found = handset.files.stat(path)
    except OSError as err:
        number = err.errno or errno.EIO
    if request == b"STAT" or request == b"LSTA":
        return _STAT_1.pack(
            b"STAT", *((found.st_mode, _word(found.st_size), int(found.st_mtime)) if found else (0,) * 3)
        )
    if found is None:
        return _STAT_2.pack(request, number, *(0,) * 10)
    times = (int(found.st_atime), int(found.st_mtime), int(found.st_ctime))
    owner = (found.st_mode, found.st_nlink, _UID, _UID)
    return _STAT_2.pack(request, 0, found.st_dev, found.st_ino, *owner, found.st_size, *times)


def _list(handset: Handset, path: str) -> bytes:
    entries = []
    try:
        names = [".", "..", *handset.files.names(path)]
    except OSError:
        names = []
    for name in names:
        found, encoded = handset.files.stat(f"{path}/{name}"), os.fsencode(name)
        header = (found.st_mode, _word(found.st_size), int(found.st_mtime), len(encoded))
        entries.append(_ENTRY.pack(b"DENT", *header) + encoded)
    return b"".join(entries) + _ENTRY.pack(b"DONE", 0, 0, 0, 0)


async def _receive_file(handset: Handset, stream: Stream, argument: str) -> None:
    """Take a pushed file. What is refused may still be sent to its end, as hosts do."""
    path, _, mode = argument.rpartition(",")
    try:
        writer = _begin_file(handset, path, mode)
        try:
            mtime = await _receive_content(handset, stream, writer)
        except BaseException:
            writer.discard()
            raise
        writer.close()
        _finish_file(handset, path, int(mode), mtime=mtime)
    except _NonsenseError:  # said once nothing of the file is left
        await stream.write(_fail("invalid data message"))
        raise
    except _RefusedError as err:
        await stream.write(_fail(str(err)))
        while (await _next_chunk(stream))[0] is not None:
            pass
        return
    await stream.write(struct.pack("<4sI", b"OKAY", 0))


def _begin_file(handset: Handset, path: str, mode: str) -> FileWriter:
    if not (mode.isascii() and mode.isdecimal() and stat.S_ISREG(int(mode))):
        raise _RefusedError("only regular files can be pushed")
    try:
        return handset.files.writer(path)
    except OSError as err:
        raise _RefusedError(f"couldn't create file: {err.strerror}") from err


async def _receive_content(handset: Handset, stream: Stream, writer: FileWriter) -> int:
    """Write what comes, and return the time that comes after it."""
    while True:
        data, mtime = await _next_chunk(stream)
        if data is None:
            return mtime
        passed = handset.cable.pushed(len(data))
        try:
            writer.write(data[:passed])
        except OSError as err:
            raise _RefusedError(f"write failed: {err.strerror}") from err
        if passed < len(data):
            handset.unplug()
            raise StreamClosedError


async def _next_chunk(stream: Stream) -> tuple[memoryview | None, int]:
    """Return a piece of a pushed file; after the last one None, and the file's time."""
    name, number = struct.unpack("<4sI", await stream.read(8))
    if name == b"DONE":
        return None, number
    if name != b"DATA" or number > _CHUNK:
        raise _NonsenseError
    return await stream.read(number), 0


def _finish_file(handset: Handset, path: str, mode: int, *, mtime: int) -> None:
    """Give a pushed file the owner's permissions for everybody, as phones do, and its time."""
    owner = mode & 0o700
    handset.files.set_mode(path, owner | owner >> 3 | owner >> 6)
    os.utime(handset.files.here(path), (mtime, mtime))


async def _send_file(handset: Handset, stream: Stream, path: str) -> None:
    try:
        for block in handset.files.read_blocks(path, _CHUNK * _CHUNKS_AT_ONCE):
            passed = handset.cable.pulled(len(block))
            data = block[:passed]
            parts = (data[start : start + _CHUNK] for start in range(0, len(data), _CHUNK))
            await stream.write(b"".join(struct.pack("<4sI", b"DATA", len(part)) + part for part in parts))
            if passed < len(block):
                await stream.flush()
                handset.unplug()
                raise StreamClosedError
            await asyncio.sleep(0)
    except OSError as err:
        await stream.write(_fail(f"{'read' if err.errno == errno.EISDIR else 'open'} failed: {err.strerror}"))
        return
    await stream.write(struct.pack("<4sI", b"DONE", 0))


def _word(size: int) -> int:
    return min(size, 0xFFFFFFFF)


def _fail(problem: str) -> bytes:
    text = problem.encode()
    return struct.pack("<4sI", b"FAIL", len(text)) + text
