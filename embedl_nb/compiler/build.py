"""Build what the cache does not have: export, lower in a child, verify, and put the whole into the cache.

What the source is, how it is run and which child lowers it are the source's own business (source.py).
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import errno
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb import cache, progress
from embedl_nb.compiler.converter import Converter
from embedl_nb.compiler.explaining.advice import RANDOM, advice_for
from embedl_nb.compiler.keys.fingerprint import fingerprint_samples
from embedl_nb.compiler.sources.sample_source import source_of
from embedl_nb.compiler.sources.sequence import with_states
from embedl_nb.compiler.sources.source import Divided, Source, parts_of
from embedl_nb.compiler.verify import (
    TypedSamples,
    are_equal,
    floor_of,
    joined,
    require_parity,
    run_model,
    typed_samples,
)
from embedl_nb.errors import (
    BenchmarkError,
    CompileError,
    EmbedlError,
    InputError,
    OutOfMemoryError,
    ParityError,
    UnsupportedOperatorError,
)
from embedl_nb.model import LiteRTModel, Parity, Signature
from embedl_nb.model.calling import pick_signature
from embedl_nb.model.evidence import SampleSource
from embedl_nb.runtime.arrays import save_arrays
from embedl_nb.runtime.pool import prewarm
from embedl_nb.runtime.refusals import unprepared_operators
from embedl_nb.runtime.running import WORKER, WORKER_NAME

if TYPE_CHECKING:
    import numpy as np

    Arrays = dict[str, np.ndarray[Any, Any]]

__all__ = ["Request", "build", "evidence_for", "evidence_on_hit"]

_EXPORTED = "exported"
_RUN_TIMEOUT_S = 600.0
_NO_SPACE_BYTES = 2**20
_NOT_FOLLOWED = "an operator does not follow an open size: leave dimensions out of dynamic_shapes until it runs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What was asked for."""

    source: Source | Divided
    name: str
    verify: bool
    timeout_s: float
    on_failure: Callable[[CompileError, dict[str, Any], Converter], None]
    """Told of an error of the converter, the runtime or the comparison while what was exported is still there."""


def build(request: Request, *, key: str) -> LiteRTModel:
    """Compile ``request.source``; with a key, the result goes into the cache.

    Returns
    -------
    LiteRTModel
        In the cache, else in a temporary folder that lasts as long as this process.
    """
    request.source.converter.prewarm()
    if request.verify:
        prewarm(WORKER, what=WORKER_NAME)
    source, work = request.source, Path(tempfile.mkdtemp(prefix="embedl_nb-compile-"))
    keep = False
    try:
        with _disk_full_said(work):
            source.check()
            progress.emit("export", f"running {request.name} on its example inputs")
            golden = {key: part.run(part.samples) for key, part in parts_of(source).items()}
            progress.emit("export", f"exporting {request.name}")
            (work / _EXPORTED).mkdir()
            exported = source.export(work / _EXPORTED)
            entry = cache.Entry(folder=work, meta={})
            model, evidence = _lowered_or_explained(request, entry, exported, golden)
            shutil.rmtree(work / _EXPORTED)
            record = dataclasses.replace(model, path=Path(cache.MODEL)).to_record()
            entry = cache.write_meta(work, {"sha256": model.sha256, "record": record})
        published = cache.publish(key, entry) if key else None
        keep = published is None
        if published is not None:
            evidence = evidence.moved_to(published.folder)
    finally:
        if keep:
            atexit.register(shutil.rmtree, work, ignore_errors=True)
        else:
            shutil.rmtree(work, ignore_errors=True)
    return dataclasses.replace(
        model,
        path=(published or entry).model_path,
        parity=Parity.from_record(evidence.parity) if evidence.parity else None,
        samples_path=evidence.samples_path,
        golden_path=evidence.golden_path,
    )


