"""The verbs: each does one step, shows its progress and records it. Whoever calls, calls these."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb.pipeline.ahead_of_time import chip_of, with_artifact
from embedl_nb.pipeline.bar import showing
from embedl_nb.pipeline.calls import call_of
from embedl_nb.pipeline.recording import kept_path, recorded, recorded_benchmark

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from embedl_nb.compiler.explaining.reproducing import Repro
    from embedl_nb.device import DeviceAddress
    from embedl_nb.device.adb.tool.binary import ToolBinary
    from embedl_nb.measure import Benchmark
    from embedl_nb.measure.benchmarks import Benchmarks
    from embedl_nb.model import LiteRTModel
    from embedl_nb.pipeline.device_worker import MeasureOne
    from embedl_nb.placement import Placement

__all__ = ["benchmark", "bisect", "cache_clear", "compile", "devices", "fetch_tool", "load", "result_of", "runs", "ui"]


def compile(  # noqa: A001 - the public verb of the field
    source: Any,
    example_inputs: Any = None,
    *,
    name: str | None = None,
    device: str | None = None,
    aot: bool = False,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    dynamic_shapes: Any = None,
    layout: str = "keep",
    state: Mapping[str, str] | None = None,
    verify: bool = True,
) -> LiteRTModel:
    """Compile a model to LiteRT and prove that it computes what its source computes.

    The conversion runs in a child process, so the kernel survives whatever the converter does. A compile is done only
    once the result has run on the example inputs and matches the source. The same model, options and tool versions
    return the cached artifact.

    Parameters
    ----------
    source
        A ``torch.nn.Module`` (its class may be defined in a cell), a ``torch.export.ExportedProgram``, a ``.pt2`` path,
        an ``onnx.ModelProto``, an ``.onnx`` path, a Keras model, a ``tf.Module``, the path of a ``.keras`` or ``.h5``
        file or of a SavedModel's folder, or a ``.tflite`` path, which is checked and passed on. A dict of PyTorch or
        ONNX models by signature key, ``{"encode": encoder, "decode": decoder}``, makes one file with several
        signatures; weights that they share are stored once.
    example_inputs
        One sample: a tensor, a tuple of positional inputs, or a dict of keyword inputs. A list of samples makes the
        parity check use them all. An ``enb.image_input(...)`` in the place of a tensor makes the compiled model take
        a picture's pixels there, and normalize them itself. An ONNX or Keras model needs none: it is then verified on a
        random one, which proves less. Of several signatures, a dict by the same keys.
    name
        What to call the model; by default the class's or the file's name.
    device
        The phone or chip it is for: ``"Samsung Galaxy S24"``, ``"SM8650"``, ``"adb://SERIAL"``. The model runs anywhere
        all the same; its next steps name that device.
    aot
        Whether to compile it for the NPU of that device as well: ``model.aot`` then runs on that chip only.
    input_shapes
        Of an ONNX model, by input: ``{"x": (1, 3, 224, 224)}`` fixes the dimensions that the file leaves open.
    dynamic_shapes
        Dimensions of a PyTorch or ONNX model that stay open in the compiled model, by input and dimension:
        ``{"audio": {2: (64, 512)}}`` with the smallest and largest size, or a name (``{0: "batch"}``: any size; the
        same name is the same size), or as torch.export takes them. The names that an ONNX file has for its dimensions
        can stand in the place of input and dimension: ``{"batch": (1, 8)}``; all dimensions of that name stay open. It
        is verified at the example's, the smallest and the largest size; an operator that cannot vary is named.
    layout
        ``"nhwc"`` gives all 4-D inputs and outputs their channels last, as apps have pictures; example inputs stay as
        the source takes them. ``"keep"`` changes nothing.
    state
        Which output is handed to which input in the next call: ``{"h_out": "h_in"}``. A list of samples is then one
        sequence in time, over which both are compared, each fed its own state; fewer than 16 steps are followed by
        made-up ones. The compiled model keeps both as input and output, and knows them as ``model.state``.
    verify
        False skips the parity check; the model is then shown as "not verified".

    Returns
    -------
    LiteRTModel
        With its ``parity`` and ``run_id``.

    Raises
    ------
    InputError
        If the source or the inputs cannot be used.
    UnknownNameError
        If there is no such device.
    CompileError
        If the converter has no lowering for an operator, crashes, or the result differs from the source; or if the NPU
        takes nothing of the model.
    MissingDependencyError
        If torch, litert-torch, (for an ONNX model) onnx or onnxruntime, or (for a Keras model) tensorflow is missing.

    Examples
    --------
    >>> model = enb.compile(net, torch.randn(1, 3, 224, 224), name="mobilenet_v2")  # doctest: +SKIP
    >>> model = enb.compile("net.onnx", input_shapes={"x": (1, 3, 224, 224)})  # doctest: +SKIP
    """
    from embedl_nb.compiler import compile_model

    chip = chip_of(device, aot=aot)
    with showing("compile"):
        model = compile_model(
            source,
            example_inputs,
            name=name,
            input_shapes=input_shapes,
            dynamic_shapes=dynamic_shapes,
            layout=layout,
            state=state,
            verify=verify,
        )
    model = dataclasses.replace(model, device=device)
    call = call_of(
        files=("source",),
        source=source,
        example_inputs=example_inputs,
        name=name,
        device=device,
        aot=aot,
        input_shapes=input_shapes,
        dynamic_shapes=dynamic_shapes,
        layout=layout,
        state=state,
        verify=verify,
    )
    model = recorded("compile", model, model=model, parent_run_id=None, call=call)
    model = dataclasses.replace(model, path=kept_path(model))
    if chip is None:
        return model
    with showing("compile"):
        return with_artifact(model, chip)


def bisect(
    source: Any,
    example_inputs: Any = None,
    *,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    max_trials: int = 100,
    time_limit_s: float = 900.0,
) -> Repro:
    """Find the smallest piece of a model that fails to compile as the whole does, and write it down as a script.

    The script is plain torch with random weights: nothing of the model is in it but operators, shapes and dtypes, so
    that it can be passed on. It calls litert-torch alone where that fails the same way, else ``enb.compile``; either
    has been seen to fail before it is returned. Pieces go through the steps of :func:`compile`, whose children take
    whatever lowering them does, and an interrupt ends the search.

    Parameters
    ----------
    source, example_inputs, input_shapes
        As for :func:`compile`.
    max_trials
        How many pieces may be compiled. Each takes about as long as a compile of its size.
    time_limit_s
        For the search, in s. Where it ends early, the smallest piece so far is returned.

    Returns
    -------
    Repro
        With its ``path`` and ``code``.

    Raises
    ------
    InputError
        If the source or an option cannot be used, or the source compiles.
    CompileError
        That of the compile, if no piece fails the same way with random weights and inputs.

    Examples
    --------
    >>> enb.bisect(net, torch.randn(1, 3, 224, 224)).path  # doctest: +SKIP
    """
    from embedl_nb.compiler.bisect import bisect_model

    with showing("bisect"):
        return bisect_model(
            source, example_inputs, input_shapes=input_shapes, max_trials=max_trials, time_limit_s=time_limit_s
        )


def benchmark(
    model: LiteRTModel | str | Path,
    device: str | Iterable[str] = "host://",
    *,
    compute_unit: str | Iterable[str] = "cpu",
    allow_fallback: bool = True,
    golden: Mapping[str, np.ndarray] | None = None,
    inputs: Any = None,
    signature_key: str | None = None,
    num_threads: int | None = None,
    processes: int = 3,
    iterations: int | None = None,
    warmup: int | None = None,
    profile: bool = True,
    runtime_options: Mapping[str, str] | None = None,
    energy: bool = False,
    sustain: str | None = None,
) -> Benchmark | Benchmarks:
    """Measure a model on a device, operator by operator, in processes of its own; or on many devices at once.

    Several devices are measured at the same time, several units of one device one after the other. What fails there
    costs no other result, and each result is recorded as soon as it is there. A phone that is unplugged meanwhile is
    measured once more if it comes back while others are at work, or within 5 s after. An interrupt stops all of them.

    Parameters
    ----------
    model
        A compiled model or the path of a ``.tflite`` file.
    device
        An address. ``host://`` is this machine, which is not a phone; ``adb://SERIAL`` is a phone. A list of them, or
        ``adb://*`` for every phone that is ready (``adb://*?server=HOST:PORT`` at another computer), gives a set.
    compute_unit
        ``"cpu"``, ``"gpu"`` or ``"npu"``; what was asked and what was got are both shown. A list of them, or ``"all"``
        that the device offers, gives a set. The NPU of a phone runs what was compiled ahead of time for its chip, the
        model's ``.aot``, with the vendor's libraries from the folders that ``EMBEDL_NB_NPU_LIBRARIES`` names.
    allow_fallback
        False raises instead of running on another unit than the one asked for.
    golden
        Expected outputs by name. By default those of the source model on its first example, where the model has them.
    inputs
        One sample. By default the model's first example, else random values.
    signature_key
        Which signature to measure; the first by default.
    num_threads
        CPU threads; by default the number of cores this process may use, 4 at most.
    processes
        Fresh processes; the interval of the median is taken over them. One cannot be compared with others.
    iterations
        Timed iterations in each process; by default until the median settles or the budget of time ends.
    warmup
        Iterations before the timed ones, not counted.
    profile
        Whether to time each operator, in a pass of its own after the timed iterations.
    runtime_options
        Settings handed to the runtime; on a phone flags of its tool, and ``cpu_mask="0xf0"`` (cores 4 to 7),
        ``tool_version="2.1.6"`` and ``keep_on_phone=True`` (the model stays there).
    energy
        Whether to measure the energy of an inference too, from a phone's power rails (Pixel), or from its battery while
        it is not charging: 2 minutes more, or 6 where its gauge is slow. Where it cannot be told, a flag says why.
    sustain
        How long to run the model on afterwards, ``"90s"``, ``"10m"``: ``result.sustained`` then holds its latency over
        time, when throttling began and the steady state, and ``result.sustained_curve()`` draws them. Where it breaks
        off, or Ctrl-C ends it, what was measured is kept, and a flag says why.

    Returns
    -------
    Benchmark or Benchmarks
        With its ``run_id``; every number says how it was come by. Of several devices or units a set: ``results`` and
        ``errors`` by address, or by ``"address | unit"``.

    Raises
    ------
    InputError
        If the model, an option or the inputs cannot be used.
    DeviceError
        If the device is unknown, busy, or lacks the unit asked for.
    BenchmarkError
        If the runtime crashes, hangs, runs out of memory or computes something else than ``golden``.

    Examples
    --------
    >>> result = enb.benchmark(model, num_threads=2)  # doctest: +SKIP
    >>> result.latency.p50_ms, result.layers.head()  # doctest: +SKIP
    >>> enb.benchmark(model, "adb://*", compute_unit="all").frame()  # doctest: +SKIP
    """
    from embedl_nb import runstore
    from embedl_nb.measure import measure
    from embedl_nb.model import as_model
    from embedl_nb.pipeline.benchmarks import benchmark_many, the_one

    subject = as_model(model)
    measure_one = partial(
        measure,
        subject,
        allow_fallback=allow_fallback,
        golden=golden,
        inputs=inputs,
        signature_key=signature_key,
        num_threads=num_threads,
        processes=processes,
        iterations=iterations,
        warmup=warmup,
        profile=profile,
        runtime_options=runtime_options,
        energy=energy,
        sustain=sustain,
    )
    call = call_of(model=subject, inputs=inputs, golden=golden, signature_key=signature_key)
    keep = partial(recorded_benchmark, subject, call=call)
    single = the_one(device, compute_unit)
    with showing("benchmark"), runstore.pausing():
        if single is None:
            return benchmark_many(measure_one, device, compute_unit, record=keep)
        result = _measured_alone(measure_one, *single, keep=keep)
    return keep(result)


def _measured_alone(
    measure_one: MeasureOne, device: str | DeviceAddress, unit: str, *, keep: Callable[[Benchmark], Benchmark]
) -> Benchmark:
    """Measure on one device; what an interrupt leaves is recorded, and a note says how to get it."""
    from embedl_nb.measure.afterwards import InterruptedAfterwards

    try:
        return measure_one(device, compute_unit=unit)
    except InterruptedAfterwards as stopped:
        stopped.add_note(f'enb.load("{keep(stopped.result).run_id}") has it')
        raise


def runs(query: str | None = None, *, limit: int | None = 200) -> pd.DataFrame:
    """Return what was recorded, newest first: one row a run.

    Parameters
    ----------
    query
        What is to hold of the columns: ``'kind == "benchmark" and p50_ms < 10 and device ~ "S24"'``. It knows ``< <= >
        >= == !=``, ``~`` (contains), ``and or not`` and parentheses; numbers may have a unit (``peak_memory_mib < 1
        GiB``), and times are text (``started >= "2026-11-01"``, UTC). It is read, not evaluated.
    limit
        How many at most; None for all. Where there are more, the table says so below.

    Returns
    -------
    pandas.DataFrame
        Columns: ``run_id kind name model device compute_unit precision p50_ms p95_ms peak_memory_bytes energy_mj
        provenance started parent status notebook git_commit git_dirty imported_from``. ``model`` is the beginning of
        its hash, ``started`` is in UTC; numbers that a step does not have are NaN.

    Raises
    ------
    InputError
        If the query cannot be read; the message shows where.
    UnknownNameError
        If the query names an unknown column; close ones are its candidates.

    Examples
    --------
    >>> enb.runs('kind == "benchmark" and p50_ms < 10 and device ~ "S24"')  # doctest: +SKIP
    """
    from embedl_nb import runstore

    return runstore.runs(query, limit=limit)


def load(run_id: str) -> LiteRTModel | Benchmark | Placement:
    """Return a recorded result, in this or any later session.

    Parameters
    ----------
    run_id
        As shown by :func:`runs`; a unique beginning is enough.

    Returns
    -------
    LiteRTModel, Benchmark or Placement
        As the verb returned it, with its ``run_id``; a model with the store's copy of its file.

    Raises
    ------
    UnknownNameError
        If no run has this id.
    SchemaTooNewError
        If a newer embedl_nb wrote it.
    """
    from embedl_nb import runstore
    from embedl_nb.model import LiteRTModel

    result = result_of(runstore.get(run_id))
    if isinstance(result, LiteRTModel):
        return dataclasses.replace(result, path=runstore.model_path(result.sha256))
    return result


def result_of(record: Mapping[str, Any]) -> LiteRTModel | Benchmark | Placement:
    """Return the result that a record holds; the file of a model need not be there."""
    from embedl_nb.measure import Benchmark
    from embedl_nb.model import LiteRTModel
    from embedl_nb.placement import Placement

    kinds: dict[str, Any] = {"preflight": Placement, "benchmark": Benchmark}
    result = kinds.get(record["kind"], LiteRTModel).from_record(record["result"])
    return dataclasses.replace(result, run_id=record["run_id"])  # type: ignore[no-any-return]


def devices(query: str | None = None) -> pd.DataFrame:
    """Return what can measure a model: one row a device, its ``address`` first.

    What is ``"ready"`` by its ``state`` measures now; of the others, ``next_step`` says what to do. The machine's adb
    server is started where it does not run, unless the environment names a server elsewhere.

    Parameters
    ----------
    query
        Words that the row has: ``"s24 ready"``; or what is to hold of the columns: ``"state == ready and num_cores
        >= 8"``, as in :func:`runs`.

    Returns
    -------
    pandas.DataFrame
        Columns: ``address name state soc cpu num_cores memory_mib os compute_units next_step``, memory in MiB; what is
        not known of a device is empty.

    Raises
    ------
    InputError
        If a condition cannot be read.
    UnknownNameError
        If it names an unknown column; close ones are its candidates.
    """
    from embedl_nb.pipeline.device_table import devices_table

    return devices_table(query)


def fetch_tool(version: str) -> ToolBinary:
    """Fetch LiteRT's benchmark_model for phones into the cache, unless it is there.

    Parameters
    ----------
    version
        A release of LiteRT, ``"2.2.0"``; ``"legacy"`` for the older program, which checks a phone's outputs.

    Returns
    -------
    ToolBinary
        With its ``path`` and ``sha256``.

    Raises
    ------
    InputError
        If there is no such version.
    MissingDependencyError
        If it cannot be fetched whole.
    """
    from embedl_nb.device.adb.tool.binary import fetch_tool as fetch

    with showing("fetch-tool"):
        return fetch(version)


def ui(*, port: int | None = None) -> None:
    """Serve MLflow's own web page on the recorded runs, to this machine only, until interrupted.

    Parameters
    ----------
    port
        A free one is taken by default.

    Raises
    ------
    InputError
        If the port is not free.
    RunStoreError
        If the store cannot be served.
    """
    from embedl_nb import runstore

    runstore.serve_ui(port=port)


def cache_clear() -> int:
    """Remove the cached compiled models and return the bytes freed. Recorded runs keep theirs."""
    from embedl_nb import cache

    return cache.clear()
