"""The key of a compile: same key, same LiteRT model.

It covers the source model (see digest.py), the inputs' names, shapes, dtypes and constants, and the versions and
settings of the tools that do the work.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedl_nb.compiler.keys.digest import Digest, UnreducibleError
from embedl_nb.imports import version_of

if TYPE_CHECKING:
    import torch

    from embedl_nb.compiler.sources.samples import Samples

__all__ = [
    "PIPELINE_VERSION",
    "Fingerprint",
    "extended",
    "fingerprint_onnx",
    "fingerprint_program",
    "fingerprint_samples",
    "fingerprint_tensorflow",
    "fingerprint_torch",
]

PIPELINE_VERSION = 4
"""To be raised with every change of this package that changes what it produces."""
_TOOLS = ("torch", "litert-torch", "litert-converter", "ai-edge-litert")
_TENSORFLOW_TOOLS = ("tensorflow", "keras", "ai-edge-litert")
# Settings of litert-torch that change what it produces.
_VARIABLES = ("LITERT_TORCH_FULL_TFL_DECOMPS", "LAYOUT_OPTIMIZE_PARTITIONER", "ENABLE_GROUP_NORM_COMPOSITE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """A key, or why there is none.

    Attributes
    ----------
    key
        64 hexadecimal digits; empty where the source cannot be reduced to one.
    reason
        Names the attribute that has no content to hash; empty with a key.
    """

    key: str = ""
    reason: str = ""


def fingerprint_torch(module: torch.nn.Module, samples: Samples) -> Fingerprint:
    """Return the key of compiling ``module`` for inputs like ``samples``; the samples' values do not count."""
    import torch
    from torch.nn.modules import module as module_globals

    digest = _started("torch.nn.Module")
    try:
        _add_inputs(digest, samples)
        digest.add((str(torch.get_default_dtype()), torch.is_autocast_enabled("cpu")), "torch's settings")
        for hooks in (module_globals._global_forward_hooks, module_globals._global_forward_pre_hooks):
            digest.add(list(hooks.values()), "a global forward hook")
        for owner in (torch, torch.nn.functional, torch.Tensor):
            digest.add_patches(owner, vars(owner), owner.__name__)
        digest.add(module, "")
    except UnreducibleError as err:
        return Fingerprint(reason=_said(err, "the module"))
    except RecursionError:
        return Fingerprint(reason="its attributes are nested too deeply to compare")
    return Fingerprint(key=digest.hexdigest())


def fingerprint_program(program: torch.export.ExportedProgram, samples: Samples) -> Fingerprint:
    """Return the key of compiling an exported program."""
    digest = _started("torch.export.ExportedProgram")
    try:
        _add_inputs(digest, samples)
        digest.add((str(program.graph), str(program.graph_signature), str(program.call_spec)), "the graph")
        digest.add(dict(program.state_dict), "")
        digest.add(dict(program.constants), "")
    except UnreducibleError as err:
        return Fingerprint(reason=_said(err, "the program"))
    return Fingerprint(key=digest.hexdigest())


def extended(fingerprint: Fingerprint, *parts: Any) -> Fingerprint:
    """Return the key of the same work with ``parts`` (plain values) added to what is asked for."""
    if not fingerprint.key:
        return fingerprint
    digest = Digest()
    digest.add((fingerprint.key, *parts), "options")
    return Fingerprint(key=digest.hexdigest())


def fingerprint_onnx(content: str, samples: Samples) -> Fingerprint:
    """Return the key of compiling an ONNX model whose graph and weights have the hash ``content``."""
    digest = _started("onnx.ModelProto")
    _add_inputs(digest, samples)
    digest.add((content, version_of("onnx"), version_of("onnxruntime")), "the model")
    return Fingerprint(key=digest.hexdigest())


def fingerprint_tensorflow(content: str, options: tuple[object, ...]) -> Fingerprint:
    """Return the key of compiling a Keras or TensorFlow model.

    Parameters
    ----------
    content
        The hash of its file, or of its graph and weights.
    options
        Plain values: what else the result depends on.
    """
    digest = _started("tensorflow", _TENSORFLOW_TOOLS)
    digest.add((content, *options), "the model")
    return Fingerprint(key=digest.hexdigest())


def fingerprint_samples(arrays: dict[str, Any]) -> str:
    """Return the hash of the samples' values, by which a cached parity is known to be about them."""
    digest = Digest()
    digest.add(arrays, "example_inputs")
    return digest.hexdigest()


def _said(err: UnreducibleError, whole: str) -> str:
    if err.kind == "function":
        return f"{err.path}, which is not part of it"
    return f"{err.path or whole} is a {err.kind}, which has no content to compare"


def _started(kind: str, tools: tuple[str, ...] = _TOOLS) -> Digest:
    digest = Digest()
    versions = tuple((tool, version_of(tool)) for tool in tools)
    settings = tuple((name, os.environ.get(name, "")) for name in _VARIABLES)
    digest.add((kind, PIPELINE_VERSION, sys.version_info[:2], versions, settings), "versions")
    return digest


def _add_inputs(digest: Digest, samples: Samples) -> None:
    specs = tuple((str(tensor.dtype), tuple(tensor.shape)) for tensor in samples.first.tensors)
    varying = tuple((each.input, each.dimension, each.label, each.low, each.high) for each in samples.varying)
    digest.add((samples.structure, samples.names, specs, samples.constants, *varying), "example_inputs")
