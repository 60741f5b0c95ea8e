"""``adb://SERIAL?server=HOST:PORT``: which phone, at which adb server. What is no serial is refused here."""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import dataclass

from embedl_nb.device.address import DeviceAddress
from embedl_nb.errors import InputError

__all__ = ["AdbAddress"]

_FORM = 'write "adb://SERIAL", or "adb://SERIAL?server=HOST:PORT" for a phone at another computer'
_LONGEST = 128
# What serials are made of: R58M12ABCDE, 192.168.1.5:5555, [fe80::1%wlan0]:5555, "adb-R58M (2)._adb-tls-connect._tcp".
_SERIAL = re.compile(r"[A-Za-z0-9._:@%()\[\]+=~-]( ?[A-Za-z0-9._:@%()\[\]+=~-])*")
_HOST = re.compile(r"\[[0-9A-Fa-f:.]+(%[A-Za-z0-9._-]+)?\]|[A-Za-z0-9._-]+")
_SAFE = ":@()[]+=~"


@dataclass(frozen=True, slots=True)
class AdbAddress:
    """Where a phone is reached.

    Attributes
    ----------
    serial
        As ``adb devices`` lists it; empty for the only phone that is there.
    server
        ``"HOST:PORT"`` of the adb server that the address names; empty where it names none.

    Examples
    --------
    >>> address = AdbAddress.parse(DeviceAddress.parse("adb://127.0.0.1:5555?server=laptop:5038"))
    >>> address.serial, address.server
    ('127.0.0.1:5555', 'laptop:5038')
    """

    serial: str
    server: str = ""

    @classmethod
    def parse(cls, address: DeviceAddress) -> AdbAddress:
        """Read what stands behind ``adb://``.

        Raises
        ------
        InputError
            If that is no serial, or what follows it is not ``server=HOST:PORT``.
        """
        serial = urllib.parse.unquote(address.name, errors="replace")
        if serial and not is_serial(serial):
            raise InputError(f"device={str(address)!r}: {serial[:_LONGEST]!r} is not the serial of a phone", hint=_FORM)
        if not address.query:
            return cls(serial)
        key, _, value = address.query.partition("=")
        server = urllib.parse.unquote(value, errors="replace")
        if key != "server" or not is_server(server):
            raise InputError(f"device={str(address)!r}: {address.query!r} is not server=HOST:PORT", hint=_FORM)
        return cls(serial, server)

    def __str__(self) -> str:
        serial = urllib.parse.quote(self.serial, safe=_SAFE)
        return f"adb://{serial}" + (f"?server={self.server}" if self.server else "")


def is_serial(text: str) -> bool:
    """Say whether ``text`` can be a phone's serial."""
    return len(text) <= _LONGEST and _SERIAL.fullmatch(text) is not None


def is_server(text: str) -> bool:
    """Say whether ``text`` is ``HOST:PORT``."""
    host, _, port = text.rpartition(":")
    is_port = port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) <= 0xFFFF
    return len(host) <= _LONGEST and _HOST.fullmatch(host) is not None and is_port
