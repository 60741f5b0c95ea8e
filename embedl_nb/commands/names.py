"""Turns the names on a command line into objects: in a notebook variables first, in a shell files and run ids only."""

from __future__ import annotations

import re
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from embedl_nb import formats
from embedl_nb.errors import InputError, UnknownNameError

__all__ = ["Names", "NotebookNames", "ShellNames"]

_ARRAY_SUFFIXES = frozenset({".npy", ".npz"})
_RANDOM = "random"


class Names(ABC):
    """What the names of one command line mean to its caller."""

    is_verbose: bool = False
    """Set by ``--verbose``: the caller shows an error's traceback."""

    @abstractmethod
    def source(self, name: str) -> Any:
        """Return the source model called ``name``."""

    @abstractmethod
    def samples(self, name: str) -> Any:
        """Return the arrays called ``name``."""

    @abstractmethod
    def result(self, name: str) -> Any:
        """Return the model, benchmark or other result called ``name``."""

    @abstractmethod
    def data(self, name: str) -> Any:
        """Return the samples called ``name``: an object, a path, or the word ``random`` itself."""

    @abstractmethod
    def recipe(self, name: str) -> Any:
        """Return the recipe called ``name``: an object, or the name itself."""

    @abstractmethod
    def function(self, name: str) -> Any:
        """Return the function called ``name``."""

    def pick_devices(self) -> Any:
        """Return what devices are picked with, which only a notebook has."""
        raise InputError(
            "devices can be picked in a notebook only",
            hint="%embedl_devices --pick there; 'embedl-nb devices' and 'embedl-nb catalog' list them here",
        )

    def explorer(self) -> Callable[..., None]:
        """Return what shows the layers of a result, given the result and its models; only a notebook does."""
        raise InputError(
            "layers can be explored in a notebook only",
            hint="%embedl_benchmark --explore there; 'embedl-nb report' writes them to a page",
        )

    def devices(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the devices called ``names``: by default the names themselves."""
        return tuple(names)

    def device(self, name: str) -> str:
        """Return the one device called ``name``."""
        found = self.devices((name,))
        if len(found) != 1:
            raise InputError(f"{name} is {len(found)} devices, and one is asked for", hint="name one of them")
        return found[0]

    def browse_runs(self, query: str) -> Any:  # noqa: ARG002 - a notebook searches for it
        """Return what runs are browsed with, which only a notebook has."""
        raise InputError(
            "runs can be browsed in a notebook only",
            hint="%embedl_runs --browse there; 'embedl-nb runs' and 'embedl-nb ui' show them here",
        )

    def model(self, name: str) -> Any:
        """Return the compiled model called ``name``: an object, or the path of a file."""
        return self.source(name)

    def run_id(self, name: str) -> str:
        """Return the id of the run called ``name``: by default the name itself."""
        return name

    def results(self, names: Iterable[str]) -> list[Any]:
        """Return several results, lists of them laid flat."""
        found: list[Any] = []
        for name in names:
            value = self.result(name)
            found.extend(value if isinstance(value, list | tuple) else [value])
        return found


class ShellNames(Names):
    """A shell has no variables: models are files or recorded runs, samples are files of arrays."""

    def source(self, name: str) -> Any:
        """Return the path of a model file, or the recorded model of a run id."""
        if re.fullmatch(formats.RUN_ID, name) and not Path(name).exists():
            return _recorded(name)
        return _model_file(name)

    def samples(self, name: str) -> Any:
        """Read an ``.npz`` or ``.npy`` file."""
        return _array_file(name)

    def result(self, name: str) -> Any:
        """Return what a run recorded."""
        return _recorded(name)

    def data(self, name: str) -> Any:
        """Return the path of a folder or file."""
        if name == _RANDOM or Path(name).expanduser().exists():
            return name
        raise InputError(
            f"there is no folder or file {name}",
            hint="give a folder of .npy files or (with --image-size) of pictures, an .npz or .h5 file, or 'random'",
        )

    def recipe(self, name: str) -> Any:
        """Return the name: the quantizer knows what it stands for."""
        return name

    def function(self, name: str) -> Any:
        """Refuse: a shell has no functions of a model."""
        raise InputError(
            f"a shell has no function {name!r}", hint="call enb.quantize(..., evaluate=...) from Python or a notebook"
        )


class NotebookNames(Names):
    """A notebook's variables, and what a shell accepts where no variable has the name.

    Parameters
    ----------
    variables
        Names and values, the innermost scope first.
    pick_devices
        Makes the widget with which devices are picked; None where nothing shows one.
    explorer
        Returns what shows the layers of a result; None where nothing does.
    browse_runs
        Makes the widget with which runs are browsed, of what is searched at first; None where nothing shows one.
    """

    def __init__(
        self,
        variables: Mapping[str, Any],
        *,
        pick_devices: Callable[[], Any] | None = None,
        explorer: Callable[[], Callable[..., None]] | None = None,
        browse_runs: Callable[[str], Any] | None = None,
    ) -> None:
        self._variables = variables
        self._pick_devices = pick_devices
        self._explorer = explorer
        self._browse_runs = browse_runs
        self._shell = ShellNames()

    def source(self, name: str) -> Any:
        """Return a variable, the path of a model file, or the recorded model of a run id."""
        if name in self._variables:
            return self._variables[name]
        if (
            Path(name).suffix.lower() in formats.MODELS
            or re.fullmatch(formats.RUN_ID, name)
            or _is_model(Path(name).expanduser())
        ):
            return self._shell.source(name)
        raise self._unknown(name)

    def samples(self, name: str) -> Any:
        """Return a variable or read a file of arrays."""
        if name in self._variables:
            return self._variables[name]
        if Path(name).suffix in _ARRAY_SUFFIXES or Path(name).is_file():
            return _array_file(name)
        raise self._unknown(name)

    def data(self, name: str) -> Any:
        """Return a variable, or the path of a folder or file."""
        if name in self._variables:
            return self._variables[name]
        if name == _RANDOM or Path(name).expanduser().exists():
            return name
        raise self._unknown(name)

    def recipe(self, name: str) -> Any:
        """Return a variable that is a recipe or a recorded one, else the name."""
        return self._variables[name] if name in self._variables else self._shell.recipe(name)

    def function(self, name: str) -> Any:
        """Return a variable."""
        if name in self._variables:
            return self._variables[name]
        raise self._unknown(name)

    def result(self, name: str) -> Any:
        """Return a variable or what a run recorded."""
        if name in self._variables:
            return self._variables[name]
        if re.fullmatch(formats.RUN_ID, name):
            return _recorded(name)
        raise self._unknown(name)

    def run_id(self, name: str) -> str:
        """Return the id of a variable's run, else the name."""
        return str(getattr(self._variables.get(name), "run_id", None) or name)

    def pick_devices(self) -> Any:
        """Return the widget, where the front end has one."""
        return super().pick_devices() if self._pick_devices is None else self._pick_devices()

    def explorer(self) -> Callable[..., None]:
        """Return what shows the layers of a result, where the front end has it."""
        return super().explorer() if self._explorer is None else self._explorer()

    def devices(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return names and addresses, and those in variables that hold some: a text, a list, or a device picker."""
        return tuple(device for name in names for device in self._devices_in(name))

    def _devices_in(self, name: str) -> list[str]:
        value = self._variables.get(name)
        value = getattr(value, "value", value)
        found = [value] if isinstance(value, str) else value
        if not isinstance(found, list | tuple) or not all(isinstance(each, str) for each in found):
            return [name]
        if not found:
            raise InputError(f"no device is picked in {name}", hint="pick one in it, or name one")
        return list(found)

    def browse_runs(self, query: str) -> Any:
        """Return the widget, where the front end has one."""
        return super().browse_runs(query) if self._browse_runs is None else self._browse_runs(query)

    def _unknown(self, name: str) -> UnknownNameError:
        error = UnknownNameError.among(
            "variable", name, (known for known in self._variables if not known.startswith("_"))
        )
        if not error.candidates:
            error.hint = "pass the name of a variable, a file or a run id; assign anything else to a variable first"
        return error


def _is_model(path: Path) -> bool:
    """Say whether there is a file, or the folder of a SavedModel."""
    try:
        return path.is_file() or (path / "saved_model.pb").is_file()
    except OSError:  # a name that is too long for a file
        return False


def _model_file(name: str) -> Path:
    path = Path(name).expanduser()
    if path.suffix.lower() not in formats.MODELS and not path.is_dir():
        raise InputError(
            f"{name} is neither a model file ({', '.join(formats.MODELS)}), a SavedModel's folder nor a run id",
            hint="name a model file, or a run id as 'embedl-nb runs' shows it",
        )
    if not path.exists():
        raise InputError(f"there is no file {path}", hint="check the path; it starts at the current folder")
    return path


def _recorded(run_id: str) -> Any:
    from embedl_nb import pipeline

    return pipeline.load(run_id)


def _array_file(name: str) -> Any:
    """Read arrays: ``.npy`` is one, ``.npz`` a dict by name, or a tuple where numpy called them ``arr_0`` ..."""
    import numpy as np

    path = Path(name).expanduser()
    if path.suffix not in _ARRAY_SUFFIXES:
        raise InputError(f"{name} is not an .npz or .npy file", hint="save the arrays with numpy.savez")
    try:
        loaded = np.load(path, allow_pickle=False)
        if path.suffix == ".npy":
            return loaded
        with loaded:
            arrays = dict(loaded)
    except FileNotFoundError as err:
        raise InputError(f"there is no file {path}", hint="check the path; it starts at the current folder") from err
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as err:
        raise InputError(f"{path} holds no readable arrays: {err}", hint="save the arrays with numpy.savez") from err
    unnamed = [f"arr_{position}" for position in range(len(arrays))]
    return tuple(arrays[key] for key in unnamed) if set(unnamed) == set(arrays) else arrays
