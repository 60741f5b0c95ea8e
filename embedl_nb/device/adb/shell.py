"""A command on a phone: what it wrote to stdout and to stderr, and its exit status, each apart, within limits."""

from __future__ import annotations

from dataclasses import dataclass

from embedl_nb.device.adb.wire import Connection, TooLong

__all__ = ["ShellResult", "run_command"]

_STDOUT, _STDERR, _EXIT = 1, 2, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellResult:
    """What a command did."""

    stdout: str
    stderr: str
    returncode: int


def run_command(connection: Connection, command: str, *, max_bytes: int) -> ShellResult:
    """Run ``command`` over a connection to a phone.

    Raises
    ------
    Refused, Closed, TimeoutError
        If the phone goes away or does not answer.
    TooLong
        If it writes more than ``max_bytes``.
    """
    connection.ask(f"shell,v2,raw:{command}")
    written: dict[int, list[bytes]] = {_STDOUT: [], _STDERR: []}
    left = max_bytes
    while True:
        head = connection.read(5)
        length = int.from_bytes(head[1:], "little")
        if length > left:
            raise TooLong(f"it wrote more than {max_bytes} bytes")
        content = connection.read(length)
        left -= length
        if head[0] == _EXIT:
            out, err = (b"".join(written[stream]).decode(errors="replace") for stream in (_STDOUT, _STDERR))
            return ShellResult(stdout=out, stderr=err, returncode=content[0] if content else 255)
        if head[0] in written:
            written[head[0]].append(content)
