"""The way through the compiler: take a source, find it in the cache or build it, verify it, hand it on.

Export and reference run here, in the kernel, where the user's classes are; lowering and the compiled model's run happen
in children. Nothing is left behind by a compile that fails.
"""

from __future__ import annotations

import dataclasses
import threading
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from embedl_nb import cache, formats, progress
from embedl_nb.compiler.build import Request, build, evidence_on_hit
from embedl_nb.compiler.explaining.reproducing import offer_repro
from embedl_nb.compiler.options import read_options
from embedl_nb.compiler.sources.from_model_file import ModelFileSource
from embedl_nb.compiler.sources.source_path import source_path
from embedl_nb.compiler.taking import TIMEOUT_S, refuse_shapes, take
from embedl_nb.errors import EmbedlWarning, InputError
from embedl_nb.model import LiteRTModel, Parity

__all__ = ["compile_model", "exporting"]

# torch traces with global state: two exports at once in one process break each other.
exporting = threading.Lock()
"""Held for as long as something is exported."""
# What reading a record raises that another version has written, or nobody.
_OF_ANOTHER_FORM = (AttributeError, KeyError, TypeError, ValueError)


def compile_model(
    source: Any,
    example_inputs: Any = None,
    *,
    name: str | None = None,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    dynamic_shapes: Any = None,
    layout: str = "keep",
    state: Mapping[str, str] | None = None,
    verify: bool = True,
    timeout_s: float = TIMEOUT_S,
) -> LiteRTModel:
    """Compile a source model to LiteRT and prove that it computes the same.

    Parameters
    ----------
    source
        A ``torch.nn.Module`` (its class may be defined in a cell; wrappers of torch.compile and DataParallel are seen
        through), a ``torch.export.ExportedProgram``, a ``.pt2`` path, an ``onnx.ModelProto``, an ``.onnx`` path, a
        Keras model, a ``tf.Module``, the path of a ``.keras`` or ``.h5`` file or of a SavedModel's folder, or a
        ``.tflite`` path, which is read, run and passed on. A dict of PyTorch or ONNX models by signature key makes one
        file with several signatures, in which weights that they share are stored once; a SavedModel keeps its own.
    example_inputs
        One sample: a tensor or array, a tuple of positional inputs, or a dict of keyword inputs. A list holds several
        samples: the first fixes shapes and dtypes, the parity check uses all. Numbers, strings and None in a sample are
        constants of the compiled model. An exported program brings its own. An ``enb.image_input(...)`` in the place
        of a tensor makes the compiled model take a picture's pixels there. For an ONNX model a dict has the names of
        the graph's inputs; without samples a random one is made, and the parity says so. Of several signatures, a dict
        by the keys.
    name
        What to call the model; by default the class's or the file's name.
    input_shapes
        Of an ONNX model, by input: the sizes of dimensions that it leaves open.
    dynamic_shapes
        Dimensions of a PyTorch or ONNX model that stay open in the compiled model, by input and dimension:
        ``{"audio": {2: (64, 512)}}`` with the smallest and largest size, or a name (``{0: "batch"}``: any size; the
        same name is the same size), or as torch.export takes them. The names that an ONNX file has for its dimensions
        can stand in the place of input and dimension: ``{"batch": (1, 8)}``; all dimensions of that name stay open. It
        is verified at the example's, the smallest and the largest size; an operator that cannot vary is named.
    layout
        ``"nhwc"`` gives all 4-D inputs and outputs their channels last: axes (N, C, H, W) of the source become
        (N, H, W, C); example inputs stay as the source takes them. ``"keep"`` changes nothing.
    state
        Which output is handed to which input in the next call: ``{"h_out": "h_in"}``. A list of samples is then one
        sequence in time, over which source and compiled model are compared, each fed its own state; later samples
        (dicts) may leave the state out. Fewer than 16 are followed by made-up ones.
    verify
        False skips running the result and comparing it; its ``parity`` is None and shown as "not verified".
    timeout_s
        For lowering, and for waiting until another process has compiled the same model, in s.

    Returns
    -------
    LiteRTModel
        Its signature has the source's keyword inputs and output names (``args_0``, ``output_0`` where there are none).

    Raises
    ------
    InputError, SignatureMismatchError
        If the source or the inputs cannot be used.
    UnsupportedOperatorError
        If the converter or the runtime has no implementation of an operator; it says where in the source it stands.
    ConverterCrashedError
        If the converter died or did not finish in time; its log is kept.
    ParityError
        If the result computes something else.
    CompileError
        For any other failure of the converter. These errors name a script that fails the same way (``repro_path``)
        where one operator is to blame, and say how to look for one otherwise (:func:`embedl_nb.bisect`).
    OutOfMemoryError
        If memory ran out in a child.

    Warns
    -----
    EmbedlWarning
        If the module is in train mode (compiled as in eval mode), or the result cannot be cached.
    """
    _check_options(name, verify, timeout_s)
    if isinstance(source, LiteRTModel):
        return source
    options = read_options(layout=layout, state=state, dynamic_shapes=dynamic_shapes)
    if isinstance(source, str | Path):
        path = source_path(source)
        if path.suffix.lower() == formats.LITERT:
            options.refuse(f"{path.name}, which is compiled already", hint="compile its source with it")
            refuse_shapes(input_shapes)
            return pass_on_tflite(path, example_inputs, name=name, verify=verify)
    taken = take(source, example_inputs, input_shapes, options, timeout_s=timeout_s)
    notes = taken.notes()
    for note in notes:
        warnings.warn(note, EmbedlWarning, stacklevel=3)
    request = Request(source=taken, name=name or taken.name, verify=verify, timeout_s=timeout_s, on_failure=offer_repro)
    with exporting:
        model, doubts = _found_or_built(request)
    return dataclasses.replace(model, name=request.name, notes=(*notes, *doubts, *model.notes))


