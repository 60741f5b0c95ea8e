"""What makes two results unlike besides the one thing that they are compared for.

Things that stand side by side differ in one respect, which is what the comparison is about; every other difference is
said. Numbers of different provenance are not compared at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from embedl_nb.measure.benchmark import Benchmark, FlagKind

__all__ = ["Unlike", "find_unlike", "what_is_compared"]

_LONGEST_VERSION = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlike:
    """One respect in which the results differ.

    Attributes
    ----------
    kind
        A word or two: ``"inputs"``, ``"threads"``, ``"throttled"``.
    sentence
        With both values.
    is_decisive
        Whether the numbers are then not compared.
    """

    kind: str
    sentence: str
    is_decisive: bool = False


def what_is_compared(first: Benchmark, second: Benchmark) -> str:
    """Return the respect that the comparison is about: the first that differs of model, device, unit and so on."""
    return next((kind for kind, value in _ASKED_FOR.items() if value(first) != value(second)), "repeat")


def find_unlike(first: Benchmark, second: Benchmark, *, names: tuple[str, str]) -> tuple[Unlike, ...]:
    """Return every other respect in which they differ, what forbids a comparison first."""
    subject = what_is_compared(first, second)
    found = [
        Unlike(kind=kind, sentence=_both(kind, names, value(first), value(second)), is_decisive=kind == "provenance")
        for kind, value in (_NEVER_ASKED_FOR | _ASKED_FOR | _CIRCUMSTANCES).items()
        if kind != subject and value(first) != value(second)
    ]
    return (*found, *_unlike_flags(first, second, names))


def _unlike_flags(first: Benchmark, second: Benchmark, names: tuple[str, str]) -> list[Unlike]:
    """Return the doubts that only one of them has."""
    kinds = [{flag.kind for flag in result.flags} - {FlagKind.LAYERS_INCOMPLETE} for result in (first, second)]
    return [
        Unlike(kind=str(kind), sentence=f"{name} only: {sentence}")
        for name, result, other in zip(names, (first, second), (kinds[1], kinds[0]), strict=True)
        for kind, sentence in ((flag.kind, flag.sentence) for flag in result.flags)
        if kind not in other and kind is not FlagKind.LAYERS_INCOMPLETE
    ]


def _both(kind: str, names: tuple[str, str], first: str, second: str) -> str:
    return f"{kind}: {first} of {names[0]}, {second} of {names[1]}"


def _statistic(result: Benchmark) -> str:
    return "median of the iterations" if result.latency.samples_ms else "median of the processes' summaries"


def _device(result: Benchmark) -> str:
    device = result.device
    return (
        f"{device.name} ({', '.join(part for part in (device.address, device.soc or device.cpu, device.os) if part)})"
    )


def _model(result: Benchmark) -> str:
    return f"{result.model_name} {result.precision} {result.model_sha256[:8]}"


def _versions(result: Benchmark) -> str:
    """Return what ran the model: packages of this machine did so on this machine only."""
    left_out = {"python", "numpy", "embedl_nb"} | (set() if result.device.is_this_machine else {"ai-edge-litert"})
    said = sorted(item for item in result.environment.versions.items() if item[0] not in left_out)
    return ", ".join(f"{name} {version[:_LONGEST_VERSION]}" for name, version in said) or "unknown versions"


def _options(result: Benchmark) -> str:
    options = result.options.runtime_options
    return ", ".join(f"{name}={value}" for name, value in sorted(options.items())) or "none"


def _limit(result: Benchmark) -> str:
    environment = result.environment
    limit = "" if environment.cpu_limit is None else f", limited to {environment.cpu_limit:g}"
    return f"{environment.num_usable_cores} cores{limit}"


_ASKED_FOR: dict[str, Callable[[Benchmark], str]] = {
    "model": _model,
    "device": _device,
    "compute unit": lambda result: result.placement.got,
    "runtime versions": _versions,
    "runtime options": _options,
    "threads": lambda result: str(result.environment.num_threads or "the runtime's choice"),
}
"""What people compare, in the order in which it is taken for their question."""

_NEVER_ASKED_FOR: dict[str, Callable[[Benchmark], str]] = {
    "provenance": lambda result: str(result.provenance),
}

_CIRCUMSTANCES: dict[str, Callable[[Benchmark], str]] = {
    "statistic": _statistic,
    "inputs": lambda result: str(result.input_source),
    "cores": _limit,
    "governor": lambda result: result.environment.governor or "unknown",
}
"""What nobody compares and everybody trips over."""
