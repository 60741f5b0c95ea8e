"""What a model is measured on, and whether what comes out is right.

In: what the caller gave, or the model's own example and what its source made of it. Out: a file of inputs for the
worker, and a verdict on the outputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedl_nb.errors import InputError
from embedl_nb.measure.benchmark import InputSource, OutputCheck, OutputState
from embedl_nb.model.calling import bind_inputs, restore_outputs
from embedl_nb.model.evidence import Floor, SampleSource, compare_outputs
from embedl_nb.runtime.arrays import by_sample, join_samples, load_arrays, save_arrays, take_arrays

if TYPE_CHECKING:
    import numpy as np

    from embedl_nb.model.litert_model import LiteRTModel
    from embedl_nb.model.spec import Signature
    from embedl_nb.runtime.raw_run import RawRun

    Arrays = dict[str, np.ndarray[Any, Any]]

__all__ = ["Golden", "Sample", "check_outputs", "choose_golden", "choose_sample"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The inputs of every iteration; ``path`` is None for random ones, which the worker makes itself."""

    source: InputSource
    path: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """The outputs that are expected.

    Attributes
    ----------
    is_given
        Whether the caller gave them, and so wants an error where they differ.
    against
        What they are, to complete "equal to ...".
    """

    outputs: Arrays
    is_given: bool
    against: str


def choose_sample(model: LiteRTModel, signature: Signature, inputs: Any, folder: Path) -> Sample:
    """Return the sample to measure on: the given one, else the model's first example, else random values.

    A model of several signatures has examples of the first.

    Parameters
    ----------
    inputs
        One sample: an array, a tuple of arrays by position, or a dict by input name.
    folder
        Where the worker's file is written.

    Raises
    ------
    SignatureMismatchError
        If it does not fit the signature.
    """
    if inputs is not None:
        source, arrays = InputSource.GIVEN, _bound(signature, inputs)
    elif model.samples_path is not None and model.samples_path.is_file() and signature == model.signatures[0]:
        source, arrays = InputSource.EXAMPLE, bind_inputs(signature, (), _first(load_arrays(model.samples_path)))
    else:
        return Sample(source=InputSource.RANDOM, path=None)
    path = folder / "inputs.npz"
    save_arrays(path, join_samples([arrays]))
    return Sample(source=source, path=path)


def choose_golden(model: LiteRTModel, signature: Signature, golden: Any, sample: Sample) -> Golden | None:
    """Return the outputs that ``sample`` must give, None where nobody knows them.

    Raises
    ------
    InputError
        If ``golden`` names an output that the model does not have, or belongs to no inputs.
    """
    if golden is not None:
        if sample.source is InputSource.RANDOM:
            raise InputError(
                "golden was given without the inputs it belongs to, and the model has no example of its own",
                hint="pass inputs=... as well",
            )
        return Golden(outputs=_named_outputs(signature, golden), is_given=True, against="the golden outputs")
    if sample.source is not InputSource.EXAMPLE or model.golden_path is None or not model.golden_path.is_file():
        return None
    against = "its source" if model.fidelity is None else "what it gave when it was quantized"
    return Golden(outputs=_first(load_arrays(model.golden_path)), is_given=False, against=against)


def check_outputs(
    model: LiteRTModel, signature: Signature, golden: Golden | None, sample: Sample, run: RawRun
) -> OutputCheck:
    """Compare the outputs of one run with the golden ones, and remove their file."""
    arrays = None if run.outputs_path is None else _first(take_arrays(run.outputs_path))
    if golden is None:
        return OutputCheck(state=OutputState.NOT_CHECKED, sentence=_why_not_checked(sample))
    if arrays is None:
        why = run.outputs_note or "the device returned no outputs"
        return OutputCheck(state=OutputState.NOT_CHECKED, sentence=why, by=run.outputs_note)
    outputs = restore_outputs(signature, arrays)
    kind, floor = SampleSource.GIVEN, Floor.FLOAT
    if sample.source is InputSource.EXAMPLE and model.parity is not None:
        kind, floor = model.parity.sample_source, model.parity.floor
    if run.outputs_in_float16 and floor is Floor.FLOAT:
        floor = Floor.HALF
    parity = compare_outputs(
        [golden.outputs],
        [{name: outputs[name] for name in golden.outputs}],
        sample_source=kind,
        against=golden.against,
        floor=floor,
    )
    state = OutputState.MATCH if parity.passed else OutputState.DIFFER
    by = f"; {run.outputs_note}" if run.outputs_note else ""
    return OutputCheck(state=state, parity=parity, sentence=parity.sentence + by, by=run.outputs_note)


def _why_not_checked(sample: Sample) -> str:
    if sample.source is InputSource.RANDOM:
        return "the inputs are random, and nobody knows what should come out"
    return "no golden outputs were given"


def _bound(signature: Signature, inputs: Any) -> Arrays:
    if isinstance(inputs, Mapping):
        return bind_inputs(signature, (), inputs)
    if isinstance(inputs, tuple) or (isinstance(inputs, list) and len(signature.inputs) > 1):
        return bind_inputs(signature, tuple(inputs), {})
    return bind_inputs(signature, (inputs,), {})


def _named_outputs(signature: Signature, golden: Any) -> Arrays:
    import numpy as np

    names = [spec.name for spec in signature.outputs]
    if isinstance(golden, Mapping):
        given = dict(golden)
    elif isinstance(golden, tuple):
        given = dict(zip(names, golden, strict=False))
        if len(golden) != len(names):
            raise InputError(
                f"golden holds {len(golden)} outputs, the model has {len(names)}", hint=_outputs_hint(names)
            )
    else:
        given = {names[0]: golden}
    unknown = [name for name in given if name not in names]
    if unknown or not given:
        raise InputError(f"golden names {unknown or 'nothing'}, no output of the model", hint=_outputs_hint(names))
    arrays = {name: np.asarray(value) for name, value in given.items()}
    odd = [name for name, array in arrays.items() if array.dtype.kind not in "biufc"]
    if odd:
        raise InputError(f"golden[{odd[0]!r}] is no array of numbers", hint="pass numpy arrays")
    return arrays


def _outputs_hint(names: list[str]) -> str:
    return f"the model's outputs are {', '.join(names)}"


def _first(arrays: Arrays) -> Arrays:
    return next(iter(by_sample(arrays).values()), {})
