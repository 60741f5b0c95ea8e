"""A small adb server for tests: the server's socket protocol, with phones whose states and answers are set by hand.

Phones that compute something are in ``embedl_nb.testing``; this one is for states and faults.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

Answer = tuple[str, str, int]


@dataclass
class FakePhone:
    """One line of the list.

    Attributes
    ----------
    shell
        Answers a command with stdout, stderr and the exit status.
    files
        Its storage; a push writes into it.
    refuse_push
        Reason to refuse a push with.
    cut_after, cut_push_after
        Bytes of a command's answer, or of a push, after which the connection breaks.
    is_silent
        Whether it takes commands and never answers.
    """

    state: str = "device"
    words: str = "usb:1-1 product:p model:Pixel_8 device:shiba transport_id:1"
    shell: Callable[[str], Answer] = lambda command: ("", "", 0)
    files: dict[str, bytes] = field(default_factory=dict)
    refuse_push: str = ""
    cut_after: int | None = None
    cut_push_after: int | None = None
    is_silent: bool = False


class FakeAdbServer:
    """Listens on a free port of this machine; ``phones`` can be changed at any time."""

    def __init__(self) -> None:
        self.phones: dict[str, FakePhone] = {}
        self.asked: list[str] = []
        self.connects: dict[str, str] = {}
        self.greeting: bytes | None = None
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()

    @property
    def port(self) -> int:
        return int(self._listening.getsockname()[1])

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.port}"

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self._open.add(connection)
            thread = threading.Thread(target=self._converse, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def _converse(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as reading, suppress(OSError, ValueError, _Cut):
            if self.greeting is not None:
                connection.sendall(self.greeting)
                return
            phone: FakePhone | None = None
            while head := reading.read(4):
                service = reading.read(int(head, 16)).decode()
                self.asked.append(service)
                if phone is not None:
                    self._serve_phone(phone, service, connection, reading)
                    return
                phone = self._serve_host(service, connection)
        self._open.discard(connection)

    def _serve_host(self, service: str, connection: socket.socket) -> FakePhone | None:
        if service == "host:version":
            connection.sendall(b"OKAY" + _block("0029"))
        elif service == "host:devices-l":
            lines = (f"{serial:<22} {phone.state} {phone.words}\n" for serial, phone in self.phones.items())
            connection.sendall(b"OKAY" + _block("".join(lines)))
        elif service.startswith("host:connect:"):
            serial = service.removeprefix("host:connect:")
            connection.sendall(b"OKAY" + _block(self.connects.get(serial, f"failed to connect to '{serial}'")))
        elif service.startswith("host:transport:"):
            serial = service.removeprefix("host:transport:")
            phone = self.phones.get(serial)
            reason = f"device '{serial}' not found" if phone is None else f"device {phone.state}"
            if phone is not None and phone.state == "device":
                connection.sendall(b"OKAY")
                return phone
            connection.sendall(b"FAIL" + _block(reason))
        else:
            connection.sendall(b"FAIL" + _block("unknown host service"))
        return None

    def _serve_phone(self, phone: FakePhone, service: str, connection: socket.socket, reading: object) -> None:
        if phone.is_silent:
            connection.recv(1)
        elif service.startswith("shell,v2,raw:"):
            out, err, status = phone.shell(service.removeprefix("shell,v2,raw:"))
            frames = b"OKAY" + _frame(1, out.encode()) + _frame(2, err.encode()) + _frame(3, bytes([status]))
            connection.sendall(frames if phone.cut_after is None else frames[: phone.cut_after])
        elif service == "sync:":
            connection.sendall(b"OKAY")
            _sync(phone, connection, reading)
        else:
            connection.sendall(b"FAIL" + _block("closed"))


@contextmanager
def fake_adb_server(**phones: FakePhone) -> Iterator[FakeAdbServer]:
    """Run a server with these phones until the block ends."""
    server = FakeAdbServer()
    server.phones.update(phones)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join(5)


class _Cut(Exception):
    """The cable was pulled."""


def _sync(phone: FakePhone, connection: socket.socket, reading: object) -> None:
    taken = 0

    def read(count: int) -> bytes:
        nonlocal taken
        content: bytes = reading.read(count)  # type: ignore[attr-defined]
        taken += len(content)
        if len(content) < count or (phone.cut_push_after is not None and taken > phone.cut_push_after):
            raise _Cut
        return content

    kind, path = read(4), read(int.from_bytes(read(4), "little")).decode()
    if kind == b"RECV":
        content = phone.files.get(path)
        if content is None:
            connection.sendall(b"FAIL" + _counted(b"open failed: No such file or directory"))
            return
        for start in range(0, len(content), 1 << 16):
            connection.sendall(b"DATA" + _counted(content[start : start + (1 << 16)]))
        connection.sendall(b"DONE" + bytes(4))
        return
    path = re.sub(r",\d+$", "", path)
    received = b""
    while (kind := read(4)) == b"DATA":
        received += read(int.from_bytes(read(4), "little"))
    read(4)
    if phone.refuse_push:
        connection.sendall(b"FAIL" + _counted(phone.refuse_push.encode()))
        return
    phone.files[path] = received
    connection.sendall(b"OKAY" + bytes(4))


def _block(text: str) -> bytes:
    content = text.encode()
    return f"{len(content):04x}".encode() + content


def _counted(content: bytes) -> bytes:
    return len(content).to_bytes(4, "little") + content


def _frame(kind: int, content: bytes) -> bytes:
    return bytes([kind]) + _counted(content)
