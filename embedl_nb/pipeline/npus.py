"""What this machine can do for the NPUs of phones: whose it compiles for, whose it simulates, and why not."""

from __future__ import annotations

from dataclasses import dataclass

from embedl_nb.errors import EmbedlError

__all__ = ["NpuSupport", "npu_support"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NpuSupport:
    """What can be done here for the chips of one vendor's SDK.

    Attributes
    ----------
    compiles, simulates
        Whether it can be done.
    compiler, simulator
        What does it, or why it cannot be done and what to try.
    """

    compiles: bool
    compiler: str
    simulates: bool
    simulator: str


def npu_support() -> dict[str, NpuSupport]:
    """Return it by a chip's ``npu_sdk``; ``""`` is a chip that LiteRT lists no SDK for."""
    from embedl_nb.placement.npu.vendors import VENDORS

    nothing = "LiteRT knows no compiler for its NPU"
    none = NpuSupport(compiles=False, compiler=nothing, simulates=False, simulator=nothing)
    return {"": none} | {name: _support(name) for name in VENDORS}


def _support(name: str) -> NpuSupport:
    from embedl_nb.measure.in_words import in_words
    from embedl_nb.placement.npu.sdk import find_sdk
    from embedl_nb.placement.npu.vendors import VENDORS
    from embedl_nb.placement.rehearsal.simulator import check_installed

    vendor = VENDORS[name]
    try:
        compiles, compiler = True, f"{vendor.compiler} ({find_sdk(vendor).package})"
    except EmbedlError as err:
        compiles, compiler = False, in_words(err)
    if name != "qualcomm":
        return NpuSupport(
            compiles=compiles, compiler=compiler, simulates=False, simulator=f"there is no simulator of {vendor.name}'s"
        )
    try:
        check_installed()
    except EmbedlError as err:
        return NpuSupport(compiles=compiles, compiler=compiler, simulates=False, simulator=in_words(err))
    return NpuSupport(
        compiles=compiles,
        compiler=compiler,
        simulates=compiles,
        simulator="Qualcomm's simulator" if compiles else f"it simulates what was compiled: {compiler}",
    )
