"""Which file is measured on a phone's NPU: not the portable model, but what was compiled from it for that chip."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedl_nb.device.catalog.facts import chips
from embedl_nb.errors import UnitUnavailableError
from embedl_nb.placement.npu.stamp import is_artifact, read_stamp
from embedl_nb.placement.npu.vendors import VENDORS
from embedl_nb.units import ComputeUnit

if TYPE_CHECKING:
    from embedl_nb.device.info import DeviceInfo
    from embedl_nb.model.litert_model import LiteRTModel

__all__ = ["choose_file"]


def choose_file(model: LiteRTModel, device: DeviceInfo, unit: ComputeUnit) -> LiteRTModel:
    """Return what runs on that unit of the device: of a phone's NPU the artifact for its chip, else the model itself.

    Raises
    ------
    UnitUnavailableError
        If a phone's NPU cannot run it: its chip is unknown, nothing was compiled for it, or for another one; or if
        another unit of a phone is to run what was compiled for an NPU.
    """
    if not device.is_phone:
        return model
    is_compiled = is_artifact(model.graph)
    if unit is not ComputeUnit.NPU:
        if is_compiled:
            why = f"it was compiled for the NPU{f' of {model.target}' if model.target else ''}"
            raise _refusal(model, device, unit, why, hint="measure the portable model that it was made from")
        return model
    if ComputeUnit.NPU not in device.compute_units:
        chip = f"of its chip, {device.soc}, no NPU is known" if device.soc else "its chip is unknown"
        raise _refusal(model, device, unit, chip, hint=f"ask for {' or '.join(map(str, device.compute_units))}")
    command = f'enb.compile(model, device="{device.chip}", aot=True).aot'
    artifact = model if is_compiled else model.aot
    if artifact is None:
        why = f"nothing was compiled ahead of time for its chip, {device.soc}"
        raise _refusal(model, device, unit, why, hint=f"{command} makes it")
    if not _is_for(artifact, device.chip):
        why = f"it was compiled for {artifact.target or _stamped(artifact)}, and the chip there is {device.soc}"
        raise _refusal(model, device, unit, why, hint=f"{command} makes one for it, from the portable model")
    return artifact


def _is_for(artifact: LiteRTModel, part: str) -> bool:
    """Whether an artifact is for a chip, as its stamp says; without one, as its record does, else it is left open."""
    stamp, chip = read_stamp(artifact.content()), chips()[part]
    if stamp is not None:
        vendor = VENDORS[chip.npu_sdk]
        return (stamp.manufacturer, stamp.chip_name) == (vendor.manufacturer, vendor.chip_name(chip))
    return artifact.target in (None, part, str(chip))


def _stamped(artifact: LiteRTModel) -> str:
    stamp = read_stamp(artifact.content())
    return "another chip" if stamp is None else f"{stamp.manufacturer}'s {stamp.chip_name}"


def _refusal(model: LiteRTModel, device: DeviceInfo, unit: ComputeUnit, why: str, *, hint: str) -> UnitUnavailableError:
    return UnitUnavailableError(
        f"{model.name} is not runnable on the {unit} of {device.name} ({device.address}), because {why}",
        asked=str(unit),
        available=tuple(str(each) for each in device.compute_units if each is not unit),
        address=device.address,
        hint=hint,
    )
