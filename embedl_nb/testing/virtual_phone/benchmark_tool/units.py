"""Which of the units that a command line asks for are there: by the phone's faults and the libraries pushed to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from embedl_nb.device.catalog import Chip
from embedl_nb.testing.virtual_phone.benchmark_tool.flags import ParsedFlags
from embedl_nb.testing.virtual_phone.benchmark_tool.npu import dispatch_library, has_runtime
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
        The pushed dispatch library; empty where there is none. It is loaded whether the NPU works or not.
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
    def of(
        cls,
        flags: ParsedFlags,
        faults: Faults,
        chip: Chip,
        variables: Mapping[str, str],
        names_in: Callable[[str], list[str]],
    ) -> Units:
        """Return what there is for these flags.

        Parameters
        ----------
        variables
            The tool's environment.
        names_in
            Lists a folder of the phone.
        """
        library = dispatch_library(flags.text("dispatch_library_path"), names_in)
        uses_gpu = faults.gpu_works and flags.is_on("use_gpu")
        uses_npu = faults.npu_works and flags.is_on("use_npu") and has_runtime(library, chip, variables, names_in)
        is_cpu_out = not flags.is_on("use_cpu") and flags.is_on("require_full_delegation")
        return cls(
            has_gpu=faults.gpu_works,
            npu_library=library,
            uses_gpu=uses_gpu and not uses_npu,
            uses_npu=uses_npu,
            can_run=uses_gpu or uses_npu or not is_cpu_out,
            gpu_refuses=faults.gpu_refuses,
        )
