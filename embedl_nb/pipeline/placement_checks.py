"""What a preflight can ask on this machine: a driver for the GPU's part, the vendors' compilers for the NPU's."""

from __future__ import annotations

from embedl_nb.errors import EmbedlError, MissingDependencyError
from embedl_nb.pipeline.checks import Check, Status

__all__ = ["check_gpu_driver", "check_npu_compilers"]

_NPU = "preflight: NPU"


def check_gpu_driver() -> Check:
    """Look for a driver on which LiteRT's GPU delegate can be asked."""
    from embedl_nb.placement.gpu.drivers import INSTALL_COMMAND, find_drivers

    drivers = find_drivers()
    if not drivers:
        return Check(name="preflight: GPU", status=Status.MISSING, found="no Vulkan driver", fix=INSTALL_COMMAND)
    return Check(name="preflight: GPU", status=Status.OK, found=drivers[0].name)


def check_npu_compilers() -> Check:
    """Look for the vendors' compilers and what makes them load."""
    from embedl_nb.placement.npu.sdk import find_sdk
    from embedl_nb.placement.npu.vendors import VENDORS

    found, missing, broken = [], {}, []
    for vendor in VENDORS.values():
        try:
            found.append(f"{vendor.name} ({find_sdk(vendor).package})")
        except MissingDependencyError as err:
            missing[vendor.name] = err
        except EmbedlError as err:
            broken.append(err)
    if broken:
        status, ready = (Status.WARNING, f"; ready: {', '.join(found)}") if found else (Status.MISSING, "")
        return Check(name=_NPU, status=status, found=f"{broken[0].message}{ready}", fix=broken[0].hint)
    if not found:
        first = next(iter(missing.values()))
        return Check(name=_NPU, status=Status.MISSING, found=first.message, fix=first.hint)
    absent = [f"{name} ({err.install or err.message})" for name, err in missing.items()]
    others = f"; not {', '.join(absent)}" if absent else ""
    return Check(name=_NPU, status=Status.OK, found=", ".join(found) + others)
