"""From an address to a device: which provider knows which scheme."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from embedl_nb.device.address import DeviceAddress
from embedl_nb.device.host import HostProvider
from embedl_nb.device.info import DeviceInfo
from embedl_nb.device.provider import Device, Provider
from embedl_nb.errors import DeviceError, UnknownNameError

__all__ = ["list_devices", "open_device", "using_provider"]

_BUILT_IN: tuple[Provider, ...] = (HostProvider(),)
# A context, not a global: a test's virtual phones are nobody else's.
_added: ContextVar[tuple[Provider, ...]] = ContextVar("embedl_nb_providers", default=())


def open_device(address: str | DeviceAddress) -> Device:
    """Return the device at ``address``, not yet leased.

    Raises
    ------
    InputError, UnknownNameError
        If it is no address, or of an unknown scheme.
    DeviceError
        If nothing answers there.
    """
    parsed = DeviceAddress.parse(address)
    providers = _providers()
    if parsed.scheme in providers:
        return providers[parsed.scheme].open(parsed)
    if parsed.scheme == "adb":
        raise DeviceError(
            f"{parsed} is a phone on a cable, and this version does not measure phones yet",
            address=str(parsed),
            hint='device="host://" measures this machine, which is not a phone',
        )
    raise UnknownNameError.among("device address", str(parsed), [f"{scheme}://" for scheme in providers])


def list_devices() -> tuple[DeviceInfo, ...]:
    """Return what every provider sees now."""
    return tuple(info for provider in _providers().values() for info in provider.devices())


@contextmanager
def using_provider(provider: Provider) -> Iterator[None]:
    """Know ``provider``'s scheme as well, in this context, until the block ends."""
    token = _added.set((*_added.get(), provider))
    try:
        yield
    finally:
        _added.reset(token)


def _providers() -> dict[str, Provider]:
    return {provider.scheme: provider for provider in (*_BUILT_IN, *_added.get())}
