"""Where a run was made: notebook or script, git commit, user. Read in well under a millisecond, and never fails.

The commit is read from git's own files. Whether the work tree was dirty needs git itself, so the recorder asks it
afterwards (:func:`is_dirty`).
"""

from __future__ import annotations

import contextlib
import getpass
import os
import subprocess
import sys
from pathlib import Path

__all__ = ["describe", "is_dirty"]

_GIT_TIMEOUT_S = 10.0


def describe() -> dict[str, str]:
    """Return what is known of ``notebook``, ``script``, ``user``, ``folder``, ``git_commit`` and ``git_folder``."""
    found = {"notebook": _notebook(), "script": _script(), "user": _user(), "folder": _folder()}
    found.update(_git(found["folder"]))
    return {key: value for key, value in found.items() if value}


def is_dirty(folder: str, commit: str) -> str:
    """Say ``"true"`` or ``"false"``: whether tracked files differ from ``commit``; empty where git cannot tell.

    A work tree that has moved on to another commit meanwhile cannot tell either.
    """
    if not folder or not commit:
        return ""
    # A repository's own configuration must not start programs here.
    git = ["git", "-C", folder, "-c", "core.fsmonitor=false"]
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        answers = [
            subprocess.run(
                [*git, *command], capture_output=True, text=True, timeout=_GIT_TIMEOUT_S, env=environment, check=True
            ).stdout.strip()
            for command in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        ]
    except (OSError, subprocess.SubprocessError):
        return ""
    return "" if answers[0] != commit else str(bool(answers[1])).lower()


def _notebook() -> str:
    visual_studio = getattr(sys.modules.get("__main__"), "__vsc_ipynb_file__", None)
    return Path(str(visual_studio or os.environ.get("JPY_SESSION_NAME", ""))).name


def _script() -> str:
    main_file = getattr(sys.modules.get("__main__"), "__file__", None)
    return Path(main_file).name if isinstance(main_file, str) and "ipykernel" not in sys.modules else ""


def _user() -> str:
    with contextlib.suppress(Exception):  # no entry in the password file: KeyError, OSError or ImportError
        return getpass.getuser()
    return ""


def _folder() -> str:
    with contextlib.suppress(OSError):  # the working directory was removed
        return str(Path.cwd())
    return ""


def _git(folder: str) -> dict[str, str]:
    if not folder:
        return {}
    with contextlib.suppress(OSError, ValueError):
        for top in (Path(folder), *Path(folder).parents):
            dot_git = top / ".git"
            if dot_git.exists():
                commit = _commit(_git_folder(dot_git))
                return {"git_commit": commit, "git_folder": str(top)} if commit else {}
    return {}


def _git_folder(dot_git: Path) -> Path:
    """Follow the file that a work tree or a submodule has in place of the folder."""
    if dot_git.is_dir():
        return dot_git
    return dot_git.parent / dot_git.read_text().partition("gitdir:")[2].strip()


def _commit(git_folder: Path) -> str:
    head = (git_folder / "HEAD").read_text().strip()
    if not head.startswith("ref:"):
        return head
    ref = head.removeprefix("ref:").strip()
    common = git_folder
    if (git_folder / "commondir").exists():
        common = git_folder / (git_folder / "commondir").read_text().strip()
    for base in (git_folder, common):
        if (base / ref).is_file():
            return (base / ref).read_text().strip()
    packed = (common / "packed-refs").read_text().splitlines()
    return next((line.split()[0] for line in packed if line.endswith(f" {ref}")), "")
