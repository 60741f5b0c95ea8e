"""One virtual phone from the inside: what its services and programs work with. Lives in the event loop."""

from __future__ import annotations

import errno
import os
import signal
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from embedl_nb.device.catalog import Phone
from embedl_nb.testing.virtual_phone.battery import Battery
from embedl_nb.testing.virtual_phone.benchmark_tool import LEGACY_MARK, run_benchmark, run_legacy
from embedl_nb.testing.virtual_phone.cable import Cable
from embedl_nb.testing.virtual_phone.clock import Clock
from embedl_nb.testing.virtual_phone.faults import Faults
from embedl_nb.testing.virtual_phone.files import PhoneFiles
from embedl_nb.testing.virtual_phone.hardware import Hardware
from embedl_nb.testing.virtual_phone.heat import Heat
from embedl_nb.testing.virtual_phone.loop import PhoneLoop
from embedl_nb.testing.virtual_phone.processes import KilledError, Processes
from embedl_nb.testing.virtual_phone.programs import Call
from embedl_nb.testing.virtual_phone.properties import system_properties
from embedl_nb.testing.virtual_phone.state import PhoneState
from embedl_nb.testing.virtual_phone.system_files import changing_files, denied_files, fixed_files
from embedl_nb.testing.virtual_phone.toolbox import TOOLBOX

__all__ = ["Handset"]

_ELF, _AARCH64 = b"\x7fELF", (0xB7).to_bytes(2, "little")
_MOST_SEARCHED = 1 << 26
_UP_BEFORE_S = 5000.0
_SIGNAL_WORDS = {signal.SIGKILL: "Killed", signal.SIGTERM: "Terminated", signal.SIGINT: "Interrupt"}


class Handset:
    """The phone.

    Parameters
    ----------
    unplug
        Pulls its cable.

    Attributes
    ----------
    commands
        What its shell was asked, in order.
    """

    def __init__(
        self, phone: Phone, root: Path, *, faults: Faults, clock: Clock, loop: PhoneLoop, unplug: Callable[[], None]
    ) -> None:
        self.hardware = Hardware.of(phone)
        self.properties = system_properties(self.hardware, serial=uuid.uuid4().hex[:11].upper())
        self.clock, self.loop, self.unplug = clock, loop, unplug
        self.heat = Heat()
        self.battery = Battery(clock.time())
        self.cable = Cable(faults)
        self.faults = faults
        self.num_busy = 0
        self.busy_s = 0.0
        self.commands: list[str] = []
        self.files = PhoneFiles(root, free_bytes=self.hardware.free_bytes)
        self.processes = Processes(self.files)
        self._started_s = clock.time()
        for path, text in fixed_files(self.hardware).items():
            self.files.provide(path, text)
        self.set_faults(faults)
        self._refresh_files()

    def set_faults(self, faults: Faults) -> None:
        """Have other faults from now on."""
        if faults.storage_bytes is not None:
            self.files.free_bytes = faults.storage_bytes
        elif self.faults.storage_bytes is not None:
            self.files.free_bytes = self.hardware.free_bytes
        self.faults = faults
        self.files.denied = denied_files(self.hardware.phone.brand, hides_current=faults.hides_current)
        self.cable.set(faults)
        self._load_battery()

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Be busy until the block ends."""
        self.num_busy += 1
        self._load_battery()
        try:
            yield
        finally:
            self.num_busy -= 1
            self._load_battery()

    def _load_battery(self) -> None:
        self.battery.set_load(
            self.clock.time(),
            is_busy=self.num_busy > 0,
            is_charging=self.faults.charging,
            gauge_every_s=self.faults.gauge_every_s,
        )

    def state(self) -> PhoneState:
        """Return how it is now."""
        now = self.clock.time()
        return PhoneState(
            uptime_s=_UP_BEFORE_S + now - self._started_s,
            num_busy=self.num_busy,
            busy_s=self.busy_s,
            last_pid=self.processes.last_pid,
            skin_celsius=self.heat.skin_celsius(now),
            thermal_status=self.heat.status(now),
            slowdown=self.heat.slowdown(now),
            is_charging=self.faults.charging,
            hides_current=self.faults.hides_current,
            power=self.battery.told(now),
        )

    def note_command(self, command: str) -> None:
        """Take note of what the shell is asked, and have its files say how the phone is now."""
        self.commands.append(command)
        self._refresh_files()

    async def link_delay(self, num_bytes: int) -> None:
        """Wait for as long as the link takes for so many bytes."""
        if self.faults.bytes_per_s is not None:
            await self.clock.sleep(num_bytes / self.faults.bytes_per_s)

    async def run_program(self, call: Call) -> int:
        """Run a program of the phone's, or one that was pushed."""
        if "/" in call.name:
            return await self._run_pushed(call)
        program = TOOLBOX.get(call.name)
        if program is None:
            await _say(call, f"/system/bin/sh: {call.name}: inaccessible or not found")
            return 127
        return await program(call)

    async def _run_pushed(self, call: Call) -> int:
        path = call.path(call.name)
        refusal = self._refusal(path)
        if refusal:
            await _say(call, f"/system/bin/sh: {call.name}: {refusal}")
            return 127 if os.strerror(errno.ENOENT) in refusal or "not found" in refusal else 126
        try:
            is_legacy = any(LEGACY_MARK in block for block in self.files.read_blocks(path, _MOST_SEARCHED))
            program = run_legacy if is_legacy else run_benchmark
            return await self.processes.run(path, program(call), outlives_caller=self.faults.hang)
        except KilledError as err:
            await _say(call, f"{_SIGNAL_WORDS.get(signal.Signals(err.number), 'Killed')} ")
            return 128 + err.number

    def _refusal(self, path: str) -> str:
        """Say why a file cannot be run; empty where it can."""
        try:
            beginning = next(self.files.read_blocks(path, 32), b"")
            may_run = self.files.may_run(path) and not self.faults.no_exec
        except IsADirectoryError:
            return "can't execute: Is a directory"
        except OSError:
            return "inaccessible or not found"
        if not may_run:
            return "can't execute: Permission denied"
        if beginning.startswith(_ELF) and beginning[18:20] != _AARCH64:
            return "not executable: 64-bit ELF file"
        if not path.endswith("/benchmark_model"):
            return "not executable: magic 0000"
        return ""

    def _refresh_files(self) -> None:
        for path, text in changing_files(self.hardware, self.state()).items():
            self.files.provide(path, text)


async def _say(call: Call, text: str) -> None:
    await call.standard_error(f"{text}\n".encode(errors="surrogateescape"))
