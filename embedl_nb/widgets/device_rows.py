"""Devices as the rows of the picker: the catalog's phones, and what is attached now. Plain JSON for the browser.

A phone that is sold with several chips is one row, as it is one name to the functions, which then mean all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from embedl_nb.device import DeviceInfo, UnreadyDevice
from embedl_nb.device.catalog import Phone, chips_named, phones_named
from embedl_nb.units import Provenance

__all__ = ["attached_row", "catalog_rows"]

_IN_BRACKETS = re.compile(r"(?P<before>[^()]*)\((?P<inside>[^()]+)\)")
_API = re.compile(r"\bAPI (?P<level>\d+)")

Row = dict[str, Any]


def catalog_rows(phones: Iterable[Phone]) -> dict[str, Any]:
    """Return every phone once, and the chips that they refer to by their place.

    The phones are ``[name, brand, chips, min RAM, max RAM, min API, max API, year, codes]``, RAM in GB as sold.
    """
    chips: dict[str, Row] = {}
    named: dict[str, list[Phone]] = {}
    for phone in phones:
        named.setdefault(phone.name, []).append(phone)
        chips.setdefault(phone.chip_label, _chip_row(phone))
    place = {label: index for index, label in enumerate(chips)}
    rows = [
        [
            name,
            same[0].brand,
            [place[phone.chip_label] for phone in same],
            *_span(phone.ram_gb for phone in same),
            *_span(phone.api_levels for phone in same),
            same[0].year,
            " ".join(code for phone in same for code in (*phone.codenames, *phone.model_codes)),
        ]
        for name, same in named.items()
    ]
    return {"chips": list(chips.values()), "phones": rows}


def attached_row(device: DeviceInfo | UnreadyDevice) -> Row:
    """Return a device that some provider sees, with what the catalog knows of it."""
    if isinstance(device, UnreadyDevice):
        return {
            "address": device.address,
            "name": device.name or device.address,
            "state": device.state,
            "nextStep": device.next_step,
            "isDevice": device.address.partition("://")[2] != "",
            "isReady": False,
        }
    known = _phones_of(device.name)
    chip = _chip_of(device.soc)
    api = _API.search(device.os)
    ram_gb = next((phone.ram_gb for phone in known if phone.ram_gb), None) or (round(device.memory_bytes / 2**30),) * 2
    return {
        "address": device.address,
        "name": device.name,
        "state": "ready" if device.provenance is Provenance.MEASURED else str(device.provenance),
        "nextStep": "",
        "isDevice": True,
        "isReady": True,
        "units": [str(unit) for unit in device.compute_units],
        "os": device.os,
        "chips": [chip or {"label": device.soc or device.cpu, "vendor": "", "npu": "", "sdk": "", "tier": ""}],
        "ram": ram_gb,
        "api": int(api["level"]) if api else None,
        "year": next((phone.year for phone in known if phone.year), None),
    }


def _phones_of(name: str) -> tuple[Phone, ...]:
    """Return the catalog's phones that a phone's own name stands for: ``"Samsung Galaxy S23 (SM-S911B)"``."""
    found = _IN_BRACKETS.fullmatch(name)
    return phones_named(found["inside"]) or phones_named(found["before"]) if found else phones_named(name)


def _chip_of(soc: str) -> Row | None:
    """Return what is known of a chip that a device names: ``"Snapdragon 8 Gen 2 (SM8550)"``."""
    found = _IN_BRACKETS.fullmatch(soc)
    chips = chips_named(found["inside"] if found else soc) if soc else ()
    if not chips:
        return None
    chip = chips[0]
    return {"label": soc, "vendor": chip.vendor, "npu": chip.npu, "sdk": chip.npu_sdk, "tier": chip.tier}


def _chip_row(phone: Phone) -> Row:
    chip = phone.chip
    return {
        "label": phone.chip_label,
        "vendor": chip.vendor,
        "npu": chip.npu,
        "sdk": chip.npu_sdk,
        "tier": chip.tier,
    }


def _span(spans: Iterable[tuple[int, int] | None]) -> Sequence[int | None]:
    known = [span for span in spans if span is not None]
    return (min(low for low, _ in known), max(high for _, high in known)) if known else (None, None)
