"""A real adb server for tests: the adb that adbutils bundles, on a port and with keys of its own, gone at the end."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from embedl_nb.errors import DeviceError, MissingDependencyError
from embedl_nb.testing.virtual_phone.phone import VirtualPhone

__all__ = ["AdbServer", "adb_server"]

_HOST = "127.0.0.1"
_START_S, _ANSWER_S, _READY_S, _POLL_S = 20.0, 60.0, 30.0, 0.02
_TRIES = 5
# It looks for no phone by itself, neither on USB (which takes 3 s where there is none) nor for emulators or on the net.
_ALONE = {"ADB_USB": "0", "ADB_EMU": "0", "ADB_MDNS": "0", "ADB_MDNS_OPENSCREEN": "0"}


@dataclass(frozen=True, slots=True, kw_only=True)
class AdbServer:
    """A server that runs.

    Attributes
    ----------
    adb_path
        Its program; it speaks to this server with ``-H host -P port``.
    """

    host: str
    port: int
    adb_path: Path

    def connect(self, phone: VirtualPhone) -> str:
        """Have it connect to a phone, and return what adb says to that."""
        return self.ask(f"host:connect:{phone.address}")

    def connect_again(self, phone: VirtualPhone) -> None:
        """Connect to a phone that was out of reach, until it is ready.

        Raises
        ------
        DeviceError
            If it does not get ready.
        """
        until = time.monotonic() + _READY_S
        while f"{phone.address}\tdevice" not in (listed := self.ask("host:devices")):
            if time.monotonic() > until:
                raise DeviceError(
                    f"{phone.address} is not ready after {_READY_S:g} s: the server lists {listed.split()}",
                    address=phone.address,
                    hint="plug it in, and take away its faults",
                )
            self.connect(phone)
            time.sleep(_POLL_S)

    def disconnect(self, phone: VirtualPhone) -> str:
        """Have it forget a phone."""
        return self.ask(f"host:disconnect:{phone.address}")

    def ask(self, service: str) -> str:
        """Ask for a service that answers with one text.

        Raises
        ------
        DeviceError
            With the server's words, if it refuses.
        """
        with socket.create_connection((self.host, self.port), timeout=_ANSWER_S) as connection:
            connection.sendall(f"{len(service):04x}{service}".encode())
            status = _read(connection, 4)
            text = _read(connection, int(_read(connection, 4), 16)).decode(errors="replace")
        if status != b"OKAY":
            raise DeviceError(
                f"the adb server at {self.host}:{self.port} refused {service!r}: {text}",
                hint="see that the phone is still plugged in, and connect to it again",
            )
        return text


@contextmanager
def adb_server() -> Iterator[AdbServer]:
    """Run a server until the block ends.

    Raises
    ------
    MissingDependencyError
        If adbutils is not installed, or comes without adb for this machine.
    DeviceError
        If the server does not start.
    """
    program = _bundled_adb()
    with tempfile.TemporaryDirectory(prefix="embedl_nb-adb-") as home:
        process, port = _start(program, Path(home))
        try:
            yield AdbServer(host=_HOST, port=port, adb_path=program)
        finally:
            process.kill()
            process.wait()


def _start(program: Path, home: Path) -> tuple[subprocess.Popen[bytes], int]:
    """Start a server on a free port; another program can take the port meanwhile, so there are several tries."""
    for _ in range(_TRIES):
        port = _free_port()
        own = {**_ALONE, "HOME": str(home), "ANDROID_ADB_SERVER_PORT": str(port)}
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ADB_", "ANDROID_ADB_"))}
        with (home / "adb.log").open("wb") as log:
            process = subprocess.Popen(
                [str(program), "-P", str(port), "server", "nodaemon"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**kept, **own},
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_S
        while process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection((_HOST, port), timeout=1.0):
                return process, port
            time.sleep(_POLL_S)
        process.kill()
        process.wait()
    said = (home / "adb.log").read_text(errors="replace").strip()
    raise DeviceError("the adb server did not start", details=said, hint="see what it said")


def _bundled_adb() -> Path:
    try:
        program = Path(str(resources.files("adbutils").joinpath("binaries", "adb")))
    except ModuleNotFoundError as err:
        raise MissingDependencyError("adbutils is not installed", hint="pip install adbutils") from err
    if not program.is_file():
        raise MissingDependencyError("adbutils comes without adb for this machine", hint="use Linux, macOS or Windows")
    return program


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _read(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise DeviceError("the adb server hung up in the middle of its answer", hint="start another server")
        data += more
    return data
