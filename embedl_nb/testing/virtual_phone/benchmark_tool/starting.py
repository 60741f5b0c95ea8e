"""What the tool prints before it runs anything: its flags, the model's path, and which accelerators register."""

from __future__ import annotations

from embedl_nb.testing.virtual_phone.benchmark_tool.flags import ParsedFlags, usage
from embedl_nb.testing.virtual_phone.benchmark_tool.lines import Line, litert, tool
from embedl_nb.testing.virtual_phone.benchmark_tool.units import Units

__all__ = ["SOURCE", "flag_lines", "loading_lines"]

SOURCE = "benchmark_litert_model.cc"
_NO_NPU = "NPU accelerator could not be loaded and registered: kLiteRtStatusErrorNotFound."
_NO_GPU = "GPU accelerator could not be loaded and registered."


def flag_lines(flags: ParsedFlags, program: str) -> list[Line]:
    """Return what it says of its command line."""
    lines = [
        tool(f"Failed to parse flag '{name}' against argv '{argument}'", "ERROR") for name, argument in flags.refused
    ]
    if not flags.is_accepted:
        return [*lines, tool(usage(program), "ERROR")]
    if flags.unconsumed:
        lines.append(tool(f"Unconsumed cmdline flags: {' '.join(flags.unconsumed)}", "WARN"))
    lines.append(tool(f"Log parameter values verbosely: [{flags.is_on('verbose'):d}]"))
    return [*lines, *map(tool, flags.logged())]


def loading_lines(flags: ParsedFlags, units: Units) -> list[Line]:
    """Return what is said until the model is compiled."""
    paths = ((231, "dispatch_library_path"), (235, "compiler_plugin_library_path"), (238, "compiler_cache_path"))
    return [
        litert(SOURCE, 271, f"Loading model from: {flags.text('graph')}"),
        *(litert(SOURCE, number, f"{name}: {flags.text(name)}") for number, name in paths),
        litert("environment.cc", 36, "Creating LiteRT environment with options"),
        *_npu_lines(flags.text("dispatch_library_path"), units),
        *_gpu_lines(units),
        _registered("CpuAccelerator"),
        litert("cpu_registry.cc", 42, "CPU accelerator registered."),
    ]


def _npu_lines(folder: str, units: Units) -> list[Line]:
    if units.npu_library:
        return [
            litert("litert_dispatch.cc", 138, f"Loading shared library: {units.npu_library}"),
            _registered("NpuAccelerator"),
            litert("npu_registry.cc", 30, "NPU accelerator registered."),
        ]
    not_found = [litert("litert_dispatch.cc", 110, f"No dispatch library found in {folder}", "WARNING")]
    return [*(not_found if folder else []), litert("npu_registry.cc", 34, _NO_NPU, "WARNING")]


def _gpu_lines(units: Units) -> list[Line]:
    if units.has_gpu:
        return [
            _registered("LiteRT GPU"),
            litert("gpu_registry.cc", 109, "Statically linked GPU accelerator registered."),
        ]
    return [
        litert("gpu_registry.cc", 130, "Loading GPU accelerator(libLiteRtClGlAccelerator.so)."),
        litert("gpu_registry.cc", 160, _NO_GPU, "WARNING"),
    ]


def _registered(name: str) -> Line:
    return litert("accelerator_registry.cc", 54, f"RegisterAccelerator: ptr=0xb400007da0c8a2a0, name={name}")
