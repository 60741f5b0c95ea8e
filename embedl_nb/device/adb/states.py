"""Every state in which a phone, or the way to it, can be; what a person calls it and the one thing to do next.

The table is all there is: the list of devices shows its words, an error takes its kind and hint from it.
"""

from __future__ import annotations

from dataclasses import dataclass

from embedl_nb.errors import DeviceError, DeviceNotFound, DeviceUnauthorized

__all__ = [
    "ABSENT",
    "NOT_ADB",
    "NO_ADB",
    "NO_PHONE",
    "NO_SERVER",
    "NO_START",
    "OFFLINE",
    "SILENT",
    "State",
    "state_named",
]


@dataclass(frozen=True, slots=True)
class State:
    """One state that is not ready.

    Attributes
    ----------
    name
        What the list of devices shows.
    next_step
        One action, short enough for a table.
    error
        What opening such a phone raises.
    """

    name: str
    next_step: str
    error: type[DeviceError] = DeviceNotFound

    def to_error(self, address: str, found: str = "") -> DeviceError:
        """Return the error of a phone in this state."""
        return self.error(f"{address}: {found or self.name}", address=address, hint=self.next_step)


NO_ADB = State("no adb", "pip install adbutils, or adb from Google")
NO_SERVER = State("no adb server", "adb start-server where the phone is plugged in")
NO_START = State("adb does not start", "see what this says: adb start-server")
NOT_ADB = State("no adb server", "adb start-server at the tunnel's other end")
NO_PHONE = State("no phone", "allow USB debugging on a phone and plug it in")
ABSENT = State("not connected", "plug it in, or: adb connect HOST:PORT")
OFFLINE = State("offline", "plug it in again, or: adb reconnect offline")
SILENT = State("does not answer", "unlock it, else plug it in again", DeviceError)

_BY_ADB_WORD = {
    "offline": OFFLINE,
    "unauthorized": State("unauthorized", "unlock it and allow this computer", DeviceUnauthorized),
    "authorizing": State("authorizing", "unlock it and answer its question", DeviceUnauthorized),
    "connecting": State("connecting", "wait some seconds and list again"),
    "recovery": State("recovery", "start Android: adb reboot"),
    "rescue": State("rescue", "start Android: adb reboot"),
    "sideload": State("sideload", "start Android: adb reboot"),
    "bootloader": State("bootloader", "start Android: fastboot reboot"),
    "host": State("host", "plug in a phone: this is a computer"),
    "detached": State("detached", "adb attach"),
    "no permissions": State("no permissions", "install udev rules and plug it in again", DeviceUnauthorized),
    "no device": ABSENT,
}


def state_named(word: str) -> State | None:
    """Return the state for a word of adb's; None for a phone that is ready."""
    if word == "device":
        return None
    known = next((state for name, state in _BY_ADB_WORD.items() if word.startswith(name)), None)
    return known or State(f"unknown state: {word[:40]}", "plug it in again")
