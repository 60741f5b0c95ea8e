"""Run the float model on samples and note the range of every activation. Only the child imports this.

In: a model file, chunks of samples. Out: the arrays of :class:`~embedl_nb.quantizer.ranges.RangeStatistics`. Each core
has an interpreter of its own with one thread: several samples at once are quicker than several threads at one sample.
Activations are read where they lie, once, without a copy.
"""

from __future__ import annotations

import contextlib
import math
import queue
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from ai_edge_litert import interpreter as litert

from embedl_nb.errors import CalibrationError, QuantizeError, SignatureMismatchError
from embedl_nb.model.calling import pick_signature
from embedl_nb.model.flatbuffer import read_model
from embedl_nb.model.graph import ModelGraph
from embedl_nb.model.spec import Signature
from embedl_nb.runtime.refusals import refusal_error
from embedl_nb.runtime.threads import default_num_threads

__all__ = ["Observation"]

Array = np.ndarray[Any, Any]
Sample = dict[str, Array]

# As ai-edge-quantizer has it: beyond, a value stands for infinity (in bfloat16) and tells nothing of the range.
_LARGEST = np.float32(3e38)
_NUM_BINS = 2048
_SEEN_PER_SAMPLE = 8192
_FINEST = -200  # far below the least float32
_PLACE_BITS = 40


class Observation:
    """One signature of a model being watched while samples pass.

    Parameters
    ----------
    model_path
        A float model.
    signature_key
        None for the first.
    histograms
        Whether to count how often each value occurs; it costs about half as much time again.
    """

    def __init__(self, model_path: str, *, signature_key: str | None, histograms: bool) -> None:
        graph = read_model(model_path)
        self.signature = pick_signature(graph.signatures, signature_key)
        self._tensors = _tensors(graph, self.signature)
        self._unreadable: set[int] = set()
        # What a variable holds depends on the samples before: they must pass in order, through one interpreter.
        is_stateful = any(tensor.is_variable for subgraph in graph.subgraphs for tensor in subgraph.tensors)
        num_workers = 1 if is_stateful else default_num_threads()
        self._histograms = [_Counters(len(self._tensors)) for _ in range(num_workers)] if histograms else []
        self._watchers: queue.SimpleQueue[_Watcher] = queue.SimpleQueue()
        for index in range(num_workers):
            counters = self._histograms[index] if histograms else None
            self._watchers.put(_Watcher(model_path, self.signature, self._tensors, counters, self._unreadable))
        self._pool = ThreadPoolExecutor(num_workers)
        self._rows: list[tuple[Array, Array, Array]] = []

    def add(self, samples: Sequence[Sample]) -> None:
        """Run the model on more samples.

        Raises
        ------
        SignatureMismatchError
            If names, shapes or dtypes do not fit.
        """
        first = len(self._rows)
        for index, sample in enumerate(samples):
            _check(sample, self.signature, first + index)
        self._rows += self._pool.map(self._watch, samples)

    def _watch(self, sample: Sample) -> tuple[Array, Array, Array]:
        watcher = self._watchers.get()
        try:
            return watcher.watch(sample)
        finally:
            self._watchers.put(watcher)

    def result(self) -> tuple[list[str], dict[str, Array]]:
        """Return the tensors' names, and what was seen of them by the names of the fields of RangeStatistics.

        Raises
        ------
        CalibrationError
            If no sample has passed.
        """
        if not self._rows:
            raise CalibrationError("there is no sample to calibrate with", hint="give at least one; 100 is usual")
        kept = [index for index in range(len(self._tensors)) if index not in self._unreadable]
        minima, maxima, irregular = (np.stack(rows)[:, kept] for rows in zip(*self._rows, strict=True))
        arrays = {"minima": minima, "maxima": maxima, "num_irregular": irregular.sum(axis=0)}
        if self._histograms:
            counters, *others = self._histograms
            for other in others:
                counters.merge(other)
            for name in ("exponents", "firsts", "counts"):
                arrays[name] = getattr(counters, name)[kept]
        return [self._tensors[index][2] for index in kept], arrays

    def close(self) -> None:
        """Let go of threads and interpreters."""
        self._pool.shutdown(cancel_futures=True)


