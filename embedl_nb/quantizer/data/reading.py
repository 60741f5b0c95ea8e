"""Calibration data read once, judged on the way, and given out again as often as it is needed.

In: what the user has, and a model. Out: :class:`CalibrationData` with samples to calibrate, others to judge, and a
report. One sample is in memory at a time. What cannot be read again at little cost (generators, data sets, pictures) is
kept in a temporary folder, one file a sample, at most ``num_samples`` and 100 more; arrays in memory and on the disk
are read again instead.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from embedl_nb import progress
from embedl_nb.errors import CalibrationError, InputError
from embedl_nb.model.calling import pick_signature
from embedl_nb.model.litert_model import LiteRTModel
from embedl_nb.model.spec import Signature
from embedl_nb.quantizer.data.checks import Checker, SampleFacts, convert, summarize
from embedl_nb.quantizer.data.expected import compare_ranges, table_rows, verified_ranges
from embedl_nb.quantizer.data.items import Sample
from embedl_nb.quantizer.data.notes import Notes, join_some
from embedl_nb.quantizer.data.opening import of_signature, open_data, random_data
from embedl_nb.quantizer.data.report import DataKind, DataReport
from embedl_nb.quantizer.data.sources import Indexed, Stream
from embedl_nb.quantizer.data.split import Split, most_needed, split_pool, split_stream
from embedl_nb.runtime.arrays import load_arrays, save_arrays

__all__ = ["CalibrationData", "read_data"]

_NEWS = 10  # samples from one piece of progress to the next
_MOST_PERMUTED = 10**6  # whole numbers whose order is kept in memory


class CalibrationData:
    """Samples of one signature: some to calibrate with, others to judge with.

    A context manager; leaving it (or :meth:`close`) removes the temporary files.

    Attributes
    ----------
    report
        What was read, complete from the start.
    """

    def __init__(
        self, *, report: DataReport, read: Callable[[int], Sample], split: Split, closing: contextlib.ExitStack
    ) -> None:
        self.report = report
        self._read = read
        self._split = split
        self._closing = closing
        self._is_closed = False

    def calibration(self) -> Iterator[Sample]:
        """Give out the calibration samples, from the first, as often as wanted.

        Yields
        ------
        dict
            By input name, an array of the model's shape and dtype.
        """
        return self._samples(self._split.calibration)

    def held_out(self) -> Iterator[Sample]:
        """Give out the samples that judge: at most 100, none of them among the calibration samples.

        Where fewer than 4 samples came they are the calibration samples; the report says so.
        """
        return self._samples(self._split.held_out)

    def _samples(self, positions: tuple[int, ...]) -> Iterator[Sample]:
        for position in positions:
            if self._is_closed:
                raise InputError("this data was closed", hint="read it again: read_data(...)")
            yield self._read(position)

    def close(self) -> None:
        """Remove temporary files and close what was opened."""
        self._is_closed = True
        self._closing.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_data(
    data: Any, model: LiteRTModel, *, signature_key: str | None = None, num_samples: int = 100, seed: int = 0
) -> CalibrationData:
    """Read and check samples for one signature of a model.

    Parameters
    ----------
    data
        - An array or tensor (N, ...), or a dict of them by input name; the model's own shape is one sample.
        - A list or generator of samples: an array, a tuple in the signature's order, or a dict by input name; batches
          are split.
        - A torch Dataset or DataLoader; labels are left out.
        - ``enb.images(...)``.
        - The path of a folder of .npy files (or one sub-folder an input), of a .npy, .npz or .h5 file.
        - ``{signature_key: data}``.
        - ``"random"``: made-up values, which say little of real data.
    signature_key
        Which signature; the first by default.
    num_samples
        How many to calibrate with, at the most. Where the data knows its length they are chosen at random without
        replacement; of a stream the first are taken. Samples beyond them judge, at most 100; where there are none,
        a quarter of ``num_samples`` does.
    seed
        Of the choice.

    Raises
    ------
    CalibrationError
        If the data is empty, does not fit the model, or holds NaN or infinity.
    InputError
        If ``num_samples`` or ``seed`` cannot be meant, or there is no such signature.
    MissingDependencyError
        If a package that reads the data is not installed.
    """
    _check_numbers(num_samples, seed)
    signature = pick_signature(model.signatures, signature_key)
    if not signature.inputs:
        raise CalibrationError(
            "the model takes no inputs, so there is nothing to calibrate with", hint="use a dynamic recipe"
        )
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="embedl_nb-data-")))
        reader = _Reader(model, signature, num_samples=num_samples, seed=seed, scratch=scratch)
        found = reader.open(data, [each.key for each in model.signatures], closing=stack.push)
        facts, order = reader.read_all(found)
        split = split_stream(len(facts)) if isinstance(found, Stream) else split_pool(len(facts), num_samples)
        report = reader.report(found, facts, split)
        return CalibrationData(report=report, read=reader.again(found, order), split=split, closing=stack.pop_all())


def _check_numbers(num_samples: Any, seed: Any) -> None:
    if not isinstance(num_samples, int) or isinstance(num_samples, bool) or num_samples < 1:
        raise InputError(f"num_samples is {num_samples!r}", hint="give a whole number from 1 on, e.g. num_samples=100")
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise InputError(f"seed is {seed!r}", hint="give a whole number from 0 on")


class _Reader:
    """Reads one signature's data: opens it, judges each sample once, and can give samples out again."""

    def __init__(self, model: LiteRTModel, signature: Signature, *, num_samples: int, seed: int, scratch: Path) -> None:
        self._signature = signature
        self._num_samples = num_samples
        self._seed = seed
        self._scratch = scratch
        self._notes = Notes()
        self._skipped: list[str] = []
        self._verified = verified_ranges(model, self._notes)
        self._limits = table_rows(model.graph, signature)
        self._checker = Checker(signature, self._notes, limits=self._limits)

    def open(self, data: Any, keys: list[str], *, closing: Callable[[Any], Any]) -> Indexed | Stream:
        """Open the data of the reader's signature."""
        data = of_signature(data, self._signature, keys)
        if data is None:
            raise CalibrationError(
                "no calibration data was given", hint='give data, or data="random" to try things out'
            )
        if isinstance(data, str) and data == "random":
            self._notes.warn("the data is random: what it shows says little of how the model does on real data")
            count = most_needed(self._num_samples, is_stream=False)
            return random_data(self._signature, count=count, seed=self._seed, limits=self._limits)
        return open_data(data, self._signature, self._notes, scratch=self._scratch, closing=closing)

    def read_all(self, found: Indexed | Stream) -> tuple[list[SampleFacts], list[int]]:
        """Judge as many samples as are needed; returns their facts, and their numbers in the data."""
        needed = most_needed(self._num_samples, is_stream=isinstance(found, Stream))
        total = needed if isinstance(found, Stream) else min(needed, found.count)
        facts: list[SampleFacts] = []
        order: list[int] = []
        for number, label, sample in self._samples(found):
            converted, fact = self._checker.check(sample, label)
            if _is_kept(found):
                self._keep(len(facts), converted)
            facts.append(fact)
            order.append(number)
            if len(facts) % _NEWS == 0 or len(facts) == total:
                progress.emit("read data", done=len(facts), total=total)
            if len(facts) == needed:
                break
        self._must_hold_samples(found, facts)
        self._checker.must_be_finite()
        return facts, order

    def _samples(self, found: Indexed | Stream) -> Iterator[tuple[int, str, Sample]]:
        """Yield number, label and values of one sample after the other: in the stream's order or at random."""
        if isinstance(found, Stream):
            for number, sample in enumerate(found.samples):
                yield number, f"sample {number}", sample
            return
        for number in _random_order(found.count, self._seed):
            values = found.read(number)
            if values is None:
                self._skipped.append(found.label(number))
            else:
                yield number, found.label(number), values

    def _must_hold_samples(self, found: Indexed | Stream, facts: list[SampleFacts]) -> None:
        if facts:
            return
        if self._skipped:
            raise CalibrationError(
                f"none of the {len(self._skipped)} pictures of {found.description} can be read: "
                f"{join_some(sorted(self._skipped))}",
                hint="see that they open in a picture viewer",
            )
        raise CalibrationError(f"{found.description} holds no samples", hint="give at least one sample")

    def _keep(self, position: int, sample: Sample) -> None:
        try:
            save_arrays(self._kept(position), sample)
        except OSError as err:
            raise CalibrationError(
                f"sample {position} cannot be kept in {self._scratch}: {err.strerror or err}",
                hint="free space there, or set TMPDIR to a folder with more",
            ) from err

    def _kept(self, position: int) -> Path:
        return self._scratch / f"{position}.npz"

    def again(self, found: Indexed | Stream, order: list[int]) -> Callable[[int], Sample]:
        """Return what gives out a sample that was judged, by its position."""
        if _is_kept(found):
            return lambda position: load_arrays(self._kept(position))

        def read(position: int) -> Sample:
            values = found.read(order[position]) if isinstance(found, Indexed) else None
            if values is None:
                raise CalibrationError(f"sample {order[position]} cannot be read any more", hint="read the data again")
            return convert(values, self._signature)

        return read

    def report(self, found: Indexed | Stream, facts: list[SampleFacts], split: Split) -> DataReport:
        """Put together what is to be said."""
        calibration = [facts[position] for position in split.calibration]
        inputs = summarize(self._signature, calibration)
        compare_ranges(inputs, self._verified, self._notes)
        self._checker.conclude(facts)
        num_duplicates = self._say_duplicates(facts, split)
        self._say_counts(found, facts, split)
        return DataReport(
            source=found.description,
            kind=found.kind,
            num_asked=self._num_samples,
            seed=self._seed,
            num_samples=len(split.calibration),
            num_held_out=len(split.held_out),
            num_available=found.count if isinstance(found, Indexed) and found.kind is DataKind.GIVEN else None,
            is_held_out_separate=split.is_separate,
            num_duplicates=num_duplicates,
            inputs=inputs,
            preprocessing=found.preprocessing,
            skipped=tuple(sorted(self._skipped)),
            warnings=self._notes.warnings,
            notices=self._notes.notices,
        )

    def _say_duplicates(self, facts: list[SampleFacts], split: Split) -> int:
        calibration = {facts[position].digest for position in split.calibration}
        repeated = len(split.calibration) - len(calibration)
        if repeated:
            self._notes.notice(f"{repeated} of the {len(split.calibration)} calibration samples repeat another one")
        if not split.is_separate:
            return 0
        shared = [facts[position].label for position in split.held_out if facts[position].digest in calibration]
        if shared:
            self._notes.warn(
                f"{len(shared)} of the {len(split.held_out)} held-out samples are equal to a calibration sample, so "
                f"the judgement is too kind: {join_some(shared)}"
            )
        return len(shared)

    def _say_counts(self, found: Indexed | Stream, facts: list[SampleFacts], split: Split) -> None:
        if self._skipped:
            count = len(self._skipped)
            self._notes.warn(
                f"{count} picture{'' if count == 1 else 's'} cannot be read and {'is' if count == 1 else 'are'} left "
                f"out: {join_some(sorted(self._skipped))}"
            )
        if len(facts) < self._num_samples:
            ended = "it ended early" if isinstance(found, Stream) else "there are no more"
            self._notes.notice(
                f"{len(facts)} of the {self._num_samples} samples asked for came from {found.description}: {ended}"
            )
        if not split.is_separate:
            self._notes.warn(f"too few samples to hold some out ({len(facts)}): the same ones calibrate and judge")
        elif len(facts) <= self._num_samples:
            self._notes.notice(
                f"{len(split.held_out)} of the {len(facts)} samples are held out to judge; {len(split.calibration)} "
                "calibrate"
            )


def _random_order(count: int, seed: int) -> Iterator[int]:
    """Yield 0..count - 1 in random order; of a very long row only what is asked for is in memory."""
    import numpy as np

    rng = np.random.default_rng(seed)
    if count <= _MOST_PERMUTED:
        yield from rng.permutation(count).tolist()
        return
    seen: set[int] = set()
    while len(seen) < count:
        number = int(rng.integers(count))
        if number not in seen:
            seen.add(number)
            yield number


def _is_kept(found: Indexed | Stream) -> bool:
    return isinstance(found, Stream) or not found.is_stable
