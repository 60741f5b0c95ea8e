"""LiteRT's benchmark_model for a phone: given by path, named by a variable, or fetched once into the cache.

:func:`fetch_tool` is the only function here that talks to the network, and only when a person asks for it: it takes a
stated version from where Google publishes it. Every binary is known by its SHA-256, which is recorded with each run.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import re
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from embedl_nb import config, progress
from embedl_nb.device.adb.tool.flags import LEGACY
from embedl_nb.errors import InputError, MissingDependencyError
from embedl_nb.units import format_bytes

__all__ = ["DEFAULT_VERSION", "TOOL_NAME", "ToolBinary", "fetch_tool", "find_checker", "find_tool", "read_abi"]

DEFAULT_VERSION = "2.2.0"
"""Of LiteRT: the first whose table of operators has every kernel and whose profile is not cut short."""
TOOL_NAME = "benchmark_model"
VARIABLE = "EMBEDL_NB_BENCHMARK_MODEL"
CHECKER_VARIABLE = "EMBEDL_NB_OUTPUT_CHECKER"
_PUBLISHED = "https://storage.googleapis.com/litert/binaries"
_PUBLISHED_LEGACY = (
    "https://storage.googleapis.com/tensorflow-nightly-public/prod/tensorflow/release/lite/tools/nightly/latest"
)
_PUBLISHED_ABIS = {"arm64-v8a": "android_arm64"}
_VERSION = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}")
_MOST_BYTES = 128 << 20
_SILENCE_S = 30.0
_FETCH_S = 900.0
_PIECE_BYTES = 1 << 18
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
# (word size, e_machine) of an ELF file -> Android's name of the ABI.
_ABIS = {(2, 0xB7): "arm64-v8a", (2, 0x3E): "x86_64", (1, 0x28): "armeabi-v7a", (1, 0x03): "x86"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolBinary:
    """One binary on this machine.

    Attributes
    ----------
    version
        Of LiteRT; of a file that was given, what was said of it.
    abi
        What phones run it, as Android calls it.
    source
        Where it is from: ``"given"``, a variable's name or an address.
    """

    path: Path
    version: str
    abi: str
    sha256: str
    source: str

    def __str__(self) -> str:
        size = format_bytes(self.path.stat().st_size)
        return f"{TOOL_NAME} {self.version} for {self.abi}: {self.path} ({size}, SHA-256 {self.sha256})"


def find_tool(abis: Sequence[str], *, version: str | None = None, path: str | Path | None = None) -> ToolBinary:
    """Return the binary to measure with.

    Parameters
    ----------
    abis
        What the phone runs, the best first.
    version
        Of LiteRT; :data:`DEFAULT_VERSION` by default, also of a file that is given: nothing in it tells its version,
        and a run fails when it does not know the flags of that one.
    path
        A file to take; else ``EMBEDL_NB_BENCHMARK_MODEL``, else the cache.

    Raises
    ------
    InputError
        If the file is no program for this phone, or the version is none.
    MissingDependencyError
        If it has not been fetched; the hint is the command that does it.
    """
    named = os.environ.get(VARIABLE, "").strip()
    if path is not None or named:
        source = "given" if path is not None else VARIABLE
        file = Path(path if path is not None else named).expanduser()
        return _given(file, abis, version or DEFAULT_VERSION, source=source)
    version = _checked(version or DEFAULT_VERSION)
    published = next((abi for abi in abis if abi in _PUBLISHED_ABIS), None)
    if published is None:
        raise InputError(
            f"Google publishes no {TOOL_NAME} for {', '.join(abis) or 'a phone that tells no ABI'}",
            hint=f"build it for {abis[0] if abis else 'the phone'} and set {VARIABLE} to its path",
        )
    found = _cached(version, published)
    if found is None:
        raise MissingDependencyError(
            f"{TOOL_NAME} {version} of LiteRT, which measures on phones, is not on this machine",
            install=f"embedl-nb fetch-tool {version}",
        )
    return found


def find_checker(abis: Sequence[str]) -> ToolBinary:
    """Return the older tool, the one that takes inputs from files and writes outputs to one.

    It is published without a version: its SHA-256 says which one it is.

    Raises
    ------
    InputError
        If what ``EMBEDL_NB_OUTPUT_CHECKER`` names is no program for this phone.
    MissingDependencyError
        If it has not been fetched; the hint is the command that does it.
    """
    if named := os.environ.get(CHECKER_VARIABLE, "").strip():
        return _given(Path(named).expanduser(), abis, LEGACY, source=CHECKER_VARIABLE)
    what = f"the older {TOOL_NAME}, which runs on given inputs and writes outputs,"
    published = next((abi for abi in abis if abi in _PUBLISHED_ABIS), None)
    if published is None:
        raise InputError(
            f"{what} is not published for {', '.join(abis) or 'a phone that tells no ABI'}",
            hint=f"build it for {abis[0] if abis else 'the phone'} and set {CHECKER_VARIABLE} to its path",
        )
    found = _cached(LEGACY, published)
    if found is None:
        raise MissingDependencyError(f"{what} is not on this machine", install=f"embedl-nb fetch-tool {LEGACY}")
    return found


def fetch_tool(version: str, *, published: str = "") -> ToolBinary:
    """Fetch a version for arm64 into the cache, unless it is there.

    Parameters
    ----------
    version
        A release of LiteRT, ``"2.2.0"``, or ``"legacy"`` for the older tool, which checks outputs. ``latest`` is
        refused: it changes, and a number must say what gave it.
    published
        The address below which versions are, by ``https``; ``http`` is taken from this machine only.

    Raises
    ------
    InputError
        If there is no such version.
    MissingDependencyError
        If it cannot be fetched whole.
    """
    version = version if version == LEGACY else _checked(version)
    abi = next(iter(_PUBLISHED_ABIS))
    found = _cached(version, abi)
    if found is not None:
        return found
    url = _address(version, abi, published)
    _check_address(url)
    target = _folder(version, abi)
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = target.with_name(f".{target.name}-{uuid.uuid4().hex}")
    staging.mkdir()
    try:
        digest = _download(url, staging / TOOL_NAME)
        if read_abi(staging / TOOL_NAME) != abi:
            raise MissingDependencyError(
                f"what {url} gave is no program for {abi}", hint=f"set {VARIABLE} to the path of one"
            )
        (staging / TOOL_NAME).chmod(0o755)
        record = {"version": version, "abi": abi, "sha256": digest, "source": url}
        (staging / "meta.json").write_text(json.dumps(record), encoding="utf-8")
        if target.exists():  # damaged, or another process was faster
            target.rename(staging.with_name(f"{staging.name}-old"))
        staging.rename(target)
    finally:
        for leftover in target.parent.glob(f"{staging.name}*"):
            shutil.rmtree(leftover, ignore_errors=True)
    return ToolBinary(path=target / TOOL_NAME, version=version, abi=abi, sha256=digest, source=url)


def _address(version: str, abi: str, published: str) -> str:
    if version == LEGACY:
        return f"{published or _PUBLISHED_LEGACY}/android_aarch64_{TOOL_NAME}"
    return f"{published or _PUBLISHED}/{version}/{_PUBLISHED_ABIS[abi]}/{TOOL_NAME}"


def read_abi(path: Path) -> str:
    """Return for which ABI a program is, by its ELF header; empty where it is no program.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(20)
    is_elf = len(head) == 20 and head[:4] == b"\x7fELF" and head[5] == 1  # all of Android's are little-endian
    return _ABIS.get((head[4], int.from_bytes(head[18:20], "little")), "another machine") if is_elf else ""


