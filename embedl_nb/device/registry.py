"""From an address to a device: which provider knows which scheme.

A package adds a provider through the entry-point group ``embedl_nb.device_providers``: each entry is called without
arguments and returns a :class:`~embedl_nb.device.provider.Provider`.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from embedl_nb.device.adb import AdbProvider
from embedl_nb.device.address import DeviceAddress
from embedl_nb.device.host import HostProvider
from embedl_nb.device.info import DeviceInfo, UnreadyDevice
from embedl_nb.device.provider import Device, Provider, ServerProvider
from embedl_nb.errors import EmbedlWarning, UnknownNameError

__all__ = ["EVERY", "device_addresses", "devices_meant", "identity_of", "list_devices", "open_device", "using_provider"]

EVERY = "*"
"""The name that stands for every device of a provider, as in ``adb://*``."""

_PLUG_INS = "embedl_nb.device_providers"
_BUILT_IN: tuple[Provider, ...] = (HostProvider(), AdbProvider())
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
    return _provider_of(parsed).open(parsed)


def devices_meant(address: DeviceAddress) -> tuple[DeviceInfo | UnreadyDevice, ...]:
    """Return what ``scheme://*`` stands for now, in every state; ``adb://*?server=HOST:PORT`` names a server.

    Raises
    ------
    InputError, UnknownNameError
        If it is no address, or of an unknown scheme.
    """
    provider = _provider_of(address)
    return provider.devices_at(address) if isinstance(provider, ServerProvider) else provider.devices()


def identity_of(address: DeviceAddress) -> DeviceAddress:
    """Return an address that is the same for every way to write one device's.

    Raises
    ------
    InputError, UnknownNameError
        If it is no address, or of an unknown scheme.
    """
    provider = _provider_of(address)
    return provider.identity(address) if isinstance(provider, ServerProvider) else address


def list_devices() -> tuple[DeviceInfo | UnreadyDevice, ...]:
    """Return what every provider sees now, in every state."""
    return tuple(info for provider in _providers().values() for info in provider.devices())


def device_addresses() -> tuple[str, ...]:
    """Return the addresses that can be typed now; takes a moment and starts nothing."""
    return tuple(address for provider in _providers().values() for address in provider.addresses())


@contextmanager
def using_provider(provider: Provider) -> Iterator[None]:
    """Know ``provider``'s scheme as well, in this context, until the block ends."""
    token = _added.set((*_added.get(), provider))
    try:
        yield
    finally:
        _added.reset(token)


def _provider_of(address: DeviceAddress) -> Provider:
    providers = _providers()
    if address.scheme in providers:
        return providers[address.scheme]
    raise UnknownNameError.among("device address", str(address), [f"{scheme}://" for scheme in providers])


def _providers() -> dict[str, Provider]:
    plugged_in = {provider.scheme: provider for provider in _plugged_in()}
    own = {provider.scheme: provider for provider in (*_BUILT_IN, *_added.get())}
    return own | {scheme: provider for scheme, provider in plugged_in.items() if scheme not in own}


@functools.cache
def _plugged_in() -> tuple[Provider, ...]:
    """Return the providers of other packages; one that cannot be loaded is warned of, and the others stay."""
    import importlib.metadata

    found = []
    for entry in importlib.metadata.entry_points(group=_PLUG_INS):
        try:
            provider = entry.load()()
            if not isinstance(provider, Provider):
                raise TypeError(f"{type(provider).__name__} lacks a part of embedl_nb.device.Provider")
            if provider.scheme in (own.scheme for own in _BUILT_IN):
                raise ValueError(f"{provider.scheme}:// is embedl_nb's own")
        except Exception as err:  # it is somebody else's code
            warnings.warn(
                f"the devices of {entry.value} (entry point {entry.name!r}) are left out: {type(err).__name__}: {err}",
                EmbedlWarning,
                stacklevel=4,
            )
        else:
            found.append(provider)
    return tuple(found)
