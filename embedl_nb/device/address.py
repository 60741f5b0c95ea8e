"""Device addresses: ``scheme://name?query`` as text, checked at the edge and passed on as a value."""

from __future__ import annotations

import re
from dataclasses import dataclass

from embedl_nb.errors import InputError, UnknownNameError

__all__ = ["DeviceAddress"]

_ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<name>[^?]*)(\?(?P<query>.*))?", re.DOTALL)
_MEANT_HOST = frozenset({"host", "host:", "host:/", "local", "localhost", "this machine", "cpu"})
_THIS_MACHINE = 'device="host://" measures this machine'


@dataclass(frozen=True, slots=True)
class DeviceAddress:
    """Where a device is reached.

    Attributes
    ----------
    scheme
        Which provider knows it, in lower case: ``host``.
    name
        Which of the provider's devices; empty where there is only one.
    query
        What stands behind a ``?``, for the provider to read.

    Examples
    --------
    >>> DeviceAddress.parse("adb://R58M12ABCDE?server=laptop:5037")
    DeviceAddress(scheme='adb', name='R58M12ABCDE', query='server=laptop:5037')
    >>> str(DeviceAddress.parse("HOST://"))
    'host://'
    """

    scheme: str
    name: str = ""
    query: str = ""

    @classmethod
    def parse(cls, address: str | DeviceAddress) -> DeviceAddress:
        """Read an address; whether such a device exists is not asked yet.

        Raises
        ------
        InputError
            If it is no text, or empty.
        UnknownNameError
            If it is a bare name, such as that of a phone.
        """
        if isinstance(address, DeviceAddress):
            return address
        if not isinstance(address, str) or not address.strip():
            raise InputError(f"device={address!r} is not an address", hint=_THIS_MACHINE)
        text = address.strip()
        match = _ADDRESS.fullmatch(text)
        if match is not None:
            return cls(match["scheme"].lower(), match["name"].rstrip("/"), match["query"] or "")
        if text.lower() in _MEANT_HOST:
            raise UnknownNameError(
                f"device={address!r} is not an address", candidates=("host://",), hint="did you mean host://?"
            )
        raise UnknownNameError(
            f"device={address!r} is a name, not an address: the name of a phone says what to compile for; to be "
            "measured the phone itself must be plugged in",
            candidates=("host://",),
            hint=f"enb.devices() lists the addresses of what is there; {_THIS_MACHINE}",
        )

    def __str__(self) -> str:
        return f"{self.scheme}://{self.name}" + (f"?{self.query}" if self.query else "")