def _found_or_built(request: Request) -> tuple[LiteRTModel, tuple[str, ...]]:
    """Return the model, and why it could not be taken from the cache, where it could not."""
    progress.emit("cache", "looking for the same model, compiled before")
    fingerprint = request.source.fingerprint()
    if not fingerprint.key:
        return build(request, key=""), (f"not cached: {fingerprint.reason}",)
    with cache.locked(fingerprint.key, timeout_s=request.timeout_s):
        return _cached(fingerprint.key, request) or build(request, key=fingerprint.key), ()


def pass_on_tflite(path: Path, example_inputs: Any, *, name: str | None, verify: bool) -> LiteRTModel:
    """Read and run a file that is a LiteRT model already."""
    from embedl_nb.compiler.sources.from_tflite import pass_on

    return pass_on(path, example_inputs, name=name, verify=verify)


def _cached(key: str, request: Request) -> LiteRTModel | None:
    """Return a model made before, None without; on samples it was not verified on, it is verified now."""
    entry = cache.find(key)
    if entry is None:
        return None
    try:
        model = dataclasses.replace(LiteRTModel.from_record(entry.meta["record"]), path=entry.model_path)
    except _OF_ANOTHER_FORM:
        cache.remove_damaged(key)
        return None
    if isinstance(request.source, ModelFileSource):
        request.source.recall(model)
    evidence = evidence_on_hit(request, entry, model)
    try:
        parity = Parity.from_record(evidence.parity) if evidence.parity and request.verify else None
    except _OF_ANOTHER_FORM:
        cache.remove_damaged(key)
        return None
    progress.emit("cache", f"{request.name} was compiled before")
    request.source.converter.dismiss()
    return dataclasses.replace(
        model, parity=parity, samples_path=evidence.samples_path, golden_path=evidence.golden_path
    )


def _check_options(name: str | None, verify: bool, timeout_s: float) -> None:
    if name is not None and (not isinstance(name, str) or not name.strip()):
        raise InputError(f"name={name!r} is no name", hint="give a text such as 'mobilenet_v2', or leave it out")
    if not isinstance(verify, bool):
        raise InputError(f"verify={verify!r} is neither True nor False", hint="give True or False")
    if not isinstance(timeout_s, int | float) or not timeout_s > 0:
        raise InputError(f"timeout_s={timeout_s!r} is no time", hint="give seconds, e.g. 900")
