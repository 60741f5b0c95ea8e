"""What each platform can do, as far as the wheels of the dependencies go. The README's table is made from this.

Looked up on 2026-11-22 for CPython 3.11 with pip, wheels only: ai-edge-litert 2.3.0, litert-converter 0.5.0,
litert-torch 0.10.0, torch 2.13.0, ai-edge-quantizer 0.10.0, onnxruntime-qnn 2.7.0, adbutils 2.12.0; on 2026-11-27
onnx 1.23.2, onnxruntime 1.31.1, tensorflow 2.21.0. ONNX models go PyTorch's way, Keras models TensorFlow's. A platform
has a GPU where the runtime's wheel carries an accelerator library for it, and an NPU where it carries a vendor's
compiler.
"""

from __future__ import annotations

import platform
import sys
from dataclasses import dataclass, fields

__all__ = ["NOTE", "PLATFORMS", "Capability", "Platform", "markdown_table", "this_platform"]

NOTE = (
    "As far as the wheels of the dependencies go; an adb of your own makes up for adbutils. GPU and NPU are asked what "
    "they would take; times are measured on the CPU here, and on whatever a phone has."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """Whether something can be had on a platform, and from what, or why not.

    Attributes
    ----------
    is_available
        Whether the wheels offer it.
    reason
        What offers it, or which wheel is missing.
    """

    is_available: bool
    reason: str

    def __str__(self) -> str:
        word = "yes" if self.is_available else "no"
        return f"{word}: {self.reason}" if self.reason else word


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """One row: an operating system on a kind of processor.

    Attributes
    ----------
    compile, onnx, keras
        A PyTorch, ONNX or Keras model to LiteRT.
    quantize
        A LiteRT model.
    cpu, gpu, npu
        Where the runtime can run, or compile for, a model.
    phones
        Whether phones on a cable can be reached without installing adb.
    """

    name: str
    compile: Capability
    onnx: Capability
    keras: Capability
    quantize: Capability
    cpu: Capability
    gpu: Capability
    npu: Capability
    phones: Capability

    @property
    def capabilities(self) -> dict[str, Capability]:
        """Columns by their title, in the order of the table."""
        return {_TITLES[each.name]: getattr(self, each.name) for each in fields(self) if each.name != "name"}


_TITLES = {
    "compile": "compile PyTorch",
    "onnx": "compile ONNX",
    "keras": "compile Keras",
    "quantize": "quantize",
    "cpu": "CPU",
    "gpu": "GPU (asked, not timed)",
    "npu": "NPU (compiled for)",
    "phones": "phones over adb",
}


def _yes(by: str = "") -> Capability:
    return Capability(is_available=True, reason=by)


def _no(why: str) -> Capability:
    return Capability(is_available=False, reason=why)


_YES = _yes()
_WEBGPU = _yes("WebGPU")
_NO_CONVERTER = _no("no wheel of litert-converter")
_NO_TENSORFLOW = _no("no wheel of tensorflow 2.18")
_NO_RUNTIME = _no("no wheel of ai-edge-litert 2.3")
_NO_PLUGIN = _no("no compiler plug-in in the wheel")
_NO_ADB = _no("no wheel of adbutils")

PLATFORMS: dict[tuple[str, str], Platform] = {
    ("linux", "x86_64"): Platform(
        name="Linux x86-64",
        compile=_YES,
        onnx=_YES,
        keras=_YES,
        quantize=_YES,
        cpu=_YES,
        gpu=_WEBGPU,
        npu=_yes("Qualcomm/MediaTek/Google/Intel"),
        phones=_YES,
    ),
    ("linux", "aarch64"): Platform(
        name="Linux arm64",
        compile=_NO_CONVERTER,
        onnx=_NO_CONVERTER,
        keras=_YES,
        quantize=_YES,
        cpu=_YES,
        gpu=_WEBGPU,
        npu=_NO_PLUGIN,
        phones=_NO_ADB,
    ),
    ("darwin", "arm64"): Platform(
        name="macOS arm64",
        compile=_YES,
        onnx=_YES,
        keras=_YES,
        quantize=_YES,
        cpu=_YES,
        gpu=_yes("Metal"),
        npu=_NO_PLUGIN,
        phones=_NO_ADB,
    ),
    ("darwin", "x86_64"): Platform(
        name="macOS x86-64",
        compile=_NO_CONVERTER,
        onnx=_NO_CONVERTER,
        keras=_NO_TENSORFLOW,
        quantize=_NO_RUNTIME,
        cpu=_NO_RUNTIME,
        gpu=_NO_RUNTIME,
        npu=_NO_RUNTIME,
        phones=_YES,
    ),
    ("win32", "x86_64"): Platform(
        name="Windows x86-64",
        compile=_NO_CONVERTER,
        onnx=_NO_CONVERTER,
        keras=_YES,
        quantize=_YES,
        cpu=_YES,
        gpu=_WEBGPU,
        npu=_yes("Intel"),
        phones=_YES,
    ),
}
"""Rows by ``sys.platform`` and processor."""

_MACHINES = {"amd64": "x86_64", "x64": "x86_64", "x86-64": "x86_64"}


def this_platform(system: str | None = None, machine: str | None = None) -> Platform:
    """Return the row of a platform, by default this machine's.

    Parameters
    ----------
    system
        As ``sys.platform`` says it.
    machine
        As ``platform.machine()`` says it.

    Returns
    -------
    Platform
        Of an unlisted platform everything is unavailable, for want of wheels.
    """
    system = sys.platform if system is None else system
    spoken = (platform.machine() if machine is None else machine).lower()
    key = (system, _MACHINES.get(spoken, spoken))
    if key in PLATFORMS:
        return PLATFORMS[key]
    return Platform(
        name=f"{system} {spoken}",
        compile=_NO_CONVERTER,
        onnx=_NO_CONVERTER,
        keras=_NO_TENSORFLOW,
        quantize=_NO_RUNTIME,
        cpu=_NO_RUNTIME,
        gpu=_NO_RUNTIME,
        npu=_NO_RUNTIME,
        phones=_NO_ADB,
    )


def markdown_table() -> str:
    """Return the table as Markdown, one row a platform."""
    head = ["", *_TITLES.values()]
    rows = [
        [row.name, *(str(each).replace("yes: ", "") for each in row.capabilities.values())]
        for row in PLATFORMS.values()
    ]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
