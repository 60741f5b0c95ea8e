"""What an archive may be before anything in it is read: ``.keras`` and ``.pt2`` files are zip archives of others.

Sizes are taken from the archive's directory, which is also what every reader goes by; a member that holds more than it
declares is cut off there. Nothing is unpacked to disk here.
"""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from embedl_nb.errors import InputError
from embedl_nb.units import format_bytes

__all__ = ["CHECK_ORIGIN", "is_far_larger", "opened_archive", "read_text"]

_MAX_MEMBERS = 100_000
_MAX_BYTES = 32 * 2**30
_MAX_TEXT_BYTES = 512 * 2**20
# Weights and graphs compress by a factor of up to 20; deflate's own limit is 1032. Small archives may do as they like.
_MAX_RATIO = 100
_SMALL_BYTES = 64 * 2**20
CHECK_ORIGIN = "check where the file comes from"
"""A hint."""


@contextmanager
def opened_archive(path: Path, *, kind: str, hint: str) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive and look through its directory.

    Parameters
    ----------
    kind
        What it should be, for errors: ``".pt2 archive"``.
    hint
        What to try where it is none.

    Raises
    ------
    InputError
        If the file is missing, damaged or no archive, if a member would land outside of the folder that it is unpacked
        into, or if it unpacks to far more than it is.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _look_through(archive, path)
            yield archive
    except FileNotFoundError as err:
        raise InputError(f"there is no file {str(path)!r}", hint="check the path") from err
    except InputError:
        raise
    except (OSError, ValueError, NotImplementedError, RuntimeError, EOFError, zipfile.BadZipFile) as err:
        raise InputError(f"{path} is no readable {kind}: {err}", hint=hint) from err


def read_text(archive: zipfile.ZipFile, name: str) -> bytes:
    """Return a member that is text, by its nature far smaller than weights.

    Raises
    ------
    InputError
        If it is larger than any such text.
    """
    size = archive.getinfo(name).file_size
    if size > _MAX_TEXT_BYTES:
        raise InputError(
            f"{archive.filename} holds {name!r} of {format_bytes(size)}, which is no description of a model",
            hint=CHECK_ORIGIN,
        )
    return archive.read(name)


def is_far_larger(declared_bytes: int, size_bytes: int) -> bool:
    """Say whether a file that declares so much unpacks to far more than a model of its own size can."""
    return declared_bytes > _MAX_BYTES or (declared_bytes > _SMALL_BYTES and declared_bytes > _MAX_RATIO * size_bytes)


def _look_through(archive: zipfile.ZipFile, path: Path) -> None:
    members = archive.infolist()
    if len(members) > _MAX_MEMBERS:
        raise InputError(f"{path} holds {len(members)} members, too many for a model", hint=CHECK_ORIGIN)
    seen: set[str] = set()
    for member in members:
        if _leads_out(member):
            raise InputError(
                f"{path} holds {member.filename!r}, which would be unpacked outside of its folder", hint=CHECK_ORIGIN
            )
        if member.filename in seen:
            raise InputError(f"{path} holds {member.filename!r} twice", hint=CHECK_ORIGIN)
        seen.add(member.filename)
    declared, packed = sum(each.file_size for each in members), sum(each.compress_size for each in members)
    size = path.stat().st_size
    if packed > size or is_far_larger(declared, size):
        raise InputError(
            f"{path} is {format_bytes(size)} and unpacks to {format_bytes(declared)}; it is not unpacked",
            hint=CHECK_ORIGIN,
        )


def _leads_out(member: zipfile.ZipInfo) -> bool:
    name = member.filename
    parts = PurePosixPath(name).parts
    is_link = stat.S_ISLNK(member.external_attr >> 16)
    return is_link or not parts or parts[0] == "/" or ".." in parts or "\\" in name or ":" in parts[0] or "\0" in name
