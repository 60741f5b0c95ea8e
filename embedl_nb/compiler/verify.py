"""Run a compiled model on the samples in the LiteRT runtime, and compare it with what its source computed.

In: a ``.tflite`` path, the samples and the reference's outputs as arrays named ``"<sample>/<name>"``. Out: a Parity,
and the arrays in the dtypes that the compiled model takes. A model that does not run is refused here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb import progress
from embedl_nb.errors import ParityError, SignatureMismatchError
from embedl_nb.model import LiteRTModel, Parity, Signature, compare_outputs
from embedl_nb.model.calling import as_integers, restore_outputs
from embedl_nb.model.evidence import Floor, SampleSource
from embedl_nb.runtime.arrays import by_sample, join_samples
from embedl_nb.runtime.running import run_samples

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray[Any, Any]]

__all__ = ["TypedSamples", "are_equal", "floor_of", "joined", "require_parity", "run_model", "typed_samples"]


@dataclass(frozen=True, slots=True)
class TypedSamples:
    """Samples and golden outputs in the dtypes of the compiled model.

    Attributes
    ----------
    notes
        One sentence for each input and output that has another dtype in LiteRT than in the source.
    """

    inputs: dict[str, np.ndarray[Any, Any]]
    golden: dict[str, np.ndarray[Any, Any]]
    notes: tuple[str, ...]


def typed_samples(signature: Signature, inputs: Arrays, golden: Arrays) -> TypedSamples:
    """Convert samples to the dtypes of ``signature``; LiteRT models have 32-bit integers and floats.

    Real values that a quantized input or output stands for stay real.

    Raises
    ------
    SignatureMismatchError
        If an integer of a sample does not fit the narrower dtype.
    """
    specs = {spec.name: spec for spec in (*signature.inputs, *signature.outputs)}
    notes: dict[str, None] = {}
    converted: list[dict[str, np.ndarray[Any, Any]]] = []
    for kind, arrays in (("input", inputs), ("output", golden)):
        converted.append({})
        for key, array in arrays.items():
            name = key.partition("/")[2]
            dtype = specs[name].dtype if name in specs else str(array.dtype)
            is_real = name in specs and specs[name].is_quantized
            converted[-1][key] = _cast(array, "float32" if is_real else dtype, f"{kind} {name!r}")
            if dtype != str(array.dtype):
                notes[f"{kind} {name!r} is {array.dtype} in the source and {dtype} in the compiled model"] = None
    return TypedSamples(converted[0], converted[1], tuple(notes))


def run_model(
    model_path: Path,
    inputs: Arrays,
    *,
    signature: Signature,
    state: tuple[tuple[str, str], ...] = (),
    timeout_s: float,
) -> dict[str, Any]:
    """Return the model's outputs on every sample, as ``"<sample>/<name>"``; with state, each sample takes the last's.

    Quantized inputs and outputs are real values here.

    Raises
    ------
    UnsupportedOperatorError, InputError, BenchmarkError
        If the runtime refuses the model, crashes, hangs or runs out of memory.
    """
    progress.emit("verify", "running the compiled model")
    specs = {spec.name: spec for spec in signature.inputs if spec.is_quantized}
    integers = {
        key: as_integers(array, specs[name]) if (name := key.partition("/")[2]) in specs else array
        for key, array in inputs.items()
    }
    outputs = run_samples(
        model_path, integers, signature_key=signature.key or None, state=dict(state), timeout_s=timeout_s
    )
    return join_samples([restore_outputs(signature, sample) for sample in by_sample(outputs).values()])


def are_equal(first: Arrays, second: Arrays) -> bool:
    """Say whether two runs gave the same values exactly; NaN equals NaN."""
    import numpy as np

    return first.keys() == second.keys() and all(
        np.array_equal(array, second[name], equal_nan=array.dtype.kind in "fc") for name, array in first.items()
    )


def floor_of(model: LiteRTModel) -> Floor:
    """Return what a compiled model's outputs are held to."""
    return Floor.INTEGER if "a8" in model.precision else Floor.FLOAT


def require_parity(
    name: str,
    golden: Arrays,
    outputs: Arrays,
    *,
    sample_source: SampleSource,
    is_sequence: bool = False,
    floor: Floor = Floor.FLOAT,
) -> Parity:
    """Compare outputs with the reference's, sample by sample.

    Raises
    ------
    ParityError
        With the figures of every output, if one does not match.
    """
    expected, found = (list(by_sample(arrays).values()) for arrays in (golden, outputs))
    parity = compare_outputs(expected, found, sample_source=sample_source, is_sequence=is_sequence, floor=floor)
    if parity.passed:
        return parity
    figures = "\n".join(
        f"{output.name}: largest error {output.max_abs_error:.4g}, SQNR {output.sqnr_db:.1f} dB, "
        f"cosine {output.cosine:.6f}" + (f" ({output.note})" if output.note else "")
        for output in parity.outputs
    )
    raise ParityError(
        f"{name} compiled, but the result is {parity.sentence}",
        hint="verify=False returns it all the same, shown as not verified",
        details=figures,
    )


def joined(parities: Mapping[str, Parity]) -> Parity | None:
    """Return the parities of all signatures as one, outputs named ``"<signature>: <output>"``.

    A single one stays as it is; None where there are none.
    """
    if len(parities) < 2:
        return next(iter(parities.values()), None)
    sources = {parity.sample_source for parity in parities.values()}
    return Parity(
        outputs=tuple(
            replace(output, name=f"{key}: {output.name}")
            for key, parity in parities.items()
            for output in parity.outputs
        ),
        num_samples=sum(parity.num_samples for parity in parities.values()),
        sample_source=SampleSource.SYNTHETIC if SampleSource.SYNTHETIC in sources else SampleSource.GIVEN,
        floor=next(iter(parities.values())).floor,  # they are of one file
    )


def _cast(array: np.ndarray[Any, Any], dtype: str, what: str) -> np.ndarray[Any, Any]:
    import numpy as np

    if dtype == str(array.dtype):
        return array
    target = np.dtype(dtype)
    if array.dtype.kind in "iu" and target.kind in "iu" and array.size:
        limits = np.iinfo(target)
        if int(array.min()) < limits.min or int(array.max()) > limits.max:
            raise SignatureMismatchError(
                f"{what} holds {int(abs(array).max())}, which {dtype}, its type in a LiteRT model, cannot hold",
                hint="LiteRT models have 32-bit integers: use values that fit",
            )
    return array.astype(target)