def _tensors(graph: ModelGraph, signature: Signature) -> list[tuple[int, int, str]]:
    """Return (subgraph, tensor, name) of every activation that is computed when the signature runs."""
    found, pending, seen = [], [signature.subgraph_index], set()
    while pending:
        index = pending.pop(0)
        if index in seen:
            continue
        seen.add(index)
        subgraph = graph.subgraphs[index]
        touched = {*subgraph.inputs, *subgraph.outputs}
        for operator in subgraph.operators:
            touched.update((*operator.inputs, *operator.outputs))
            if operator.code == "STABLEHLO_COMPOSITE":
                pending += operator.calls
        found += [
            (index, tensor.index, tensor.name)
            for tensor in subgraph.tensors
            if tensor.index in touched and not tensor.is_constant and tensor.dtype == "float32"
        ]
    return found


def _check(sample: Sample, signature: Signature, index: int) -> None:
    wanted = {spec.name: spec for spec in signature.inputs}
    if set(sample) != set(wanted):
        raise SignatureMismatchError(
            f"sample {index} has inputs {sorted(sample)}, the model takes {sorted(wanted)}",
            hint="name the arrays as the model's inputs",
        )
    for name, array in sample.items():
        spec = wanted[name]
        fits = len(array.shape) == len(spec.shape) and all(
            size in (-1, given) for size, given in zip(spec.shape, array.shape, strict=True)
        )
        if not fits or str(array.dtype) != spec.dtype:
            raise SignatureMismatchError(
                f"sample {index}: input {name!r} is {array.dtype} of shape {array.shape}, "
                f"the model takes {spec.dtype} of shape {spec.shape}",
                hint="prepare the samples as the model's inputs are",
            )


class _Watcher:
    """An interpreter that keeps every activation, and what reads them."""

    def __init__(
        self,
        model_path: str,
        signature: Signature,
        tensors: list[tuple[int, int, str]],
        counters: _Counters | None,
        unreadable: set[int],
    ) -> None:
        self._model_path = model_path
        with _refusals_explained(model_path):
            self._interpreter = litert.Interpreter(model_path, num_threads=1, experimental_preserve_all_tensors=True)
        # The public face reads tensors of the first subgraph only.
        self._native = self._interpreter._interpreter
        self._subgraph = signature.subgraph_index
        if signature.key:
            self._inputs = dict(self._interpreter._get_full_signature_list()[signature.key]["inputs"])
        else:
            places = (detail["index"] for detail in self._interpreter.get_input_details())
            self._inputs = {spec.name: place for spec, place in zip(signature.inputs, places, strict=True)}
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._tensors = tensors
        self._counters = counters
        self._unreadable = unreadable

    def watch(self, sample: Sample) -> tuple[Array, Array, Array]:
        """Run one sample; return least and largest value of each tensor, and where values had to be left out."""
        with _refusals_explained(self._model_path):
            self._run(sample)
        minima = np.empty(len(self._tensors), np.float32)
        maxima, irregular = np.empty_like(minima), np.zeros(len(self._tensors), bool)
        for index, (subgraph, tensor, _) in enumerate(self._tensors):
            values = self._read(tensor, subgraph)
            if not values.size:
                self._unreadable.add(index)
                minima[index] = maxima[index] = 0
                continue
            minima[index], maxima[index], irregular[index] = _range(values)
            if self._counters is not None:
                self._counters.add(index, _some(values))
            del values  # the interpreter refuses to run while somebody holds a view
        return minima, maxima, irregular

    def _run(self, sample: Sample) -> None:
        shapes = {name: array.shape for name, array in sample.items()}
        if shapes != self._shapes:
            for name, shape in shapes.items():
                self._native.ResizeInputTensor(self._inputs[name], np.array(shape, np.int32), False, self._subgraph)
            self._native.AllocateTensors(self._subgraph)
            self._shapes = shapes
        for name, array in sample.items():
            self._native.SetTensor(self._inputs[name], array, self._subgraph)
        self._native.Invoke(self._subgraph)

    def _read(self, tensor: int, subgraph: int) -> Array:
        try:
            values: Array = self._native.tensor(self._interpreter, tensor, subgraph)
            return values
        except ValueError:  # the body of a composite that the runtime has a kernel of its own for
            return np.empty(0, np.float32)


