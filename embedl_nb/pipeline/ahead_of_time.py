"""What a compiled model is for, and its artifact for the NPU of that device."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING

from embedl_nb.errors import CompileError, InputError
from embedl_nb.pipeline.recording import kept_path, recorded
from embedl_nb.units import ComputeUnit

if TYPE_CHECKING:
    from embedl_nb.device.catalog import Chip
    from embedl_nb.model import LiteRTModel
    from embedl_nb.placement import Placement

__all__ = ["chip_of", "with_artifact"]


def chip_of(device: str | None, *, aot: bool) -> Chip | None:
    """Return the chip to compile for, None where only a portable model is wanted.

    Raises
    ------
    InputError, UnknownNameError
        If there is no such device, or an artifact is wanted for a name with several chips or for none.
    """
    from embedl_nb.device.catalog import Chip
    from embedl_nb.device.targets import targets_meant

    if device is None:
        if aot:
            raise InputError(
                "aot=True needs to know the chip", hint='give device="Samsung Galaxy S24 Ultra" or "SM8650"'
            )
        return None
    named = targets_meant(device)
    if not aot:
        return None
    chips = [named] if isinstance(named, Chip) else list(dict.fromkeys(phone.chip for phone in named))
    if len(chips) > 1:
        parts = " or ".join(f'"{chip.part}"' for chip in chips)
        raise InputError(
            f"{device} is sold with {len(chips)} chips, and an artifact is for one", hint=f"device={parts}"
        )
    return chips[0]


def with_artifact(model: LiteRTModel, chip: Chip) -> LiteRTModel:
    """Return ``model`` with its artifact for the NPU of ``chip``, which is recorded as a run of its own.

    Raises
    ------
    CompileError
        If the NPU takes nothing of it or could not be asked; the portable model is recorded and cached all the same.
    """
    from embedl_nb.placement import place

    placement = place(
        model, chip, target=chip.part, phones=(), units=(ComputeUnit.NPU,), signature_key=model.signatures[0].key
    )
    npu = placement.answer(ComputeUnit.NPU)
    if placement.aot is None:
        raise CompileError(
            f"{model.name} is compiled, but not for the NPU of {chip}: {npu.not_checked or placement.verdict}",
            hint=npu.next_step or f'enb.preflight(model, "{chip.part}") says why, operator by operator',
        )
    notes = (*npu.notes, *_left_to_the_cpu(model, placement))
    artifact = dataclasses.replace(placement.aot, lineage=(*model.lineage, npu.asked), notes=notes)
    artifact = recorded("compile", artifact, model=artifact, parent_run_id=model.run_id)
    return dataclasses.replace(model, aot=dataclasses.replace(artifact, path=kept_path(artifact)))


def _left_to_the_cpu(model: LiteRTModel, placement: Placement) -> Iterator[str]:
    """Say what of the artifact the NPU does not run."""
    first, *others = (signature.key for signature in model.signatures)
    if others:
        yield f"only the signature {first!r} is compiled for the NPU; on the CPU: {', '.join(map(repr, others))}"
    if not placement.splits[ComputeUnit.NPU].is_whole:
        yield placement.verdict
