"""From what broke on the way to a phone to an error that names the cause: the phone, the server, or time."""

from __future__ import annotations

from embedl_nb.device.adb.sections import clean
from embedl_nb.device.adb.server import AdbServer, sightings
from embedl_nb.device.adb.states import ABSENT, NO_SERVER, state_named
from embedl_nb.device.adb.wire import Closed, NoServer, Refused, TooLong, WireError
from embedl_nb.errors import DeviceError, DeviceLost, DeviceTimeout, DeviceUnauthorized, RemoteCommandError

__all__ = ["explain"]


def explain(err: WireError | TimeoutError, server: AdbServer, serial: str, *, address: str, doing: str) -> DeviceError:
    """Return the error to raise. The server is asked what has become of the phone.

    Parameters
    ----------
    doing
        What was under way, e.g. ``"pushing model.tflite"``.
    """
    if isinstance(err, TooLong):
        hint = "ask for less, or look at what runs on the phone"
        return RemoteCommandError(f"{address}: {doing}: {err}", address=address, hint=hint)
    try:
        seen = {sighting.serial: sighting.state for sighting in sightings(server)}
    except (WireError, TimeoutError) as gone:
        found = f"{address}: the adb server at {server} went away while {doing}: {gone}"
        hint = "see that the tunnel and the adb server are there" if server.named_by else NO_SERVER.next_step
        return DeviceLost(found, address=address, hint=hint)
    state = state_named(seen[serial]) if serial in seen else ABSENT
    if state is not None:
        kind = DeviceUnauthorized if issubclass(state.error, DeviceUnauthorized) else DeviceLost
        return kind(f"{address}: {state.name} while {doing}", address=address, hint=state.next_step)
    if isinstance(err, TimeoutError):
        return DeviceTimeout(
            f"{address}: no answer in time while {doing}", address=address, hint="unlock the phone, else restart it"
        )
    if isinstance(err, Refused) and "closed" in str(err):
        hint = "measure on Android 7 or newer: older ones do not tell a command's exit status"
        return DeviceError(f"{address}: its shell was refused while {doing}", address=address, hint=hint)
    if isinstance(err, Closed | NoServer):
        return DeviceLost(
            f"{address}: the connection broke while {doing}: {err}", address=address, hint="try another cable or port"
        )
    hint = "see that /data/local/tmp has room and can be written: adb shell df /data/local/tmp"
    return DeviceError(f"{address}: refused while {doing}: {clean(str(err))}", address=address, hint=hint)