def _given(path: Path, abis: Sequence[str], version: str, *, source: str) -> ToolBinary:
    try:
        abi, digest = read_abi(path), _sha256(path)
    except OSError as err:
        raise InputError(
            f"{TOOL_NAME} ({source}): {path} cannot be read: {err.strerror}",
            hint=f"correct the path{f', or unset {source}' if source != 'given' else ''}",
        ) from err
    if abi not in abis:
        what = f"a program for {abi}" if abi else "no program"
        raise InputError(
            f"{TOOL_NAME} ({source}): {path} is {what}; the phone runs {', '.join(abis) or 'what it does not tell'}",
            hint=f"give one built for {abis[0] if abis else 'the phone'}, or: embedl-nb fetch-tool {version}",
        )
    return ToolBinary(path=path.absolute(), version=version, abi=abi, sha256=digest, source=source)


def _cached(version: str, abi: str) -> ToolBinary | None:
    """Return what was fetched; None where nothing was, or what is there is not what was fetched."""
    folder = _folder(version, abi)
    try:
        record: Any = json.loads((folder / "meta.json").read_bytes())
        digest = _sha256(folder / TOOL_NAME)
    except (OSError, ValueError):
        return None
    if not isinstance(record, dict) or record.get("sha256") != digest:
        return None
    source = str(record.get("source", ""))
    return ToolBinary(path=folder / TOOL_NAME, version=version, abi=abi, sha256=digest, source=source)


def _folder(version: str, abi: str) -> Path:
    return config.cache_dir() / "tools" / f"{TOOL_NAME}-{version}-{abi}"


def _checked(version: str) -> str:
    if not isinstance(version, str) or _VERSION.fullmatch(version) is None:
        raise InputError(f"{version!r} is no version of LiteRT", hint=f"write it like {DEFAULT_VERSION}")
    return version


def _check_address(url: str) -> None:
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise InputError(f"{url} is not an address of https", hint="programs are fetched over https only")


class _CheckedRedirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirection only to where a first request might have gone."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        """Check the new address, then do as usual."""
        _check_address(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _download(url: str, target: Path) -> str:
    """Write what ``url`` gives, whole and of a bounded size, and return its SHA-256."""
    digest, until = hashlib.sha256(), time.monotonic() + _FETCH_S
    by_hand = f"fetch {url} by hand and set {VARIABLE} to its path"
    try:
        opener = urllib.request.build_opener(_CheckedRedirects)
        with opener.open(url, timeout=_SILENCE_S) as answer, target.open("wb") as file:
            total, received = answer.length, 0
            while piece := answer.read(_PIECE_BYTES):
                received += len(piece)
                if received > _MOST_BYTES or time.monotonic() > until:
                    what = f"more than {format_bytes(_MOST_BYTES)}" if received > _MOST_BYTES else "too slow"
                    raise MissingDependencyError(f"{url} was not fetched: it is {what}", hint=by_hand)
                digest.update(piece)
                file.write(piece)
                progress.emit(
                    "fetch", f"{TOOL_NAME} from {urllib.parse.urlsplit(url).hostname}", done=received, total=total
                )
    except urllib.error.HTTPError as err:
        with contextlib.closing(err):
            if err.code == 404:
                raise InputError(f"there is no {url}", hint="see LiteRT's releases for its versions") from err
            raise MissingDependencyError(f"{url} was not fetched: {err.code} {err.reason}", hint=by_hand) from err
    except (OSError, http.client.HTTPException) as err:
        reason = getattr(err, "reason", None) or err
        raise MissingDependencyError(f"{url} was not fetched: {reason}", hint=by_hand) from err
    if total is not None and received != total:
        raise MissingDependencyError(f"{url} was not fetched: it ended after {received} of {total} bytes", hint=by_hand)
    return digest.hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
