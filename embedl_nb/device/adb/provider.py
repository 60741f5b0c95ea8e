"""The provider of phones: lists them in every state, opens one. This is where ``adb://`` begins."""

from __future__ import annotations

import time
from collections.abc import Sequence

from embedl_nb.device.adb.address import AdbAddress, is_server
from embedl_nb.device.adb.device import AdbDevice
from embedl_nb.device.adb.facts import FACTS_SCRIPT, read_facts
from embedl_nb.device.adb.phone import Channel
from embedl_nb.device.adb.sections import clean
from embedl_nb.device.adb.server import AdbServer, Sighting, Unusable, running, sightings, which_server
from embedl_nb.device.adb.states import ABSENT, NO_PHONE, SILENT, state_named
from embedl_nb.device.adb.wire import WireError
from embedl_nb.device.address import DeviceAddress
from embedl_nb.device.info import DeviceInfo, UnreadyDevice
from embedl_nb.errors import DeviceError, DeviceNotFound, InputError

__all__ = ["AdbProvider"]

_PEEK_S = 0.5
_FACTS_S = 10.0
_CONNECT_S = 15.0
_SETTLE_S = 3.0
_POLL_S = 0.1
_AT_ONCE = 8


class AdbProvider:
    """Knows the phones of one adb server: the environment's, else this machine's; an address may name another."""

    @property
    def scheme(self) -> str:
        """``adb``."""
        return "adb"

    def addresses(self) -> tuple[str, ...]:
        """Return the phones that are ready, as far as a running server tells at once; nothing is started."""
        try:
            server = which_server()
            with server.connect(timeout_s=_PEEK_S):
                pass
            return tuple(str(AdbAddress(each.serial)) for each in sightings(server) if state_named(each.state) is None)
        except (InputError, WireError, TimeoutError):
            return ()

    def devices(self) -> tuple[DeviceInfo | UnreadyDevice, ...]:
        """Return every phone in its state, or one row that says why there is none.

        This machine's own adb server is started where it does not run.
        """
        return self._listed("")

    def devices_at(self, address: DeviceAddress) -> tuple[DeviceInfo | UnreadyDevice, ...]:
        """Return every phone of the server that ``address`` names.

        Raises
        ------
        InputError
            If it is no address of a phone.
        """
        return self._listed(AdbAddress.parse(DeviceAddress("adb", query=address.query)).server)

    def identity(self, address: DeviceAddress) -> DeviceAddress:
        """Return the address with its server, also where it leaves that to the environment.

        Raises
        ------
        InputError
            If it is no address of a phone, or a variable does not name a server.
        """
        parsed = AdbAddress.parse(address)
        return DeviceAddress("adb", parsed.serial, f"server={which_server(parsed.server).identity}")

    def _listed(self, at: str) -> tuple[DeviceInfo | UnreadyDevice, ...]:
        from concurrent.futures import ThreadPoolExecutor

        try:
            server = running(which_server(at))
            seen = sightings(server)
        except InputError as err:
            return (UnreadyDevice(address="adb://", state="wrong setting", next_step=f"{err.message}: {err.hint}"),)
        except Unusable as err:
            return (UnreadyDevice(address="adb://", state=err.state.name, next_step=err.state.next_step),)
        except (WireError, TimeoutError):
            return (UnreadyDevice(address="adb://", state=SILENT.name, next_step="adb kill-server, and list again"),)
        if not seen:
            return (UnreadyDevice(address="adb://", state=NO_PHONE.name, next_step=NO_PHONE.next_step),)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return tuple(pool.map(lambda each: _describe(server, each, at), seen))

    def open(self, address: DeviceAddress) -> AdbDevice:
        """Return the phone at ``address``; ``adb://`` is the only one there is.

        ``adb://HOST:PORT`` is connected to where the server does not list it yet.

        Raises
        ------
        InputError
            If it is no address of a phone, or several phones fit.
        DeviceError
            If the phone is not there, or not ready; the hint says what to do.
        """
        parsed = AdbAddress.parse(address)
        try:
            server = running(which_server(parsed.server))
            sighting = _find(server, parsed)
        except Unusable as err:
            raise err.state.to_error(str(parsed), err.found) from err
        except (WireError, TimeoutError) as err:
            message = f"{parsed}: the adb server at {server} went away: {err}"
            raise DeviceNotFound(message, address=str(parsed), hint="see that it still runs: adb devices") from err
        state = state_named(sighting.state)
        if state is not None:
            raise state.to_error(str(parsed), sighting.state)
        found = AdbAddress(sighting.serial, parsed.server)
        return _open(server, sighting.serial, str(found))


def _open(server: AdbServer, serial: str, address: str) -> AdbDevice:
    channel = Channel(server, serial, address=address)
    return AdbDevice(channel, read_facts(channel.shell(FACTS_SCRIPT, timeout_s=_FACTS_S, check=False).stdout))


def _describe(server: AdbServer, sighting: Sighting, at: str) -> DeviceInfo | UnreadyDevice:
    """Return a phone's facts, or its state; a phone that does not answer costs the others nothing but time."""
    address, name = str(AdbAddress(clean(sighting.serial), at)), clean(sighting.model)
    state = state_named(sighting.state)
    if state is not None:
        return UnreadyDevice(address=address, name=name, state=state.name, next_step=state.next_step)
    try:
        return _open(server, sighting.serial, address).info
    except DeviceError as err:
        return UnreadyDevice(address=address, name=name, state=SILENT.name, next_step=err.hint)


def _find(server: AdbServer, wanted: AdbAddress) -> Sighting:
    seen = sightings(server)
    if not wanted.serial:
        return _only(seen, wanted)
    found = next((each for each in seen if each.serial == wanted.serial), None)
    if found is None and is_server(wanted.serial):
        found = _connected(server, wanted)
    if found is None:
        there = ", ".join(clean(each.serial) for each in seen[:8])
        hint = f"connected are: {there}" if there else ABSENT.next_step
        raise DeviceNotFound(f"{wanted}: no such phone at the adb server {server}", address=str(wanted), hint=hint)
    return found


def _only(seen: Sequence[Sighting], wanted: AdbAddress) -> Sighting:
    if not seen:
        raise NO_PHONE.to_error(str(wanted))
    ready = [each for each in seen if state_named(each.state) is None] or list(seen)
    if len(ready) > 1:
        there = ", ".join(str(AdbAddress(clean(each.serial), wanted.server)) for each in ready[:8])
        raise InputError(f"device={str(wanted)!r} could be any of {len(ready)} phones", hint=f"choose one: {there}")
    return ready[0]


def _connected(server: AdbServer, wanted: AdbAddress) -> Sighting | None:
    """Have the server connect to ``HOST:PORT``, and wait until the phone has said whether it allows it."""
    with server.connect(timeout_s=_CONNECT_S) as connection:
        connection.ask(f"host:connect:{wanted.serial}")
        answer = connection.read_block(max_bytes=4096)
    if not answer.startswith(("connected to", "already connected to", "failed to authenticate")):
        raise DeviceNotFound(
            f"{wanted}: {clean(answer)}",
            address=str(wanted),
            hint="see the phone's own page 'Wireless debugging' for its address, and pair it first: adb pair",
        )
    until = time.monotonic() + _SETTLE_S
    while True:
        found = next((each for each in sightings(server) if each.serial == wanted.serial), None)
        if (found is not None and state_named(found.state) is None) or time.monotonic() > until:
            return found
        time.sleep(_POLL_S)
