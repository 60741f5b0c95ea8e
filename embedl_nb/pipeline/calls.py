"""What a verb was given, as plain data in its run's record, and the same objects made of it again.

Values stand for themselves, files and models by their hash, arrays by the hash of their kept copy. Whatever else lives
in a session only (a torch module, a generator, a function) is named; whoever does the run again hands it over again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import importlib
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb.errors import InputError, RunStoreError, UnknownNameError
from embedl_nb.units import format_bytes

if TYPE_CHECKING:
    from embedl_nb.model import LiteRTModel

__all__ = ["LostArgument", "call_of", "environment", "given_again", "model_again", "recorded_call"]

_PACKAGES = ("ai-edge-litert", "ai-edge-quantizer", "litert-torch", "numpy", "onnx", "tensorflow", "torch")
_MOST_PICTURES = 5_000
_PLAIN = (bool, int, float, str)
# Classes of ours that are plain data around arrays and pictures, and where they are.
_OURS = {"ImageInput": "embedl_nb.compiler", "ImageSet": "embedl_nb.quantizer"}


class LostArgument(Exception):
    """An argument that cannot be made again; the text says what it was and why."""


class _Unkept(Exception):
    """An argument that a record cannot hold; the text names it."""


def call_of(*, files: tuple[str, ...] = (), **arguments: Any) -> dict[str, Any]:
    """Describe a call as plain data; never fails, for what cannot be kept is named.

    Parameters
    ----------
    files
        Arguments of which a text is the path of a file or folder, where there is one.
    """
    return {
        "arguments": {name: _described(value, is_path=name in files) for name, value in arguments.items()},
        "environment": environment(),
    }


def recorded_call(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the call that a record holds, without what a record of old does not say.

    Raises
    ------
    InputError
        If it is none that :func:`call_of` makes.
    """
    call = record.get("call", {})
    parts = {"call": call}
    if isinstance(call, dict):
        parts = {f"call.{name}": call.get(name, {}) for name in ("arguments", "environment")}
    for field, value in parts.items():
        if not isinstance(value, dict):
            raise InputError(
                f"run {record['run_id']} cannot be done again: {field} is a {type(value).__name__} in its record",
                hint=f'enb.load("{record["run_id"]}") still has its result',
            )
    return call  # type: ignore[no-any-return]  # JSON


def given_again(name: str, described: Mapping[str, Any]) -> Any:
    """Make an argument again from its description.

    Raises
    ------
    LostArgument
        If it cannot be.
    """
    try:
        if "live" in described:
            raise LostArgument(f"{name} was {described['live']}, which no record can rebuild")
        arrays = _kept_arrays(described["arrays"]) if described.get("arrays") else {}
        return _decoded(described["form"], arrays)
    except (UnknownNameError, InputError, RunStoreError) as err:
        raise LostArgument(f"{name} is not here any more: {err.message}") from err
    except (AttributeError, LookupError, TypeError, ValueError) as err:  # edited by hand: no form that _encoded makes
        raise LostArgument(f"its record of {name} cannot be read ({type(err).__name__}: {err})") from err


def model_again(sha256: str, *, run_id: str | None, name: str) -> LiteRTModel:
    """Return the kept model with this hash, as the run that made it has it: with its examples.

    Raises
    ------
    UnknownNameError
        If it is not kept here.
    """
    from embedl_nb import runstore
    from embedl_nb.model import LiteRTModel

    path = runstore.model_path(sha256)
    with contextlib.suppress(UnknownNameError, InputError):  # its run is gone, or made another model
        recorded = runstore.get(run_id) if run_id else {}
        if recorded.get("result", {}).get("sha256") == sha256:
            model = LiteRTModel.from_record(recorded["result"])
            return dataclasses.replace(model, run_id=recorded["run_id"], path=path, name=name)
    return LiteRTModel.open(path, name=name)


@functools.cache
def environment() -> dict[str, str]:
    """Return the machine and the versions that a compile or quantize depends on, by name."""
    from embedl_nb import __version__
    from embedl_nb.device import machine
    from embedl_nb.imports import version_of

    versions = {package: version_of(package) for package in _PACKAGES}
    return {
        "hostname": machine.hostname(),
        "cpu": machine.cpu_name(),
        "os": machine.os_name(),
        "embedl_nb": __version__,
        "python": platform.python_version(),
        **{package: version for package, version in versions.items() if version},
    }


def _described(value: Any, *, is_path: bool) -> dict[str, Any]:
    from embedl_nb.runstore.samples import LARGEST_BYTES, keep_samples

    arrays: dict[str, Any] = {}
    try:
        if is_path and isinstance(value, str) and Path(value).expanduser().exists():
            value = Path(value)
        form = _encoded(value, arrays)
        size = sum(array.nbytes for array in arrays.values())
        if size > LARGEST_BYTES:
            raise _Unkept(
                f"{format_bytes(size)} of arrays, of which {format_bytes(LARGEST_BYTES)} are kept at the most"
            )
        return {"form": form, "arrays": keep_samples(arrays)} if arrays else {"form": form}
    except (_Unkept, InputError, OSError) as err:
        return {"live": str(err) if isinstance(err, _Unkept) else f"{_kind(value)} that could not be kept: {err}"}


