"""Pictures as samples: files or uint8 arrays, cropped, resized and normalized in one stated way.

``enb.images(...)`` finds the files; each is decoded when it is asked for. What cannot be decoded is None here, and
counted by who reads the set.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from embedl_nb.display import Displayable, Fact, View
from embedl_nb.errors import CalibrationError, InputError, MissingDependencyError
from embedl_nb.imports import is_installed
from embedl_nb.quantizer.data.notes import join_some

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    Array = np.ndarray[Any, Any]

__all__ = ["ImageSet", "images", "picture_files"]

_SUFFIXES = frozenset([".bmp", ".gif", ".jpeg", ".jpg", ".jfif", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"])


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
        parts += [f"times {scaled}", f"mean {_numbers(self.mean)}", f"std {_numbers(self.std)}"]
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

        pixels = self._pixels(self.pictures[index])
        if pixels is None:
            return None
        values = pixels[..., ::-1] if self.order == "BGR" else pixels
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        values = (values.astype(np.float32) * np.float32(self.scale) - mean) / std
        values = values.transpose(2, 0, 1) if self.layout == "nchw" else values
        return np.ascontiguousarray(values[None], np.float32)

    def _pixels(self, picture: Any) -> Array | None:
        """Return RGB pixels of the result's size, shape (H, W, 3), uint8."""
        import numpy as np
        from PIL import Image, ImageOps

        try:
            with Image.open(picture) if isinstance(picture, Path) else Image.fromarray(picture) as opened:
                upright = _to_rgb(ImageOps.exif_transpose(opened))
                size = (self.width, self.height)
                return np.asarray(upright.resize(size, Image.Resampling.BILINEAR, box=self._box(*upright.size)))
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
            return None

    def _box(self, width: int, height: int) -> tuple[float, float, float, float]:
        """Return left, top, right, bottom of what is kept of a picture."""
        if self.crop is None:
            return 0.0, 0.0, float(width), float(height)
        unit = min(width / self.width, height / self.height) * self.crop
        kept_width, kept_height = unit * self.width, unit * self.height
        left, top = (width - kept_width) / 2, (height - kept_height) / 2
        return left, top, left + kept_width, top + kept_height

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
    if not is_installed("PIL"):
        raise MissingDependencyError(
            "Pillow, which reads pictures, is not installed",
            extra="quantize",
            install="pip install 'embedl-nb[quantize]'",
        )
    height, width = _size(size)
    where, found = _find(source)
    return ImageSet(
        source=where,
        pictures=found,
        height=height,
        width=width,
        crop=_crop(crop),
        mean=_per_channel("mean", mean, default=0.0),
        std=_std(std),
        scale=_number("scale", scale),
        layout=_one_of("layout", layout, ("nchw", "nhwc")),
        order=_one_of("order", order, ("RGB", "BGR")),
    )


def picture_files(folder: Path) -> tuple[Path, ...]:
    """Return the picture files of a folder and its sub-folders, sorted; hidden ones are left out."""
    return tuple(
        sorted(
            path
            for path in folder.rglob("*")
            if path.suffix.lower() in _SUFFIXES and not path.name.startswith(".") and path.is_file()
        )
    )


def _find(source: Any) -> tuple[str, tuple[Any, ...]]:
    """Return what to call the source, and its pictures."""
    if isinstance(source, str | os.PathLike):
        try:
            return _find_in(Path(source).expanduser())
        except OSError as err:
            raise CalibrationError(f"{str(source)!r} cannot be read: {err}", hint="see who may read it") from err
    if not isinstance(source, Iterable):
        raise InputError(
            f"pictures cannot be read from a {type(source).__name__}", hint="give a folder or a list of paths"
        )
    found = tuple(_picture(index, item) for index, item in enumerate(source))
    if not found:
        raise CalibrationError("the list of pictures is empty", hint="give paths, or arrays of shape (H, W, 3), uint8")
    return "a list of arrays" if not isinstance(found[0], Path) else "a list of paths", found


