"""Pictures as pixels: found in folders and lists, cropped, resized, normalized in one stated way.

Calibrating and compiling both start from pictures; what is done to them is written once, here. In: paths or uint8
arrays and the options that a user gives. Out: arrays. What cannot be decoded is None.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb.errors import EmbedlError, InputError, MissingDependencyError
from embedl_nb.imports import is_installed

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    Array = np.ndarray[Any, Any]

__all__ = [
    "find_pictures",
    "in_words",
    "normalized",
    "one_of",
    "per_channel",
    "picture_files",
    "pixels_of",
    "read_crop",
    "read_number",
    "read_size",
    "read_std",
    "require_pillow",
]

_SUFFIXES = frozenset([".bmp", ".gif", ".jpeg", ".jpg", ".jfif", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"])
_MOST_PIXELS = 2**26  # 8192 x 8192: about what a phone's camera takes, and 0.8 GiB as float32


def normalized(pixels: Array, *, mean: Sequence[float], std: Sequence[float], scale: float, order: str) -> Array:
    """Return ``(pixel * scale - mean) / std`` of RGB pixels, channels last, in the order of ``order``; float32."""
    import numpy as np

    values = pixels[..., ::-1] if order == "BGR" else pixels
    result: Array = (values.astype(np.float32) * np.float32(scale) - np.array(mean, np.float32)) / np.array(
        std, np.float32
    )
    return result


def pixels_of(picture: Any, *, height: int, width: int, crop: float | None) -> Array | None:
    """Return one picture's RGB pixels, shape (height, width, 3), uint8; None where the file cannot be read.

    Parameters
    ----------
    picture
        A path or an array, as :func:`find_pictures` returned it.
    crop
        Share of the largest centred box of the result's proportions that is kept; None squeezes the whole picture.
    """
    import numpy as np
    from PIL import Image, ImageOps

    try:
        with Image.open(picture) if isinstance(picture, Path) else Image.fromarray(picture) as opened:
            upright = _to_rgb(ImageOps.exif_transpose(opened))
            box = _box(upright.size, (width, height), crop)
            return np.asarray(upright.resize((width, height), Image.Resampling.BILINEAR, box=box))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def require_pillow() -> None:
    """Raise where Pillow is not installed."""
    if not is_installed("PIL"):
        raise MissingDependencyError(
            "Pillow, which reads pictures, is not installed",
            extra="quantize",
            install="pip install 'embedl-nb[quantize]'",
        )


def _box(given: tuple[int, int], wanted: tuple[int, int], crop: float | None) -> tuple[float, float, float, float]:
    """Return left, top, right, bottom of what is kept of a picture; sizes are (width, height)."""
    if crop is None:
        return 0.0, 0.0, float(given[0]), float(given[1])
    unit = min(given[0] / wanted[0], given[1] / wanted[1]) * crop
    kept_width, kept_height = unit * wanted[0], unit * wanted[1]
    left, top = (given[0] - kept_width) / 2, (given[1] - kept_height) / 2
    return left, top, left + kept_width, top + kept_height


def picture_files(folder: Path) -> tuple[Path, ...]:
    """Return the picture files of a folder and its sub-folders, sorted; hidden ones are left out."""
    return tuple(
        sorted(
            path
            for path in folder.rglob("*")
            if path.suffix.lower() in _SUFFIXES and not path.name.startswith(".") and path.is_file()
        )
    )


def find_pictures(source: Any, *, error: type[EmbedlError] = InputError) -> tuple[str, tuple[Any, ...]]:
    """Return what to call the source, and its pictures: paths, or uint8 arrays.

    Raises
    ------
    InputError
        If the source can be no pictures.
    EmbedlError
        Of the class ``error``, if there is none.
    """
    if isinstance(source, str | os.PathLike):
        try:
            return _find_in(Path(source).expanduser(), error)
        except OSError as err:
            raise error(f"{str(source)!r} cannot be read: {err}", hint="see who may read it") from err
    if not isinstance(source, Iterable):
        raise InputError(
            f"pictures cannot be read from a {type(source).__name__}", hint="give a folder or a list of paths"
        )
    found = tuple(_picture(index, item) for index, item in enumerate(source))
    if not found:
        raise error("the list of pictures is empty", hint="give paths, or arrays of shape (H, W, 3), uint8")
    return "a list of arrays" if not isinstance(found[0], Path) else "a list of paths", found


def _find_in(folder: Path, error: type[EmbedlError]) -> tuple[str, tuple[Any, ...]]:
    if not folder.is_dir():
        if folder.is_file():
            return str(folder.parent), (folder,)
        raise error(f"there is no folder {str(folder)!r}", hint="give a folder of pictures")
    found = picture_files(folder)
    if not found:
        held = sorted(path.name for path in folder.iterdir())
        some = ", ".join([*held[:5], *["..."] * (len(held) > 5)])
        raise error(
            f"the folder {str(folder)!r} holds no pictures: {some or 'it is empty'}",
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
        or array.size == 0
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


def read_size(size: Any) -> tuple[int, int]:
    """Return (height, width) of a size given as a number or a pair."""
    pair = (size, size) if isinstance(size, int) else tuple(size) if isinstance(size, Sequence) else ()
    if len(pair) != 2 or not all(isinstance(side, int) and side > 0 for side in pair) or size is True:
        raise InputError(f"size is {size!r}", hint="give the pixels of a side, e.g. size=224, or (height, width)")
    if pair[0] * pair[1] > _MOST_PIXELS:
        raise InputError(f"size is {size!r}, more than any picture", hint="give the pixels of a side, e.g. size=224")
    return pair


def read_crop(crop: Any) -> float | None:
    """Return a share, None for ``"none"``."""
    if crop == "none":
        return None
    if isinstance(crop, str) or not 0 < read_number("crop", crop) <= 1:
        raise InputError(f"crop is {crop!r}", hint='give a share in (0, 1], e.g. crop=0.875, or "none"')
    return float(crop)


def read_std(std: Any) -> tuple[float, ...]:
    """Return a positive number for each channel, 1 by default."""
    values = per_channel("std", std, default=1.0)
    if min(values) <= 0:
        raise InputError(f"std is {std!r}", hint="give positive numbers; leave std out for none")
    return values


def per_channel(name: str, value: Any, *, default: float) -> tuple[float, ...]:
    """Return a number for each of three channels."""
    numbers = [default] if value is None else [value] if isinstance(value, int | float) else list(value)
    if len(numbers) not in (1, 3):
        raise InputError(
            f"{name} has {len(numbers)} numbers", hint=f"give one number or three, e.g. {name}=(0.5, 0.5, 0.5)"
        )
    return tuple(read_number(name, number) for number in numbers) * (3 // len(numbers))


def read_number(name: str, value: Any) -> float:
    """Return a finite number."""
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    except (TypeError, ValueError) as err:
        raise InputError(f"{name} is {value!r}, not a number", hint=f"give a number for {name}") from err
    if not math.isfinite(number):
        raise InputError(f"{name} is {value!r}", hint=f"give a finite number for {name}")
    return number


def one_of(name: str, value: Any, known: tuple[str, ...]) -> str:
    """Return the word of ``known`` that ``value`` is, in any case."""
    for choice in known:
        if str(value).lower() == choice.lower():
            return choice
    raise InputError(f"{name} is {value!r}", hint=f"one of: {', '.join(known)}")


def in_words(values: Sequence[float]) -> str:
    """Return one number where all are the same, else all."""
    return f"{values[0]:.4g}" if len(set(values)) == 1 else f"({', '.join(f'{value:.4g}' for value in values)})"
