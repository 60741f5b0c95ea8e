"""What a preflight can ask on this machine: a driver for the GPU's part, Qualcomm's compiler for the NPU's."""

from __future__ import annotations

from embedl_nb.errors import EmbedlError
from embedl_nb.pipeline.checks import Check, Status

__all__ = ["check_gpu_driver", "check_qualcomm"]


def check_gpu_driver() -> Check:
    """Look for a driver on which LiteRT's GPU delegate can be asked."""
    from embedl_nb.placement.gpu.drivers import INSTALL_COMMAND, find_drivers

    drivers = find_drivers()
    if not drivers:
        return Check(name="preflight: GPU", status=Status.MISSING, found="no Vulkan driver", fix=INSTALL_COMMAND)
    return Check(name="preflight: GPU", status=Status.OK, found=drivers[0].name)


def check_qualcomm() -> Check:
    """Look for Qualcomm's compiler and what makes it load."""
    from embedl_nb.placement.npu.sdk import find_sdk

    try:
        sdk = find_sdk()
    except EmbedlError as err:
        return Check(name="preflight: NPU", status=Status.MISSING, found=err.message, fix=err.hint)
    return Check(name="preflight: NPU", status=Status.OK, found=f"Qualcomm's compiler, {sdk.package}")
