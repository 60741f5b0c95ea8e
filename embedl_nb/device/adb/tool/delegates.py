"""Delegates by the names that runtimes print, and the compute unit each one is."""

from __future__ import annotations

from dataclasses import dataclass

from embedl_nb.units import ComputeUnit

__all__ = ["DELEGATES", "DelegateFacts", "delegate_facts", "is_delegate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegateFacts:
    """What a delegate's name tells.

    Attributes
    ----------
    unit
        Where it runs; None where the name alone does not tell.
    backend
        The programming interface of a GPU, where the name tells it: ``"opencl"``.
    unknown_because
        Why the name alone does not tell the unit; empty where it does.
    """

    unit: ComputeUnit | None
    backend: str = ""
    unknown_because: str = ""


_CPU, _GPU, _NPU = ComputeUnit.CPU, ComputeUnit.GPU, ComputeUnit.NPU

# phone-facts, section 5. A unit of None is completed by placement.py from the lines around, or stays unknown.
DELEGATES: dict[str, DelegateFacts] = {
    "TfLiteXNNPackDelegate": DelegateFacts(unit=_CPU),
    "YNNPackDelegate": DelegateFacts(unit=_CPU),
    "TfLiteFlexDelegate": DelegateFacts(unit=_CPU),
    "TfLiteGpuDelegateV2": DelegateFacts(unit=_GPU),
    "TfLiteGpuDelegateV2Async": DelegateFacts(unit=_GPU),
    "LITERT_CL": DelegateFacts(unit=_GPU, backend="opencl"),
    "LITERT_OPENGL": DelegateFacts(unit=_GPU, backend="opengl"),
    "LITERT_VULKAN": DelegateFacts(unit=_GPU, backend="vulkan"),
    "LITERT_WEBGPU": DelegateFacts(unit=_GPU, backend="webgpu"),
    "LITERT_METAL": DelegateFacts(unit=_GPU, backend="metal"),
    "MlDriftDelegate": DelegateFacts(unit=_GPU),
    "DispatchDelegate": DelegateFacts(unit=_NPU),
    "DISPATCH_OP": DelegateFacts(unit=_NPU),
    "TfLiteNnapiDelegate": DelegateFacts(
        unit=None, unknown_because="NNAPI chooses the unit, and its accelerator names none that is known"
    ),
    "TfLiteQnnDelegate": DelegateFacts(unit=None, unknown_because="its option backend_type was not printed"),
    "Vx Delegate": DelegateFacts(unit=None, unknown_because="it drives VeriSilicon's NPU or GPU"),
    "TfLiteHexagonDelegate": DelegateFacts(unit=None, unknown_because="it drives a DSP"),
}


def delegate_facts(name: str) -> DelegateFacts:
    """Return what ``name`` tells; of one that is not known, nothing."""
    if name.startswith("MlDriftDelegate"):
        return DELEGATES["MlDriftDelegate"]
    return DELEGATES.get(name) or DelegateFacts(unit=None, unknown_because="its name is not known")


def is_delegate(node_type: str) -> bool:
    """Whether a row of a profile is a delegate as a whole."""
    return node_type in DELEGATES or "Delegate" in node_type
