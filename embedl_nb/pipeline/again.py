"""A recorded step, done again from its record: the verb that gave it is called with what it was given."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from embedl_nb.errors import InputError, UnknownNameError
from embedl_nb.pipeline.calls import LostArgument, given_again, model_again, recorded_call
from embedl_nb.pipeline.preflight import preflight
from embedl_nb.pipeline.quantizing import quantize
from embedl_nb.pipeline.steps import benchmark, compile, result_of  # noqa: A004 - the public verb of the field

if TYPE_CHECKING:
    from embedl_nb.measure import Benchmark
    from embedl_nb.model import LiteRTModel
    from embedl_nb.pipeline.rerun_result import Rerun
    from embedl_nb.placement import Placement

__all__ = ["HandedOver", "rerun"]

_Record = dict[str, Any]
_NOT_KEPT = object()


class HandedOver(TypedDict, total=False):
    """What lives in a session only, by the name of the verb's parameter."""

    source: Any
    example_inputs: Any
    data: Any
    evaluate: Any
    inputs: Any
    golden: Any
    samples: Any


_TAKES = {
    "compile": ("source", "example_inputs"),
    "quantize": ("data", "evaluate"),
    "benchmark": ("inputs", "golden"),
    "preflight": ("samples",),
}


def rerun(run_id: str, **handed_over: Unpack[HandedOver]) -> Rerun:
    """Do a recorded step again, and say whether it comes out the same and what around it has changed.

    The model is found by its hash, data by its hash or path, options and the device's address in the record. Nothing is
    taken from the cache, so it takes as long as it took. The new result is recorded as a run of its own.

    Parameters
    ----------
    run_id
        As shown by :func:`runs`; a unique beginning is enough.
    **handed_over
        What lived in the session only and cannot be rebuilt: ``source`` (a torch module) and ``example_inputs`` of a
        compile, ``data`` and ``evaluate`` of a quantize, ``inputs`` and ``golden`` of a benchmark, ``samples`` of a
        rehearsal.

    Returns
    -------
    Rerun
        With ``before``, ``after``, ``differences`` and its ``sentence``.

    Raises
    ------
    UnknownNameError
        If there is no such run, or its model is not here any more.
    InputError
        If something cannot be rebuilt; the hint names what to hand over, or what can be done again instead.
    SchemaTooNewError
        If a newer embedl_nb recorded it.
    DeviceError
        If its device is not attached.
    EmbedlError
        As the verb itself.

    Examples
    --------
    >>> enb.rerun("20261122-170401-3f9a").sentence  # doctest: +SKIP
    """
    from embedl_nb import cache, runstore
    from embedl_nb.pipeline.rerun_result import Rerun, differences_between, outcome_of

    record = runstore.get(run_id)
    if record["kind"] not in _AGAIN:
        raise InputError(f"a {record['kind']} cannot be done again", hint=f"one of: {', '.join(_AGAIN)}")
    step = _Step(record, handed_over)
    before = result_of(record)
    with cache.bypassed():
        after = _AGAIN[record["kind"]](step, before)
    new = runstore.get(after.run_id) if after.run_id else {}
    is_same, outcome = outcome_of(before, after)
    return Rerun(
        kind=record["kind"],
        before=before,
        after=after,
        differences=differences_between(before, after, (_environment(record), _environment(new))),
        is_same=is_same,
        outcome=outcome,
        assumed=tuple(step.assumed),
    )


