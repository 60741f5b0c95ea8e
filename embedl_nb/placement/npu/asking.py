"""Ask the compiler of a chip's vendor, by the chip's SDK; where there is no way to ask, say what it would take."""

from __future__ import annotations

from embedl_nb.device.catalog import Chip
from embedl_nb.imports import is_installed
from embedl_nb.model import LiteRTModel
from embedl_nb.model.calling import pick_signature
from embedl_nb.placement.answers import UnitAnswer
from embedl_nb.placement.npu.qualcomm import ask_qualcomm
from embedl_nb.units import ComputeUnit

__all__ = ["ask_npu"]

_TIMEOUT_S = 600.0
_VENDORS = {"mediatek": "MediaTek", "google_tensor": "Google Tensor", "samsung": "Samsung"}


def ask_npu(
    model: LiteRTModel, chip: Chip, *, signature_key: str | None = None, timeout_s: float = _TIMEOUT_S
) -> UnitAnswer:
    """Say what the NPU of ``chip`` would do with each operator, as its vendor's compiler decides it.

    What a compile has shown is kept: the same model, chip and SDK are answered at once.

    Parameters
    ----------
    signature_key
        Which signature is asked about; the first by default.
    timeout_s
        For all that the vendor's compiler does, s.

    Returns
    -------
    UnitAnswer
        With ``not_checked`` where the SDK is missing or damaged, LiteRT supports no NPU of this chip, or the vendor's
        compiler failed as a whole; its log is kept then too.

    Raises
    ------
    UnknownNameError
        If the model has no such signature.
    """
    signature = pick_signature(model.signatures, signature_key)
    if chip.npu_sdk == "qualcomm":
        return ask_qualcomm(model, chip, signature=signature, timeout_s=timeout_s)
    if chip.npu_sdk in _VENDORS:
        return _not_asked(chip)
    return UnitAnswer(
        unit=ComputeUnit.NPU,
        asked=f"LiteRT for {chip.part}",
        not_checked=f"LiteRT supports no NPU of {chip}",
        next_step="enb.catalog(npu='qualcomm')",
    )


def _not_asked(chip: Chip) -> UnitAnswer:
    vendor = _VENDORS[chip.npu_sdk]
    distribution = f"ai-edge-litert-sdk-{chip.npu_sdk.replace('_', '-')}"
    if is_installed(distribution.replace("-", "_")):
        missing, step = f"{distribution} is installed, but this version of embedl_nb does not use it yet", ""
    else:
        missing, step = f"{vendor}'s compiler is not installed", f"pip install {distribution}"
    return UnitAnswer(
        unit=ComputeUnit.NPU, asked=f"{vendor}'s compiler for {chip.part}", not_checked=missing, next_step=step
    )
