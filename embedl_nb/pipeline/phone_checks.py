"""What the doctor sees of phones: the adb server, what it lists, and the way to a phone at another computer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedl_nb.errors import InputError
from embedl_nb.pipeline.checks import Check, Status

if TYPE_CHECKING:
    from embedl_nb.device.adb.server import AdbServer, Sighting

__all__ = ["check_phones"]

_NAME = "phones"
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_WARNING = "While it is open, every user of this machine reaches the phone"


def check_phones() -> Check:
    """Look for phones at the adb server that would be spoken to; none is started."""
    from embedl_nb.device.adb.server import find_adb, sightings, which_server
    from embedl_nb.device.adb.wire import NoServer, WireError

    try:
        server = which_server()
    except InputError as err:
        return Check(name=_NAME, status=Status.MISSING, found=err.message, fix=err.hint)
    where = f"{server} (named by {server.named_by})" if server.named_by else str(server)
    try:
        seen = sightings(server)
    except NoServer as err:
        if server.named_by:
            return _no_phone(f"no adb server at {where}: {err}", server, fix=f"adb -P {server.port} start-server")
        adb = find_adb()
        if adb is None:
            return _no_phone("no adb on this machine", server, fix="pip install adbutils")
        return _no_phone(f"no adb server runs; enb.devices() starts {adb}", server)
    except (WireError, TimeoutError) as err:
        return _no_phone(f"what answers at {where} is no adb server: {err}", server, fix="see what listens there")
    return _phones(f"adb server at {where}", seen) if seen else _no_phone(f"adb server at {where}, no phone", server)


def _phones(where: str, seen: tuple[Sighting, ...]) -> Check:
    from embedl_nb.device.adb.sections import clean
    from embedl_nb.device.adb.states import state_named

    states = [state_named(each.state) for each in seen]
    shown = [
        " ".join(filter(None, (clean(each.serial), clean(each.model), state.name if state else "ready")))
        for each, state in zip(seen, states, strict=True)
    ]
    found = f"{where}: {', '.join(shown)}"
    waiting = [state for state in states if state is not None]
    if len(waiting) == len(states):
        return Check(name=_NAME, status=Status.WARNING, found=found, fix=waiting[0].next_step)
    return Check(name=_NAME, status=Status.OK, found=found)


def _no_phone(found: str, server: AdbServer, *, fix: str = "") -> Check:
    """Say what was found and, where nobody plugs in a phone, the way to one at another computer."""
    from embedl_nb.device.adb.tunnel import place_of_this_program, tunnel_command

    if server.host not in _LOOPBACK:
        fix = f"see that an adb server runs on {server.host}, and that its port can be reached from here"
        return Check(name=_NAME, status=Status.WARNING, found=found, fix=fix)
    place = place_of_this_program()
    if not place:
        return Check(name=_NAME, status=Status.WARNING if fix else Status.OK, found=found, fix=fix)
    command, port = tunnel_command(server.port if server.named_by else None)
    setting = "" if server.named_by else f", and here set ADB_SERVER_SOCKET=tcp:127.0.0.1:{port}"
    return Check(
        name=_NAME,
        status=Status.WARNING,
        found=f"{found}; this is {place}, so a phone hangs on another computer",
        fix=f"at that computer: adb start-server && {command}{setting}. {_WARNING}",
    )
