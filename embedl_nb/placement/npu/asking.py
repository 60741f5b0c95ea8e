"""Ask the compiler of a chip's vendor, by the chip's SDK; where there is no way to ask, say what it would take."""

from __future__ import annotations

import re

from embedl_nb.device.catalog import Chip
from embedl_nb.model import LiteRTModel
from embedl_nb.model.calling import pick_signature
from embedl_nb.placement.answers import UnitAnswer
from embedl_nb.placement.npu.answering import ask_vendor
from embedl_nb.placement.npu.vendors import VENDORS
from embedl_nb.units import ComputeUnit

__all__ = ["ask_npu"]

_TIMEOUT_S = 600.0
# LiteRT's plugin compiles for some of them all the same; no phone could load what it makes.
_WITHOUT_HTP = re.compile(r"Hexagon v6[0-7]")


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
    if chip.npu_sdk in VENDORS:
        return ask_vendor(model, chip, VENDORS[chip.npu_sdk], signature=signature, timeout_s=timeout_s)
    why = f"LiteRT supports no NPU of {chip}"
    if _WITHOUT_HTP.fullmatch(chip.npu):
        why = f"{chip} has a {chip.npu}, which is no HTP, and LiteRT's artifacts for Snapdragons are for HTPs"
    return UnitAnswer(
        unit=ComputeUnit.NPU,
        asked=f"LiteRT for {chip.part}",
        not_checked=why,
        next_step="enb.catalog(npu='qualcomm')",
    )
