"""What a catalog phone is made of, as far as a shell on it can see; what the catalog does not know follows its tier."""

from __future__ import annotations

import re
from dataclasses import dataclass

from embedl_nb.device.catalog import Phone, targets_named
from embedl_nb.device.catalog.facts import Chip
from embedl_nb.errors import InputError, UnknownNameError

__all__ = ["Cluster", "Hardware", "catalog_phone"]

_CLUSTER = re.compile(r"(\d)\s*x\s*(?:([A-Z][^@+]*)?@)?\s*(\d+(?:\.\d+)?)(?![\w.]*-)")
_MOST_CORES, _FEWEST_CORES = 12, 4
_TIER_CLUSTERS = {
    "entry": ((4, 1.8), (4, 2.0)),
    "mid": ((6, 2.0), (2, 2.4)),
    "flagship": ((4, 2.0), (3, 2.8), (1, 3.2)),
}
_TIER_RAM_GB = {"entry": 4, "mid": 6, "flagship": 8}
_TIER_FREE_GB = {"entry": 12, "mid": 48, "flagship": 96}
# Made up, so that phones come in the order that one expects: a flagship of 2024 is as fast as this machine.
_TIER_PACE = {"entry": 5.0, "mid": 2.5, "flagship": 1.0}
_PACE_A_YEAR, _PACE_OF_YEAR, _YEAR_OF_API_0 = 1.3, 2024, 1990
_USUAL_API = 34
_KIB_PER_GB = 1024 * 1024
_SEEN_OF_RAM = 0.94  # the rest is taken by firmware and by the GPU before Linux counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Cores of one kind; ``name`` is empty where the catalog does not tell."""

    num_cores: int
    max_khz: int
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """One phone's.

    Attributes
    ----------
    clusters
        The slowest first, which is how phones number their cores.
    memory_kib
        What Linux sees of the RAM.
    free_bytes
        Free space for a shell's files.
    pace
        How much longer than this machine it takes for an inference.
    """

    phone: Phone
    clusters: tuple[Cluster, ...]
    memory_kib: int
    free_bytes: int
    api_level: int
    pace: float

    @classmethod
    def of(cls, phone: Phone) -> Hardware:
        """Return what ``phone`` has."""
        tier = phone.chip.tier or "mid"
        ram_gb = phone.ram_gb[1] if phone.ram_gb else _TIER_RAM_GB[tier]
        return cls(
            phone=phone,
            clusters=_clusters(phone.chip, tier),
            memory_kib=int(ram_gb * _KIB_PER_GB * _SEEN_OF_RAM),
            free_bytes=_TIER_FREE_GB[tier] * 2**30,
            api_level=phone.api_levels[1] if phone.api_levels else phone.launch_api or _USUAL_API,
            pace=_TIER_PACE[tier] * _PACE_A_YEAR ** (_PACE_OF_YEAR - _year(phone)),
        )

    @property
    def has_rails(self) -> bool:
        """Whether it meters the rails that feed its compute units, as phones with a chip of Google's do."""
        return self.phone.chip.vendor == "Google"

    @property
    def core_khz(self) -> tuple[int, ...]:
        """Each core's highest clock, by its number."""
        return tuple(cluster.max_khz for cluster in self.clusters for _ in range(cluster.num_cores))


def catalog_phone(name: str, soc: str | None) -> Phone:
    """Return the catalog's phone of this name.

    Parameters
    ----------
    soc
        The part number of its chip, where it is sold with several; None for the first.

    Raises
    ------
    UnknownNameError
        If there is no such phone, or none with that chip.
    InputError
        If ``name`` is a chip's.
    """
    found = targets_named(name)
    if isinstance(found, Chip):
        raise InputError(f"{name!r} is a chip", hint='a virtual phone needs the name of a phone: "Samsung Galaxy S24"')
    with_soc = [phone for phone in found if soc is None or phone.chip.part == soc]
    if not with_soc:
        raise UnknownNameError.among(f"chip of {found[0].name}", soc, [phone.chip.part for phone in found])
    return with_soc[0]


def _year(phone: Phone) -> int:
    """Return its chip's year, as far as the catalog tells; Android's levels come once a year."""
    return phone.chip.year or phone.year or (phone.launch_api or _USUAL_API) + _YEAR_OF_API_0


def _clusters(chip: Chip, tier: str) -> tuple[Cluster, ...]:
    said = [
        Cluster(num_cores=int(num), max_khz=round(float(ghz) * 1e6), name=name.strip())
        for num, name, ghz in _CLUSTER.findall(chip.cpu)
    ]
    if not _FEWEST_CORES <= sum(cluster.num_cores for cluster in said) <= _MOST_CORES:
        said = [Cluster(num_cores=num, max_khz=round(ghz * 1e6)) for num, ghz in _TIER_CLUSTERS[tier]]
    return tuple(sorted(said, key=lambda cluster: cluster.max_khz))
