"""Arrays that stay on the disk: .npy files and the members of .npz files, read by rows. Never pickle.

A row is copied out of a mapping that is closed at once, so that the pages of a large file do not count as this
process's memory. Compressed members are unpacked to a temporary file first.
"""

from __future__ import annotations

import shutil
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from embedl_nb.errors import CalibrationError

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["StoredArray", "stored_members", "stored_npy"]

_LOCAL_HEADER_BYTES = 30  # APPNOTE.TXT 4.3.7, https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredArray:
    """An array in a file, sliced like one in memory.

    Attributes
    ----------
    offset
        Byte at which its values begin.
    order
        ``"C"`` or ``"F"``.
    """

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int
    order: str

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        import numpy as np

        return np.asarray(self[...], dtype=dtype)

    def __getitem__(self, key: Any) -> Array:
        import numpy as np

        if 0 in self.shape:
            return np.asarray(np.empty(self.shape, self.dtype)[key])
        order: Literal["C", "F"] = "F" if self.order == "F" else "C"
        try:
            mapped = np.memmap(self.path, self.dtype, "r", self.offset, self.shape, order)
        except (OSError, ValueError) as err:
            raise CalibrationError(f"{str(self.path)!r} cannot be read any more: {err}", hint="read it again") from err
        rows: Array = np.array(mapped[key])
        return rows


def stored_npy(path: Path, *, start: int = 0, name: str = "") -> StoredArray:
    """Read the header of a .npy file, or of one that begins at byte ``start`` of an archive.

    Raises
    ------
    CalibrationError
        If it is no .npy file, is damaged or shorter than its header says, or holds pickled objects.
    """
    import numpy as np

    what = f"{str(path)!r}" + (f", array {name!r}" if name else "")
    try:
        with path.open("rb") as stream:
            stream.seek(start)
            version = np.lib.format.read_magic(stream)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, is_fortran, dtype = read(stream)
            offset = stream.tell()
    except (OSError, ValueError, EOFError) as err:
        raise CalibrationError(f"{what} is no readable .npy file: {err}", hint="write it with numpy.save") from err
    if dtype.kind not in "biuf":
        raise CalibrationError(
            f"{what} holds {'pickled objects' if dtype.hasobject else f'values of dtype {dtype}'}, which are not read",
            hint="store arrays of plain numbers, e.g. array.astype('float32')",
        )
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if path.stat().st_size < offset + size:
        raise CalibrationError(f"{what} is cut off: its header announces {size} bytes", hint="write it again")
    return StoredArray(path=path, shape=shape, dtype=dtype, offset=offset, order="F" if is_fortran else "C")


def stored_members(path: Path, scratch: Path) -> dict[str, StoredArray]:
    """Return the arrays of a .npz file by name; compressed ones are unpacked to the folder ``scratch``.

    Raises
    ------
    CalibrationError
        If it is no .npz file, is damaged, or holds pickled objects.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [info for info in archive.infolist() if info.filename.endswith(".npy")]
            return {info.filename.removesuffix(".npy"): _member(archive, info, path, scratch) for info in names}
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, struct.error, RuntimeError) as err:
        raise CalibrationError(
            f"{str(path)!r} is no readable .npz file: {err}", hint="write it with numpy.savez(path, <input name>=array)"
        ) from err


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path, scratch: Path) -> StoredArray:
    name = info.filename.removesuffix(".npy")
    if info.compress_type == zipfile.ZIP_STORED:
        with path.open("rb") as stream:
            stream.seek(info.header_offset)
            header = stream.read(_LOCAL_HEADER_BYTES)
        # The sizes of the name and the extra field differ from those in the archive's own directory.
        name_bytes, extra_bytes = struct.unpack("<HH", header[26:30])
        start = info.header_offset + _LOCAL_HEADER_BYTES + name_bytes + extra_bytes
        return stored_npy(path, start=start, name=name)
    unpacked = scratch / f"unpacked_{info.header_offset}.npy"
    with archive.open(info) as source, unpacked.open("wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
    return stored_npy(unpacked, name=name)
