"""Pictures as samples: files or uint8 arrays, cropped, resized and normalized in one stated way.

``enb.images(...)`` finds the files; each is decoded when it is asked for. What cannot be decoded is None here, and
counted by who reads the set.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from embedl_nb.display import Displayable, Fact, View
from embedl_nb.errors import CalibrationError
from embedl_nb.model import pictures as reading

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["ImageSet", "images"]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ImageSet(Displayable):
    """Pictures with a preprocessing; made by :func:`images`. ``pictures[i]`` is one as the model takes it.

    Attributes
    ----------
    source
        Where the pictures come from.
    pictures
        Paths, or arrays of shape (H, W), (H, W, 3) or (H, W, 4), uint8.
    height, width
        Of the result, in pixels.
    crop
        Share of the largest centred box of the result's proportions that is kept; None squeezes the whole picture.
    mean, std
        Of each channel, in the order of ``order``, after ``scale``.
    layout, order
        ``"nchw"`` or ``"nhwc"``; ``"RGB"`` or ``"BGR"``.
    """

    source: str
    pictures: tuple[Any, ...]
    height: int
    width: int
    crop: float | None
    mean: tuple[float, ...]
    std: tuple[float, ...]
    scale: float
    layout: str
    order: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one sample."""
        return (1, 3, self.height, self.width) if self.layout == "nchw" else (1, self.height, self.width, 3)

    @property
    def preprocessing(self) -> str:
        """What is done to each picture, in words."""
        crop = "squeezed whole" if self.crop is None else f"central {self.crop:.4g}"
        scaled = "1/255" if abs(self.scale * 255 - 1) < 1e-9 else f"{self.scale:.6g}"
        parts = [f"{self.width}x{self.height} (bilinear, antialiased)", crop, f"{self.order} {self.layout.upper()}"]
        parts += [f"times {scaled}", f"mean {reading.in_words(self.mean)}", f"std {reading.in_words(self.std)}"]
        return ", ".join(parts)

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> Array:
        array = self.decode(range(len(self.pictures))[index])
        if array is None:
            raise CalibrationError(f"picture {self.label(index)} cannot be read", hint="leave it out")
        return array

    def __iter__(self) -> Iterator[Array]:
        return (self[index] for index in range(len(self)))

    def label(self, index: int) -> str:
        """Return a picture's path below the source, or its number."""
        picture = self.pictures[index]
        if not isinstance(picture, Path):
            return f"picture {index}"
        return str(picture.relative_to(self.source)) if picture.is_relative_to(self.source) else str(picture)

    def decode(self, index: int) -> Array | None:
        """Return one picture, shape :attr:`shape`, float32; None where the file cannot be read."""
        import numpy as np

        pixels = reading.pixels_of(self.pictures[index], height=self.height, width=self.width, crop=self.crop)
        if pixels is None:
            return None
        values = reading.normalized(pixels, mean=self.mean, std=self.std, scale=self.scale, order=self.order)
        values = values.transpose(2, 0, 1) if self.layout == "nchw" else values
        return np.ascontiguousarray(values[None], np.float32)

    def _view(self) -> View:
        count = f"{len(self)} picture{'' if len(self) == 1 else 's'}"
        return View(
            headline=f"{count} of {self.source} | {self.preprocessing}",
            facts=(Fact("one sample", f"float32 {self.shape}"),),
        )


def images(
    source: str | Path | Sequence[Any] | Iterable[Any],
    *,
    size: int | tuple[int, int],
    crop: float | Literal["none"] = 1.0,
    mean: float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
    scale: float = 1 / 255,
    layout: Literal["nchw", "nhwc"] = "nchw",
    order: Literal["RGB", "BGR"] = "RGB",
) -> ImageSet:
    """Take pictures as samples, preprocessed as the model was trained with.

    Each picture is turned upright (EXIF), made RGB (grey repeated, alpha dropped), cropped around its centre, resized
    (bilinear, antialiased) and normalized: ``(pixel * scale - mean) / std``. A crop of 0.875 with a size of 224 is
    what is often written as "resize to 256, centre crop 224".

    Parameters
    ----------
    source
        A folder (read with its sub-folders, sorted), paths (a list, a pandas column), or arrays of shape (H, W),
        (H, W, 3) or (H, W, 4), uint8, RGB.
    size
        Of the result in pixels: one number, or (height, width).
    crop
        Share of the picture's largest centred box of the result's proportions, in (0, 1]; ``"none"`` squeezes the
        whole picture instead, whatever its proportions.
    mean, std
        One number, or three in the order of ``order``; 0 and 1 by default.
    scale
        Factor of the pixels 0..255, before ``mean``.
    layout
        ``"nchw"`` for shape (1, 3, H, W), ``"nhwc"`` for (1, H, W, 3).
    order
        Of the channels.

    Returns
    -------
    ImageSet
        A sequence of samples, shape (1, 3, H, W) or (1, H, W, 3), float32, each read when it is asked for.

    Raises
    ------
    InputError
        If an option cannot be meant.
    CalibrationError
        If there is no picture.
    MissingDependencyError
        If Pillow is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> pictures = images([np.zeros((40, 60, 3), np.uint8)], size=32, mean=0.5, std=0.25)
    >>> pictures[0].shape, float(pictures[0].max())
    ((1, 3, 32, 32), -2.0)
    """
    reading.require_pillow()
    height, width = reading.read_size(size)
    where, found = reading.find_pictures(source, error=CalibrationError)
    return ImageSet(
        source=where,
        pictures=found,
        height=height,
        width=width,
        crop=reading.read_crop(crop),
        mean=reading.per_channel("mean", mean, default=0.0),
        std=reading.read_std(std),
        scale=reading.read_number("scale", scale),
        layout=reading.one_of("layout", layout, ("nchw", "nhwc")),
        order=reading.one_of("order", order, ("RGB", "BGR")),
    )
