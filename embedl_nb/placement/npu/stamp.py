"""For which chip a model was compiled ahead of time, as LiteRT wrote into the file itself."""

from __future__ import annotations

from dataclasses import dataclass

from embedl_nb.model.graph import ModelGraph
from embedl_nb.model.schema import schema
from embedl_nb.placement.npu.result import DISPATCH

__all__ = ["Stamp", "is_artifact", "read_stamp"]

_NAME = b"LiteRtStamp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What LiteRT's tool was asked for.

    Attributes
    ----------
    manufacturer
        ``"Qualcomm"``.
    chip_name
        As the vendor's plugin calls the chip.
    """

    manufacturer: str
    chip_name: str


def is_artifact(graph: ModelGraph) -> bool:
    """Whether a model, or a part of it, was compiled for an NPU."""
    return any(operator.custom_name == DISPATCH for each in graph.subgraphs for operator in each.operators)


def read_stamp(data: bytes) -> Stamp | None:
    """Return the stamp in the content of a ``.tflite`` file, None where there is none that can be read."""
    model = schema().Model.GetRootAs(data, 0)
    for number in range(model.MetadataLength()):
        entry = model.Metadata(number)
        if entry.Name() == _NAME:
            buffer = model.Buffers(entry.Buffer())
            # Two names of a fixed length, padded with zeros.
            content = buffer.DataAsNumpy().tobytes() if buffer.DataLength() else b""
            if len(words := [word for word in content.split(b"\0") if word]) == 2:
                manufacturer, chip_name = (word.decode(errors="replace") for word in words)
                return Stamp(manufacturer=manufacturer, chip_name=chip_name)
    return None
