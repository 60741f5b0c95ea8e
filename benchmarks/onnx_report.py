"""What onnx_conformance.py has found, as a summary to print and as the page docs/onnx-conformance.md."""

from __future__ import annotations

import collections
import datetime
import importlib.metadata
import re
from collections.abc import Iterable, Mapping
from typing import Any

from embedl_nb.testing.onnx.cases import KINDS, NETWORK_KINDS
from embedl_nb.testing.onnx.comparing import ATOL, RTOL

__all__ = ["cause_of", "page", "summary"]

_PACKAGES = ("onnx", "torch", "litert-torch", "ai-edge-litert", "onnxruntime")
# The first that fits says why a case failed; the sentences are those of the package's own errors.
_CAUSES = (
    (r"no counterpart of ([\w.]+)", "{0} is not supported"),
    (
        r"must know it beforehand|has no inputs|decide which branch|decide how often",
        "all its inputs decide shapes or ways",
    ),
    (r"shape of its output depends on values", "the shape of an output depends on values"),
    (r"LiteRT has no implementation of (\w+)", "LiteRT does not run {0}"),
    (r"no buffer without elements", "LiteRT takes no tensors without elements"),
    (r"ConverterCrashedError|RuntimeCrashedError", "LiteRT's converter or runtime crashed"),
    (r"ParityError|largest error|values are wrong|NaN or infinity", "other values"),
    (r"\bshape \(|\bdtype \w+ instead|outputs instead of", "another shape, dtype or number of outputs"),
    (r"has no lowering|LiteRT's converter", "litert-torch does not lower it"),
    (r"does not run", "LiteRT refuses the compiled model"),
    (r"which \w+, its type in a LiteRT model, cannot hold", "values beyond 32 bits"),
    (r"UnsupportedOperatorError", "an operator, with these attributes or types, is not supported"),
)


def cause_of(failure: str) -> str:
    """Return the kind of a failure, in a few words."""
    for pattern, cause in _CAUSES:
        found = re.search(pattern, failure)
        if found:
            return cause.format(*found.groups())
    return "others"


def summary(outcomes: Iterable[Mapping[str, Any]]) -> str:
    """Return how many pass by kind, and the failures by cause."""
    lines = [f"{kind}: {passed} of {total} ({passed / total:.1%})" for kind, passed, total in _counts(outcomes)]
    causes = collections.Counter(cause_of(outcome["failure"]) for outcome in outcomes if outcome["failure"])
    return "\n".join([*lines, *(f"{number:5} {cause}" for cause, number in causes.most_common())])


def page(
    outcomes: list[Mapping[str, Any]],
    categories: Mapping[str, int],
    *,
    num_asked: Mapping[str, int],
    peers: Mapping[str, Iterable[Mapping[str, Any]]],
) -> str:
    """Return the page as Markdown.

    Parameters
    ----------
    outcomes
        Of the cases that were run.
    categories
        How many cases are not asked, by reason.
    num_asked
        How many cases can be asked, by kind.
    peers
        What became of the cases that other converters were asked.
    """
    versions = ", ".join(f"{package} {importlib.metadata.version(package)}" for package in _PACKAGES)
    frozen = sum(bool(outcome["frozen"]) and not outcome["failure"] for outcome in outcomes)
    today = datetime.datetime.now(datetime.UTC).date()
    return "\n".join(
        [
            "# ONNX conformance\n",
            "ONNX's own backend tests (in the `onnx` package), each compiled as a user does, run in LiteRT, and",
            f"compared with the outputs that the standard expects: floats within {RTOL:g} of the value or {ATOL:g} of",
            "the largest, integers and bools equal, expected float64 brought down to float32. Made by",
            f"`python benchmarks/onnx_conformance.py --write` on {today} with {versions}.",
            f"{_provenance(outcomes)}\n",
            "| tests | pass | asked | rate |\n| --- | --- | --- | --- |",
            *_rows(outcomes, num_asked),
            "",
            f"{frozen} of those that pass take inputs that decide shapes (the `shape` of Reshape, `axes`, `k`); a",
            "compiled model has fixed shapes, so these were given as constants.\n",
            *_peer_rows(peers),
            "## Not asked\n",
            "What an inference engine cannot be asked, by what the graph holds:\n",
            "| reason | cases |\n| --- | --- |",
            *(f"| {reason} | {number} |" for reason, number in sorted(categories.items())),
            "\n## Failures by cause\n",
            *_failures(outcomes),
        ]
    )


def _provenance(outcomes: list[Mapping[str, Any]]) -> str:
    counts = collections.Counter(outcome["commit"] for outcome in outcomes)
    return (
        "Cases by the commit they were last run at: "
        + ", ".join(f"{number} at {commit}" for commit, number in counts.most_common())
        + "."
    )


def _rows(outcomes: list[Mapping[str, Any]], num_asked: Mapping[str, int]) -> Iterable[str]:
    counts = {kind: (passed, total) for kind, passed, total in _counts(outcomes)}
    for kind, (passed, total) in counts.items():
        was_run = "" if total == num_asked[kind] else f" ({total} of them run, drawn at random)"
        yield f"| {kind} | {passed} | {num_asked[kind]}{was_run} | {passed / total:.1%} |"
    networks = [counts[kind] for kind in NETWORK_KINDS if kind in counts]
    if len(networks) == len(NETWORK_KINDS):
        passed, total = (sum(numbers) for numbers in zip(*networks, strict=True))
        yield f"| {', '.join(NETWORK_KINDS)} together | {passed} | {total} | {passed / total:.1%} |"


def _peer_rows(peers: Mapping[str, Iterable[Mapping[str, Any]]]) -> Iterable[str]:
    if not peers:
        return
    yield f"The cases of {', '.join(NETWORK_KINDS)} by other converters, run and compared in the same way"
    yield "(`benchmarks/onnx_peers.py`, which names their versions):\n"
    yield "| converter | pass | asked |\n| --- | --- | --- |"
    for name, found in peers.items():
        passed = [not outcome["failure"] for outcome in found]
        yield f"| {name} | {sum(passed)} | {len(passed)} |"
    yield ""


def _failures(outcomes: list[Mapping[str, Any]]) -> Iterable[str]:
    by_cause: dict[str, list[str]] = collections.defaultdict(list)
    for outcome in outcomes:
        if outcome["failure"]:
            by_cause[cause_of(outcome["failure"])].append(outcome["case"])
    for cause, cases in sorted(by_cause.items(), key=lambda item: (-len(item[1]), item[0])):
        yield f"**{cause}** ({len(cases)}): " + ", ".join(f"`{case}`" for case in sorted(cases)) + "\n"


def _counts(outcomes: Iterable[Mapping[str, Any]]) -> list[tuple[str, int, int]]:
    """Return kind, passed and total, in the order of the kinds."""
    total: collections.Counter[str] = collections.Counter()
    passed: collections.Counter[str] = collections.Counter()
    for outcome in outcomes:
        kind = outcome["case"].partition("/")[0]
        total[kind] += 1
        passed[kind] += not outcome["failure"]
    return [(kind, passed[kind], total[kind]) for kind in KINDS if total[kind]]
