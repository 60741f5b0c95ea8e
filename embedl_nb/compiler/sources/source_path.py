"""The path of a source model, as a user gave it: looked at before anything opens it.

Only what no reader of a kind of file could say better is refused here; a file that is missing is theirs.
"""

from __future__ import annotations

import stat
from pathlib import Path

from embedl_nb.errors import InputError

__all__ = ["source_path"]


def source_path(given: str | Path) -> Path:
    """Return the path that ``given`` means.

    Raises
    ------
    InputError
        If no file can have this path, or there is something that is neither file nor folder.
    """
    try:
        path = Path(given).expanduser()
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return path
    except PermissionError as err:
        raise InputError(f"{_short(given)} cannot be read: {err.strerror}", hint="see who may read it") from err
    except RuntimeError as err:  # pathlib's, for ~somebody
        raise InputError(f"{_short(given)} is in the home folder of nobody", hint="check the path") from err
    except (OSError, ValueError) as err:  # ValueError: characters that no path has
        why = getattr(err, "strerror", None) or str(err)
        raise InputError(f"{_short(given)} is the path of no file: {why}", hint="check the path") from err
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise InputError(
            f"{_short(given)} is neither a file nor a folder but a device or a pipe", hint="write it to a file first"
        )
    return path


def _short(given: str | Path) -> str:
    text = repr(str(given))
    return text if len(text) < 300 else f"{text[:100]}...{text[-100:]}"
