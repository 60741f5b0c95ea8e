"""What every kind of device must offer. The host is one; ``embedl_nb.testing.provider_conformance`` tests them all."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from embedl_nb.device.address import DeviceAddress
from embedl_nb.device.conditions import Conditions
from embedl_nb.device.info import DeviceInfo, UnreadyDevice

if TYPE_CHECKING:
    from embedl_nb.runtime.raw_run import MeasureRequest, RawRun

__all__ = ["Device", "Provider", "ServerProvider"]


@runtime_checkable
class Device(Protocol):
    """One unit that runs models."""

    @property
    def info(self) -> DeviceInfo:
        """Its facts; the same each time."""

    def lease(self) -> AbstractContextManager[None]:
        """Keep everybody else off until the block ends.

        Whoever comes second waits and says so through progress. The lease ends with the block, however that ends, and
        with the process, however it dies.

        Raises
        ------
        DeviceBusy
            If the holder does not let go in time; it is named.
        """

    def run(self, request: MeasureRequest) -> RawRun:
        """Measure once, in a fresh process.

        Raises
        ------
        BenchmarkError
            If the runtime crashes, hangs or runs out of memory.
        DeviceError
            If the device goes away.
        """

    def conditions(self) -> Conditions:
        """Read what goes on there now."""


@runtime_checkable
class Provider(Protocol):
    """Knows the devices of one address scheme."""

    @property
    def scheme(self) -> str:
        """The part of an address before ``://``, in lower case."""

    def addresses(self) -> tuple[str, ...]:
        """Return what can be typed now, within a moment, for completion; nothing is started."""

    def devices(self) -> tuple[DeviceInfo | UnreadyDevice, ...]:
        """Return what is there now, in every state; nothing is leased.

        Where there is nothing, a row can say why.
        """

    def open(self, address: DeviceAddress) -> Device:
        """Return the device at ``address``.

        Raises
        ------
        InputError
            If the address makes no sense to this provider.
        DeviceError
            If nothing answers there.
        """


@runtime_checkable
class ServerProvider(Provider, Protocol):
    """A provider whose devices hang on servers; an address may name another server than the usual one."""

    def devices_at(self, address: DeviceAddress) -> tuple[DeviceInfo | UnreadyDevice, ...]:
        """Return what is at the server that ``address`` names, as :meth:`devices` does for the usual one."""

    def identity(self, address: DeviceAddress) -> DeviceAddress:
        """Return the one address for all those of the same device, with or without its server; asks nobody."""
