"""One connection to an adb server, in its own socket protocol: a service is asked for, OKAY or FAIL comes back.

It knows bytes and time limits, not phones. adbutils' client is not used for this: it starts a local adb whenever a
connection fails, which for a server elsewhere blocks the port that a tunnel to it needs, and it reads without limit.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import TypeVar

from embedl_nb import stopping

__all__ = ["Closed", "Connection", "NoServer", "Refused", "TooLong", "WireError", "connect"]

_CONNECT_S = 3.0
_STEP_S = 0.2
_LONGEST_SERVICE = 0xFFFF
_PIECE_BYTES = 1 << 16

_Result = TypeVar("_Result")


class WireError(Exception):
    """Something between us and the phone; whoever knows the phone says what it means."""


class NoServer(WireError):
    """Nothing takes connections at the server's address."""


class Closed(WireError):
    """The connection ended before the answer did."""


class Refused(WireError):
    """The server or the phone said FAIL, and why."""


class TooLong(WireError):
    """The answer is longer than what was to be expected."""


class Connection:
    """A connected socket; every wait on it ends at the deadline, as ``TimeoutError``.

    Parameters
    ----------
    timeout_s
        From now until the deadline; :meth:`extend` moves it.
    """

    def __init__(self, connected: socket.socket, *, timeout_s: float) -> None:
        self._socket = connected
        self._deadline = time.monotonic() + timeout_s

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, kind: type[BaseException] | None, err: BaseException | None, at: TracebackType | None) -> None:
        self._socket.close()

    def extend(self, timeout_s: float) -> None:
        """Count the time limit from now on: of work that gets on, each step has its own."""
        self._deadline = time.monotonic() + timeout_s

    def ask(self, service: str) -> None:
        """Ask for a service.

        Raises
        ------
        Refused
            With the server's reason.
        """
        content = service.encode()
        if len(content) > _LONGEST_SERVICE:
            raise TooLong(f"a request of {len(content)} bytes; the protocol takes {_LONGEST_SERVICE}")
        self.send(f"{len(content):04x}".encode() + content)
        answer = self.read(4)
        if answer == b"FAIL":
            raise Refused(self.read_block(max_bytes=4096))
        if answer != b"OKAY":
            raise Closed(f"{answer!r} is no answer of an adb server")

    def send(self, content: bytes | memoryview) -> None:
        """Send all of ``content``."""
        left = memoryview(content)
        while left:
            left = left[self._patiently(partial(self._socket.send, left)) :]

    def read(self, count: int) -> bytes:
        """Return exactly ``count`` bytes."""
        pieces, left = [], count
        while left > 0:
            size = min(left, _PIECE_BYTES)
            piece = self._patiently(partial(self._socket.recv, size))
            if not piece:
                raise Closed("the connection was closed")
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)

    def read_block(self, *, max_bytes: int) -> str:
        """Return a text with its length before it, as four hexadecimal digits."""
        head = self.read(4)
        try:
            length = int(head, 16)
        except ValueError as err:
            raise Closed(f"{head!r} is no length") from err
        if length > max_bytes:
            raise TooLong(f"an answer of {length} bytes; {max_bytes} at most were expected")
        return self.read(length).decode(errors="replace")

    def _patiently(self, act: Callable[[], _Result]) -> _Result:
        """Wait for the socket until the deadline, in steps: between two of them the work can be stopped."""
        while True:
            stopping.check()
            left_s = self._deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError("no answer in time")
            self._socket.settimeout(min(left_s, _STEP_S))
            try:
                return act()
            except TimeoutError:
                continue
            except OSError as err:
                raise Closed(err.strerror or str(err)) from err


def connect(host: str, port: int, *, timeout_s: float) -> Connection:
    """Connect to the server; nothing is started where there is none.

    Raises
    ------
    NoServer
        With the system's reason.
    """
    try:
        connected = socket.create_connection((host, port), timeout=min(_CONNECT_S, timeout_s))
    except (OSError, UnicodeError) as err:
        reason = "no answer" if isinstance(err, TimeoutError) else getattr(err, "strerror", None) or str(err)
        raise NoServer(reason) from err
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Connection(connected, timeout_s=timeout_s)
