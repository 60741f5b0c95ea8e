"""Look through a model file before Keras or TensorFlow load it, and refuse what could do more than compute tensors.

Lambda layers hold Python code, a configuration can name any function of any module, HDF5 files and vocabularies can
point to other files, and a SavedModel's graph can call Python or read and write files. There is no option to let one
through: who trusts a file loads it in the notebook and compiles the object, which is the same and says it plainly.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from embedl_nb.compiler.sources.archives import CHECK_ORIGIN, is_far_larger, opened_archive, read_text
from embedl_nb.errors import InputError
from embedl_nb.units import format_bytes

__all__ = ["LOAD_YOURSELF", "refuse_untrusted_hdf5", "refuse_untrusted_keras"]

LOAD_YOURSELF = (
    "if you trust it, load it in the notebook, keras.models.load_model(path, safe_mode=False, custom_objects={...}), "
    "and compile the object"
)
SAVE_AGAIN = "save it again: model.save('model.keras')"
_CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
_MEMBER = re.compile(r"metadata\.json|config\.json|model\.weights\.(h5|npz)|model\.weights\.json|assets/.*|_.*")
# Where Keras keeps what a model consists of; keras.utils, for one, downloads files.
_MODULE = re.compile(
    r"keras|keras(\.src)?\.(layers|models|initializers|regularizers|constraints|optimizers|losses|metrics|activations|"
    r"dtype_policies|quantizers|random|ops)(\..+)?"
)
_HARMLESS_BUILTINS = {"int", "float", "bool", "str", "slice", "tuple", "list", "dict"}


def refuse_untrusted_keras(path: Path) -> None:
    """Raise unless ``path`` is a ``.keras`` archive that is safe to load.

    Raises
    ------
    InputError
        If it is damaged, of another kind, or holds something to be trusted; it says what.
    """
    with opened_archive(path, kind=".keras archive", hint=SAVE_AGAIN) as archive:
        names = archive.namelist()
        if _CONFIG not in names:
            raise InputError(f"{path} holds no {_CONFIG}: it is no .keras archive", hint=SAVE_AGAIN)
        odd = next((name for name in names if not _MEMBER.fullmatch(name)), None)
        if odd is not None:
            raise InputError(f"{path} holds {odd!r}, which is no part of a Keras model", hint=CHECK_ORIGIN)
        _refuse_config(path, _parsed(path, read_text(archive, _CONFIG)))
        if _WEIGHTS in names:
            with _seekable(archive, _WEIGHTS) as weights:
                _refuse_odd_hdf5(path, weights, size=archive.getinfo(_WEIGHTS).file_size)


def refuse_untrusted_hdf5(path: Path) -> None:
    """Raise unless ``path`` is an HDF5 file with a Keras model that is safe to load.

    Raises
    ------
    InputError
        If it is damaged, holds weights only, or something to be trusted; it says what.
    """
    config = _refuse_odd_hdf5(path, str(path), size=path.stat().st_size)
    if config is None:
        raise InputError(
            f"{path} holds weights, not a model",
            hint="build the model, model.load_weights(path), and compile the object",
        )
    _refuse_config(path, _parsed(path, config))


def _seekable(archive: zipfile.ZipFile, name: str) -> Any:
    """Open a member; one that is compressed is unpacked into memory, for seeking in it takes forever."""
    if archive.getinfo(name).compress_type == zipfile.ZIP_STORED:
        return archive.open(name)
    return BytesIO(archive.read(name))


def _parsed(path: Path, text: bytes | str) -> Any:
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as err:
        raise InputError(f"the configuration in {path} is damaged: {err}", hint=SAVE_AGAIN) from err
    if isinstance(config, dict):
        config.pop("compile_config", None)  # losses and optimizers are not loaded
    return config


def _refuse_config(path: Path, config: Any) -> None:
    for part in _dicts(config):
        kind, module = part.get("class_name"), part.get("module")
        name = part.get("registered_name") or kind
        if kind in ("Lambda", "__lambda__") or part.get("function_type") == "lambda":
            settings = part.get("config")
            layer = settings.get("name") if isinstance(settings, dict) else None
            raise InputError(
                f"{path} holds Python code ({f'Lambda layer {layer!r}' if layer else 'a lambda'}), which loading it "
                "would run; it is refused",
                hint=LOAD_YOURSELF,
            )
        if isinstance(part.get("vocabulary"), str):
            raise InputError(
                f"{path} reads the file {part['vocabulary']!r} when it is loaded; it is refused", hint=LOAD_YOURSELF
            )
        if not isinstance(kind, str) or kind.startswith("__") or "config" not in part:
            continue
        if module == "builtins" and kind in _HARMLESS_BUILTINS:
            continue
        if "module" in part and not (isinstance(module, str) and _MODULE.fullmatch(module)):
            what = part["config"] if kind == "function" else name
            raise InputError(
                f"{path} needs {str(what)!r}" + (f" of the module {module!r}" if module else "") + ", which is no part "
                "of Keras",
                hint=LOAD_YOURSELF,
            )


def _dicts(value: Any) -> Iterator[dict[str, Any]]:
    pending = [value]
    while pending:
        each = pending.pop()
        if isinstance(each, dict):
            yield each
            pending.extend(each.values())
        elif isinstance(each, list):
            pending.extend(each)


def _refuse_odd_hdf5(path: Path, source: Any, *, size: int) -> str | bytes | None:
    """Return the model's configuration, None without; raise for links to other files and for more than there is."""
    import h5py

    try:
        with h5py.File(source, "r") as file:
            total = sum(_dataset_bytes(path, item) for item in _walk(path, file))
            config: str | bytes | None = file.attrs.get("model_config")
    except InputError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as err:
        raise InputError(f"{path} holds no readable HDF5 data: {err}", hint=SAVE_AGAIN) from err
    if is_far_larger(total, size):
        raise InputError(
            f"{path} holds {format_bytes(size)} and declares {format_bytes(total)} of weights; it is not loaded",
            hint=CHECK_ORIGIN,
        )
    return config


def _walk(path: Path, group: Any) -> Iterator[Any]:
    """Yield every dataset; a link that leads elsewhere is refused."""
    import h5py

    pending = [group]
    while pending:
        current = pending.pop()
        for name in current:
            if not isinstance(current.get(name, getlink=True), h5py.HardLink):
                raise InputError(f"{path} holds {name!r}, a link to another place; it is refused", hint=CHECK_ORIGIN)
            item = current[name]
            if isinstance(item, h5py.Group):
                pending.append(item)
            else:
                yield item


def _dataset_bytes(path: Path, item: Any) -> int:
    if getattr(item, "external", None) or getattr(item, "is_virtual", False):
        raise InputError(f"{path} keeps {item.name!r} in another file; it is refused", hint=CHECK_ORIGIN)
    return int(getattr(item, "nbytes", 0))
