"""What a phone is: one script that it answers in one go, its answer as facts, and what the catalog adds to them.

The script uses plain commands only (no pipes, loops or substitutions), and each of them may fail on a phone that does
not allow it. Facts do not change while the phone runs; what does is in :mod:`embedl_nb.device.adb.readings`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from embedl_nb.device.adb.sections import clean, split_sections
from embedl_nb.device.catalog import Chip, Phone, chips_named, phones_named
from embedl_nb.device.info import DeviceInfo
from embedl_nb.units import ComputeUnit, Provenance

__all__ = ["FACTS_SCRIPT", "CpuCluster", "PhoneFacts", "read_facts"]

_CPU = "/sys/devices/system/cpu"
FACTS_SCRIPT = "\n".join(
    (
        "echo '#props'; getprop",
        f"echo '#cpu'; grep -H . {_CPU}/cpu*/cpufreq/cpuinfo_max_freq 2>/dev/null",
        f"echo '#online'; cat {_CPU}/online 2>/dev/null",
        "echo '#allowed'; grep Cpus_allowed_list /proc/self/status 2>/dev/null",
        "echo '#mem'; grep MemTotal /proc/meminfo 2>/dev/null",
        "echo '#gpu'; cat /sys/class/kgsl/kgsl-3d0/gpu_model 2>/dev/null",
        "echo '#opencl'; ls /vendor/lib64/libOpenCL.so /system/vendor/lib64/libOpenCL.so "
        "/vendor/lib64/libOpenCL-pixel.so /vendor/lib64/egl/libGLES_mali.so 2>/dev/null",
    )
)
"""Run on the phone; it always ends with a status that says nothing."""

_PROPERTY = re.compile(r"\[(?P<key>[^\]]+)\]: \[(?P<value>.*)\]|(?P<plain>[\w.]+)=(?P<text>.*)")
_FREQUENCY = re.compile(r".*\bcpu(?P<cpu>\d{1,3})(?:/cpufreq/cpuinfo_max_freq:| )(?P<khz>\d{4,8})\s*")
_EMULATED = frozenset({"ranchu", "goldfish", "cutf_cvm"})


@dataclass(frozen=True, slots=True)
class CpuCluster:
    """Cores of one kind.

    Attributes
    ----------
    max_hz
        Their highest clock, in Hz.
    cpus
        Their numbers, ascending.
    """

    max_hz: int
    cpus: tuple[int, ...]

    def __str__(self) -> str:
        return f"{len(self.cpus)}x{self.max_hz / 1e9:.2f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneFacts:
    """What a phone says of itself; empty where it says nothing.

    Attributes
    ----------
    model, manufacturer
        As it calls itself.
    soc
        Its chip's part or codename, as it calls it.
    chip, phone
        The catalog's entries; None where it knows none.
    android, api_level
        Version of Android, ``"16"``, and its API level; 0 where it is not said.
    abis
        What it can run, the best first.
    memory_bytes
        0 where it is not said.
    clusters
        CPU cores by highest clock, the fastest first.
    allowed_cpus
        On which a shell's process may run; empty where that is not said.
    gpu
        The catalog's or the driver's name.
    has_opencl
        Whether a library of OpenCL lies where the runtime looks.
    is_virtual, is_emulator
        Whether this is a test double, or Google's emulator.
    fingerprint
        Of its system image.
    """

    model: str
    manufacturer: str
    soc: str
    chip: Chip | None
    phone: Phone | None
    android: str
    api_level: int
    abis: tuple[str, ...]
    memory_bytes: int
    clusters: tuple[CpuCluster, ...]
    allowed_cpus: tuple[int, ...]
    num_online: int
    gpu: str
    has_opencl: bool
    is_virtual: bool
    is_emulator: bool
    fingerprint: str

    @property
    def name(self) -> str:
        """What a person calls it, with the model it reports."""
        if self.is_virtual:
            return f"virtual {self.model.removeprefix('virtual ')}"
        if self.phone is not None and self.phone.name.casefold() != self.model.casefold():
            name = f"{self.phone.name} ({self.model})"
        else:
            maker = "" if self.model.casefold().startswith(self.manufacturer.casefold()) else self.manufacturer
            name = f"{maker} {self.model}".strip() or "unknown phone"
        return f"emulator {name}" if self.is_emulator else name

    @property
    def soc_label(self) -> str:
        """Its chip with the part, or what the phone calls it."""
        if self.phone is not None:
            return self.phone.chip_label
        return str(self.chip) if self.chip is not None else self.soc

    @property
    def big_cpus(self) -> tuple[int, ...]:
        """The cores of all clusters but the slowest (all of them where there is one), as far as we may use them."""
        fast = self.clusters[:-1] if len(self.clusters) > 1 else self.clusters
        cpus = sorted(cpu for cluster in fast for cpu in cluster.cpus)
        return tuple(cpu for cpu in cpus if not self.allowed_cpus or cpu in self.allowed_cpus)

    @property
    def big_cpus_mask(self) -> int | None:
        """The same as a mask, bit n for core n: ``0xf8`` for cores 3 to 7; None where no core is known."""
        return sum(1 << cpu for cpu in self.big_cpus) or None

    def to_info(self, address: str) -> DeviceInfo:
        """Return what every device has, for the phone at ``address``."""
        clocks = " + ".join(map(str, self.clusters))
        units = [ComputeUnit.CPU]
        units += [ComputeUnit.GPU] if self.has_opencl else []
        units += [ComputeUnit.NPU] if self.chip is not None and self.chip.npu_sdk and not self.is_emulator else []
        return DeviceInfo(
            address=address,
            name=self.name,
            cpu=f"{clocks} GHz" if clocks else self.soc_label or "unknown CPU",
            num_cores=max(1, sum(len(cluster.cpus) for cluster in self.clusters) or self.num_online),
            memory_bytes=self.memory_bytes,
            os=f"Android {self.android or '?'}" + (f" (API {self.api_level})" if self.api_level else ""),
            compute_units=tuple(units),
            # An emulator's times are this computer's: like a test double's, they say nothing of a phone.
            provenance=Provenance.VIRTUAL if self.is_virtual or self.is_emulator else Provenance.MEASURED,
            soc=self.soc_label,
            gpu=self.gpu,
            abi=self.abis[0] if self.abis else "",
            chip=self.chip.part if self.chip is not None else "",
        )


def read_facts(printed: str) -> PhoneFacts:
    """Read what :data:`FACTS_SCRIPT` printed."""
    sections = split_sections(printed)
    props = _properties(sections.get("props", []))
    model, manufacturer = props.get("ro.product.model", ""), props.get("ro.product.manufacturer", "")
    chip, soc = _chip(props)
    # A chip that is not the one we know under this model's name makes it another phone.
    phone = (
        None if chip is None and props.get("ro.soc.model") else _phone(model, props.get("ro.product.device", ""), chip)
    )
    chip = phone.chip if phone is not None else chip
    hardware = props.get("ro.hardware", "")
    return PhoneFacts(
        model=model,
        manufacturer=manufacturer[:1].upper() + manufacturer[1:],
        soc=soc,
        chip=chip,
        phone=phone,
        android=props.get("ro.build.version.release", ""),
        api_level=_number(props.get("ro.build.version.sdk", "")),
        abis=tuple(abi for abi in props.get("ro.product.cpu.abilist", "").split(",") if abi),
        memory_bytes=_memory_bytes(sections.get("mem", [])),
        clusters=_clusters(sections.get("cpu", [])),
        allowed_cpus=_cpu_list(" ".join(sections.get("allowed", [])).rpartition(":")[2]),
        num_online=len(_cpu_list(" ".join(sections.get("online", [])))),
        gpu=_gpu(sections, chip, props),
        has_opencl=any(line.startswith("/") for line in sections.get("opencl", [])),
        is_virtual=props.get("ro.embedl_nb.virtual") == "1",
        is_emulator="1" in (props.get("ro.kernel.qemu"), props.get("ro.boot.qemu")) or hardware in _EMULATED,
        fingerprint=props.get("ro.build.fingerprint", ""),
    )


def _properties(lines: list[str]) -> dict[str, str]:
    found = filter(None, map(_PROPERTY.fullmatch, lines))
    return {match["key"] or match["plain"]: clean(match["value"] or match["text"] or "") for match in found}


def _chip(props: dict[str, str]) -> tuple[Chip | None, str]:
    """Return the catalog's chip and the phone's own name for it: the part first, codenames only without it."""
    keys = ("ro.soc.model", "ro.hardware.chipname", "ro.board.platform", "ro.hardware")
    said = [props[key] for key in keys if props.get(key)]
    for name in said:
        for spelled in _spellings(name):
            chips = chips_named(spelled)
            if len(chips) == 1:
                return chips[0], name
    return None, said[0] if said else ""


def _spellings(name: str) -> Iterator[str]:
    """Yield what the catalog may have a chip under: SM8650 for SM8650-AC, Exynos 2400 for exynos2400."""
    yield name
    yield re.split(r"[-/ ]", name)[0]
    yield re.sub(r"^(exynos)(?=\d)", r"\1 ", name, flags=re.IGNORECASE)
    yield from re.findall(r"^(?:MT|SM)\d{4}", name, flags=re.IGNORECASE)


def _phone(model: str, codename: str, chip: Chip | None) -> Phone | None:
    """Return the catalog's phone, if only one has this model or codename and this chip."""
    for name in filter(None, (model, codename)):
        found = [phone for phone in phones_named(name) if chip is None or phone.chip == chip]
        if len(found) == 1:
            return found[0]
    return None


