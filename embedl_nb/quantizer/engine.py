"""The kernel's side of the quantizing child: typed calls, samples streamed through files, nothing left behind."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from embedl_nb import progress
from embedl_nb.errors import BenchmarkError, OutOfMemoryError, QuantizeError
from embedl_nb.model.fidelity_rows import LayerFidelity
from embedl_nb.model.flatbuffer import read_model
from embedl_nb.model.graph import ModelGraph
from embedl_nb.model.operators import precision_of
from embedl_nb.quantizer.ranges import Histograms, RangeStatistics, to_json
from embedl_nb.runtime.arrays import join_samples, save_arrays, take_arrays
from embedl_nb.runtime.pool import warm

if TYPE_CHECKING:
    import numpy as np

    from embedl_nb.runtime.process import Child

    Sample = Mapping[str, np.ndarray[Any, Any]]

__all__ = ["CHILD", "CHILD_NAME", "Engine", "require_float"]

CHILD, CHILD_NAME = "embedl_nb.quantizer.child", "the quantizer"
"""The module that the child runs, and who it is in an error's sentence."""

_CHUNK_SAMPLES = 16
_CHUNK_BYTES = 32 * 2**20
_SHORT_TIMEOUT_S = 120.0
_CHUNK_TIMEOUT_S = 1800.0
_APPLY_TIMEOUT_S = 1800.0
_CONTINUING = ("observe_add", "observe_end", "observe_drop")
_REFINE_TIMEOUT_S = 7200.0


