"""What a preflight said of a phone, held against what happened there, in one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embedl_nb.placement.foreseen import recall_foreseen
from embedl_nb.units import ComputeUnit

if TYPE_CHECKING:
    from embedl_nb.device.info import DeviceInfo
    from embedl_nb.model.litert_model import LiteRTModel
    from embedl_nb.model.spec import Signature
    from embedl_nb.runtime.raw_run import ExecutionPath

__all__ = ["compare_with_preflight"]


def compare_with_preflight(
    model: LiteRTModel, signature: Signature, device: DeviceInfo, unit: ComputeUnit, path: ExecutionPath | None
) -> str:
    """Return the sentence; ``""`` where no preflight was made for that chip, or there is nothing to compare.

    On the CPU every operator runs one way or another.
    """
    if path is None or not device.chip or unit is ComputeUnit.CPU:
        return ""
    key = signature.key if len(model.signatures) > 1 else ""
    said = recall_foreseen(model.sha256, device.chip, unit, signature_key=key)
    if said is None:
        return ""
    foreseen = f"{said.num_running} of {said.num_operators} operators on the {unit}"
    # What is left to the CPU is counted alike in a model and in what was compiled from it; the rest is not.
    left_over = None if path.num_taken is None or path.num_operators is None else path.num_operators - path.num_taken
    if left_over == said.num_operators - said.num_running:
        return f"as preflight said: {foreseen}"
    return f"preflight said {foreseen}; there it was: {path.sentence}" + (f"; {path.cause}" if path.cause else "")