def _find_in(folder: Path) -> tuple[str, tuple[Any, ...]]:
    if not folder.is_dir():
        if folder.is_file():
            return str(folder.parent), (folder,)
        raise CalibrationError(f"there is no folder {str(folder)!r}", hint="give a folder of pictures")
    found = picture_files(folder)
    if not found:
        held = sorted(path.name for path in folder.iterdir())
        raise CalibrationError(
            f"the folder {str(folder)!r} holds no pictures: {join_some(held) or 'it is empty'}",
            hint=f"pictures are files that end in {', '.join(sorted(_SUFFIXES))}",
        )
    return str(folder), found


def _picture(index: int, item: Any) -> Any:
    import numpy as np

    if isinstance(item, str | os.PathLike):
        return Path(item).expanduser()
    array = item if isinstance(item, np.ndarray) else None
    if (
        array is None
        or array.dtype != np.uint8
        or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4)))
    ):
        given = f"{array.dtype} {array.shape}" if array is not None else type(item).__name__
        raise InputError(
            f"picture {index} is {given}, expected a path or uint8 of shape (H, W), (H, W, 3) or (H, W, 4)",
            hint="give uint8 arrays, channels last; arrays that are preprocessed already need no images(...)",
        )
    return array


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I;16") or picture.mode == "I":  # 16 bits of grey, which Pillow would clip to 255
        import numpy as np
        from PIL import Image

        picture = Image.fromarray((np.asarray(picture).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8))
    return picture.convert("RGBA").convert("RGB") if picture.mode in ("P", "PA", "LA") else picture.convert("RGB")


def _size(size: Any) -> tuple[int, int]:
    pair = (size, size) if isinstance(size, int) else tuple(size) if isinstance(size, Sequence) else ()
    if len(pair) != 2 or not all(isinstance(side, int) and side > 0 for side in pair) or size is True:
        raise InputError(f"size is {size!r}", hint="give the pixels of a side, e.g. size=224, or (height, width)")
    return pair


def _crop(crop: Any) -> float | None:
    if crop == "none":
        return None
    if isinstance(crop, str) or not 0 < _number("crop", crop) <= 1:
        raise InputError(f"crop is {crop!r}", hint='give a share in (0, 1], e.g. crop=0.875, or "none"')
    return float(crop)


def _std(std: Any) -> tuple[float, ...]:
    values = _per_channel("std", std, default=1.0)
    if min(values) <= 0:
        raise InputError(f"std is {std!r}", hint="give positive numbers; leave std out for none")
    return values


def _per_channel(name: str, value: Any, *, default: float) -> tuple[float, ...]:
    numbers = [default] if value is None else [value] if isinstance(value, int | float) else list(value)
    if len(numbers) not in (1, 3):
        raise InputError(
            f"{name} has {len(numbers)} numbers", hint=f"give one number or three, e.g. {name}=(0.5, 0.5, 0.5)"
        )
    return tuple(_number(name, number) for number in numbers) * (3 // len(numbers))


def _number(name: str, value: Any) -> float:
    import math

    try:
        number = float(value)
    except (TypeError, ValueError) as err:
        raise InputError(f"{name} is {value!r}, not a number", hint=f"give a number for {name}") from err
    if not math.isfinite(number):
        raise InputError(f"{name} is {value!r}", hint=f"give a finite number for {name}")
    return number


def _one_of(name: str, value: Any, known: tuple[str, ...]) -> str:
    for choice in known:
        if str(value).lower() == choice.lower():
            return choice
    raise InputError(f"{name} is {value!r}", hint=f"one of: {', '.join(known)}")


def _numbers(values: Sequence[float]) -> str:
    return f"{values[0]:.4g}" if len(set(values)) == 1 else f"({', '.join(f'{value:.4g}' for value in values)})"
