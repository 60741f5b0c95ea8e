"""The lines a child and its parent exchange: one JSON object each, marked so that native chatter is told apart.

Errors travel as a class name, a message and their extra fields, never as a pickle.
"""

from __future__ import annotations

import json
import traceback
from typing import Any

from embedl_nb import errors
from embedl_nb.errors import BenchmarkError, EmbedlError, OutOfMemoryError

__all__ = ["decode", "encode", "error_from_message", "error_to_message", "says_out_of_memory"]

_MARK = b"\x1eembedl "
_OUT_OF_MEMORY_TEXTS = ("bad_alloc", "MemoryError", "can't allocate memory", "Cannot allocate memory")


def encode(message: dict[str, Any]) -> bytes:
    """Turn a message into a line; the leading newline ends whatever somebody else left unfinished."""
    return b"\n" + _MARK + json.dumps(message).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any] | None:
    """Return the message in ``line``, or None where the line is somebody else's."""
    _, mark, text = line.partition(_MARK)
    if not mark:
        return None
    try:
        message = json.loads(text)
    except ValueError:
        return None
    return message if isinstance(message, dict) else None


def error_to_message(err: Exception) -> dict[str, Any]:
    """Describe ``err`` so that the other side can raise it."""
    trace = "".join(traceback.format_exception(err))
    if isinstance(err, EmbedlError):
        fields = json.loads(json.dumps(vars(err), default=str))
        return {"error": type(err).__name__, "message": err.message, "fields": fields, "traceback": trace}
    return {"error": type(err).__name__, "message": str(err), "fields": None, "traceback": trace}


def error_from_message(message: dict[str, Any], *, what: str, command: str) -> EmbedlError:
    """Rebuild the error a child described, with its own class where it is one of ours."""
    name, text, fields = message["error"], message["message"], message["fields"]
    cls = getattr(errors, name, None) if fields is not None else None
    if isinstance(cls, type) and issubclass(cls, EmbedlError):
        rebuilt = cls(text)
        for key, value in fields.items():
            setattr(rebuilt, key, tuple(value) if isinstance(value, list) else value)
        rebuilt.details = rebuilt.details or message["traceback"]
        return rebuilt
    said = f"{name}: {text}" if text else name
    if says_out_of_memory(said):
        return OutOfMemoryError(
            f"{what} ran out of memory in {command!r} ({said})",
            hint="free memory, or use a smaller model or batch",
            details=message["traceback"],
        )
    return BenchmarkError(f"{what} failed in {command!r}: {said}", details=message["traceback"])


def says_out_of_memory(text: str) -> bool:
    """Say whether an error text or the end of a log speaks of a failed allocation."""
    return any(sign in text for sign in _OUT_OF_MEMORY_TEXTS)
