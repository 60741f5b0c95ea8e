"""The kernel's side of compiling a ``.keras`` or HDF5 file, or a SavedModel's folder.

A file is only hashed here: the child reads it and computes its reference, so that TensorFlow never comes into the
kernel for one. What the model takes is therefore known once the child, or a model compiled before, has told.
"""

from __future__ import annotations

import hashlib
import secrets
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb.compiler.converter import TENSORFLOW
from embedl_nb.compiler.keras.binding import ArraySamples, Given, InputSpec, bind
from embedl_nb.compiler.keys.fingerprint import Fingerprint, fingerprint_tensorflow
from embedl_nb.errors import InputError
from embedl_nb.runtime.arrays import by_sample, load_arrays, save_arrays

if TYPE_CHECKING:
    import numpy as np

    from embedl_nb.model import LiteRTModel

    Arrays = dict[str, np.ndarray[Any, Any]]

__all__ = ["ModelFileSource"]

_CHUNK_BYTES = 2**22


class ModelFileSource:
    """A model in a file, read by the child.

    Parameters
    ----------
    given
        The caller's example inputs.
    timeout_s
        For reading it and running it once, in s.

    Raises
    ------
    InputError
        If there is nothing, or a folder without a model.
    """

    converter = TENSORFLOW

    def __init__(self, path: Path, given: Given, *, timeout_s: float) -> None:
        _must_be_a_model(path)
        self.path = path.absolute()
        self._given = given
        self._timeout_s = timeout_s
        self._id = secrets.token_hex(8)  # a warm child may still hold what another compile has read
        self._parts: dict[str, _Part] = {}

    @property
    def name(self) -> str:
        """The file's name without its suffix."""
        return self.path.stem if self.path.is_file() else self.path.name

    @property
    def origin(self) -> str:
        """What it is, for the model's lineage."""
        return f"{'SavedModel' if self.path.is_dir() else 'keras'} {self.path.name}"

    @property
    def parts(self) -> dict[str, _Part]:
        """The signatures by key; a single one has the key ``""``."""
        if not self._parts:
            self.ask()
        return self._parts

    def fingerprint(self) -> Fingerprint:
        """Return the key of compiling it: its bytes, and the shapes that it is compiled for."""
        return fingerprint_tensorflow(_content_hash(self.path), (self.path.is_dir(), self._given.shapes()))

    def notes(self) -> tuple[str, ...]:
        """Say nothing: nothing is known before the child has read it."""
        return ()

    def recall(self, model: LiteRTModel) -> None:
        """Take from a model that was compiled before what only the child could tell."""
        signatures = {signature.key: signature for signature in model.signatures}
        given = self._given.of(tuple(signatures))
        samples = {}
        for key, signature in signatures.items():
            specs = (InputSpec(name=spec.name, shape=spec.shape, dtype=spec.dtype) for spec in signature.inputs)
            samples[key] = bind(tuple(specs), given[key], name=self.name)
        self._set_parts(samples)

    def check(self) -> None:
        """Do nothing: the child looks at the weights when it reads them."""

    def export(self, folder: Path) -> dict[str, Any]:
        """Say which file, and for which inputs."""
        return self._payload(folder)

    def ask(self) -> None:
        """Let the child read the model and run it on its samples, or on made-up ones.

        Raises
        ------
        InputError, CompileError
            If the file cannot be used.
        """
        if self._parts:
            self._given = Given(by_key={part.key: part.samples.samples for part in self._parts.values()})
        with tempfile.TemporaryDirectory(prefix="embedl_nb-keras-") as folder:
            payload = self._payload(Path(folder))
            answer = self.converter.ask("reference", payload, name=self.name, timeout_s=self._timeout_s)
            told: list[dict[str, Any]] = answer["parts"]
            inputs = [load_arrays(Path(folder) / f"inputs_{index}.npz") for index in range(len(told))]
            golden = [load_arrays(Path(folder) / f"golden_{index}.npz") for index in range(len(told))]
        if not self._parts:
            samples = {
                each["key"]: ArraySamples(
                    samples=tuple(by_sample(arrays).values()),
                    is_made_up=each["is_made_up"],
                    notes=tuple(each["notes"]),
                )
                for each, arrays in zip(told, inputs, strict=True)
            }
            self._set_parts(samples)
        for part, arrays in zip(self._parts.values(), golden, strict=True):
            part.golden = arrays

    def _set_parts(self, samples: dict[str, ArraySamples]) -> None:
        parts = [_Part(self, key, each) for key, each in samples.items()]
        self._parts = {part.key: part for part in parts} if len(parts) > 1 else {"": parts[0]}

    def _payload(self, folder: Path) -> dict[str, Any]:
        arrays, held = self._given.packed()
        save_arrays(folder / "given.npz", arrays)
        return {"id": self._id, "path": str(self.path), "folder": str(folder), "given": held, "name": self.name}


class _Part:
    """One signature of a file, and its samples."""

    dropped: tuple[str, ...] = ()

    def __init__(self, source: ModelFileSource, key: str, samples: ArraySamples) -> None:
        self._source = source
        self.key = key
        self.samples = samples
        self.golden: Arrays | None = None

    @property
    def reference_notes(self) -> tuple[str, ...]:
        """Say which open dimensions were pinned."""
        return self.samples.notes

    def run(self, _samples: ArraySamples) -> Arrays:
        """Return the reference on its own samples, which the child computes, as ``"<sample>/<name>"``.

        Raises
        ------
        InputError, CompileError
            If the file cannot be used.
        """
        if self.golden is None:
            self._source.ask()
        assert self.golden is not None  # noqa: S101 - for the type checker: the line above has set it
        return self.golden


def _must_be_a_model(path: Path) -> None:
    if not path.exists():
        raise InputError(f"there is no file {str(path)!r}", hint="check the path")
    if path.is_dir() and not (path / "saved_model.pb").is_file():
        inside = ", ".join(sorted(each.name for each in path.iterdir())[:5])
        raise InputError(
            f"the folder {path} is no SavedModel: it has no saved_model.pb but {inside or 'nothing'}",
            hint="give the folder that model.export(path) or tf.saved_model.save(...) has made",
        )
    if path.is_file() and path.stat().st_size == 0:
        raise InputError(f"{path} is empty", hint="save the model again: model.save('model.keras')")


def _content_hash(path: Path) -> str:
    """Return the hash of a file, or of all files of a folder by name."""
    total = hashlib.sha256()
    files = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
    for file in files:
        total.update(f"{file.relative_to(path)} {file.stat().st_size}\n".encode())
        with file.open("rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                total.update(chunk)
    return total.hexdigest()
