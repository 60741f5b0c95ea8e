"""Reduce values, code and modules to one hash; what cannot be reduced says so by its path.

Two modules with the same digest compute the same: it covers weights byte by byte, every attribute, the bytecode of the
user's own methods and of all functions, globals and closures they reach, and the version of installed packages.
Comments, line numbers and where a cell stands do not count. Nothing is called on the way but ``__reduce_ex__``, as for
a copy.
"""

from __future__ import annotations

import dis
import enum
import functools
import hashlib
import logging
import pathlib
import types
import weakref
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from embedl_nb.compiler.keys.installed import installed_package, is_installed_module, origin_token
from embedl_nb.compiler.user_code import is_installed_file

if TYPE_CHECKING:
    import torch

__all__ = ["Digest", "UnreducibleError"]

_PLAIN = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis), type(NotImplemented), range)
_TORCH_PLAIN = ("dtype", "device", "layout", "memory_format", "Size", "OpOverload", "OpOverloadPacket")
_OWN_OPERATORS = ("aten.", "prims.", "prim.", "quantized_decomposed.")
_CLASS_NOISE = {
    "__abstractmethods__", "__annotations__", "__dict__", "__doc__", "__firstlineno__", "__module__", "__parameters__",
    "__qualname__", "__static_attributes__", "__weakref__", "_abc_impl", "__annotate_func__", "__annotations_cache__",
    "__dataclass_fields__", "__dataclass_params__", "__match_args__",
}  # fmt: skip
# What says nothing about the forward pass in eval mode: hooks of gradients and checkpoints, the trainer, the mode.
_MODULE_NOISE = {
    "_backward_hooks", "_backward_pre_hooks", "_compiled_call_impl", "_fabric", "_flat_weight_refs",
    "_is_full_backward_hook", "_is_torch_compile", "_load_state_dict_post_hooks", "_load_state_dict_pre_hooks",
    "_non_persistent_buffers_set", "_state_dict_hooks", "_state_dict_pre_hooks", "_trainer", "training",
}  # fmt: skip
# What a computation may ask for that no attribute, global or closure holds.
_OUTSIDE_BUILTINS = {"__import__", "eval", "exec", "globals", "input", "open"}
_OUTSIDE_MODULES = {"random", "secrets", "time", "uuid"}
_HOOK_DICTS = {"_forward_hooks", "_forward_pre_hooks"}
_HOOK_FLAGS = {"_forward_hooks_with_kwargs", "_forward_hooks_always_called", "_forward_pre_hooks_with_kwargs"}


class UnreducibleError(Exception):
    """``path`` names a value that has no content to hash (an open file, a lock)."""

    def __init__(self, path: str, value: Any) -> None:
        super().__init__(path, type(value).__name__)
        self.path = path
        self.kind = type(value).__name__


