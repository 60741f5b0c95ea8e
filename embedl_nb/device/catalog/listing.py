"""Phones that were found in the catalog, as a result that shows itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedl_nb.device.catalog.facts import Chip, Phone
from embedl_nb.display import Displayable, Table, View
from embedl_nb.query import Kind, Query

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLUMN_KINDS", "Catalog", "phones_where"]

_NUM_SHOWN = 25
_UNKNOWN = "?"
_NOTE = f"NPU SDK: whose compiles for it through LiteRT. API: Android's, as seen. {_UNKNOWN}: not known."


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Catalog(Displayable):
    """Phones, each with one chip; a phone that is sold with two chips is in it twice.

    Attributes
    ----------
    query
        What was asked for, as it was typed.
    """

    query: str
    phones: tuple[Phone, ...]

    @property
    def chips(self) -> tuple[Chip, ...]:
        """The distinct chips in these phones."""
        return tuple(dict.fromkeys(phone.chip for phone in self.phones))

    def __len__(self) -> int:
        return len(self.phones)

    def __iter__(self) -> Iterator[Phone]:
        return iter(self.phones)

    def frame(self) -> pd.DataFrame:
        """Return one row a phone: ``name brand chip part vendor gpu npu npu_sdk tier`` and what else is known."""
        import pandas as pd

        return pd.DataFrame([_row(phone) for phone in self.phones], columns=_COLUMNS)

    @property
    def headline(self) -> str:
        """How many phones, and whether one name stands for several."""
        if not self.phones:
            return f"No phone fits {self.query or 'the filters'}"
        names = list(dict.fromkeys(phone.name for phone in self.phones))
        if len(names) == 1 and len(self.phones) > 1:
            chips = " and ".join(phone.chip_label for phone in self.phones)
            return f"{names[0]} | sold with {len(self.phones)} chips: {chips}"
        if len(self.phones) == 1:
            return str(self.phones[0])
        num_chips = len(self.chips)
        return f"{len(names)} phones with {num_chips} {'chip' if num_chips == 1 else 'different chips'}"

    def _view(self) -> View:
        shown = self.phones[:_NUM_SHOWN]
        left = len(self.phones) - len(shown)
        table = Table(
            title="Phones",
            columns=("phone", "chip", "GPU", "NPU", "NPU SDK", "RAM", "API"),
            rows=tuple(_cells(phone) for phone in shown),
            numeric=("RAM",),
            note=(f"And {left} more: .frame() has all. " if left else "") + _NOTE,
        )
        return View(headline=self.headline, tables=(table,) if shown else ())


_COLUMNS = (
    *("name", "brand", "chip", "part", "vendor", "cpu", "gpu", "npu", "npu_sdk", "tier", "form_factor"),
    *("min_ram_gb", "max_ram_gb", "launch_api", "min_api", "max_api", "year", "codenames", "model_codes", "sources"),
)

_COUNTED = frozenset({"min_ram_gb", "max_ram_gb", "launch_api", "min_api", "max_api", "year"})
COLUMN_KINDS: dict[str, str] = {name: Kind.NUMBER if name in _COUNTED else Kind.TEXT for name in _COLUMNS}
"""What may stand in a query for phones: the columns of :meth:`Catalog.frame`."""


def phones_where(query: Query, phones: Sequence[Phone]) -> tuple[Phone, ...]:
    """Return those of which ``query`` holds; what is not known of a phone does not hold."""
    return tuple(phone for phone in phones if query.matches(_row(phone)))


def _row(phone: Phone) -> dict[str, Any]:
    chip = phone.chip
    ram, api = phone.ram_gb or (None, None), phone.api_levels or (None, None)
    return {
        "name": phone.name,
        "brand": phone.brand,
        "chip": phone.chip_name or " / ".join(chip.names),
        "part": chip.part,
        "vendor": chip.vendor,
        "cpu": chip.cpu,
        "gpu": chip.gpu,
        "npu": chip.npu,
        "npu_sdk": chip.npu_sdk,
        "tier": chip.tier,
        "form_factor": phone.form_factor,
        "min_ram_gb": ram[0],
        "max_ram_gb": ram[1],
        "launch_api": phone.launch_api,
        "min_api": api[0],
        "max_api": api[1],
        "year": phone.year,
        "codenames": ", ".join(phone.codenames),
        "model_codes": ", ".join(phone.model_codes),
        "sources": ", ".join(phone.sources),
    }


def _cells(phone: Phone) -> tuple[str, ...]:
    chip = phone.chip
    return (
        phone.name,
        phone.chip_label,
        chip.gpu or _UNKNOWN,
        chip.npu or _UNKNOWN,
        chip.npu_sdk.replace("_", " ") or "none",
        f"{_span(phone.ram_gb)} GB" if phone.ram_gb else _UNKNOWN,
        _span(phone.api_levels),
    )


def _span(sizes: tuple[int, int] | None) -> str:
    if sizes is None:
        return _UNKNOWN
    return str(sizes[0]) if sizes[0] == sizes[1] else f"{sizes[0]}-{sizes[1]}"