def evidence_for(
    request: Request,
    entry: cache.Entry,
    model: LiteRTModel,
    golden: dict[str, Arrays] | None = None,
) -> cache.Evidence:
    """Return what is known of ``model`` on the request's samples, verifying it now where nothing is.

    Parameters
    ----------
    golden
        The reference's outputs by signature, where they are already computed.

    Raises
    ------
    ParityError, CompileError
        If the model does not run, or computes something else.
    """
    parts = parts_of(request.source)
    digest = fingerprint_samples({key: part.samples.arrays() for key, part in parts.items()})
    known = entry.evidence(digest)
    if known is not None and (known.parity is not None or not request.verify):
        return known
    if golden is None:
        progress.emit("verify", f"running {request.name} on its example inputs")
        request.source.check()
        golden = {key: part.run(part.samples) for key, part in parts.items()}
    proofs = [_proof(request, model, key, golden[key]) for key in parts]
    parity = joined({key: parity for key, (_, parity) in zip(parts, proofs, strict=True) if parity})
    samples_path, golden_path = cache.evidence_paths(entry.folder, digest)
    save_arrays(samples_path, proofs[0][0].inputs)
    save_arrays(golden_path, proofs[0][0].golden)
    return cache.add_evidence(entry, digest, parity.to_record() if parity else None)


def _proof(request: Request, model: LiteRTModel, key: str, golden: Arrays) -> tuple[TypedSamples, Parity | None]:
    """Run one signature on its samples and compare it with its source, unless that is not wanted."""
    source = parts_of(request.source)[key]
    signature = pick_signature(model.signatures, key or None)
    inputs = with_states(source.samples.arrays(), golden, source.samples.state)
    typed = typed_samples(signature, inputs, golden)
    if not request.verify:
        return typed, None
    outputs = _run(request, model, typed.inputs, signature, state=source.samples.state)
    progress.emit("verify", "comparing it with its source")
    made_up = source.samples.is_made_up
    kind = SampleSource.SYNTHETIC if made_up else source_of(typed.inputs, source.samples.images)
    name = f"signature {key} of {request.name}" if key else request.name
    return typed, require_parity(
        name,
        typed.golden,
        outputs,
        sample_source=kind,
        is_sequence=bool(source.samples.state),
        floor=floor_of(model),
    )


def evidence_on_hit(request: Request, entry: cache.Entry, model: LiteRTModel) -> cache.Evidence:
    """Do :func:`evidence_for` for a cached model; where the cache takes no more files they go to a temporary folder."""
    try:
        return evidence_for(request, entry, model)
    except OSError:
        work = Path(tempfile.mkdtemp(prefix="embedl_nb-compile-"))
        atexit.register(shutil.rmtree, work, ignore_errors=True)
    with _disk_full_said(work):
        return evidence_for(request, cache.Entry(folder=work, meta=entry.meta), model)


def _lowered_or_explained(
    request: Request, entry: cache.Entry, exported: dict[str, Any], golden: dict[str, Arrays]
) -> tuple[LiteRTModel, cache.Evidence]:
    """Lower and verify; a failure is explained while what was exported is still there."""
    try:
        return _lowered(request, entry, exported, golden)
    except CompileError as err:
        if isinstance(err, ParityError) and _is_random(request, golden):
            err.hint = f"{request.name} itself returns something else each time it runs; {RANDOM}"
        else:
            request.on_failure(err, exported, request.source.converter)
        raise


def _is_random(request: Request, golden: dict[str, Arrays]) -> bool:
    """Say whether a source returns something else than it did, or nothing any more."""
    parts = parts_of(request.source)
    try:
        return any(not are_equal(part.run(part.samples), golden[key]) for key, part in parts.items())
    except EmbedlError:  # what went wrong first is what the user has to see
        return True


def _lowered(
    request: Request, entry: cache.Entry, exported: dict[str, Any], golden: dict[str, Arrays]
) -> tuple[LiteRTModel, cache.Evidence]:
    """Lower and verify; what fails after the quicker way of decomposing gets a second chance by torch's own."""
    lowered = _lower(request, entry.folder, exported, is_local=True)
    try:
        model = _described(LiteRTModel.open(entry.model_path, name=request.name), request, lowered, golden)
        return model, evidence_for(request, entry, model, golden)
    except (CompileError, InputError):
        if not lowered.get("num_local_rounds"):
            raise
        progress.emit("lower", "the result is refused; lowering once more, torch's own way")
    lowered = _lower(request, entry.folder, exported, is_local=False)
    model = _described(LiteRTModel.open(entry.model_path, name=request.name), request, lowered, golden)
    return model, evidence_for(request, entry, model, golden)