class Digest:
    """A hash that takes Python objects. Feed it with :meth:`add`; the order of calls counts."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._seen: dict[int, tuple[int, Any]] = {}  # the value is kept, so that its id stays its own
        self._storages: dict[int, int] = {}

    def hexdigest(self) -> str:
        """Return the hash of all that was added."""
        return self._hash.hexdigest()

    def add(self, value: Any, path: str) -> None:
        """Add a value of any kind.

        Parameters
        ----------
        value
            What to reduce.
        path
            What to call it, where it cannot be reduced.

        Raises
        ------
        UnreducibleError
            If it, or something it reaches, has no content to hash.
        """
        kind = type(value)
        if kind in _PLAIN:
            self._token(kind.__name__, repr(value))
        elif kind is tuple or kind is list:
            if kind is tuple or not self._is_known(value):
                self._token(kind.__name__, str(len(value)))
                for index, item in enumerate(value):
                    self.add(item, f"{path}[{index}]")
        elif kind is dict or kind is types.MappingProxyType:
            if not self._is_known(value):
                self._add_mapping(value, path)
        elif kind in (set, frozenset):
            self._token(kind.__name__, ",".join(sorted(_alone(item, path) for item in value)))
        elif isinstance(value, types.CodeType):
            self._add_code(value, path)
        elif not self._is_known(value):
            self._add_object(value, path)

    def _token(self, kind: str, text: str) -> None:
        data = text.encode("utf-8", "surrogatepass")
        self._hash.update(f"{kind}:{len(data)}:".encode())
        self._hash.update(data)

    def _is_known(self, value: Any) -> bool:
        """Say whether ``value`` was added before, and refer to it then; cycles end here."""
        if id(value) in self._seen:
            self._token("again", str(self._seen[id(value)][0]))
            return True
        self._seen[id(value)] = len(self._seen), value
        return False

    def _add_mapping(self, mapping: Mapping[Any, Any], path: str) -> None:
        self._token("dict", str(len(mapping)))
        for key, item in mapping.items():
            self.add(key, path)
            self.add(item, f"{path}.{key}" if isinstance(key, str) else f"{path}[{key!r}]")

    def _add_object(self, value: Any, path: str) -> None:
        import numpy as np

        if isinstance(value, np.ndarray | np.generic):
            self._add_array(np.asarray(value), path)
            return
        import torch  # after arrays, which Keras models have where there is no torch

        if isinstance(value, torch.Tensor):
            self._add_tensor(value, path)
        elif isinstance(value, torch.nn.Module):
            self._add_module(value, path)
        elif isinstance(value, type):
            self._add_class(value, path)
        elif type(value).__module__.split(".")[0] == "torch" and type(value).__name__ in _TORCH_PLAIN:
            if type(value).__name__.startswith("OpOverload") and not str(value).startswith(_OWN_OPERATORS):
                raise UnreducibleError(path, value)  # a custom operator's implementation is not to be seen
            self._token(type(value).__name__, str(value))
        elif not self._add_callable(value, path) and not self._add_named(value):
            self._add_instance(value, path)

    def _add_named(self, value: Any) -> bool:
        """Add what is known by its name alone; say whether it was."""
        if isinstance(value, enum.Enum):
            self._token("enum", f"{type(value).__module__}.{type(value).__qualname__}.{value.name}={value.value!r}")
        elif isinstance(value, pathlib.PurePath | logging.Logger):
            self._token(type(value).__name__, str(value) if isinstance(value, pathlib.PurePath) else value.name)
        else:
            return False
        return True

    def _add_tensor(self, tensor: torch.Tensor, path: str) -> None:
        import torch

        plain = (torch.Tensor, torch.nn.Parameter, torch.nn.Buffer)
        if type(tensor) not in plain or tensor.layout is not torch.strided or tensor.device.type == "meta":
            raise UnreducibleError(path, tensor)
        values = tensor.detach()
        storage = self._storages.setdefault(values.untyped_storage().data_ptr(), len(self._storages))
        self._token(
            "tensor", f"{values.dtype} {tuple(values.shape)} {storage}+{values.storage_offset()} {values.stride()}"
        )
        flat = values.cpu().resolve_conj().resolve_neg().contiguous().reshape(-1)
        self._hash.update(memoryview(flat.view(torch.uint8).numpy()))

    def _add_array(self, array: Any, path: str) -> None:
        import numpy as np

        if array.dtype.hasobject:
            raise UnreducibleError(path, array)
        self._token("array", f"{array.dtype.str} {array.shape}")
        self._hash.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)

    def _add_module(self, module: torch.nn.Module, path: str) -> None:
        self._token("module", "")
        self.add(type(module), path)
        for name, value in module.__dict__.items():
            if name in _MODULE_NOISE or (name in _HOOK_FLAGS and not value):
                continue
            if name in ("_parameters", "_buffers", "_modules"):
                for part, item in value.items():
                    self._token(name, part)
                    self.add(item, f"{path}.{part}" if path else part)
                continue
            self._token("attribute", name)
            # Hooks are kept under numbers that depend on how many were ever made.
            self.add(
                list(value.values()) if name in _HOOK_DICTS else _numbers(name, value), f"{path}.{name}".lstrip(".")
            )

    def _add_callable(self, value: Any, path: str) -> bool:
        """Add a function, method, descriptor or module; say whether it was one."""
        if isinstance(value, types.FunctionType):
            self._add_function(value, path)
        elif isinstance(value, types.MethodType):
            self._token("method", "")
            self.add(value.__func__, path)
            self.add(value.__self__, path)
        elif isinstance(value, staticmethod | classmethod):
            self._token(type(value).__name__, "")
            self.add(value.__func__, path)
        elif isinstance(value, property):
            self._token("property", "")
            self.add((value.fget, value.fset, value.fdel), path)
        elif isinstance(value, functools.partial):
            self._token("partial", "")
            self.add((value.func, value.args, value.keywords), path)
        elif isinstance(value, functools._lru_cache_wrapper | functools.cached_property):
            self._token("cached", "")
            self.add(value.__wrapped__ if hasattr(value, "__wrapped__") else value.func, path)
        elif isinstance(value, weakref.ref):
            self._token("weak reference", "")
            self.add(value(), path)
        elif isinstance(value, types.ModuleType):
            self._add_python_module(value, frozenset(), path)
        elif isinstance(value, _C_CALLABLES):
            owner = getattr(value, "__module__", "") or getattr(getattr(value, "__objclass__", None), "__module__", "")
            self._token("builtin", f"{origin_token(str(owner))} {getattr(value, '__qualname__', value.__name__)}")
        else:
            return False
        return True

    def _add_function(self, function: types.FunctionType, path: str) -> None:
        if is_installed_file(function.__code__.co_filename) and is_installed_module(function.__module__ or ""):
            self._token("function", f"{origin_token(function.__module__)} {function.__qualname__}")
            if function.__closure__:
                self.add([_content(cell) for cell in function.__closure__], path)
            return
        self._token("function", function.__name__)
        self._add_code(function.__code__, path)
        self.add((function.__defaults__, function.__kwdefaults__), path)
        self.add([_content(cell) for cell in function.__closure__ or ()], path)
        self.add({key: item for key, item in vars(function).items() if key != "__wrapped__"}, path)
        used, attributes, imported = _names(function.__code__)
        if function.__name__ != "__init__":  # what made the module has run; what it computes with is to come
            _refuse_the_outside(function, used, attributes, imported, path)
        for name in sorted(used):
            if name not in function.__globals__:
                continue
            value = function.__globals__[name]
            self._token("global", name)
            if isinstance(value, types.ModuleType):
                self._add_python_module(value, attributes, f"{path} (global {name})")
            else:
                self.add(value, f"{path} (global {name})")

    def _add_python_module(self, module: types.ModuleType, attributes: frozenset[str], path: str) -> None:
        """Add an imported module: by version where it is installed, by what is used of it where it is the user's."""
        self._token("python module", origin_token(module.__name__))
        if is_installed_module(module.__name__):
            self.add_patches(module, attributes, path)
            return
        for name in sorted(attributes & vars(module).keys()):
            value = vars(module)[name]
            self._token("of module", name)
            if isinstance(value, types.ModuleType):
                if not self._is_known((module.__name__, name)):
                    self._add_python_module(value, attributes - {name}, f"{path}.{name}")
            else:
                self.add(value, f"{path}.{name}")

    def add_patches(self, owner: types.ModuleType | type, names: Iterable[str], path: str) -> None:
        """Add those members of an installed module or class that somebody has replaced; its version tells the rest."""
        prefix = f"{owner.__qualname__}." if isinstance(owner, type) else ""
        for name in sorted(names):
            if name not in vars(owner) or name in _CLASS_NOISE:
                continue
            value = vars(owner)[name]
            if _is_foreign(value):
                self._token("patch", name)
                self.add(value, f"{path}.{name}")
            elif isinstance(value, types.FunctionType) and value.__qualname__ != prefix + name:
                self._token("alias", f"{name} {value.__module__} {value.__qualname__}")

    def _add_code(self, code: types.CodeType, path: str) -> None:
        self._token(
            "code",
            f"{code.co_argcount} {code.co_posonlyargcount} {code.co_kwonlyargcount} {code.co_flags} {code.co_names} "
            f"{code.co_varnames} {code.co_freevars} {code.co_cellvars}",
        )
        self._hash.update(code.co_code)
        self._hash.update(code.co_exceptiontable)
        self.add(code.co_consts, path)

    def _add_class(self, cls: type, path: str) -> None:
        self._token("class", f"{cls.__qualname__} {origin_token(cls.__module__)}")
        self.add(cls.__bases__, path)
        if installed_package(cls.__module__):
            self.add_patches(cls, vars(cls), cls.__qualname__)
            return
        for name, value in vars(cls).items():
            if name in _CLASS_NOISE:
                continue
            if isinstance(value, types.MemberDescriptorType | types.GetSetDescriptorType):
                self._token("slot", name)
                continue
            self._token("member", name)
            self.add(value, f"{cls.__qualname__}.{name}")

    def _add_instance(self, value: Any, path: str) -> None:
        try:
            reduced = value.__reduce_ex__(4)
        except Exception as err:
            raise UnreducibleError(path, value) from err
        if isinstance(reduced, str):
            self._token("singleton", f"{origin_token(type(value).__module__)} {reduced}")
            return
        made_by, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
        self._token("object", "")
        self.add(made_by, path)
        self.add(tuple(arguments), path)
        self.add(state, path)
        self.add(list(items) if items is not None else None, path)
        self.add(list(pairs) if pairs is not None else None, path)


