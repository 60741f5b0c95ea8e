"""Which of the units that a command line asks for are there: by the phone's faults and the libraries pushed to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from embedl_nb.testing.virtual_phone.benchmark_tool.flags import ParsedFlags
from embedl_nb.testing.virtual_phone.faults import Faults

__all__ = ["Units"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """What there is.

    Attributes
    ----------
    has_gpu
        Whether the GPU has a library, asked for or not.
    npu_library
        The pushed library for the NPU; empty where there is none that works.
    uses_gpu, uses_npu
        Whether the unit is there and was asked for.
    can_run
        Whether something is left to run the model: the CPU, where it is not ruled out.
    gpu_refuses
        Operators that the GPU leaves to the CPU.
    """

    has_gpu: bool
    npu_library: str
    uses_gpu: bool
    uses_npu: bool
    can_run: bool
    gpu_refuses: frozenset[str]

    @classmethod
    def of(cls, flags: ParsedFlags, faults: Faults, names_in: Callable[[str], list[str]]) -> Units:
        """Return what there is for these flags.

        Parameters
        ----------
        names_in
            Lists a folder of the phone.
        """
        folder = flags.text("dispatch_library_path")
        libraries = [name for name in names_in(folder) if name.startswith("libLiteRtDispatch")] if folder else []
        library = f"{folder}/{libraries[0]}" if libraries and faults.npu_works else ""
        uses_gpu = faults.gpu_works and flags.is_on("use_gpu")
        uses_npu = bool(library) and flags.is_on("use_npu")
        is_cpu_out = not flags.is_on("use_cpu") and flags.is_on("require_full_delegation")
        return cls(
            has_gpu=faults.gpu_works,
            npu_library=library,
            uses_gpu=uses_gpu and not uses_npu,
            uses_npu=uses_npu,
            can_run=uses_gpu or uses_npu or not is_cpu_out,
            gpu_refuses=faults.gpu_refuses,
        )
