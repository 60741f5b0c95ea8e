"""The user's data, read once and sorted by what it is for: to calibrate, to refine, to choose, and to judge.

In: a model and data in any form that data/ reads. Out: one :class:`Material` a signature. Nothing is fitted
to the judges' samples, but which operators stay in float for a target is chosen by them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedl_nb.errors import CalibrationError
from embedl_nb.quantizer.data import DataReport, read_data

if TYPE_CHECKING:
    import numpy as np

    from embedl_nb.model import LiteRTModel
    from embedl_nb.quantizer.engine import Engine
    from embedl_nb.quantizer.ranges import RangeStatistics

    Sample = dict[str, np.ndarray[Any, Any]]

__all__ = ["Material", "prepare"]

_KEPT_BYTES = 256 * 2**20
_NUM_CHOOSERS = 64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Material:
    """The samples of one signature.

    Attributes
    ----------
    signature_key
        "" for a model without a signature.
    statistics
        What every calibration sample showed of every activation.
    kept
        The first calibration samples, as many as memory is set aside for (256 MiB).
    num_train
        How many of :attr:`kept`, from the first, may be fitted to; the others choose between recipes.
    held_out
        The judges' samples.
    report
        What the data was like.
    digest
        Hash of the calibration samples in order, 64 hexadecimal digits.
    """

    signature_key: str
    statistics: RangeStatistics
    kept: list[Sample]
    num_train: int
    held_out: list[Sample]
    report: DataReport
    digest: str

    @property
    def train(self) -> list[Sample]:
        """The samples that are fitted to."""
        return self.kept[: self.num_train]

    @property
    def choosers(self) -> list[Sample]:
        """The samples that choose between recipes; those that are fitted to where there are no others."""
        return self.kept[self.num_train :][:_NUM_CHOOSERS] or self.kept


def prepare(
    model: LiteRTModel,
    data: Any,
    engine: Engine,
    *,
    num_samples: int,
    seed: int,
    num_train: int,
    histograms: bool,
) -> tuple[Material, ...]:
    """Read the data of every signature and take its statistics.

    Parameters
    ----------
    data
        See :func:`~embedl_nb.quantizer.data.read_data`; a dict by signature key where there are several.
    num_train
        How many samples refining may be fitted to.
    histograms
        Whether ranges need more than the least and the largest value.

    Raises
    ------
    CalibrationError
        If the data cannot be used, or a signature has none.
    """
    materials = []
    for key, share in _by_signature(model, data).items():
        with read_data(share, model, signature_key=key, num_samples=num_samples, seed=seed) as samples:
            keeper = _Keeper(num_train)
            statistics = engine.observe(
                model.path,
                keeper.passing(samples.calibration()),
                signature_key=key,
                histograms=histograms,
                num_samples=samples.report.num_samples,
            )
            materials.append(
                Material(
                    signature_key=key,
                    statistics=statistics,
                    kept=keeper.kept,
                    num_train=keeper.num_train,
                    held_out=list(samples.held_out()),
                    report=samples.report,
                    digest=keeper.digest.hexdigest(),
                )
            )
    return tuple(materials)


def _by_signature(model: LiteRTModel, data: Any) -> dict[str, Any]:
    """Return the data of each signature; that of a model's only one need not be named."""
    keys = [signature.key for signature in model.signatures]
    if isinstance(data, Mapping) and set(data) & set(keys):
        missing = [key for key in keys if key not in data]
        if missing:
            raise CalibrationError(
                f"there is no data for signature {missing[0]!r} of {model.name}",
                hint=f"give a dict with {', '.join(map(repr, keys))}",
            )
        return {key: data[key] for key in keys}
    if len(keys) > 1 and not isinstance(data, str):
        raise CalibrationError(
            f"{model.name} has the signatures {', '.join(keys)}, the data is for one",
            hint='give a dict: {"' + keys[0] + '": data, ...}',
        )
    return dict.fromkeys(keys, data)


class _Keeper:
    """Watches samples pass: hashes all of them, keeps the first ones."""

    def __init__(self, num_train: int) -> None:
        self.digest = hashlib.sha256()
        self.kept: list[Sample] = []
        self._wanted = num_train
        self._size = 0

    @property
    def num_train(self) -> int:
        """Two thirds of what was kept where there are not enough samples to train on and to choose with."""
        return min(self._wanted, max(len(self.kept) * 2 // 3, 1))

    def passing(self, samples: Iterator[Sample]) -> Iterator[Sample]:
        for sample in samples:
            for name in sorted(sample):
                self.digest.update(f"{name} {sample[name].dtype} {sample[name].shape}".encode())
                self.digest.update(sample[name].tobytes())
            self._size += sum(array.nbytes for array in sample.values())
            if self._size <= _KEPT_BYTES:
                self.kept.append(sample)
            yield sample