def _clusters(lines: list[str]) -> tuple[CpuCluster, ...]:
    found = {int(match["cpu"]): 1000 * int(match["khz"]) for match in map(_FREQUENCY.fullmatch, lines) if match}
    fastest_first = sorted(found, key=lambda cpu: (-found[cpu], cpu))
    return tuple(CpuCluster(hz, tuple(cpus)) for hz, cpus in groupby(fastest_first, key=found.__getitem__))


def _cpu_list(text: str) -> tuple[int, ...]:
    """Read the kernel's ``0-3,7``; empty where it is none."""
    cpus: set[int] = set()
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        if not first.isdigit() or not (last or first).isdigit() or int(last or first) > 1023:
            return ()
        cpus.update(range(int(first), int(last or first) + 1))
    return tuple(sorted(cpus))


def _memory_bytes(lines: list[str]) -> int:
    match = re.match(r"MemTotal:\s*(\d{1,15}) kB", "\n".join(lines))
    return int(match[1]) * 1024 if match else 0


def _gpu(sections: dict[str, list[str]], chip: Chip | None, props: dict[str, str]) -> str:
    lines = [*sections.get("gles", []), *sections.get("gpu", [])]
    for line in lines:
        match = re.fullmatch(r"GLES: [^,]*, (?P<renderer>[^,]+),.*", line)
        if match is not None or (line.strip() and not line.startswith("GLES")):
            return clean(match["renderer"] if match else line)
    return chip.gpu if chip is not None and chip.gpu else props.get("ro.hardware.egl", "")


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