@contextlib.contextmanager
def _refusals_explained(model_path: str) -> Iterator[None]:
    """Turn what the interpreter says of a model that it does not run into an error that says what to do."""
    try:
        yield
    except (RuntimeError, ValueError) as err:
        known = refusal_error(str(err), model=model_path)
        raise known or QuantizeError(
            f"the float model {model_path} does not run: {' '.join(str(err).split())}",
            hint="call it on one of these samples, or compile it again",
        ) from err


def _range(values: Array) -> tuple[np.float32, np.float32, bool]:
    """Return the least and the largest value, those that stand for infinity left out where there are others."""
    low, high = values.min(), values.max()
    if low > -_LARGEST and high < _LARGEST:
        return low, high, False
    # Also where a NaN makes both comparisons false.
    low = np.min(values, where=values > -_LARGEST, initial=np.inf)
    high = np.max(values, where=values < _LARGEST, initial=-np.inf)
    return (values.min() if low == np.inf else low), (values.max() if high == -np.inf else high), True


def _some(values: Array) -> Array:
    """Return finite values, about 8,192 of them, evenly spread over all channels."""
    step = max(1, values.size // _SEEN_PER_SAMPLE)
    while math.gcd(step, values.shape[-1] if values.ndim else 1) > 1:
        step += 1  # a step that shares a factor with the number of channels would miss some of them
    some = values.reshape(-1)[::step]
    return some[np.abs(some) < _LARGEST]


class _Counters:
    """Histograms whose bins grow with the values: widths are powers of two, so that bins merge two by two.

    The widths follow from the least and the largest value alone, not from the order in which values came.
    """

    def __init__(self, num_tensors: int) -> None:
        self.exponents = np.full(num_tensors, _FINEST, np.int64)
        self.firsts = np.zeros(num_tensors, np.int64)
        self.counts = np.zeros((num_tensors, _NUM_BINS), np.int64)

    def add(self, tensor: int, values: Array) -> None:
        """Count ``values``."""
        if not values.size:
            return
        self._make_room(tensor, float(values.min()), float(values.max()))
        bins = np.floor(np.ldexp(values.astype(np.float64), -int(self.exponents[tensor]))).astype(np.int64)
        self.counts[tensor] += np.bincount(bins - self.firsts[tensor], minlength=_NUM_BINS)

    def merge(self, other: _Counters) -> None:
        """Add what another has counted."""
        for tensor in range(len(self.exponents)):
            used = np.flatnonzero(other.counts[tensor])
            if not used.size:
                continue
            exponent = int(other.exponents[tensor])
            places = other.firsts[tensor] + used
            low, high = (math.ldexp(float(place), exponent) for place in (places[0], places[-1]))
            self._make_room(tensor, low, high, at_least=exponent)
            shift = int(self.exponents[tensor]) - exponent
            np.add.at(self.counts[tensor], (places >> shift) - self.firsts[tensor], other.counts[tensor][used])

    def _make_room(self, tensor: int, low: float, high: float, *, at_least: int = _FINEST) -> None:
        """Widen or move the bins of a tensor until they hold ``low`` and ``high`` too."""
        used = np.flatnonzero(self.counts[tensor])
        exponent = int(self.exponents[tensor])
        if used.size:
            low = min(low, math.ldexp(float(self.firsts[tensor] + used[0]), exponent))
            high = max(high, math.ldexp(float(self.firsts[tensor] + used[-1]), exponent))
        # A single value asks for no width at all: a bin's place must still be a whole number that 64 bits hold.
        if extreme := max(abs(low), abs(high)):
            exponent = max(exponent, math.frexp(extreme)[1] - _PLACE_BITS)
        exponent = max(exponent, at_least)
        while math.floor(math.ldexp(high, -exponent)) - math.floor(math.ldexp(low, -exponent)) >= _NUM_BINS:
            exponent += 1
        first = math.floor(math.ldexp(low, -exponent))
        if exponent == self.exponents[tensor] and first == self.firsts[tensor]:
            return
        places = (self.firsts[tensor] + used) >> (exponent - int(self.exponents[tensor]))
        counts = np.zeros(_NUM_BINS, np.int64)
        np.add.at(counts, places - first, self.counts[tensor][used])
        self.counts[tensor], self.exponents[tensor], self.firsts[tensor] = counts, exponent, first
