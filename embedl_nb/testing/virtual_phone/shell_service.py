"""The ``shell`` and ``exec`` services: a command comes in, its output goes out, in frames (version 2) or bare."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from embedl_nb.testing.virtual_phone.programs import Sink
from embedl_nb.testing.virtual_phone.streams import Stream, StreamClosedError

if TYPE_CHECKING:
    from embedl_nb.testing.virtual_phone.handset import Handset

__all__ = ["serve_shell"]

_STDOUT, _STDERR, _EXIT = 1, 2, 3


async def serve_shell(handset: Handset, stream: Stream, command: str, *, has_frames: bool) -> None:
    """Run ``command`` and send what it prints; with frames, also apart and with its exit code."""
    from embedl_nb.testing.virtual_phone.shell import Shell

    stream.discard_incoming()  # no program here reads its input
    handset.note_command(command)
    shell = Shell(
        handset,
        _sink(handset, stream, _STDOUT if has_frames else None),
        _sink(handset, stream, _STDERR if has_frames else None),
    )
    code = await shell.run(command)
    if has_frames:
        await stream.write(_frame(_EXIT, bytes([code & 0xFF])))


def _sink(handset: Handset, stream: Stream, frame_id: int | None) -> Sink:
    async def write(data: bytes) -> None:
        passed = data[: handset.cable.output(len(data))]
        if passed:
            await stream.write(passed if frame_id is None else _frame(frame_id, passed))
        if len(passed) < len(data):
            await stream.flush()
            handset.unplug()
            raise StreamClosedError

    return write


def _frame(frame_id: int, data: bytes) -> bytes:
    return struct.pack("<BI", frame_id, len(data)) + data
