"""Look through a ``.pt2`` archive before torch loads it, and refuse what could do more than compute tensors.

A file is data from somewhere. ``torch.export.load`` unpickles some members, falls back to full unpickling for the
sample inputs, loads compiled libraries, resolves operators by dotted name (``torch.os.system`` is one) and evaluates
size expressions. Plain archives need none of that, so whatever does is named and refused.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from embedl_nb.compiler.sources.archives import CHECK_ORIGIN, opened_archive, read_text
from embedl_nb.errors import InputError

__all__ = ["SAVE_AGAIN", "refuse_untrusted"]

SAVE_AGAIN = "load it where it comes from and save it with this torch: torch.export.save(program, path)"
# Members are below one folder; compiled libraries (data/aotinductor) and anything unknown are not in this list.
_MEMBER = re.compile(
    r"[^/]+/(models/[^/]+\.json|data/(weights|constants)/[^/]+|data/sample_inputs/[^/]+\.pt|archive_format|archive_version|"
    r"byteorder|version|\.data/\w+|extra/.+)"
)
# A registered operator (torch.ops.aten.add.Tensor), or arithmetic on sizes.
_TARGET = re.compile(
    r"torch\.ops\.[a-z]\w*\.[a-zA-Z]\w*(\.[a-zA-Z]\w*)?|"
    r"_operator\.(getitem|add|sub|mul|truediv|floordiv|mod|neg|pow|eq|ne|lt|le|gt|ge|and_|or_|not_)|"
    r"math\.(ceil|floor|trunc|sqrt)|torch\.sym_[a-z_]+"
)
_TARGET_KEYS = {"target", "as_operator"}
_EXPRESSION_KEYS = {"expr_str"}
_EXPRESSION = re.compile(r"[\w\s+\-*/%(),.<>=&|~]*")
_GUARD = re.compile(r"""[\w\s+\-*/%(),.<>=!&|~\[\]'"]*""")
_CALL = re.compile(r"(\w+)\s*\(")
_FUNCTIONS = {
    "Abs", "CeilDiv", "CleanDiv", "Eq", "FloatTrueDiv", "FloorDiv", "Ge", "Gt", "IntTrueDiv", "Integer", "Le", "Lt",
    "Max", "Min", "Mod", "ModularIndexing", "Ne", "PowByNatural", "PythonMod", "Symbol", "ToFloat", "TruncToInt",
    "Where",
    "ceiling", "floor", "size", "stride", "storage_offset", "and", "or", "not",
}  # fmt: skip


def refuse_untrusted(path: Path) -> None:
    """Raise unless ``path`` is an archive that is safe to load.

    Raises
    ------
    InputError
        If the file is missing, damaged, of another kind, or holds something to be trusted; it says what.
    """
    with opened_archive(path, kind=".pt2 archive", hint=SAVE_AGAIN) as archive:
        members = archive.namelist()
        texts = {name: json.loads(read_text(archive, name)) for name in members if name.endswith(".json")}
        samples = {name: read_text(archive, name) for name in members if "/sample_inputs/" in name}
    if not any("/models/" in name for name in texts):
        raise InputError(
            f"{path} is no archive of torch.export.save, or one of an old version, which is loaded by unpickling",
            hint=SAVE_AGAIN,
        )
    odd = next((name for name in members if not _MEMBER.fullmatch(name)), None)
    if odd is not None:
        raise InputError(f"{path} holds {odd!r}, which is no part of an exported program", hint=CHECK_ORIGIN)
    for content in samples.values():
        _refuse_pickled_samples(path, content)
    for name, text in texts.items():
        for key, value in _items(text):
            _check_item(path, name, key, value)


def _refuse_pickled_samples(path: Path, content: bytes) -> None:
    import pickle

    import torch

    if not content:
        return
    try:
        torch.load(io.BytesIO(content), weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as err:
        raise InputError(
            f"the sample inputs in {path} hold more than tensors; loading them could run any code, so it is refused",
            hint="export the program with tensors, numbers and strings as example inputs",
        ) from err


def _check_item(path: Path, member: str, key: str, value: Any) -> None:
    if key == "use_pickle" and value:
        raise InputError(
            f"{path} holds pickled objects ({member}); loading them could run any code, so it is refused",
            hint="save the program again without tensor subclasses or custom objects",
        )
    if key in _TARGET_KEYS and isinstance(value, str) and not _TARGET.fullmatch(value):
        raise InputError(f"{path} calls {value!r}, which is no tensor operator; it is refused", hint=CHECK_ORIGIN)
    if key in _EXPRESSION_KEYS and isinstance(value, str) and not _is_harmless(value, _EXPRESSION):
        raise InputError(f"{path} holds the odd expression {value!r}; it is refused", hint=CHECK_ORIGIN)
    if key == "guards_code":
        for guard in value or ():
            if not _is_harmless(str(guard), _GUARD):
                raise InputError(f"{path} holds the odd condition {guard!r}; it is refused", hint=CHECK_ORIGIN)
    if key == "range_constraints" and not all(re.fullmatch(r"\w+", name) for name in value or ()):
        raise InputError(f"{path} holds odd names of sizes; it is refused", hint=CHECK_ORIGIN)


def _is_harmless(text: str, allowed: re.Pattern[str]) -> bool:
    """Say whether an expression has only arithmetic and known functions: torch evaluates it as Python."""
    return bool(allowed.fullmatch(text)) and "__" not in text and set(_CALL.findall(text)) <= _FUNCTIONS


def _items(text: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(text, dict):
        for key, value in text.items():
            yield key, value
            yield from _items(value)
    elif isinstance(text, list):
        for value in text:
            yield from _items(value)
