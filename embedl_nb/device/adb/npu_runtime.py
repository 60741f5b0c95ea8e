"""The libraries that a phone's NPU needs beside a model that was compiled for it: whose, and where to find them.

Vendors differ in data only. LiteRT's dispatch library is needed for each; Qualcomm's own runtime is pushed with it, the
others' is part of the phone's system. All of them are the user's, from the vendor's SDK: none is fetched.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from embedl_nb.device.adb.tool.binary import read_abi
from embedl_nb.errors import UnitUnavailableError
from embedl_nb.units import ComputeUnit

if TYPE_CHECKING:
    from embedl_nb.device.adb.facts import PhoneFacts
    from embedl_nb.device.adb.tool.binary import ToolBinary
    from embedl_nb.device.adb.tool.command import BenchmarkCommand
    from embedl_nb.device.info import DeviceInfo

__all__ = ["RUNTIMES", "VARIABLE", "NpuRuntime", "VendorRuntime", "find_runtime"]

VARIABLE = "EMBEDL_NB_NPU_LIBRARIES"
"""Names the folders to look in, as ``PATH`` does."""
# Below a folder that is given: the folder itself, an SDK of Qualcomm's, and LiteRT's package of runtime libraries.
_PLACES = (
    ".",
    "lib/aarch64-android",
    "aarch64-android",
    "lib/hexagon-v{version}/unsigned",
    "hexagon-v{version}/unsigned",
    "qualcomm_runtime_v{version}/src/main/jni/arm64-v8a",
    "mediatek_runtime/src/main/jni/arm64-v8a",
    "google_tensor_runtime/src/main/jni/arm64-v8a",
    "samsung_runtime/src/main/jni/arm64-v8a",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorRuntime:
    """What one vendor's NPU needs. In names ``{version}`` is the NPU's: 75 of a Hexagon v75.

    Attributes
    ----------
    dispatch
        LiteRT's library for it, of the tool's own version.
    libraries
        The vendor's own that are pushed.
    optional_libraries
        Pushed with them where they are found: a model that was compiled ahead of time runs without.
    dsp_library
        The one that runs on the NPU itself, which the system looks for in a variable of its own.
    system_folders
        Where the phone keeps those that are part of its system.
    sdk_variables
        Which the vendor's SDK sets to its folder.
    source
        Where a person gets them.
    """

    name: str
    dispatch: str
    libraries: tuple[str, ...] = ()
    optional_libraries: tuple[str, ...] = ()
    dsp_library: str = ""
    system_folders: tuple[str, ...] = ()
    sdk_variables: tuple[str, ...] = ()
    source: str = "LiteRT's release or a build of its source"


RUNTIMES: Mapping[str, VendorRuntime] = {
    "qualcomm": VendorRuntime(
        name="Qualcomm",
        dispatch="libLiteRtDispatch_Qualcomm.so",
        libraries=("libQnnHtp.so", "libQnnSystem.so", "libQnnHtpV{version}Stub.so"),
        optional_libraries=("libQnnHtpPrepare.so",),
        dsp_library="libQnnHtpV{version}Skel.so",
        sdk_variables=("QNN_SDK_ROOT", "QAIRT_SDK_ROOT"),
        source="Qualcomm's AI Engine Direct SDK (QAIRT), and LiteRT's release for the dispatch library",
    ),
    "mediatek": VendorRuntime(
        name="MediaTek", dispatch="libLiteRtDispatch_MediaTek.so", system_folders=("/system_ext/lib64",)
    ),
    "google_tensor": VendorRuntime(name="Google Tensor", dispatch="libLiteRtDispatch_GoogleTensor.so"),
    "samsung": VendorRuntime(
        name="Samsung", dispatch="libLiteRtDispatch_Samsung.so", system_folders=("/vendor/lib64",)
    ),
}
"""By the ``npu_sdk`` of a chip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NpuRuntime:
    """Libraries on this machine, ready to be pushed; none for a run without the NPU.

    Attributes
    ----------
    files
        The dispatch library first, the one for the NPU itself last.
    """

    files: tuple[Path, ...] = ()
    has_dsp_library: bool = False
    system_folders: tuple[str, ...] = ()

    def placed(self, command: BenchmarkCommand, remote_paths: Sequence[str]) -> BenchmarkCommand:
        """Return the command that finds them where they were pushed, in the order of :attr:`files`."""
        if not self.files:
            return command
        folders = tuple(path.rpartition("/")[0] for path in remote_paths)
        return replace(
            command,
            dispatch_library_path=folders[0],
            library_paths=(*dict.fromkeys(folders), *self.system_folders),
            dsp_library_paths=folders[-1:] if self.has_dsp_library else (),
        )


