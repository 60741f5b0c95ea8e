"""An input that takes camera bytes: its preprocessing becomes part of the compiled model.

``enb.image_input(...)`` stands in the place of an example input. The source is fed what the preprocessing makes of a
picture; the compiled model takes the picture's pixels themselves (see interface.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from embedl_nb.display import Displayable, Fact, View
from embedl_nb.errors import InputError
from embedl_nb.model import pictures as reading

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["ImageInput", "image_input"]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class ImageInput(Displayable):
    """A picture as an input; made by :func:`image_input`.

    Attributes
    ----------
    height, width
        In pixels.
    mean, std
        Of each channel, in the order of ``order``, after ``scale``.
    order
        Of the channels that the source takes: ``"RGB"`` or ``"BGR"``.
    dtype
        Of the pixels: ``"uint8"`` or ``"float32"`` (0..255 both).
    pictures
        RGB pixels of each example, shape (height, width, 3), uint8.
    is_made_up
        Whether the only example is noise.
    """

    height: int
    width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    scale: float
    order: str
    dtype: str
    pictures: tuple[Array, ...]
    is_made_up: bool

    def pixels(self, index: int) -> Array:
        """Return an example as the app passes it, shape (1, height, width, 3); at their end examples begin anew."""
        result: Array = self.pictures[index % len(self.pictures)][None].astype(self.dtype)
        return result

    def preprocessed(self, pixels: Array) -> Array:
        """Return what the source takes for ``pixels``: shape (1, 3, height, width), float32."""
        import numpy as np

        values = reading.normalized(pixels, mean=self.mean, std=self.std, scale=self.scale, order=self.order)
        return np.ascontiguousarray(values.transpose(0, 3, 1, 2))

    @property
    def preprocessing(self) -> str:
        """What is done to the pixels, in words."""
        scaled = "1/255" if abs(self.scale * 255 - 1) < 1e-9 else f"{self.scale:.6g}"
        channels = "" if self.order == "RGB" else ", RGB to BGR"
        return f"times {scaled}, mean {reading.in_words(self.mean)}, std {reading.in_words(self.std)}{channels}"

    def to_payload(self) -> dict[str, Any]:
        """Return JSON-ready data for the child that puts the preprocessing into the graph."""
        numbers = {"mean": self.mean, "std": self.std, "scale": self.scale}
        return {**numbers, "order": self.order, "dtype": self.dtype, "in_words": self.preprocessing}

    def _view(self) -> View:
        shape = f"(1, {self.height}, {self.width}, 3)"
        examples = "noise" if self.is_made_up else f"{len(self.pictures)} given"
        return View(
            headline=f"image input | {self.dtype} {shape} RGB | {self.preprocessing}",
            facts=(Fact("examples", examples),),
        )


def image_input(
    size: int | tuple[int, int],
    mean: float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
    order: Literal["RGB", "BGR"] = "RGB",
    dtype: Literal["uint8", "float32"] = "uint8",
    *,
    scale: float = 1 / 255,
    pictures: Any = None,
    crop: float | Literal["none"] = 1.0,
) -> ImageInput:
    """Let a compiled model take a picture's bytes in the place of a normalized tensor.

    Give it to ``enb.compile`` where the example of that input would stand. The source is expected to take shape
    (1, 3, height, width), float32; the compiled model takes (1, height, width, 3), RGB, and does
    ``(pixel * scale - mean) / std`` itself. Arguments mean what they mean for ``enb.images``.

    Parameters
    ----------
    size
        In pixels: one number, or (height, width).
    mean, std
        One number, or three in the order of ``order``, for values of 0 to 1 as torchvision states them:
        (0.485, 0.456, 0.406) and (0.229, 0.224, 0.225) for ImageNet. 0 and 1 by default.
    order
        Of the channels that the source was trained on. The app passes RGB in any case; for ``"BGR"`` the compiled
        model turns the channels round.
    dtype
        Of the pixels, 0 to 255: ``"uint8"``, or ``"float32"`` for a delegate that takes no bytes.
    scale
        Factor of the pixels 0 to 255, before ``mean``.
    pictures
        Real examples, on which the compiled model is verified: a folder, paths, or arrays of shape (H, W),
        (H, W, 3) or (H, W, 4), uint8, RGB. Without, one picture of noise is made up. Needs Pillow.
    crop
        Share of a picture's largest centred box that is kept, in (0, 1]; ``"none"`` squeezes the whole picture.

    Returns
    -------
    ImageInput
        What stands for that input, with its examples: pixels of shape (height, width, 3), uint8.

    Raises
    ------
    InputError
        If an option cannot be meant, or a picture cannot be read.
    MissingDependencyError
        If ``pictures`` are given and Pillow is not installed.

    Examples
    --------
    >>> image_input(224, mean=0.5, std=0.5)
    image input | uint8 (1, 224, 224, 3) RGB | times 1/255, mean 0.5, std 0.5
      examples  noise
    """
    height, width = reading.read_size(size)
    kept = reading.read_crop(crop)
    return ImageInput(
        height=height,
        width=width,
        mean=reading.per_channel("mean", mean, default=0.0),
        std=reading.read_std(std),
        scale=reading.read_number("scale", scale),
        order=reading.one_of("order", order, ("RGB", "BGR")),
        dtype=reading.one_of("dtype", dtype, ("uint8", "float32")),
        pictures=(_noise(height, width),) if pictures is None else _read(pictures, height, width, kept),
        is_made_up=pictures is None,
    )


def _noise(height: int, width: int) -> Array:
    import numpy as np

    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def _read(pictures: Any, height: int, width: int, crop: float | None) -> tuple[Array, ...]:
    reading.require_pillow()
    _, found = reading.find_pictures(pictures)
    decoded = [(picture, reading.pixels_of(picture, height=height, width=width, crop=crop)) for picture in found]
    for index, (picture, pixels) in enumerate(decoded):
        if pixels is None:
            name = str(picture) if isinstance(picture, Path) else f"number {index}"
            raise InputError(f"picture {name} cannot be read", hint="leave it out, or save it anew")
    return tuple(pixels for _, pixels in decoded if pixels is not None)