def _described(model: LiteRTModel, request: Request, lowered: dict[str, Any], golden: dict[str, Arrays]) -> LiteRTModel:
    notes = [note for key in parts_of(request.source) for note in _described_part(model, request, key, golden[key])]
    lineage = (request.source.origin, *lowered["steps"], request.source.converter.version)
    state = tuple(pair for part in parts_of(request.source).values() for pair in part.samples.state)
    return dataclasses.replace(model, lineage=lineage, state=state, notes=tuple(dict.fromkeys(notes)))


def _described_part(model: LiteRTModel, request: Request, key: str, golden: Arrays) -> list[str]:
    """Say what a reader must know of one signature."""
    source = parts_of(request.source)[key]
    signature = pick_signature(model.signatures, key or None)
    notes = [*source.reference_notes, *typed_samples(signature, source.samples.arrays(), golden).notes]
    if source.dropped:
        notes.append(f"the outputs {', '.join(source.dropped)} are no tensors and are left out")
    fixed = ", ".join(f"{name}={value!r}" for name, value in source.samples.constants if value is not None)
    notes += [f"compiled for {fixed}"] if fixed else []
    notes += [f"{each}; output sizes follow, whatever the file says" for each in source.samples.varying]
    return [f"{key}: {note}" if key else note for note in notes]


def _lower(request: Request, work: Path, exported: dict[str, Any], *, is_local: bool) -> dict[str, Any]:
    payload = {**exported, "is_local": is_local, "output_path": str(work / cache.MODEL)}
    return request.source.converter.ask("lower", payload, name=request.name, timeout_s=request.timeout_s)


def _run(
    request: Request, model: LiteRTModel, inputs: Any, signature: Signature, *, state: tuple[tuple[str, str], ...]
) -> dict[str, Any]:
    """Run the compiled model; one that does not run is no compiled model."""
    try:
        return run_model(model.path, inputs, signature=signature, state=state, timeout_s=_RUN_TIMEOUT_S)
    except OutOfMemoryError:
        raise
    except UnsupportedOperatorError as err:
        raise UnsupportedOperatorError(
            f"{request.name} compiled, but LiteRT has no implementation of {_placed(model, err.operators)}",
            operators=err.operators,
            suspects=_sources(model, err.operators),
            hint=advice_for(err.operators),
            details=err.details,
        ) from err
    except BenchmarkError as err:
        operators = unprepared_operators(err.details)
        if operators:
            raise UnsupportedOperatorError(
                f"{request.name} compiled, but LiteRT cannot run {_placed(model, operators)} in this form",
                operators=operators,
                suspects=_sources(model, operators),
                hint=advice_for(operators),
                details=err.details,
            ) from err
        is_open = any(part.samples.varying for part in parts_of(request.source).values())
        raise CompileError(
            f"{request.name} compiled, but the result does not run: {err.message}",
            hint=_NOT_FOLLOWED if is_open else "",
            details=err.details,
        ) from err


def _placed(model: LiteRTModel, operators: tuple[str, ...]) -> str:
    """Name operators, and the modules of the source that they come from where the compiled model tells."""
    sources = _sources(model, operators)
    return ", ".join(operators) + (f" (in module {', '.join(map(repr, sources))})" if sources else "")


def _sources(model: LiteRTModel, operators: tuple[str, ...]) -> tuple[str, ...]:
    frame = model.operators
    return tuple(dict.fromkeys(source for source in frame["source"][frame["operator"].isin(operators)] if source))


@contextlib.contextmanager
def _disk_full_said(work: Path) -> Iterator[None]:
    """Turn what a full disk causes (also a truncated file) into an error that says so."""
    try:
        yield
    except (OSError, InputError, CompileError) as err:
        is_full = isinstance(err, OSError) and err.errno in (errno.ENOSPC, errno.EDQUOT)
        if is_full or shutil.disk_usage(work).free < _NO_SPACE_BYTES:
            raise CompileError(
                f"the disk of {work.parent} is full", hint="free some space there, or set TMPDIR to another folder"
            ) from err
        raise