class _Step:
    """A record's arguments: handed over again, else rebuilt, else assumed where an old record does not have them."""

    def __init__(self, record: _Record, handed_over: Mapping[str, Any]) -> None:
        self.record = record
        self.assumed: list[str] = []
        self._arguments: dict[str, Any] = recorded_call(record).get("arguments", {})
        self._handed_over = handed_over
        for name in handed_over:
            if name not in _TAKES[record["kind"]]:
                raise UnknownNameError.among(f"object that a {record['kind']} takes", name, _TAKES[record["kind"]])

    @property
    def is_of_old(self) -> bool:
        """Whether it was recorded before calls were."""
        return not self._arguments

    def is_handed_over(self, name: str) -> bool:
        """Whether the caller gives this argument."""
        return name in self._handed_over

    def argument(self, name: str, default: Any = None) -> Any:
        """Return one argument; ``default`` where the record does not hold it, which is noted.

        Raises
        ------
        InputError
            If it has to be handed over.
        """
        if self.is_handed_over(name):
            return self._handed_over[name]
        if name in self._arguments:
            try:
                return given_again(name, self._arguments[name])
            except LostArgument as err:
                raise self.lost(name, str(err)) from err
        if default is _NOT_KEPT:
            raise self.lost(name, f"the record does not hold its {name}")
        self.assumed.append(f"{name}={default!r}: the record does not say")
        return default

    def arguments_of(self, verb: Callable[..., Any]) -> dict[str, Any]:
        """Return all arguments that the record holds.

        Raises
        ------
        InputError
            If the verb does not take them.
        """
        arguments = {name: self.argument(name) for name in self._arguments}
        try:
            inspect.signature(verb).bind(**arguments)
        except TypeError as err:
            run_id = self.record["run_id"]
            raise InputError(
                f"run {run_id} cannot be done again: call.arguments in its record does not fit: {err}",
                hint=f'enb.load("{run_id}") still has its result',
            ) from err
        return arguments

    def form(self, name: str) -> dict[str, Any]:
        """Return what the record says of one argument that is not to be rebuilt; nothing where it does not hold it.

        Raises
        ------
        InputError
            If it cannot be read.
        """
        described = self._arguments.get(name, {})
        form = described.get("form", {}) if isinstance(described, dict) else described
        if not isinstance(form, dict):
            raise self.lost(name, f"its record of {name} cannot be read (a {type(form).__name__})")
        return form

    def model(self, sha256: str, run_id: str | None, name: str) -> LiteRTModel:
        """Return the model that was worked on.

        Raises
        ------
        UnknownNameError
            If it is not here any more.
        """
        try:
            return model_again(sha256, run_id=run_id, name=name)
        except UnknownNameError as err:
            raise UnknownNameError(
                f"run {self.record['run_id']} cannot be done again: its model {name!r} is gone ({err.message})",
                hint=err.hint,
            ) from err

    def model_of(self, run_id: str) -> LiteRTModel:
        """Return the model that an earlier run made."""
        from embedl_nb import runstore

        made = runstore.get(run_id)["result"]
        return self.model(made["sha256"], run_id, made["name"])

    def lost(self, name: str, why: str) -> InputError:
        """Return the error of an argument that cannot be rebuilt, with what to do."""
        run_id = self.record["run_id"]
        hint = f'hand it over again: enb.rerun("{run_id}", {name}=...)'
        if name not in _TAKES[self.record["kind"]]:
            hint = f'enb.load("{run_id}") still has its result'
        elif later := _runs_on(run_id):
            hint += f"; or rerun what was done with its model: {', '.join(later)}"
        return InputError(f"run {run_id} cannot be done again: {why}", hint=hint)


def _compile_again(step: _Step, before: LiteRTModel) -> LiteRTModel:
    record = step.record
    if before.target is not None:
        raise InputError(
            f"run {record['run_id']} is the NPU's artifact of run {record['parent_run_id']}",
            hint=f'rerun that one, which makes both: enb.rerun("{record["parent_run_id"]}")',
        )
    if step.is_of_old and not step.is_handed_over("source"):
        raise step.lost(
            "source", f"the record does not hold its source, {before.lineage[0] if before.lineage else '?'}"
        )
    source, example = step.argument("source"), step.argument("example_inputs")
    if step.is_of_old:
        return compile(source, example, name=before.name, device=before.device, state=dict(before.state) or None)
    return compile(**step.arguments_of(compile))


def _quantize_again(step: _Step, before: LiteRTModel) -> LiteRTModel:
    if not step.is_of_old:
        return quantize(**step.arguments_of(quantize))
    fidelity, parent = before.fidelity, step.record["parent_run_id"]
    if fidelity is None or not parent:
        raise step.lost("model", "the record does not hold the float model")
    data = step.argument("data", _NOT_KEPT if fidelity.num_calibration_samples else None)
    step.assumed.append("the recipe that was found: the record does not say how it was asked for")
    return quantize(step.model_of(parent), data, recipe=fidelity.recipe, name=before.name)


def _benchmark_again(step: _Step, before: Benchmark) -> Benchmark:
    options = before.options.to_record()
    sustain_s = options.pop("sustain_s")
    given = {name: step.argument(name) for name in ("inputs", "golden", "signature_key")}
    return benchmark(  # type: ignore[return-value]  # one device gives one result
        _subject(step, before),
        before.device.address,
        sustain=None if sustain_s is None else f"{sustain_s:g}s",
        **options,
        **given,
    )


def _preflight_again(step: _Step, before: Placement) -> Placement:
    units = [str(answer.unit) for answer in before.answers]
    options = {
        "compute_units": step.argument("compute_units", units),
        "signature_key": step.argument("signature_key", before.signature_key or None),
        "rehearse": step.argument("rehearse", before.rehearsal is not None),
        "samples": step.argument("samples"),
        "source": step.argument("source"),
    }
    part = before.chip.rpartition("(")[2].rstrip(")")
    return preflight(_subject(step, before), part, **options)  # type: ignore[return-value]  # one chip gives one


_AGAIN: dict[str, Callable[[_Step, Any], Any]] = {
    "compile": _compile_again,
    "quantize": _quantize_again,
    "benchmark": _benchmark_again,
    "preflight": _preflight_again,
}


def _subject(step: _Step, before: Benchmark | Placement) -> LiteRTModel:
    """Return the model of a step that does not make one."""
    form = step.form("model")
    run_id = form.get("run_id", step.record["parent_run_id"])
    return step.model(before.model_sha256, run_id, form.get("name", before.model_name))


def _runs_on(run_id: str) -> list[str]:
    from embedl_nb import runstore

    frame = runstore.runs()
    found = frame[frame["parent"] == run_id]
    return [f"{row['run_id']} ({row['kind']})" for _, row in found.iterrows()]


def _environment(record: _Record) -> dict[str, str]:
    environment: dict[str, str] = recorded_call(record).get("environment", {})
    return environment
