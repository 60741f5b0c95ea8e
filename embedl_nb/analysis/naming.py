"""What results are called where they stand side by side: by no more than tells them apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from embedl_nb.measure.benchmark import Benchmark

__all__ = ["distinct_names"]

_PARTS: tuple[Callable[[Benchmark], str], ...] = (
    lambda result: result.precision,
    lambda result: f"on {result.device.name}",
    lambda result: f"({result.device.address})",
    lambda result: result.placement.got,
    lambda result: f"with {result.environment.num_threads} threads" if result.environment.num_threads else "",
    lambda result: result.run_id or "",
)


def distinct_names(results: Sequence[Benchmark]) -> tuple[str, ...]:
    """Return the models' names; where those are equal, with the first thing besides that differs, else numbered."""
    names = [result.model_name for result in results]
    for part in _PARTS:
        if len(set(names)) == len(names):
            return tuple(names)
        words = [part(result) for result in results]
        # Only names that are taken twice grow, and only by what tells them apart.
        grown = [
            name if names.count(name) == 1 else f"{name} {word}".rstrip()
            for name, word in zip(names, words, strict=True)
        ]
        if len(set(grown)) > len(set(names)):
            names = grown
    if len(set(names)) == len(names):
        return tuple(names)
    return tuple(f"{name} #{place + 1}" for place, name in enumerate(names))
