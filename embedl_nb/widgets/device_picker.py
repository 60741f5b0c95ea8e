"""The device picker: what is attached and every phone of the catalog in one list that is searched in the browser.

The catalog's rows are sent once. While the picker is seen, its page asks for what is attached every few seconds; the
kernel lists it in a thread beside its work and answers. Nothing runs when no page asks, and while a benchmark runs no
phone is asked: that would be measured, too.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

import traitlets

from embedl_nb.device import DeviceAddress, DeviceInfo, UnreadyDevice, list_devices
from embedl_nb.device.catalog import targets_named
from embedl_nb.device.lease import is_any_leased
from embedl_nb.display import Table, View
from embedl_nb.errors import InputError
from embedl_nb.pipeline import catalog
from embedl_nb.pipeline.npus import npu_support
from embedl_nb.widgets.assets import es_module, style_sheet
from embedl_nb.widgets.base import Widget
from embedl_nb.widgets.device_rows import attached_row, catalog_rows

__all__ = ["DevicePicker"]


class DevicePicker(Widget):
    """Search and pick devices: those that are attached now, and every phone that is known.

    The choice outlives a re-run of the cell and a reload of the page.

    Parameters
    ----------
    key
        Tells two pickers of one cell apart.

    Attributes
    ----------
    value
        What is picked, in the order of picking: addresses of attached devices, which ``enb.benchmark(model, value)``
        takes, and names of the catalog's phones, which ``enb.preflight(model, value)`` and ``enb.compile`` take. It can
        be set, and observed.

    Examples
    --------
    >>> picker = enb.DevicePicker()  # doctest: +SKIP
    >>> picker  # doctest: +SKIP
    >>> enb.benchmark(model, device=picker.value)  # doctest: +SKIP
    """

    _esm = es_module("device_picker.js")
    _css = style_sheet("frame.css", "grid.css", "device_picker.css")

    value = traitlets.List(traitlets.Unicode()).tag(sync=True)
    _catalog = traitlets.Dict().tag(sync=True)
    _attached = traitlets.List(traitlets.Dict()).tag(sync=True)
    _npus = traitlets.Dict().tag(sync=True)
    _query = traitlets.Dict().tag(sync=True)
    _is_waiting = traitlets.Bool(False).tag(sync=True)
    # Counts the answers, so that a page sees that one came even where nothing has changed.
    _num_listed = traitlets.Int(0).tag(sync=True)

    def __init__(self, *, key: str = "") -> None:
        super().__init__(key=key)
        self._catalog = catalog_rows(catalog())
        self._listing: asyncio.Task[None] | None = None
        before = self._forerunner()
        if before is not None:
            self.value, self._query = before.value, before._query
            self._attached, self._npus = before._attached, before._npus
        self.on_msg(self._on_message)

    @traitlets.validate("value")
    def _known(self, proposal: dict[str, Any]) -> list[str]:
        return list(dict.fromkeys(map(_exact_name, proposal["value"])))

    def _on_message(self, _widget: Widget, content: dict[str, Any], _buffers: list[bytes]) -> None:
        if content.get("type") != "list" or (self._listing is not None and not self._listing.done()):
            return
        # In a thread, so that a phone that does not answer holds up no cell.
        self._listing = asyncio.get_running_loop().create_task(self._list())

    async def _list(self) -> None:
        try:
            with self._errors_shown():
                if not self._npus:
                    support = await asyncio.to_thread(npu_support)
                    self._npus = {sdk: asdict(each) for sdk, each in support.items()}
                self._is_waiting = bool(self._attached) and await asyncio.to_thread(is_any_leased)
                if not self._is_waiting:
                    self._show_attached(await asyncio.to_thread(list_devices))
        finally:
            self._num_listed += 1  # a page that is not answered asks no more

    def _show_attached(self, devices: tuple[DeviceInfo | UnreadyDevice, ...]) -> None:
        rows = [attached_row(device) for device in devices]
        self._attached = sorted(rows, key=lambda row: not row["isReady"])

    def _view(self) -> View:
        num_phones = len(self._catalog["phones"])
        picked = Table(title="Picked", columns=("device",), rows=tuple((name,) for name in self.value))
        attached = Table(
            title="Attached",
            columns=("device", "address", "state"),
            rows=tuple((row["name"], row["address"], row["state"]) for row in self._attached),
        )
        return View(
            headline=f"Device picker | {len(self.value) or 'none'} picked | {num_phones:,} phones in the catalog",
            tables=tuple(table for table in (picked, attached) if table.rows),
            unknown="which device it will be; picking needs a kernel that runs",
            next_step="enb.DevicePicker()",
        )


def _exact_name(name: str) -> str:
    """Return an address as it is, and the name of a phone as the catalog has it."""
    if "://" in name:
        return str(DeviceAddress.parse(name))
    phones = targets_named(name)
    if not isinstance(phones, tuple):
        raise InputError(f"{name} is a chip", hint="pick a phone that has it: enb.catalog(chip=...)")
    return phones[0].name
