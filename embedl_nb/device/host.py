"""The host as a device: its facts, its lease, and a fresh process of the LiteRT worker for every run."""

from __future__ import annotations

import functools
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING

from embedl_nb.device import machine
from embedl_nb.device.address import DeviceAddress
from embedl_nb.device.conditions import Conditions
from embedl_nb.device.info import DeviceInfo
from embedl_nb.device.lease import leased
from embedl_nb.errors import InputError
from embedl_nb.units import ComputeUnit

if TYPE_CHECKING:
    from embedl_nb.runtime.raw_run import MeasureRequest, RawRun

__all__ = ["HostDevice", "HostProvider"]

_LEASE_WAIT_S = 300.0
_START_LIMIT_S = 600.0
_ITERATION_LIMIT_S = 2.0


class HostDevice:
    """The machine this program runs on.

    Parameters
    ----------
    lease_wait_s
        How long a second benchmark waits for the first, seconds.
    """

    def __init__(self, *, lease_wait_s: float = _LEASE_WAIT_S) -> None:
        self._lease_wait_s = lease_wait_s

    @property
    def info(self) -> DeviceInfo:
        """Facts about this machine."""
        return _host_info()

    def lease(self) -> AbstractContextManager[None]:
        """Keep other benchmarks of this user off this machine."""
        return leased("host://", wait_s=self._lease_wait_s)

    def run(self, request: MeasureRequest) -> RawRun:
        """Measure once, in a process that is started for it and ends with it."""
        from embedl_nb.runtime.process import Child
        from embedl_nb.runtime.raw_run import RawRun
        from embedl_nb.runtime.running import WORKER, WORKER_NAME
        from embedl_nb.runtime.threads import default_num_threads

        if request.num_threads is None:
            # More threads than the container's share of CPU time would be stopped in the middle of an inference.
            request = replace(request, num_threads=default_num_threads(machine.num_usable_cores()))
        with Child(WORKER, what=WORKER_NAME) as child:
            return RawRun.from_json(child.request("measure", request.to_json(), timeout_s=_time_limit_s(request)))

    def conditions(self) -> Conditions:
        """Read this machine's load, clocks and heat."""
        return machine.read_conditions()


class HostProvider:
    """Knows one device: this machine."""

    @property
    def scheme(self) -> str:
        """``host``."""
        return "host"

    def addresses(self) -> tuple[str, ...]:
        """Return ``host://``."""
        return ("host://",)

    def devices(self) -> tuple[DeviceInfo, ...]:
        """Return this machine."""
        return (_host_info(),)

    def open(self, address: DeviceAddress) -> HostDevice:
        """Return this machine.

        Raises
        ------
        InputError
            If the address names another one.
        """
        if address.name not in ("", machine.hostname()):
            raise InputError(
                f"{address} names {address.name!r}, but host:// is always the machine this program runs on, "
                f"{machine.hostname()}",
                hint='write device="host://"',
            )
        return HostDevice()


@functools.cache
def _host_info() -> DeviceInfo:
    return DeviceInfo(
        address="host://",
        name=machine.hostname(),
        cpu=machine.cpu_name(),
        num_cores=machine.num_usable_cores(),
        memory_bytes=machine.usable_memory_bytes(),
        os=machine.os_name(),
        compute_units=(ComputeUnit.CPU,),
    )


def _time_limit_s(request: MeasureRequest) -> float:
    """Return a limit that only a hang exceeds: loading and profiling, and the iterations that were asked for."""
    asked = (request.iterations or 0) + (request.warmup or 0)
    return _START_LIMIT_S + request.budget_s + _ITERATION_LIMIT_S * asked
