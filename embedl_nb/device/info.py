"""What is known of a device: plain facts, gathered once by its provider and stored with every number it gives."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from embedl_nb.units import ComputeUnit, Provenance

__all__ = ["DeviceInfo", "UnreadyDevice"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceInfo:
    """Facts about one device that can measure.

    Attributes
    ----------
    address
        Where it is reached, e.g. ``"host://"``.
    name
        What a person calls it: a host name, a phone's model.
    cpu
        Model name of the CPU.
    num_cores
        Logical cores this program may use (affinity and container limits counted).
    memory_bytes
        Memory this program may use.
    os
        Operating system and its version.
    compute_units
        Where a model can run.
    provenance
        What a number from this device is called.
    soc, gpu, abi
        Of a phone: its chip, its GPU and the kind of programs it runs best.
    chip
        The part of a phone's chip in the catalog, ``"SM8650"``; ``""`` where the catalog does not know it.
    """

    address: str
    name: str
    cpu: str
    num_cores: int
    memory_bytes: int
    os: str
    compute_units: tuple[ComputeUnit, ...] = (ComputeUnit.CPU,)
    provenance: Provenance = Provenance.MEASURED
    soc: str = ""
    gpu: str = ""
    abi: str = ""
    chip: str = ""

    @property
    def is_this_machine(self) -> bool:
        """Whether the device is the computer this program runs on: a notebook's kernel, or the server of a hub."""
        return self.address.startswith("host://")

    @property
    def is_phone(self) -> bool:
        """Whether it is a phone, whose programs are not this computer's."""
        return bool(self.soc or self.abi)

    def to_row(self) -> dict[str, Any]:
        """Return what a list of devices shows."""
        return {
            "address": self.address,
            "name": self.name,
            "state": "ready",
            "soc": self.soc,
            "cpu": self.cpu,
            "num_cores": self.num_cores,
            "memory_mib": self.memory_bytes // 2**20,
            "os": self.os,
            "compute_units": ", ".join(self.compute_units),
            "next_step": "",
        }

    def to_record(self) -> dict[str, Any]:
        """Return the facts as plain JSON data."""
        return {**asdict(self), "compute_units": [str(unit) for unit in self.compute_units]}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> DeviceInfo:
        """Rebuild what :meth:`to_record` wrote."""
        units = tuple(ComputeUnit(unit) for unit in record["compute_units"])
        return cls(**{**record, "compute_units": units, "provenance": Provenance(record["provenance"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadyDevice:
    """A device that is seen and cannot measure now, or a reason why none of its kind is seen.

    Attributes
    ----------
    address
        As for a device; with an empty name where none is seen.
    name
        As far as it is known.
    state
        What is wrong, in a word or two.
    next_step
        One action.
    """

    address: str
    name: str = ""
    state: str
    next_step: str

    def to_row(self) -> dict[str, Any]:
        """Return what a list of devices shows."""
        unknown = {"soc": "", "cpu": "", "num_cores": None, "memory_mib": None, "os": "", "compute_units": ""}
        known = {"address": self.address, "name": self.name, "state": self.state}
        return {**known, **unknown, "next_step": self.next_step}
