"""Operators of detectors: RoiAlign, MaxRoiPool, NonMaxSuppression.

How many boxes NonMaxSuppression keeps, and which pixels MaxRoiPool compares, is only known when the model runs: both
are computed here where boxes are constants, and refused else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from embedl_nb.compiler.onnx.operators.arguments import refused
from embedl_nb.compiler.onnx.operators.sampling import blended, channel_rows, corners, sum_of
from embedl_nb.compiler.onnx.registry import operator

if TYPE_CHECKING:
    from torch import Tensor

    from embedl_nb.compiler.onnx.registry import Call, Known, Static


@operator("RoiAlign", since=10)
def roi_align(call: Call, x: Tensor, rois: Tensor, images: Tensor) -> Tensor:
    """Return the average (maximum) of ``sampling_ratio`` squared points in each cell of each box (x1, y1, x2, y2)."""
    ratio = int(call.get("sampling_ratio", 0))
    if ratio < 1:
        raise refused(
            call,
            "sampling_ratio 0 takes more points in larger boxes, and boxes are known when the model runs",
            hint="export it with a sampling_ratio, e.g. 2",
        )
    is_half_pixel = call.get("coordinate_transformation_mode", "half_pixel") == "half_pixel" and call.opset >= 16
    rois = rois * call.get("spatial_scale", 1.0) - (0.5 if is_half_pixel else 0.0)
    cells = (call.get("output_height", 1), call.get("output_width", 1))
    lengths = list(x.shape[2:])
    points, is_inside = [], []
    for axis, (count, length) in enumerate(zip(cells, lengths, strict=True)):
        begin, span = rois[:, 1 - axis], rois[:, 3 - axis] - rois[:, 1 - axis]
        span = span if is_half_pixel else span.clamp(min=1.0)
        steps = torch.from_numpy((np.arange(count * ratio) + 0.5) / (count * ratio)).to(rois.dtype)
        place = begin.unsqueeze(1) + span.unsqueeze(1) * steps
        is_inside.append((place >= -1) & (place <= length))
        points.append(place.clamp(0, length - 1))
    inside = is_inside[0].unsqueeze(2) & is_inside[1].unsqueeze(1)
    grids = [points[0].unsqueeze(2).expand(inside.shape), points[1].unsqueeze(1).expand(inside.shape)]
    axes = [corners(grid.reshape(len(grid), -1)) for grid in grids]
    parts = blended(channel_rows(x), axes, lengths, images, is_zero_outside=False)
    parts = [part * inside.reshape(len(inside), -1, 1).to(part.dtype) for part in parts]
    sizes = (len(rois), cells[0], ratio, cells[1], ratio, x.shape[1])
    if call.get("mode", "avg") == "max":
        most = parts[0]
        for part in parts[1:]:
            most = torch.maximum(most, part)
        return most.reshape(sizes).amax(4).amax(2).permute(0, 3, 1, 2)
    return sum_of(parts).reshape(sizes).mean(4).mean(2).permute(0, 3, 1, 2)


@operator("MaxRoiPool")
def max_roi_pool(call: Call, x: Tensor, rois: Known) -> Tensor:
    """Return the maximum of each cell of each box (image, x1, y1, x2, y2); boxes must be known."""
    if not isinstance(rois, np.ndarray):
        raise refused(
            call,
            "which pixels it compares depends on boxes that are known when the model runs",
            hint="export the model with RoiAlign, or cut the graph before this node",
        )
    pooled = call.attributes["pooled_shape"]
    results = []
    for image, *box in rois:
        left, top, right, bottom = np.floor(np.array(box) * call.get("spatial_scale", 1.0) + 0.5).astype(int)
        rows = _cells(top, bottom, pooled[0], x.shape[2])
        columns = _cells(left, right, pooled[1], x.shape[3])
        values = [x[int(image), :, row, column] for row in rows for column in columns]
        cells = [value.amax((1, 2)) if value.numel() else value.new_zeros(len(value)) for value in values]
        results.append(torch.stack(cells, 1).reshape(-1, *pooled))
    return torch.stack(results)


def _cells(first: int, last: int, count: int, length: int) -> list[slice]:
    step = max(last - first + 1, 1) / count
    begins = [int(np.clip(np.floor(index * step) + first, 0, length)) for index in range(count)]
    ends = [int(np.clip(np.ceil((index + 1) * step) + first, 0, length)) for index in range(count)]
    return [slice(begin, max(begin, end)) for begin, end in zip(begins, ends, strict=True)]


@operator("NonMaxSuppression", since=10)
def non_max_suppression(
    call: Call,
    boxes: Known,
    scores: Known,
    most: Static | None = None,
    overlap: Static | None = None,
    least_score: Static | None = None,
) -> Static:
    """Return (image, class, box) of the boxes that no better one of their class overlaps; all must be known."""
    if not isinstance(boxes, np.ndarray) or not isinstance(scores, np.ndarray):
        raise refused(
            call,
            "how many boxes it keeps depends on values that are known when the model runs",
            hint="cut the graph before this node, take boxes and scores as outputs and suppress outside the model",
        )
    limit = 0 if most is None else int(most.item())
    threshold = 0.0 if overlap is None else float(overlap.item())
    floor = -np.inf if least_score is None else float(least_score.item())
    kept = []
    for image, kind in np.ndindex(*scores.shape[:2]):
        corners_ = _corners(boxes[image], is_centre=bool(call.get("center_point_box", 0)))
        chosen: list[int] = []
        for index in np.argsort(-scores[image, kind], kind="stable"):
            if scores[image, kind, index] <= floor or len(chosen) >= limit:
                break
            if all(_overlap(corners_[index], corners_[other]) <= threshold for other in chosen):
                chosen.append(int(index))
        kept += [(image, kind, index) for index in chosen]
    return np.array(kept, dtype=np.int64).reshape(-1, 3)


def _corners(boxes: Static, *, is_centre: bool) -> Static:
    """Return boxes as their least and largest corners: (y1, x1, y2, x2)."""
    if is_centre:
        x, y, width, height = boxes.T
        return np.stack([y - height / 2, x - width / 2, y + height / 2, x + width / 2], 1)
    first, second = boxes[:, :2], boxes[:, 2:]
    return np.concatenate([np.minimum(first, second), np.maximum(first, second)], 1)


def _overlap(one: Static, other: Static) -> float:
    """Return intersection over union."""
    sides = np.clip(np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2]), 0, None)
    common = float(sides.prod())
    union = float((one[2:] - one[:2]).prod() + (other[2:] - other[:2]).prod()) - common
    return common / union if union > 0 else 0.0
