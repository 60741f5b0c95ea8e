"""What a target is called: a phone's or a chip's name in the catalog, or the address of a phone that is attached."""

from __future__ import annotations

from embedl_nb.device.catalog import Chip, Phone, targets_named
from embedl_nb.device.registry import open_device
from embedl_nb.errors import InputError

__all__ = ["targets_meant"]


def targets_meant(name: str) -> tuple[Phone, ...] | Chip:
    """Return what is meant by ``name``: the phones of that name, one for each chip it is sold with, or a chip.

    A name is looked up in the catalog; a phone's address (``adb://SERIAL``) is asked for its chip.

    Raises
    ------
    InputError
        If it is no text, or the address of something whose chip the catalog does not know.
    UnknownNameError
        If nothing has exactly this name; close ones are its candidates.
    DeviceError
        If nothing answers at the address.
    """
    if not isinstance(name, str) or "://" not in name:
        return targets_named(name)
    info = open_device(name).info
    if info.chip:
        return targets_named(info.chip)
    if info.is_phone:
        raise InputError(
            f"the catalog does not know the chip of {info.name} ({name}): {info.soc or 'it does not say'}",
            hint='name a chip that it is like, e.g. "SM8650"; enb.catalog() lists all',
        )
    raise InputError(
        f"{name} is {info.name}, which is no phone", hint='give e.g. "Samsung Galaxy S24", a chip, or "adb://SERIAL"'
    )
