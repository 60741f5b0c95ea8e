"""What is known of phones and chips, as the files beside this one say it (SOURCES.md says where that is from)."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources

__all__ = ["Chip", "Phone", "chips", "phones"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """One system on a chip.

    Attributes
    ----------
    part
        Its part number, which phones report and vendors' compilers ask for: ``"SM8650"``.
    names
        What it is sold as; one part can have several names.
    year
        Of its launch; None where it is unknown.
    npu
        Its NPU; ``""`` where none is known.
    npu_sdk
        Whose SDK compiles for its NPU through LiteRT: ``"qualcomm"``, ``"mediatek"``, ``"google_tensor"`` or
        ``"samsung"``; ``""`` where LiteRT does not list it or its plugin does not know it.
    npu_target
        What that SDK calls it: a name, or the number of one of Qualcomm's.
    tier
        ``"entry"``, ``"mid"`` or ``"flagship"``; ``""`` where it is unknown.
    sources
        Where this is from.
    """

    part: str
    vendor: str
    names: tuple[str, ...]
    aliases: tuple[str, ...]
    year: int | None
    process: str
    cpu: str
    gpu: str
    npu: str
    npu_sdk: str
    npu_target: str
    tier: str
    sources: tuple[str, ...]

    def __str__(self) -> str:
        names = [name for name in self.names if name != self.part]
        return f"{' / '.join(names)} ({self.part})" if names else self.part


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """One phone with one chip; a phone that is sold with two chips is two of these under one name.

    Attributes
    ----------
    chip_name
        Which of its chip's names it has, where the part has several and the sources say.
    codenames, model_codes
        Under which it reports itself.
    form_factor
        ``"phone"`` or ``"tablet"``.
    ram_gb
        Memory, in GB as it is sold: the smallest and the largest.
    launch_api
        Android API level it was launched with; None where it is unknown.
    api_levels
        The lowest and the highest Android API level it was seen with; None where it was not.
    year
        Of its launch; None where it is unknown.
    sources
        Where this is from.
    """

    name: str
    brand: str
    chip: Chip
    chip_name: str
    codenames: tuple[str, ...]
    model_codes: tuple[str, ...]
    form_factor: str
    ram_gb: tuple[int, int] | None
    launch_api: int | None
    api_levels: tuple[int, int] | None
    year: int | None
    sources: tuple[str, ...]

    @property
    def chip_label(self) -> str:
        """Its chip as a person knows it, with the part: ``"Snapdragon 888 (SM8350)"``."""
        return f"{self.chip_name} ({self.chip.part})" if self.chip_name else str(self.chip)

    def __str__(self) -> str:
        return f"{self.name} with {self.chip_label}"


@cache
def chips() -> dict[str, Chip]:
    """Return every chip, by part."""
    return {row["part"]: _chip(row) for row in _rows("chips.csv")}


@cache
def phones() -> tuple[Phone, ...]:
    """Return every phone, by brand and name."""
    known = chips()
    return tuple(_phone(row, known[row["part"]]) for row in _rows("phones.csv"))


def _rows(name: str) -> Iterator[dict[str, str]]:
    text = resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
    yield from csv.DictReader(text.splitlines())


def _chip(row: dict[str, str]) -> Chip:
    return Chip(
        part=row["part"],
        vendor=row["vendor"],
        names=_several(row["names"]),
        aliases=_several(row["aliases"]),
        year=_number(row["year"]),
        process=row["process"],
        cpu=row["cpu"],
        gpu=row["gpu"],
        npu=row["npu"],
        npu_sdk=row["npu_sdk"],
        npu_target=row["npu_target"],
        tier=row["tier"],
        sources=_several(row["sources"]),
    )


def _phone(row: dict[str, str], chip: Chip) -> Phone:
    sizes = [int(size) for size in row["ram_gb"].replace("-", "|").split("|") if size]
    lowest, highest = _number(row["api_min"]), _number(row["api_max"])
    return Phone(
        name=row["name"],
        brand=row["brand"],
        chip=chip,
        chip_name=row["chip_name"],
        codenames=_several(row["codenames"]),
        model_codes=_several(row["model_codes"]),
        form_factor=row["form_factor"] or "phone",
        ram_gb=(sizes[0], sizes[-1]) if sizes else None,
        launch_api=_number(row["launch_api"]),
        api_levels=(lowest, highest) if lowest is not None and highest is not None else None,
        year=_number(row["year"]),
        sources=_several(row["sources"]),
    )


def _several(text: str) -> tuple[str, ...]:
    return tuple(text.split("|")) if text else ()


def _number(text: str) -> int | None:
    return int(text) if text else None
