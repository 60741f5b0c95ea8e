"""Windows that slide over the spatial axes: what convolutions and pools share to read kernel, strides and pads.

ONNX gives pads as numbers, begin and end apart, or as ``auto_pad``; a pool may also round its output up. All of it
becomes one :class:`Window` with explicit pads, so that an operator only pads and slides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch.nn.functional as F

from embedl_nb.compiler.onnx.operators.arguments import integers, refused

if TYPE_CHECKING:
    from torch import Tensor

    from embedl_nb.compiler.onnx.registry import Call

__all__ = ["Window", "padded", "window_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A sliding window, one number for each spatial axis.

    Attributes
    ----------
    kernel, strides, dilations
        In elements.
    pads
        (begin, end) of each axis, as the node has them; negative ones crop.
    overhang
        How far the last window of a pool that rounds up reaches beyond the padded input.
    lengths
        Of the output.
    """

    kernel: list[int]
    strides: list[int]
    dilations: list[int]
    pads: list[tuple[int, int]]
    overhang: list[int]
    lengths: list[int]

    @property
    def is_dilated(self) -> bool:
        """Whether any axis leaves out elements within the window."""
        return any(step > 1 for step in self.dilations)

    @property
    def symmetric(self) -> list[int] | None:
        """One pad for each axis where begin and end are the same; None where torch's own padding cannot do it."""
        if any(self.overhang) or any(begin != end or begin < 0 for begin, end in self.pads):
            return None
        return [begin for begin, _ in self.pads]

    @property
    def all_pads(self) -> list[tuple[int, int]]:
        """Pads with the overhang."""
        return [(begin, end + over) for (begin, end), over in zip(self.pads, self.overhang, strict=True)]


def window_of(call: Call, lengths: list[int], kernel: list[int]) -> Window:
    """Read a node's window over spatial axes of ``lengths``.

    Raises
    ------
    UnsupportedOperatorError
        More than three spatial axes, or lists that do not fit their number.
    """
    rank = len(lengths)
    kernel = integers(kernel)
    strides = integers(call.get("strides") or [1] * rank)
    dilations = integers(call.get("dilations") or [1] * rank)
    if not 1 <= rank <= 3 or {len(kernel), len(strides), len(dilations)} != {rank}:
        raise refused(
            call,
            f"kernel {kernel}, strides {strides} and dilations {dilations} over {rank} spatial axes",
            hint="LiteRT has windows over one, two and three spatial axes: reshape the model's tensors to one of these",
        )
    spans = [(size - 1) * step + 1 for size, step in zip(kernel, dilations, strict=True)]
    pads = _pads(call, lengths, spans, strides)
    outputs, overhang = [], []
    for length, span, stride, (begin, end) in zip(lengths, spans, strides, pads, strict=True):
        room = length + begin + end - span
        count = room // stride + 1
        if call.get("ceil_mode", 0) and room % stride and count * stride < length + begin:
            count += 1  # a window that would begin in the end pad does not count
        outputs.append(count)
        overhang.append(max((count - 1) * stride - room, 0))
    return Window(kernel=kernel, strides=strides, dilations=dilations, pads=pads, overhang=overhang, lengths=outputs)


def _pads(call: Call, lengths: list[int], spans: list[int], strides: list[int]) -> list[tuple[int, int]]:
    auto = call.get("auto_pad", "NOTSET")
    rank = len(lengths)
    if auto == "NOTSET":
        given = integers(call.get("pads") or [0] * (2 * rank))
        return list(zip(given[:rank], given[rank:], strict=True))
    if auto == "VALID":
        return [(0, 0)] * rank
    pads = []
    for length, span, stride in zip(lengths, spans, strides, strict=True):
        total = max((-(-length // stride) - 1) * stride + span - length, 0)
        small, large = total // 2, total - total // 2
        pads.append((small, large) if auto == "SAME_UPPER" else (large, small))
    return pads


def padded(x: Tensor, pads: list[tuple[int, int]], value: float = 0.0) -> Tensor:
    """Pad (or, where negative, crop) the last axes of ``x``, one (begin, end) for each."""
    if not any(any(pair) for pair in pads):
        return x
    return F.pad(x, [amount for pair in reversed(pads) for amount in pair], value=value)
