"""What the user brought becomes a source: told by its type or suffix, read, and met with its samples and options.

In: a model or a path, example inputs and options. Out: a Source, or several by signature. A package that the kind needs
and that is not installed is said here. Nothing heavy is imported for anything but the kind at hand.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb import formats, imports, progress
from embedl_nb.compiler.converter import TORCH
from embedl_nb.compiler.options import Options, dressed
from embedl_nb.compiler.sources.from_keras import is_tensorflow_object, model_file_source, model_object_source
from embedl_nb.compiler.sources.sequence import with_state_filled
from embedl_nb.compiler.sources.several import SeveralSources, samples_by_key
from embedl_nb.compiler.sources.source_path import source_path
from embedl_nb.errors import InputError, MissingDependencyError

if TYPE_CHECKING:
    from embedl_nb.compiler.sources.source import Divided, Source

__all__ = ["TIMEOUT_S", "refuse_shapes", "take"]

TIMEOUT_S = 900.0
"""What a child is given to read or lower a model, in s, unless the caller says otherwise."""
_KNOWN = (
    "give a torch.nn.Module, a torch.export.ExportedProgram or a .pt2 path; an onnx.ModelProto or an .onnx path; a "
    "Keras model, a tf.Module, a .keras or .h5 path or a SavedModel's folder; or a .tflite path"
)


def take(
    source: Any,
    example_inputs: Any,
    input_shapes: Mapping[str, Sequence[int]] | None,
    options: Options | None = None,
    *,
    timeout_s: float = TIMEOUT_S,
) -> Source | Divided:
    """Take one source, or a dict of them by signature.

    Raises
    ------
    InputError
        If what was given is no source, or the samples do not fit it.
    """
    options = options or Options()
    if _is_tensorflow(source):
        refuse_shapes(input_shapes)
        options.refuse("a Keras or TensorFlow model", hint="leave it out: it is for PyTorch and ONNX models")
        return _take_tensorflow(source, example_inputs, timeout_s=timeout_s)
    if not isinstance(source, Mapping) or not source:
        given = with_state_filled(example_inputs, options.state)
        return dressed(_take(source, given, input_shapes, options.dynamic_shapes), options)
    if options.dynamic_shapes is not None:
        raise InputError("dynamic_shapes was given for several signatures", hint="compile that one by itself")
    if options.state:
        raise InputError("state was given for several signatures", hint="compile the one that has state by itself")
    given = samples_by_key(list(source), example_inputs)
    foreign = [key for key, part in source.items() if _is_tensorflow(part)]
    if foreign:
        raise InputError(
            f"the source of signature {foreign[0]!r} is a Keras or TensorFlow model, which shares no file with others",
            hint="compile a SavedModel or tf.Module that has these signatures",
        )
    parts = {key: _take(part, given[key], input_shapes) for key, part in source.items()}
    return SeveralSources({key: dressed(part, options, is_alone=False) for key, part in parts.items()})


def _is_tensorflow(source: Any) -> bool:
    if not isinstance(source, str | Path):
        return is_tensorflow_object(source)
    path = source_path(source)
    return path.is_dir() or path.suffix.lower() in formats.KERAS


def _take_tensorflow(source: Any, example_inputs: Any, *, timeout_s: float) -> Divided:
    if not isinstance(source, str | Path):
        return model_object_source(source, example_inputs)
    _require(("tensorflow",), what="Keras models and SavedModels", extra="keras")
    return model_file_source(source_path(source), example_inputs, timeout_s=timeout_s)


def _take(
    source: Any, example_inputs: Any, input_shapes: Mapping[str, Sequence[int]] | None, dynamic_shapes: Any = None
) -> Source:
    path = source_path(source) if isinstance(source, str | Path) else None
    onnx = sys.modules.get("onnx")
    if (path is not None and path.suffix.lower() == formats.ONNX) or isinstance(
        source, getattr(onnx, "ModelProto", ())
    ):
        return _take_onnx(path or source, example_inputs, input_shapes, dynamic_shapes)
    refuse_shapes(input_shapes)
    if path is not None:
        return _take_file(path, example_inputs)
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "nn"):
        raise InputError(f"an object of type {type(source).__name__} is not a model that can be compiled", hint=_KNOWN)
    if isinstance(source, torch.nn.Module):
        _require_torch()
        from embedl_nb.compiler.sources.from_torch import TorchSource
        from embedl_nb.compiler.sources.samples import read_samples

        return TorchSource(source, read_samples(example_inputs))
    exported = sys.modules.get("torch.export")
    if exported is not None and isinstance(source, exported.ExportedProgram):
        return _take_program(source, example_inputs, name="ExportedProgram")
    if isinstance(source, type) and issubclass(source, torch.nn.Module):
        raise InputError(
            f"{source.__name__} is a class, not a module", hint=f"give an instance: {source.__name__}(...)"
        )
    raise InputError(f"an object of type {type(source).__name__} is not a model that can be compiled", hint=_KNOWN)


def _take_file(path: Path, example_inputs: Any) -> Source:
    suffix = path.suffix.lower()
    if not path.exists():
        raise InputError(f"there is no file {path}", hint="check the path")
    if suffix == formats.PROGRAM:
        _require_torch()
        from embedl_nb.compiler.sources.from_export import load_program

        progress.emit("export", f"reading {path.name}")
        return _take_program(load_program(path), example_inputs, name=path.stem)
    if suffix in (".pt", ".pth", ".bin", ".ckpt", ".safetensors"):
        raise InputError(
            f"{path} holds weights or a pickled module; it is not opened, as that can run any code",
            hint="build the module, load_state_dict(torch.load(path, weights_only=True)) into it, and compile that",
        )
    raise InputError(f"{str(path)!r} is no kind of model file that can be compiled", hint=_KNOWN)


def refuse_shapes(input_shapes: Mapping[str, Sequence[int]] | None) -> None:
    """Raise an InputError if shapes are given for a source that has its own."""
    if input_shapes is not None:
        raise InputError(
            "input_shapes is for ONNX models, and this is none", hint="give example_inputs of the shapes you want"
        )


def _take_onnx(
    source: Any, example_inputs: Any, input_shapes: Mapping[str, Sequence[int]] | None, dynamic_shapes: Any
) -> Source:
    _require_torch()
    _require(("onnx", "onnxruntime"), what="ONNX models", extra="onnx")
    from embedl_nb.compiler.sources.from_onnx import take_onnx

    TORCH.prewarm()  # reading takes as long as half of the converter's imports
    progress.emit("export", f"reading {source.name if isinstance(source, Path) else 'the ONNX model'}")
    return take_onnx(source, example_inputs, input_shapes, dynamic_shapes)


def _take_program(program: Any, example_inputs: Any, *, name: str) -> Source:
    _require_torch()
    from embedl_nb.compiler.sources.from_export import ProgramSource
    from embedl_nb.compiler.sources.samples import read_samples, samples_of_call

    if example_inputs is None and program.example_inputs is not None:
        samples = samples_of_call(*program.example_inputs)
    else:
        samples = read_samples(example_inputs)
    return ProgramSource(program, samples, name=name)


def _require_torch() -> None:
    _require(("torch", "litert_torch"), what="PyTorch models", extra="torch")


def _require(modules: Sequence[str], *, what: str, extra: str) -> None:
    missing = next((module for module in modules if not imports.is_installed(module)), None)
    if missing is not None:
        raise MissingDependencyError(
            f"{missing} is needed to compile {what}, and it is not installed",
            extra=extra,
            install=f"pip install 'embedl-nb[{extra}]'",
        )
