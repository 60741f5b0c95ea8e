"""Which module of the source an operator comes from, read from the tensor names that litert-torch writes.

A name lists the modules around an operation, each as its class's full name, ``_`` and the last part of its own name,
``__main__.Net/torch.nn.modules.container.Sequential_f/torch.nn.modules.conv.Conv2d_3;2`` for ``f.3``. Operations that
were fused are joined by ``;;``; the last is the one that does the work, unless it only pads. A name that holds
``<path>|<class>`` instead (the form our own compiler writes) carries the full path, which the classes' form loses for a
``ModuleList``.

TensorFlow's converter names a tensor after its operation: ``StatefulPartitionedCall/mobilenet/conv1/Conv2D`` has calls
of functions first, then the model, its layers, scopes within a layer and the operation.
"""

from __future__ import annotations

import functools
import re

__all__ = ["quoted", "source_module", "unquoted", "without_calls"]

# What separates the parts of a tensor's name, and how it is written inside of one.
_QUOTED = {"%": "%25", "|": "%7C", ";": "%3B", '"': "%22", "\\": "%5C", "\n": "%0A", "\r": "%0D", "\0": "%00"}
_QUOTES = re.compile("|".join(_QUOTED.values()))
_ORIGINAL = {text: character for character, text in _QUOTED.items()}

# Classes begin with a capital in every part; what follows is the module's name.
_CLASS_THEN_NAME = re.compile(r"(?:_*[A-Z][A-Za-z0-9]*)(?:_[A-Z][A-Za-z0-9]*)*_(?P<name>.+)")
# PyTorch's own classes have no underscore.
_TORCH_CLASS_THEN_NAME = re.compile(r"[A-Za-z0-9]+_(?P<name>.+)")
_ANY_CLASS_THEN_NAME = re.compile(r"_*[^_]+_(?P<name>.+)")
# A convolution takes the padding before it over; its name then ends with the padding's.
_PADDING_CLASS = re.compile(r"Pad[123]d(_|$)|\|Pad(V2)?\d*$")
# What TensorFlow writes around and below a layer's name.
_CALL = re.compile(r"(Stateful)?PartitionedCall(_\d+)?(:\d+)?")
_SCOPE_IN_LAYER = re.compile(
    r"(ReadVariableOp|BiasAdd|MatMul|Conv2D|Reshape|Squeeze|Tensordot|Cast|batchnorm|moments|convolution|depthwise|"
    r"separable_conv2d|conv_transpose|conv[123]d_transpose|einsum|while|body|cond|strided_slice|normalize|transpose)(_?\d+)?"
)


def quoted(path: str) -> str:
    """Return a module's path as it can stand inside a tensor's name.

    Examples
    --------
    >>> quoted("a|b;c/d"), unquoted("a%7Cb%3Bc/d")
    ('a%7Cb%3Bc/d', 'a|b;c/d')
    """
    return "".join(_QUOTED.get(character, character) for character in path)


def unquoted(path: str) -> str:
    """Return the path that was :func:`quoted`."""
    return _QUOTES.sub(lambda match: _ORIGINAL[match[0]], path)


@functools.lru_cache(maxsize=65536)
def source_module(tensor_name: str) -> str:
    """Return the dotted name of the module that made a tensor, "" where its name carries none.

    Parameters
    ----------
    tensor_name
        Of an operator's output.

    Examples
    --------
    >>> source_module("__main__.Net/torch.nn.modules.container.Sequential_f/pkg.IR_4/torch.nn.modules.conv.Conv2d_3;2")
    'f.4.3'
    >>> source_module("swish|ReLU6;;conv|Conv2d;;conv.padding|ZeroPad2d;")
    'conv'
    >>> source_module("StatefulPartitionedCall/mobilenet/block/bn/batchnorm/mul_1"), source_module("dense/MatMul")
    ('block.bn', 'dense')
    >>> source_module("serving_default_y_output"), source_module("__main__.Net;1")
    ('', '')
    """
    modules = [part for part in tensor_name.split(";") if "/" in part or "|" in part]
    if not modules:
        return ""
    module = ([part for part in modules if not _PADDING_CLASS.search(part.rsplit("/", 1)[-1])] or modules)[-1]
    if "|" in module:
        return unquoted(module.split("|")[0].strip())
    if "." not in module.split("/", 1)[0]:
        return _tensorflow_layer(module)
    names = [_own_name(part) for part in module.split("/")[1:]]
    return ".".join(name for name in names if name)


def without_calls(name: str) -> str:
    """Return the name of an operation of TensorFlow without the calls of functions around it.

    Examples
    --------
    >>> without_calls("StatefulPartitionedCall/StatefulPartitionedCall_1/net/conv1/Conv2D")
    'net/conv1/Conv2D'
    """
    parts = name.split("/")
    while len(parts) > 1 and _CALL.fullmatch(parts[0]):
        parts = parts[1:]
    return "/".join(parts)


def _tensorflow_layer(name: str) -> str:
    """Return the layers of ``model/layer/layer/scope/operation``; of ``layer/operation`` the one."""
    *parts, _operation = without_calls(name).split("/")
    while len(parts) > 1 and _SCOPE_IN_LAYER.fullmatch(parts[-1]):
        parts = parts[:-1]
    return ".".join(parts[1:] or parts)


def _own_name(part: str) -> str:
    """Return a module's own name from ``package.Class_name``."""
    package, _, class_and_name = part.rpartition(".")
    if package.startswith("torch.nn.") and (match := _TORCH_CLASS_THEN_NAME.fullmatch(class_and_name)):
        return match["name"]
    match = _CLASS_THEN_NAME.fullmatch(class_and_name) or _ANY_CLASS_THEN_NAME.fullmatch(class_and_name)
    return match["name"] if match else ""
