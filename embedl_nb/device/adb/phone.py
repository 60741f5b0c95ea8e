"""One phone: commands and files within limits, its lease, its conditions. What goes wrong is told by its cause.

Files go to one folder on the phone, each below its own SHA-256, and count once the phone has computed the same hash.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import shlex
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from embedl_nb.device.adb.files import pull_file, push_file
from embedl_nb.device.adb.gauge import POWER_SCRIPT, read_power
from embedl_nb.device.adb.readings import CONDITIONS_SCRIPT, read_conditions
from embedl_nb.device.adb.sections import clean
from embedl_nb.device.adb.server import AdbServer
from embedl_nb.device.adb.shell import ShellResult, run_command
from embedl_nb.device.adb.tool.binary import TOOL_NAME
from embedl_nb.device.adb.trouble import explain
from embedl_nb.device.adb.wire import Connection, WireError
from embedl_nb.device.conditions import Conditions
from embedl_nb.device.lease import leased
from embedl_nb.device.power import PowerReading
from embedl_nb.errors import DeviceError, InputError, RemoteCommandError
from embedl_nb.units import format_bytes

if TYPE_CHECKING:
    from embedl_nb.device.adb.facts import PhoneFacts
    from embedl_nb.device.info import DeviceInfo

__all__ = ["FOLDER", "AdbPhone", "Channel"]

FOLDER = "/data/local/tmp/embedl_nb"
"""The one folder on a phone that is ours."""
_LEASE_WAIT_S = 300.0
_COMMAND_S = 20.0
_CONDITIONS_S = 15.0
_HASH_S = 120.0
_MOST_PRINTED_BYTES = 1 << 20
_SPARE_BYTES = 16 << 20
_TAIL = 2000
_KEPT = "kept"
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_OURS = re.compile(rf"{FOLDER}/(?P<digest>[0-9a-f]{{64}})(/[A-Za-z0-9][A-Za-z0-9._-]{{0,99}})?")


class Channel:
    """Commands and files, to and from the phone with one serial at one server.

    Parameters
    ----------
    address
        As errors name the phone.
    """

    def __init__(self, server: AdbServer, serial: str, *, address: str) -> None:
        self.server = server
        self.serial = serial
        self.address = address

    def shell(
        self,
        command: str,
        *,
        timeout_s: float = _COMMAND_S,
        max_bytes: int = _MOST_PRINTED_BYTES,
        check: bool = True,
    ) -> ShellResult:
        """Run a command in the phone's shell. Whatever comes from elsewhere must be quoted in it.

        Parameters
        ----------
        timeout_s
            For all of it.
        max_bytes
            Of what it writes, to stdout and stderr together.
        check
            Whether a status other than 0 is an error.

        Raises
        ------
        RemoteCommandError
            If it fails, or writes too much.
        DeviceTimeout, DeviceLost, DeviceUnauthorized
            If the phone does not answer, or not any more.
        """
        with self._opened(f"running {clean(command)!r}", timeout_s=timeout_s) as connection:
            result = run_command(connection, command, max_bytes=max_bytes)
        if check and result.returncode != 0:
            said = clean((result.stderr or result.stdout)[-_TAIL:])
            raise RemoteCommandError(
                f"{self.address}: {clean(command)!r} ended with {result.returncode}" + (f": {said}" if said else ""),
                address=self.address,
                command=command,
                returncode=result.returncode,
                tails=(result.stdout[-_TAIL:] + result.stderr[-_TAIL:]),
            )
        return result

    def push(self, path: Path, remote_path: str) -> None:
        """Copy a file of this machine onto the phone."""
        with (
            self._opened(f"pushing {path.name}", timeout_s=_COMMAND_S) as connection,
            path.open("rb", buffering=0) as source,
        ):
            push_file(connection, source, remote_path)

    def pull(self, remote_path: str, path: Path, *, max_bytes: int) -> int:
        """Copy a file of the phone, of ``max_bytes`` at most, and return its size."""
        with (
            self._opened(f"pulling {clean(remote_path)}", timeout_s=_COMMAND_S) as connection,
            path.open("wb") as target,
        ):
            return pull_file(connection, remote_path, target, max_bytes=max_bytes)

    @contextmanager
    def _opened(self, doing: str, *, timeout_s: float) -> Iterator[Connection]:
        try:
            with self.server.connect(timeout_s=timeout_s) as connection:
                connection.ask(f"host:transport:{self.serial}")
                yield connection
        except (WireError, TimeoutError) as err:
            raise explain(err, self.server, self.serial, address=self.address, doing=doing) from err


class AdbPhone:
    """A phone that answers.

    Parameters
    ----------
    channel
        The way to it.
    facts
        What it says of itself.

    Attributes
    ----------
    facts
        The same.
    is_leased
        Whether this object holds its lease.
    """

    def __init__(self, channel: Channel, facts: PhoneFacts) -> None:
        self.facts = facts
        self._channel = channel
        self._info = facts.to_info(channel.address)
        self.is_leased = False

    @property
    def info(self) -> DeviceInfo:
        """Facts about this phone."""
        return self._info

    @contextmanager
    def lease(self) -> Iterator[None]:
        """Keep other benchmarks of this user off this phone, however they address it.

        A model stays on the phone from one run to the next, and is removed when the lease ends; what a lease that was
        cut has left, a tool that still runs as well, is gone when the next begins.
        """
        with leased(f"adb://{self._channel.serial}?server={self._channel.server.identity}", wait_s=_LEASE_WAIT_S):
            self.is_leased = True
            try:
                self._clean_up()
                yield
            finally:
                self.is_leased = False
                self._clean_up()

    def _clean_up(self) -> None:
        # A phone that is gone says so once it is to do something; the next lease cleans it up.
        with contextlib.suppress(DeviceError):
            self.stop_leftovers()
            self.remove_leftovers()

    def conditions(self) -> Conditions:
        """Read the phone's heat, battery, screen, clocks and load."""
        return read_conditions(self._channel.shell(CONDITIONS_SCRIPT, timeout_s=_CONDITIONS_S, check=False).stdout)

    def power(self) -> PowerReading:
        """Read the battery's gauge."""
        return read_power(self._channel.shell(POWER_SCRIPT, timeout_s=_CONDITIONS_S, check=False).stdout)

    def shell(
        self, command: str, *, timeout_s: float = _COMMAND_S, max_bytes: int = _MOST_PRINTED_BYTES, check: bool = True
    ) -> ShellResult:
        """Run a command in the phone's shell, see :meth:`Channel.shell`."""
        return self._channel.shell(command, timeout_s=timeout_s, max_bytes=max_bytes, check=check)

    def put(self, path: Path, *, name: str = "", keep: bool = False) -> str:
        """Have a file on the phone and return where; it is pushed only if the phone lacks it.

        Parameters
        ----------
        name
            What it is called there; by default as here.
        keep
            Whether :meth:`remove_leftovers` leaves it there.

        Raises
        ------
        InputError
            If the name does not suit a phone.
        DeviceError
            If there is no room, the phone goes away, or what arrives is not what was sent.
        """
        name = name or path.name
        if _FILE_NAME.fullmatch(name) is None:
            raise InputError(f"{name!r} is no name for a file on a phone", hint="use letters, digits, '.', '_' and '-'")
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        folder = f"{FOLDER}/{digest}"
        remote_path = f"{folder}/{name}"
        if self._hash(remote_path) != digest:
            self._push(path, remote_path, digest)
        if keep:
            self.shell(f"echo kept > {folder}/{_KEPT}")
        return remote_path

    def _push(self, path: Path, remote_path: str, digest: str) -> None:
        """Push a file that the phone lacks; it has its name once the phone has computed its hash."""
        folder, _, name = remote_path.rpartition("/")
        self.shell(f"mkdir -p {folder}; rm -f {FOLDER}/*/*.part")  # what runs that were cut have left
        self._check_space(path)
        part = f"{folder}/{uuid.uuid4().hex}.part"
        try:
            self._channel.push(path, part)
            arrived = self._hash(part)
            if arrived != digest:
                raise RemoteCommandError(
                    f"{self.info.address}: {name} has SHA-256 {arrived or 'unknown'} on the phone, not {digest}",
                    address=self.info.address,
                    command=f"sha256sum {part}",
                    hint="run it again; if it stays so, try another cable or restart the phone",
                )
            self.shell(f"chmod 755 {part} && mv {part} {remote_path}")
        except BaseException:
            with contextlib.suppress(DeviceError):  # the phone may be what went away
                self.shell(f"rm -f {part}", timeout_s=2.0, check=False)
            raise

    def pull(self, remote_path: str, path: Path, *, max_bytes: int) -> int:
        """Copy a file of the phone, of ``max_bytes`` at most, and return its size."""
        return self._channel.pull(remote_path, path, max_bytes=max_bytes)

    def remove(self, *remote_paths: str) -> None:
        """Remove what :meth:`put` has put there, and nothing else.

        Raises
        ------
        InputError
            If a path is not one of :meth:`put`'s.
        """
        folders: dict[str, None] = {}
        for path in remote_paths:
            match = _OURS.fullmatch(path)
            if match is None:
                raise InputError(f"{path!r} was not put on the phone by embedl_nb", hint="remove it by hand")
            folders[f"{FOLDER}/{match['digest']}"] = None
        if folders:
            self.shell(f"rm -rf {' '.join(folders)}")

    def remove_leftovers(self) -> None:
        """Remove what runs have left in our folder: all but the tool and what is to be kept."""
        listed = self.shell(f"ls -d {FOLDER}/*/* 2>/dev/null", check=False).stdout.split("\n")
        files = [path for path in listed if _OURS.fullmatch(path)]
        wanted = {path.rpartition("/")[0] for path in files if path.endswith((f"/{TOOL_NAME}", f"/{_KEPT}"))}
        self.remove(*dict.fromkeys(path for path in files if path.rpartition("/")[0] not in wanted))

    def stop_leftovers(self) -> int:
        """Kill our tool where it still runs, after a run that did not end; return how many of it did."""
        numbers = [word for word in self.shell(f"pidof {TOOL_NAME}", check=False).stdout.split() if word.isdigit()]
        if not numbers:
            return 0
        places = " ".join(f"/proc/{number}/exe" for number in numbers)
        links = dict(re.findall(r"/proc/(\d+)/exe -> (.+)", self.shell(f"ls -l {places}", check=False).stdout))
        ours = [number for number in numbers if links.get(number, FOLDER).startswith(FOLDER)]  # not somebody's own copy
        if ours:
            self.shell(f"kill -9 {' '.join(ours)}", check=False)
        return len(ours)

    def _hash(self, remote_path: str) -> str:
        """Return a file's SHA-256 as the phone computes it; empty where there is no such file."""
        said = self.shell(f"sha256sum {shlex.quote(remote_path)} 2>/dev/null", timeout_s=_HASH_S, check=False).stdout
        match = re.match(r"\\?([0-9a-f]{64})\s", said)
        return match[1] if match else ""

    def _check_space(self, path: Path) -> None:
        needed = path.stat().st_size + _SPARE_BYTES
        free = _free_bytes(self.shell(f"df -k {FOLDER}", check=False).stdout)
        if free is not None and free < needed:
            raise DeviceError(
                f"{self.info.address} has {format_bytes(free)} free, {path.name} needs {format_bytes(needed)}",
                address=self.info.address,
                hint=f"free space on the phone, or: adb shell rm -r {FOLDER}",
            )


def _free_bytes(printed: str) -> int | None:
    """Return the free space that ``df -k`` tells; None where it tells none."""
    words = printed.strip().splitlines()[-1:]
    match = re.match(r"\S+\s+\d+\s+\d+\s+(\d{1,15})\s", words[0]) if words else None
    return int(match[1]) * 1024 if match else None
