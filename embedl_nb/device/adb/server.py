"""Which adb server is spoken to: the one that the address names, else the environment's, else this machine's own.

A server that somebody named is spoken to by socket and never started: the phone is plugged in where that server runs.
Only this machine's own is started where none runs, and only by :func:`running`, with adb from the PATH or else the one
that adbutils brings.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass

from embedl_nb.device.adb.address import is_server
from embedl_nb.device.adb.states import NO_ADB, NO_SERVER, NO_START, NOT_ADB, State
from embedl_nb.device.adb.wire import Closed, Connection, NoServer, Refused, WireError, connect
from embedl_nb.errors import InputError

__all__ = ["AdbServer", "Sighting", "Unusable", "find_adb", "running", "sightings", "which_server"]

_LOCAL_HOST, _USUAL_PORT = "127.0.0.1", 5037
_LOCAL_NAMES = frozenset({_LOCAL_HOST, "localhost", "::1"})
_ANSWER_S = 5.0
_START_S = 20.0
_LONGEST_LIST = 0xFFFF
# SERIAL, blanks, state, then "key:value" words. A serial may hold blanks, a state explains itself in brackets.
_LINE = re.compile(
    r"(?P<serial>\S.*?)\s+"
    r"(?P<state>device|offline|unauthorized|authorizing|connecting|recovery|rescue|sideload|bootloader|host|detached|"
    r"unknown|no permissions.*?|no device)"
    r"(?P<words>( +[\w-]+:\S+)*)\s*"
)


class Unusable(Exception):
    """No phone can be asked for: there is no adb, no server, or what answers is none.

    Attributes
    ----------
    state
        What is wrong, and what to do.
    found
        What was seen, with the server's address.
    """

    def __init__(self, state: State, found: str) -> None:
        super().__init__(found)
        self.state = state
        self.found = found


@dataclass(frozen=True, slots=True, kw_only=True)
class AdbServer:
    """Where an adb server is.

    Attributes
    ----------
    named_by
        What named it: ``"the address"`` or a variable. Empty for this machine's own, which may be started.
    """

    host: str = _LOCAL_HOST
    port: int = _USUAL_PORT
    named_by: str = ""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def identity(self) -> str:
        """The same text for the same server, whoever named it and by which of this machine's names."""
        return f"{_LOCAL_HOST}:{self.port}" if self.host in _LOCAL_NAMES else str(self).lower()

    def connect(self, *, timeout_s: float = _ANSWER_S) -> Connection:
        """Connect; nothing is started."""
        return connect(self.host, self.port, timeout_s=timeout_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One line of the server's list.

    Attributes
    ----------
    state
        In adb's words: ``"device"``, ``"unauthorized"``, ``"no permissions (...)"``.
    model
        As far as the server knows it.
    """

    serial: str
    state: str
    model: str = ""


def which_server(asked: str = "") -> AdbServer:
    """Return the server to speak to.

    Parameters
    ----------
    asked
        ``HOST:PORT`` from an address.

    Raises
    ------
    InputError
        If a variable does not name a server.
    """
    if asked:
        return _at(asked, named_by="the address")
    by_socket = os.environ.get("ADB_SERVER_SOCKET", "").strip()
    if by_socket:
        place = by_socket.removeprefix("tcp:")
        place = f"{_LOCAL_HOST}:{place}" if place.isdigit() else place
        if not by_socket.startswith("tcp:") or not is_server(place):
            raise InputError(f"ADB_SERVER_SOCKET={by_socket!r} is no server", hint="write it like tcp:HOST:PORT")
        return _at(place, named_by="ADB_SERVER_SOCKET")
    host = os.environ.get("ANDROID_ADB_SERVER_HOST", "").strip()
    port = os.environ.get("ANDROID_ADB_SERVER_PORT", "").strip()
    if not host and not port:
        return AdbServer()
    name = "ANDROID_ADB_SERVER_HOST" if host else "ANDROID_ADB_SERVER_PORT"
    place = f"{host or _LOCAL_HOST}:{port or _USUAL_PORT}"
    if not is_server(place):
        raise InputError(
            f"ANDROID_ADB_SERVER_HOST={host!r} with ANDROID_ADB_SERVER_PORT={port!r} is no server",
            hint="write a host's name or address, and a port's number",
        )
    return _at(place, named_by=name)


def running(server: AdbServer) -> AdbServer:
    """Return ``server`` once it answers; this machine's own is started where it does not run.

    Raises
    ------
    Unusable
        If it does not answer.
    """
    try:
        _check(server)
    except NoServer as err:
        if server.named_by:
            raise Unusable(NO_SERVER, f"no adb server at {server} (named by {server.named_by}): {err}") from err
        _start()
        try:
            _check(server)
        except NoServer as still:
            raise Unusable(NO_START, f"adb was started, but no server answers at {server}: {still}") from still
    return server


def sightings(server: AdbServer) -> tuple[Sighting, ...]:
    """Return the phones that the server lists now, in every state.

    Raises
    ------
    WireError, TimeoutError
        If it goes away.
    """
    with server.connect() as connection:
        connection.ask("host:devices-l")
        text = connection.read_block(max_bytes=_LONGEST_LIST)
    found = (_LINE.fullmatch(line) for line in text.splitlines())
    return tuple(
        Sighting(
            serial=match["serial"],
            state=match["state"],
            model=dict(word.split(":", 1) for word in match["words"].split()).get("model", "").replace("_", " "),
        )
        for match in found
        if match is not None
    )


def find_adb() -> str | None:
    """Return the path of adb, the PATH's or else the one in adbutils; None where there is none."""
    try:
        from adbutils import AdbError, adb_path
    except ImportError:  # it has wheels for some platforms only
        return shutil.which("adb")
    try:
        return str(adb_path())
    except AdbError:
        return None


def _at(place: str, *, named_by: str) -> AdbServer:
    host, _, port = place.rpartition(":")
    return AdbServer(host=host.strip("[]"), port=int(port), named_by=named_by)


def _check(server: AdbServer) -> None:
    """See that an adb server answers: a tunnel takes connections before its other end does."""
    try:
        with server.connect() as connection:
            connection.ask("host:version")
            connection.read_block(max_bytes=16)
    except NoServer:
        raise
    except (Closed, Refused, WireError, TimeoutError) as err:
        raise Unusable(NOT_ADB, f"what answers at {server} is no adb server: {err}") from err


def _start() -> None:
    adb = find_adb()
    if adb is None:
        raise Unusable(NO_ADB, "there is no adb on this machine")
    # A file, not a pipe: the server that stays behind may hold it open.
    with tempfile.TemporaryFile() as said:
        try:
            done = subprocess.run(
                [adb, "start-server"], stdin=subprocess.DEVNULL, stdout=said, stderr=said, timeout=_START_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as err:
            raise Unusable(NO_START, f"{adb} start-server did not end: {err}") from err
        if done.returncode != 0:
            said.seek(0)
            lines = said.read(1 << 16).decode(errors="replace").strip().splitlines() or [""]
            reason = next((line.partition(" F adb")[2] for line in lines if " F adb" in line), lines[-1])
            raise Unusable(NO_START, f"{adb} start-server ended with {done.returncode}: {reason.strip(' :')}")
