"""LiteRTModel: a ``.tflite`` file with what is known of it, which every step takes and returns.

In: a path. Out: a frozen value that shows itself, can be saved and can be called. Its file is read when it is opened;
the repr reads nothing. It runs in a worker process, so that a crash of the runtime is an error, not the kernel's end.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb.display import Displayable, Fact, View
from embedl_nb.errors import InputError, SchemaTooNewError
from embedl_nb.model.calling import pick_signature
from embedl_nb.model.evidence import Parity
from embedl_nb.model.fidelity import Fidelity
from embedl_nb.model.flatbuffer import read_bytes, read_graph
from embedl_nb.model.graph import ModelGraph
from embedl_nb.model.macs import total_macs
from embedl_nb.model.memory import MemoryEstimate, estimate_memory
from embedl_nb.model.operators import describe_operators, num_parameters, operators_frame, precision_of
from embedl_nb.model.spec import Signature
from embedl_nb.model.writer import write_file
from embedl_nb.units import counted, format_bytes, format_count

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

__all__ = ["LiteRTModel", "as_model"]

SCHEMA_VERSION = 1
_A_PHONE = "Samsung Galaxy S24"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class LiteRTModel(Displayable):
    """A LiteRT model in a file.

    Call it with arrays, by position or by name; it returns a dict of arrays by output name.

    Attributes
    ----------
    path, sha256, size_bytes
        The file, its content's hash (hexadecimal) and size.
    name
        What to call it.
    precision
        Read off the tensors: ``"f32"``, ``"w8a8"``.
    num_operators, macs, num_unknown_macs, num_parameters
        Of the first signature's subgraph; ``macs`` are those that are known, of all but ``num_unknown_macs`` operators.
    lineage
        The steps that led here, oldest first: ``("torch MobileNetV2", "litert-torch 0.10.0")``.
    parity
        Whether it computes what its source computes; None where that was not verified.
    fidelity
        Of a quantized model: what quantizing cost; None for others.
    samples_path, golden_path
        .npz files with the samples (``"<i>/<input name>"``) and what the source model made of them
        (``"<i>/<output name>"``); None without.
    target
        The chip that it is compiled for; None for a portable model.
    device
        The phone or chip that a portable model is meant for, as it was asked for.
    aot
        The same compiled ahead of time for the NPU of that device; None without. Its record is that of its own run.
    run_id
        Of the recorded step that made it.
    state
        Pairs of an output and the input that takes it in the next call, of a network that carries state between calls;
        whoever calls the model hands it on.
    notes
        Sentences that a reader must not miss, e.g. that the module was in train mode.
    """

    path: Path
    sha256: str
    size_bytes: int
    name: str
    precision: str
    num_operators: int
    macs: int
    num_unknown_macs: int
    num_parameters: int
    lineage: tuple[str, ...] = ()
    parity: Parity | None = None
    fidelity: Fidelity | None = None
    samples_path: Path | None = None
    golden_path: Path | None = None
    target: str | None = None
    device: str | None = None
    aot: LiteRTModel | None = None
    run_id: str | None = None
    state: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    schema_version: int = SCHEMA_VERSION

    @classmethod
    def open(cls, path: str | Path, *, name: str | None = None) -> LiteRTModel:
        """Open a ``.tflite`` file.

        Parameters
        ----------
        path
            Of the file.
        name
            What to call the model; by default the file's name without its suffix.

        Raises
        ------
        InputError
            If it is missing, empty, truncated, damaged or something else than a LiteRT model.
        """
        file = Path(path).expanduser().absolute()
        data, _ = read_bytes(file)
        sha256 = hashlib.sha256(data).hexdigest()
        graph = read_graph(file, sha256)
        macs, num_unknown = total_macs(graph.main, graph)
        return cls(
            path=file,
            sha256=sha256,
            size_bytes=len(data),
            name=name or file.stem,
            precision=precision_of(graph),
            num_operators=len(graph.main.operators),
            macs=macs,
            num_unknown_macs=num_unknown,
            num_parameters=num_parameters(graph),
        )

    @property
    def graph(self) -> ModelGraph:
        """The file's structure: subgraphs, operators, tensors."""
        return read_graph(self.path, self.sha256)

    @property
    def signatures(self) -> tuple[Signature, ...]:
        """The named entry points; the first is the one that is run unless another is asked for."""
        return self.graph.signatures

    @property
    def operators(self) -> pd.DataFrame:
        """One row an operator of the first signature; columns: :class:`~embedl_nb.model.operators.OperatorInfo`."""
        return operators_frame(describe_operators(self.graph))

    @property
    def memory(self) -> MemoryEstimate:
        """What its tensors need (estimated from the file, not measured)."""
        return estimate_memory(self.graph)

    def frame(self) -> pd.DataFrame:
        """Return :attr:`operators`."""
        return self.operators

    def save(self, path: str | Path) -> Path:
        """Copy the model to ``path``; a folder takes ``<name>.tflite``. The file appears whole or not at all.

        Raises
        ------
        InputError
            If the model's own file is gone or has changed.
        EmbedlError
            If ``path`` cannot be written.
        """
        target = Path(path).expanduser()
        if target.is_dir():
            target = target / f"{_file_stem(self.name)}.tflite"
        return write_file(target, self.content())

    def content(self) -> bytes:
        """Return the file's bytes, which are those that :attr:`sha256` stands for.

        Raises
        ------
        InputError
            If the file is gone or has changed since it was opened.
        """
        data, _ = read_bytes(self.path)
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise InputError(f"{self.path} has changed since it was opened", hint="open it again")
        return data

    def __call__(
        self, *args: Any, signature_key: str | None = None, raw: bool = False, **inputs: Any
    ) -> dict[str, np.ndarray[Any, Any]]:
        """Run the model on the CPU, in a worker process.

        A call costs about 5 ms besides the model's own time. A model that takes one sample may be given N along the
        first axis of every input, at the cost of one call; each is run by itself.

        Parameters
        ----------
        *args, **inputs
            One array an input, by position (in the signature's order) or by name. Shape and dtype as in
            :attr:`signatures`, or with N instead of 1 on the first axis; a quantized input takes float32 real values.
        signature_key
            Which signature to run; the first by default.
        raw
            True passes and returns the integers of a quantized model as they are in the file.

        Returns
        -------
        dict of arrays
            By output name; quantized outputs as float32 real values. Of N samples, stacked along the first axis.

        Raises
        ------
        SignatureMismatchError
            If count, name, shape or dtype of an input does not fit.
        BenchmarkError
            If the runtime refuses the model, crashes, hangs or runs out of memory.
        """
        from embedl_nb.model.running import run_calls

        signature = pick_signature(self.signatures, signature_key)
        return run_calls(self.path, signature, args, inputs, raw=raw)

    def to_record(self) -> dict[str, Any]:
        """Return JSON-ready data."""
        record: dict[str, Any] = {
            field.name: getattr(self, field.name) for field in fields(self) if field.name != "aot"
        }
        for key in ("path", "samples_path", "golden_path"):
            record[key] = None if record[key] is None else str(record[key])
        for key in ("parity", "fidelity"):
            evidence = getattr(self, key)
            record[key] = None if evidence is None else evidence.to_record()
        state = [list(pair) for pair in self.state]
        return record | {"lineage": list(self.lineage), "notes": list(self.notes), "state": state}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> LiteRTModel:
        """Rebuild from :meth:`to_record`; the file need not be there.

        Raises
        ------
        SchemaTooNewError
            If a newer embedl_nb wrote it.
        InputError
            If it is no record of a model.
        """
        SchemaTooNewError.check("this model", record.get("schema_version"), SCHEMA_VERSION)
        try:
            paths = {key: Path(record[key]) if record[key] else None for key in ("samples_path", "golden_path")}
            parity = None if record["parity"] is None else Parity.from_record(record["parity"])
            # Records from before models were quantized here have none.
            fidelity = Fidelity.from_record(record["fidelity"]) if record.get("fidelity") else None
            texts = {key: tuple(record[key]) for key in ("lineage", "notes")}
            state = tuple((str(given), str(taken)) for given, taken in record.get("state", ()))
            evidence = {"parity": parity, "fidelity": fidelity, "state": state}
            return cls(**{**record, **paths, **texts, **evidence, "path": Path(record["path"])})
        except (KeyError, TypeError, ValueError) as err:
            raise InputError(
                f"this is no record of a model: {type(err).__name__}: {err}",
                hint="pass what LiteRTModel.to_record() returned",
            ) from err

    def _view(self) -> View:
        parts = [self.name, self.precision, format_bytes(self.size_bytes), self._work()]
        parts += [f"for {self.target}"] if self.target else [f"for {self.device}"] if self.device else []
        facts = [Fact("file", str(self.path)), Fact("parameters", format_count(self.num_parameters))]
        facts += [Fact("made by", " -> ".join(self.lineage))] if self.lineage else []
        facts += [Fact("state", ", ".join(f"{given} -> {taken}" for given, taken in self.state))] if self.state else []
        facts += (
            [Fact("ahead of time", f"for {self.aot.target}, {format_bytes(self.aot.size_bytes)}")] if self.aot else []
        )
        facts += [Fact("recorded as", self.run_id)] if self.run_id else []
        warnings = self.notes + (self.aot.notes if self.aot else ())
        unknown = "how fast it runs, and which operators a phone's GPU and NPU take"
        next_step = f"enb.benchmark(model), enb.preflight(model, {json.dumps(self.device or _A_PHONE)})"
        if self.target:
            unknown, next_step = "how fast it runs there: only that chip can run it", ""
        if self.fidelity:
            from embedl_nb.model import fidelity_view

            parts += [self.fidelity.sentence, fidelity_view.random_data_words(self.fidelity)]
            facts += fidelity_view.model_facts(self.fidelity)
            warnings += self.fidelity.warnings
            if self.fidelity.latency:
                unknown = "which operators a phone's GPU and NPU take, and how fast it is there"
        else:
            parts += [self.parity.sentence if self.parity else "not verified"]
        return View(
            headline=" | ".join(part for part in parts if part),
            facts=tuple(facts),
            warnings=warnings,
            pictures=("fidelity_svg",) if self.fidelity and self.fidelity.layers else (),
            unknown=unknown,
            next_step=next_step,
        )

    def _work(self) -> str:
        work = f"{counted(self.num_operators, 'operator')}, {format_count(self.macs)} MACs"
        return (
            f"{work} and {counted(self.num_unknown_macs, 'operator')} of unknown work"
            if self.num_unknown_macs
            else work
        )


def _file_stem(name: str) -> str:
    """Return ``name`` as the stem of a file in a folder: no path, nothing that a file system or a shell stumbles on."""
    stem = "".join(letter if letter.isalnum() or letter in "._-+ ()" else "_" for letter in name).strip(". ")
    return stem.encode()[:200].decode(errors="ignore") or "model"


def as_model(model: LiteRTModel | str | Path) -> LiteRTModel:
    """Return ``model``, opened where it is the path of a ``.tflite`` file.

    Raises
    ------
    InputError
        If it is neither, or the file cannot be read.
    """
    if isinstance(model, LiteRTModel):
        return model
    if isinstance(model, str | Path):
        return LiteRTModel.open(model)
    raise InputError(
        f"an object of type {type(model).__name__} is not a LiteRT model",
        hint="compile it first: enb.compile(module, example_inputs); or give the path of a .tflite file",
    )