def _encoded(value: Any, arrays: dict[str, Any]) -> Any:
    """Return ``value`` as JSON data; arrays are put into ``arrays``."""
    from embedl_nb.model import LiteRTModel

    if value is None or isinstance(value, _PLAIN):
        return value
    if isinstance(value, list | tuple):
        return {"list" if isinstance(value, list) else "tuple": [_encoded(item, arrays) for item in value]}
    if isinstance(value, Mapping):
        return {"dict": [[_encoded(key, arrays), _encoded(item, arrays)] for key, item in value.items()]}
    if isinstance(value, Path):
        return _encoded_path(value)
    if isinstance(value, LiteRTModel):
        return _encoded_model(value)
    if type(value).__module__.startswith("embedl_nb.") and type(value).__name__ in _OURS:
        return {"object": type(value).__name__, "fields": _encoded_fields(value, arrays)}
    arrays[name := f"a{len(arrays)}"] = _as_array(value)
    return {"array": name}


def _decoded(form: Any, arrays: Mapping[str, Any]) -> Any:
    if not isinstance(form, dict):
        return form
    if "list" in form:
        return [_decoded(item, arrays) for item in form["list"]]
    if "tuple" in form:
        return tuple(_decoded(item, arrays) for item in form["tuple"])
    if "dict" in form:
        return {_decoded(key, arrays): _decoded(item, arrays) for key, item in form["dict"]}
    if "path" in form:
        return _decoded_path(form)
    if "pictures" in form:
        return _decoded_pictures(form)
    if "model" in form:
        return model_again(form["model"], run_id=form["run_id"], name=form["name"])
    if "object" in form:
        fields = {name: _decoded(item, arrays) for name, item in form["fields"]}
        return getattr(importlib.import_module(_OURS[form["object"]]), form["object"])(**fields)
    return arrays[form["array"]]


def _encoded_fields(value: Any, arrays: dict[str, Any]) -> list[list[Any]]:
    found = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    pictures = found["pictures"]
    if all(isinstance(picture, Path) for picture in pictures):
        if len(pictures) > _MOST_PICTURES:
            raise _Unkept(f"{len(pictures)} pictures")
        found["pictures"] = {"pictures": [str(path.absolute()) for path in pictures], "sha256": _sizes(pictures)}
    return [[name, item if isinstance(item, dict) else _encoded(item, arrays)] for name, item in found.items()]


def _decoded_pictures(form: Mapping[str, Any]) -> tuple[Path, ...]:
    paths = tuple(Path(path) for path in form["pictures"])
    missing = next((path for path in paths if not path.is_file()), None)
    if missing is not None:
        raise InputError(f"there is no {missing}")
    if _sizes(paths) != form["sha256"]:
        raise InputError(f"the pictures in {paths[0].parent} have changed since")
    return paths


def _sizes(paths: Sequence[Path]) -> str:
    return hashlib.sha256(repr([path.stat().st_size for path in paths]).encode()).hexdigest()


def _as_array(value: Any) -> Any:
    import numpy as np

    if isinstance(value, np.memmap):
        raise _Unkept(f"a memory-mapped array of {value.filename}")
    tensor = value.detach().cpu() if hasattr(value, "detach") and hasattr(value, "cpu") else value
    if not isinstance(value, np.ndarray | np.generic) and tensor is value:
        raise _Unkept(_kind(value))
    try:
        return np.asarray(tensor)
    except (TypeError, ValueError, RuntimeError) as err:  # bfloat16, sparse
        raise _Unkept(_kind(value)) from err


def _kept_arrays(sha256: str) -> Mapping[str, Any]:
    from embedl_nb.runstore.samples import find_samples

    return find_samples(sha256)


def _kind(value: Any) -> str:
    """Name an object of a session: ``the function accuracy``, ``a live Net (net.Net)``."""
    if callable(value) and hasattr(value, "__name__"):
        return f"the function {value.__name__}"
    return f"a live {type(value).__name__} ({type(value).__module__})"


def _encoded_path(path: Path) -> dict[str, Any]:
    path = path.expanduser().absolute()
    return {"path": str(path), "sha256": _digest(path)}


def _decoded_path(form: Mapping[str, Any]) -> Path:
    path = Path(form["path"])
    if not path.exists():
        raise InputError(f"there is no {path}")
    if _digest(path) != form["sha256"]:
        raise InputError(f"{path} has changed since")
    return path


def _digest(path: Path) -> str:
    """Return the hash of a file's content, or of a folder's names and sizes."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    listed = sorted((str(item.relative_to(path)), item.stat().st_size) for item in path.rglob("*") if item.is_file())
    return hashlib.sha256(repr(listed).encode()).hexdigest()


def _encoded_model(model: LiteRTModel) -> dict[str, Any]:
    from embedl_nb.runstore import models

    with contextlib.suppress(RunStoreError):  # no room: it is missed when the run is done again
        models.keep(model.path, model.sha256)
    return {"model": model.sha256, "name": model.name, "run_id": model.run_id}