def find_runtime(facts: PhoneFacts, info: DeviceInfo, tool: ToolBinary) -> NpuRuntime:
    """Return the libraries for a phone's NPU.

    They are looked for in the folders that ``EMBEDL_NB_NPU_LIBRARIES`` and the vendor's own variables name, and beside
    the tool.

    Raises
    ------
    UnitUnavailableError
        If the chip has no NPU that LiteRT knows, or a library is missing or is for another machine; it is named.
    """
    runtime = RUNTIMES.get(facts.chip.npu_sdk) if facts.chip is not None else None
    if facts.chip is None or runtime is None:
        raise _not_runnable(info, f"LiteRT knows no NPU of its chip, {info.soc or 'which it does not name'}")
    version = "".join(re.findall(r"v(\d+)", facts.chip.npu))
    places = [place.format(version=version) for place in _PLACES]
    folders = [folder / place for folder in _folders(runtime, tool) for place in places]
    names = [runtime.dispatch, *(name.format(version=version) for name in runtime.libraries)]
    found = [_library(name, folders, abi=tool.abi) for name in names]
    optional = [_library(name, folders, abi=tool.abi) for name in runtime.optional_libraries]
    if runtime.dsp_library:
        names.append(runtime.dsp_library.format(version=version))
        found.append(_library(names[-1], folders, abi=""))
    missing = [name for name, path in zip(names, found, strict=True) if path is None]
    if missing:
        raise _not_runnable(
            info,
            f"of {runtime.name}'s libraries for {facts.chip} this machine lacks {', '.join(missing)}"
            + (f" for {tool.abi}" if missing != names[-1:] or not runtime.dsp_library else ""),
            hint=f"set {VARIABLE} to the folders that hold them; they are from {runtime.source}",
        )
    return NpuRuntime(
        # Behind the dispatch library, which has to be the first.
        files=tuple(path for path in (*found[:1], *optional, *found[1:]) if path is not None),
        has_dsp_library=bool(runtime.dsp_library),
        system_folders=runtime.system_folders,
    )


def _folders(runtime: VendorRuntime, tool: ToolBinary) -> Iterator[Path]:
    for variable in (VARIABLE, *runtime.sdk_variables):
        for folder in filter(None, os.environ.get(variable, "").split(os.pathsep)):
            yield Path(folder).expanduser()
    yield tool.path.parent


def _library(name: str, folders: Sequence[Path], *, abi: str) -> Path | None:
    """Return the first file of that name that is for ``abi``: an SDK has the same names for this computer, too."""
    files = (folder / name for folder in folders)
    return next((file for file in files if file.is_file() and (not abi or read_abi(file) == abi)), None)


def _not_runnable(info: DeviceInfo, why: str, *, hint: str = "") -> UnitUnavailableError:
    others = tuple(str(unit) for unit in info.compute_units if unit is not ComputeUnit.NPU)
    return UnitUnavailableError(
        f"not runnable on the npu of {info.name} ({info.address}), because {why}",
        asked=str(ComputeUnit.NPU),
        available=others,
        address=info.address,
        hint=hint or f"ask for {' or '.join(others)}",
    )
