"""Whether a phone's NPU can be used: by the libraries that were pushed, and where the command has the system look."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from embedl_nb.device.catalog import Chip

__all__ = ["dispatch_library", "has_runtime"]

_DISPATCH = {
    "qualcomm": "libLiteRtDispatch_Qualcomm.so",
    "mediatek": "libLiteRtDispatch_MediaTek.so",
    "google_tensor": "libLiteRtDispatch_GoogleTensor.so",
    "samsung": "libLiteRtDispatch_Samsung.so",
}
_NamesIn = Callable[[str], list[str]]


def dispatch_library(folder: str, names_in: _NamesIn) -> str:
    """Return the library that LiteRT loads from a folder, whosever NPU it is for; empty where there is none."""
    names = [name for name in names_in(folder) if name.startswith("libLiteRtDispatch")] if folder else []
    return f"{folder}/{names[0]}" if names else ""


def has_runtime(library: str, chip: Chip, variables: Mapping[str, str], names_in: _NamesIn) -> bool:
    """Whether the vendor's runtime beneath a dispatch library is whole.

    Qualcomm's has to be pushed, and the part that runs on the NPU has a variable of its own; those of others are in
    the phone's system.
    """
    if not library or library.rpartition("/")[2] != _DISPATCH.get(chip.npu_sdk):
        return False
    if chip.npu_sdk != "qualcomm":
        return True
    version = "".join(re.findall(r"v(\d+)", chip.npu))
    on_cpu, on_npu = (
        {name for folder in filter(None, variables.get(variable, "").split(separator)) for name in names_in(folder)}
        for variable, separator in (("LD_LIBRARY_PATH", ":"), ("ADSP_LIBRARY_PATH", ";"))
    )
    needed = {"libQnnHtp.so", "libQnnSystem.so", f"libQnnHtpV{version}Stub.so"}
    return needed <= on_cpu and f"libQnnHtpV{version}Skel.so" in on_npu