_C_CALLABLES = (
    types.BuiltinFunctionType, types.MethodDescriptorType, types.WrapperDescriptorType, types.MethodWrapperType,
    types.ClassMethodDescriptorType, types.GetSetDescriptorType, types.MemberDescriptorType,
)  # fmt: skip


def _alone(value: Any, path: str) -> str:
    digest = Digest()
    digest.add(value, path)
    return digest.hexdigest()


def _numbers(name: str, value: Any) -> Any:
    return len(value) if name in _HOOK_FLAGS else value


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None


def _is_foreign(value: Any) -> bool:
    """Say whether a member of an installed module or class was put there by somebody else."""
    function = value.__func__ if isinstance(value, staticmethod | classmethod) else value
    if isinstance(function, types.FunctionType):
        # Generated code (a dataclass's methods) has no file, but lives in its package all the same.
        return not (is_installed_file(function.__code__.co_filename) or is_installed_module(function.__module__ or ""))
    return not is_installed_module(type(function).__module__)


def _refuse_the_outside(
    function: types.FunctionType, used: frozenset[str], attributes: frozenset[str], imported: frozenset[str], path: str
) -> None:
    """Refuse code that computes with what is neither in the module nor in the names it uses.

    Raises
    ------
    UnreducibleError
        Naming what it asks for: a file, the environment, chance, a name made up while it runs.
    """
    asked = {name for name in used & _OUTSIDE_BUILTINS if name not in function.__globals__}
    modules = {name: function.__globals__[name] for name in used if name in function.__globals__}
    for name, value in modules.items():
        asked |= {_origin(value)} & _OUTSIDE_MODULES
        if isinstance(value, types.ModuleType):
            if value.__name__ == "os":
                asked |= attributes & {"environ", "getenv"}
            if "getattr" in used and not is_installed_module(value.__name__):
                asked.add(f"getattr of {name}")
    asked |= {name for name in imported if not is_installed_module(name)}
    if asked:
        raise UnreducibleError(f"{path or 'the module'}: {function.__qualname__} uses {min(asked)}", function)


def _origin(value: Any) -> str:
    """Return the module that a value is, or comes from; whatever name it was imported under."""
    if isinstance(value, types.ModuleType):
        return value.__name__
    if isinstance(value, types.BuiltinFunctionType | types.MethodType):
        return value.__module__ or type(value.__self__).__module__
    return ""


@functools.lru_cache(maxsize=4096)
def _names(code: types.CodeType) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """Return the globals that code uses, the attributes it asks for and the modules it imports while it runs."""
    used: set[str] = set()
    attributes: set[str] = set()
    imported: set[str] = set()
    for part in _with_nested(code):
        for instruction in dis.get_instructions(part):
            if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
                used.add(str(instruction.argval))
            elif instruction.opname in ("LOAD_ATTR", "LOAD_METHOD", "IMPORT_FROM"):
                attributes.add(str(instruction.argval))
            elif instruction.opname == "IMPORT_NAME":
                imported.add(str(instruction.argval))
    return frozenset(used), frozenset(attributes), frozenset(imported)


def _with_nested(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _with_nested(constant)