class Engine:
    """One warm child that quantizes; use it in a ``with`` block.

    Whatever happens in the child (a crash, a hang, no memory) is one error here, and the next call starts another; an
    interrupt ends the child and stays an interrupt. A chunk of samples, or the making of one model, may take half an
    hour before the child counts as hung. Leaving the block gives the child back for the next one.

    Examples
    --------
    >>> with Engine() as engine:  # doctest: +SKIP
    ...     statistics = engine.observe(model.path, samples, signature_key=None)
    ...     engine.apply(model.path, recipe.full_rules, ranges_of(statistics), "small.tflite")
    """

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._lent: Child | None = None

    def __enter__(self) -> Engine:
        self._lent = self._stack.enter_context(warm(CHILD, what=CHILD_NAME))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lent = None
        self._stack.close()

    def observe(
        self,
        model_path: str | Path,
        samples: Iterable[Sample],
        *,
        signature_key: str | None,
        histograms: bool = False,
        num_samples: int | None = None,
    ) -> RangeStatistics:
        """Run the float model on samples and return the range of every activation in each.

        Parameters
        ----------
        samples
            One dict a sample, in the model's shapes and dtypes; it is read once, a few samples at a time.
        signature_key
            None for the first.
        histograms
            Whether to count values too, which the ranges ``percentile`` and ``mse`` need.
        num_samples
            How many there will be, for the progress; None where nobody knows.

        Raises
        ------
        QuantizeError
            If the model is quantized already.
        CalibrationError
            If there is no sample.
        SignatureMismatchError
            If a sample does not fit the model.
        EmbedlError
            If the model does not run.
        """
        require_float(read_model(model_path), str(model_path))
        begin = {"model_path": str(model_path), "signature_key": signature_key, "histograms": histograms}
        with tempfile.TemporaryDirectory(prefix="embedl_nb-quantize-") as folder, self._observing(begin) as key:
            done = 0
            for chunk in _chunks(samples):
                path = Path(folder) / "samples.npz"
                save_arrays(path, join_samples(chunk))
                self._request("observe_add", {"samples_path": str(path)}, timeout_s=_CHUNK_TIMEOUT_S)
                done += len(chunk)
                progress.emit("calibrate", done=done, total=num_samples)
            output = Path(folder) / "ranges.npz"
            answer = self._request("observe_end", {"output_path": str(output)}, timeout_s=_SHORT_TIMEOUT_S)
            arrays = take_arrays(output)
        fields = {name: arrays[name] for name in ("minima", "maxima", "num_irregular")}
        counted = {name: arrays[name] for name in ("exponents", "firsts", "counts") if name in arrays}
        return RangeStatistics(
            signature_key=key,
            names=tuple(answer["names"]),
            **fields,
            histograms=Histograms(**counted) if counted else None,
        )

    def apply(
        self,
        model_path: str | Path,
        rules: Sequence[Mapping[str, Any]],
        ranges: Mapping[str, tuple[float, float]] | None,
        output_path: str | Path,
    ) -> None:
        """Quantize a model into a file, which is complete or not there.

        Parameters
        ----------
        rules
            :attr:`Recipe.full_rules`.
        ranges
            What :func:`~embedl_nb.quantizer.ranges.ranges_of` returned; None or empty for a recipe that needs no
            calibration.

        Raises
        ------
        RecipeError
            If the rules are not legal for the model.
        QuantizeError
            If it is quantized already, or the library refuses it.
        """
        require_float(read_model(model_path), str(model_path))
        payload = {
            "model_path": str(Path(model_path).absolute()),
            "rules": [dict(rule) for rule in rules],
            "ranges": to_json(ranges or {}),
            "output_path": str(Path(output_path).absolute()),
        }
        self._request("apply", payload, timeout_s=_APPLY_TIMEOUT_S)

    def equalize(
        self, float_path: str | Path, samples_path: Path, output_path: Path, *, signature_key: str | None
    ) -> None:
        """Move scales between neighbouring operators of a float model; see :func:`embedl_nb.quantizer.refine.equalize`.

        Parameters
        ----------
        samples_path
            An ``.npz`` file of arrays named ``"<sample>/<input name>"``, here and below.
        """
        payload = _payload(float_path=float_path, samples_path=samples_path, output_path=output_path)
        self._request("equalize", payload | {"signature_key": signature_key}, timeout_s=_APPLY_TIMEOUT_S)

    def refine(
        self,
        float_path: str | Path,
        quantized_path: Path,
        samples_path: Path,
        output_path: Path,
        *,
        signature_key: str | None,
        rounding: str,
        is_bias_corrected: bool,
    ) -> None:
        """Fit weights and biases of a quantized model; see :func:`embedl_nb.quantizer.refine.refine`."""
        payload = _payload(
            float_path=float_path, quantized_path=quantized_path, samples_path=samples_path, output_path=output_path
        )
        options = {
            "signature_key": signature_key,
            "rounding": str(rounding),
            "is_bias_corrected": is_bias_corrected,
        }
        self._request("refine", payload | options, timeout_s=_REFINE_TIMEOUT_S)

    def compare_layers(
        self, float_path: str | Path, quantized_path: str | Path, samples_path: Path, *, signature_key: str | None
    ) -> tuple[LayerFidelity, ...]:
        """Compare both models layer by layer; see :func:`embedl_nb.quantizer.layers.compare_layers`."""
        payload = _payload(float_path=float_path, quantized_path=quantized_path, samples_path=samples_path)
        answer = self._request("compare_layers", payload | {"signature_key": signature_key}, timeout_s=_APPLY_TIMEOUT_S)
        return tuple(LayerFidelity.from_record(row) for row in answer["rows"])

    def choices(
        self, rules: Sequence[Mapping[str, Any]], operators: Sequence[Mapping[str, str]]
    ) -> list[dict[str, Any]]:
        """Ask the library's policy what becomes of operators; see :func:`embedl_nb.quantizer.apply.choices`."""
        payload = {"rules": [dict(rule) for rule in rules], "operators": [dict(one) for one in operators]}
        answer: list[dict[str, Any]] = self._request("choices", payload, timeout_s=_SHORT_TIMEOUT_S)["choices"]
        return answer

    def named_recipes(self) -> dict[str, list[dict[str, Any]] | None]:
        """Return the library's named recipes; None for one that is for a bundle of models."""
        recipes: dict[str, list[dict[str, Any]] | None]
        recipes = self._request("named_recipes", {}, timeout_s=_SHORT_TIMEOUT_S)["recipes"]
        return recipes

    @contextlib.contextmanager
    def _observing(self, begin: dict[str, Any]) -> Iterator[str]:
        """Let an observation end with the block, also where the caller's samples fail."""
        key: str = self._request("observe_begin", begin, timeout_s=_SHORT_TIMEOUT_S)["signature_key"]
        try:
            yield key
        except BaseException:
            if self._lent is not None and self._lent.is_alive:
                self._request("observe_drop", {}, timeout_s=_SHORT_TIMEOUT_S)
            raise

    def _child(self, *, anew: bool) -> Child:
        """Return the child; where it has died and ``anew`` allows it, another in its place."""
        if self._lent is None:
            raise RuntimeError("use the Engine in a with block")
        if anew and not self._lent.is_alive:  # what killed it has been reported already
            self._stack.close()
            self._lent = self._stack.enter_context(warm(CHILD, what=CHILD_NAME))
        return self._lent

    def _request(self, command: str, payload: dict[str, Any], *, timeout_s: float) -> dict[str, Any]:
        # The rest of an observation is in the child that began it.
        child = self._child(anew=command not in _CONTINUING)
        try:
            return child.request(command, payload, timeout_s=timeout_s)
        except OutOfMemoryError:
            raise
        except BenchmarkError as err:
            raise QuantizeError(err.message, hint=err.hint, details=err.details) from err


def require_float(graph: ModelGraph, what: str) -> None:
    """Raise where a model is quantized already.

    Raises
    ------
    QuantizeError
        It says the precision.
    """
    precision = precision_of(graph)
    is_quantized = any(tensor.quantization is not None for one in graph.subgraphs for tensor in one.tensors)
    if is_quantized or "w" in precision.replace("+", ""):
        raise QuantizeError(
            f"{what} is quantized already ({precision})", hint="quantize the float model that it was made from"
        )


def _payload(**paths: str | Path) -> dict[str, Any]:
    return {name: str(Path(path).absolute()) for name, path in paths.items()}


def _chunks(samples: Iterable[Sample]) -> Iterator[list[Sample]]:
    """Group samples so that few are in memory at once."""
    chunk: list[Sample] = []
    num_bytes = 0
    for sample in samples:
        chunk.append(sample)
        num_bytes += sum(array.nbytes for array in sample.values())
        if len(chunk) >= _CHUNK_SAMPLES or num_bytes >= _CHUNK_BYTES:
            yield chunk
            chunk, num_bytes = [], 0
    if chunk:
        yield chunk
