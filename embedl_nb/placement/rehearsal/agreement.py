"""How near the outputs of a rehearsed artifact are to others, on the same samples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedl_nb.model.evidence import Floor, OutputMatch, compare_outputs
from embedl_nb.units import format_ratio

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

__all__ = ["Agreement", "compare"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Outputs against those of a reference.

    Attributes
    ----------
    reference
        ``"the CPU"``, ``"its source"``.
    outputs
        One match an output. An NPU rounds to 8-bit integers or computes in float16, so floats are held to 30 dB, or to
        2 of the 127 steps of the largest value.
    num_samples
        On how many.
    worst_sample, worst_sqnr_db
        The sample that is farthest off, counted from 0, and the SQNR of its worst output, dB.
    """

    reference: str
    outputs: tuple[OutputMatch, ...]
    num_samples: int
    worst_sample: int
    worst_sqnr_db: float

    @property
    def matches(self) -> bool:
        """Whether every output does."""
        return all(output.matches for output in self.outputs)

    @property
    def is_exact(self) -> bool:
        """Whether nothing differs."""
        return self.matches and all(output.max_abs_error == 0 for output in self.outputs)

    @property
    def sqnr_db(self) -> float:
        """The SQNR of the worst output over all samples, dB; ``inf`` where all are equal."""
        return min((output.sqnr_db for output in self.outputs), default=math.inf)

    @property
    def top1_agreement(self) -> float | None:
        """The share of samples with the same top-1 class; None where no output is one of class scores."""
        return min((o.top1_agreement for o in self.outputs if o.top1_agreement is not None), default=None)

    @property
    def sentence(self) -> str:
        """The figures: ``"SQNR 41.2 dB (worst sample 38.0 dB), top-1 the same in 100 %"``; or why there are none."""
        noted = next((output for output in self.outputs if output.note), None)
        if noted is not None:
            return f"{noted.name}: {noted.note}"
        if self.is_exact:
            return "equal"
        worst = f" (worst sample {self.worst_sqnr_db:.1f} dB)" if self.num_samples > 1 else ""
        top1 = self.top1_agreement
        classes = "" if top1 is None else f", top-1 the same in {format_ratio(top1)}"
        return f"SQNR {self.sqnr_db:.1f} dB{worst}{classes}"

    def to_record(self) -> dict[str, Any]:
        """Return JSON-ready data; numbers that are not finite become text."""
        return {
            "reference": self.reference,
            "outputs": [output.to_record() for output in self.outputs],
            "num_samples": self.num_samples,
            "worst_sample": self.worst_sample,
            "worst_sqnr_db": self.worst_sqnr_db if math.isfinite(self.worst_sqnr_db) else str(self.worst_sqnr_db),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Agreement:
        """Rebuild from :meth:`to_record`."""
        outputs = tuple(OutputMatch.from_record(output) for output in record["outputs"])
        return cls(**{**record, "outputs": outputs, "worst_sqnr_db": float(record["worst_sqnr_db"])})


def compare(
    reference: Sequence[Mapping[str, ArrayLike]], outputs: Sequence[Mapping[str, ArrayLike]], against: str
) -> Agreement:
    """Compare outputs by name, one mapping a sample, with those of a reference."""
    each = [compare_outputs([r], [v], floor=Floor.INTEGER).sqnr_db for r, v in zip(reference, outputs, strict=True)]
    worst = min(range(len(each)), key=each.__getitem__)
    return Agreement(
        reference=against,
        outputs=compare_outputs(reference, outputs, floor=Floor.INTEGER).outputs,
        num_samples=len(each),
        worst_sample=worst,
        worst_sqnr_db=each[worst],
    )
