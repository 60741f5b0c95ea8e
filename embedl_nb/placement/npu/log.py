"""What the log of LiteRT's plugins says: who was refused and why, who made the compile fail. Text in, data out.

LiteRT and its plugins write on the standard error, Qualcomm's libraries on the standard output; the two are told apart
by the file they were written to and joined by the names of Qualcomm's own operators. The other vendors' plugins say
little of what they leave. All text patterns on logs live here, each with a sample that was recorded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from embedl_nb.model.schema import operator_name
from embedl_nb.placement.answers import Reason

__all__ = ["REASON_PATTERNS", "CompilerLog", "Culprit", "ReasonPattern", "Refusal", "loading_failure", "parse_log"]

_SOURCE = "ai-edge-litert 2.3.0, QAIRT 2.51"
_KEPT = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonPattern:
    """One sentence of Qualcomm's validator, and the class of reason it stands for.

    Attributes
    ----------
    sample
        A line as it was seen.
    cause
        What holds for the whole chip where it is said once; ``""`` where it is about one operator.
    """

    pattern: re.Pattern[str]
    reason: Reason
    sample: str
    cause: str = ""
    source: str = _SOURCE


REASON_PATTERNS = (
    ReasonPattern(
        pattern=re.compile(r"SocModel doesn't support FP16"),
        reason=Reason.NO_FLOAT16,
        sample="The SocModel doesn't support FP16",
        cause="this chip's NPU has no float16, in which Qualcomm's compiler computes float operators: quantize to int8",
    ),
    ReasonPattern(
        pattern=re.compile(r"Unsupported input/output datatypes"),
        reason=Reason.DTYPE,
        sample="Unsupported input/output datatypes requested for the HTP Op 'ElementWiseUnary' in the node "
        "'ElementWiseUnary_0'. There is a mismatch for the combination of inputs and output",
    ),
    ReasonPattern(
        pattern=re.compile(r"Unsupported data type"),
        reason=Reason.DTYPE,
        sample="Unsupported data type for OneHot on/off values.",
    ),
    ReasonPattern(
        pattern=re.compile(r"incorrect Rank"), reason=Reason.RANK, sample="[4294967295] has incorrect Rank 7."
    ),
)

# Of a record of LiteRT: "ERROR: [qnn_manager.cc:480] " and the lines up to the next record.
_RECORD = re.compile(r"^(?:INFO|WARNING|ERROR): \[[\w.:]+\] ?", re.MULTILINE)
_REFUSED = re.compile(r"^LiteRT Op #(?P<index>\d+) '(?P<operator>[^']*)' \(code=\d+\) is not supported in .*$", re.M)
_OUTPUTS = re.compile(r"^  Outputs:\n(?P<lines>(?:    \[.*\n?)*)", re.MULTILINE)
_TENSOR = re.compile(r'^    \[\d+\] name="(?P<name>.*)"  tensor_idx=-?\d+', re.MULTILINE)
_INVALID = re.compile(r"^QNN op validation failed: '(?P<name>[^']+)'", re.MULTILINE)
# What turns an operator of LiteRT into Qualcomm's may give it up before it has a number.
_UNNUMBERED = re.compile(r"^ERROR: \[Qnn\] (?P<words>.*)$", re.MULTILINE)
_CUSTOM = re.compile(r"No custom package registered for custom op.*")
_COMPOSITE = re.compile(r"unsupported composite op: .*")  # Google
_CODE = re.compile(r"Unsupported op: (?P<code>\d+)")  # MediaTek, Samsung
_READY = re.compile(r"Applying plugin with (?:SDK version: (?:v|np)?(?P<version>\S+)|unknown SDK version)")
_SOC = re.compile(
    r"(?:Using provided SoC info\. SoC name: "  # Qualcomm
    r"|Compiling for MediaTek architecture: "
    r"|Starting GoogleTensor Compilation for .*, soc_model=)(?P<name>\w+)"
)
_UNKNOWN_SOC = re.compile(
    r"Unexpected SoC model: .*"  # Qualcomm
    r"|Unsupported SoC model: .*"  # MediaTek
    r"|Invalid soc model for device type: .*"  # Google
    r"|Unsupported soc model .*"  # Samsung
)
_UNLOADABLE = re.compile(
    r"Could not load shared library .*"  # LiteRT, of a plugin
    r"|Failed to load NeuronAdapter shared library"  # MediaTek
    r"|Failed to load Tensor TPU compiler (?:library|API): .*"  # Google
    r"|\[ai_litecore_manager\.cc:\d+\] Failed to load.*"  # Samsung
)
# The one line in which a vendor's own compiler says why it failed as a whole.
_FAILED = re.compile(
    r"Failed to compile model: .*"  # Google
    r"|NeuronCompilation_finish failed with error .*"  # MediaTek
    r"|Fail to compile graph with Samsung backend"
)
_PARTITION = re.compile(r"Entry point name: qnn_partition_(?P<index>\d+)")
_NOTHING_SELECTED = re.compile(r"Skipped for non partitioned model")
# Of a message of Qualcomm's libraries: "     0.0ms [ ERROR ]   <E> ..." and the lines up to the next one.
_MESSAGE = re.compile(r"^\s*\d+\.\d+ms \[\s*\w+\s*\]\s*(?:<\w>\s*)?", re.MULTILINE)
_NOT_VALID = re.compile(r"Failed to validate op (?P<name>\S+) with error")
_VALIDATED = re.compile(r"QnnBackend_validateOpConfig failed")
_NOT_MADE = re.compile(r"ERROR:could not create op")
_CULPRIT = re.compile(r'^"(?P<name>.*)_LiteRt_OpId_(?P<position>\d+)" generated: .*', re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An operator that the compiler did not take.

    Attributes
    ----------
    index
        As the compiler counts, after it has put the bodies of composites in their place.
    outputs
        Names of the tensors that it makes.
    cause
        See :class:`ReasonPattern`.
    """

    index: int
    outputs: tuple[str, ...]
    reason: Reason
    evidence: str
    cause: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Culprit:
    """An operator that made the whole compile fail, by its partition and its position in it."""

    partition: int
    position: int
    evidence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CompilerLog:
    """What one run of the compiler has said.

    Attributes
    ----------
    is_ready
        Whether the plugin and the vendor's libraries were loaded.
    sdk_version
        Of the vendor's libraries; ``""`` where the plugin does not say.
    soc
        The chip that it compiles for; ``""`` where it does not say or did not come to that.
    unknown_soc, unloadable, failed
        The line in which it says that it does not know the chip, cannot load a library, or why the compile as a whole
        failed; ``""`` without.
    refused_types
        Kinds of operators that made the compile fail as a whole, each with the line.
    unnumbered
        What it said of operators that it does not name, in their order: a reason and the words.
    custom, composite
        The line that it has for custom operators, or for the only composite that it refuses, without naming them.
    selected_nothing
        Whether it ended without a result because it takes none of the operators.
    """

    is_ready: bool
    sdk_version: str
    soc: str
    unknown_soc: str
    unloadable: str
    failed: str
    refusals: tuple[Refusal, ...]
    refused_types: dict[str, str]
    unnumbered: tuple[tuple[Reason, str], ...]
    custom: str
    composite: str
    culprit: Culprit | None
    selected_nothing: bool


def loading_failure(litert: str) -> str:
    """Return why a library could not be loaded, as a run's standard error says it; ``""`` where it does not."""
    line = _line(_UNLOADABLE, litert).removeprefix("Could not load shared library ").removesuffix(".")
    return re.sub(r"^(?:\S*/\S+: )+", "", line)  # the library's own path, twice


def parse_log(litert: str, vendor: str) -> CompilerLog:
    """Read a run's log.

    Parameters
    ----------
    litert
        Its standard error.
    vendor
        Its standard output.
    """
    ready, soc = _READY.search(litert), _SOC.search(litert)
    unloadable = _line(_UNLOADABLE, litert)
    composites = set(_COMPOSITE.findall(litert))
    return CompilerLog(
        is_ready=ready is not None and not unloadable,
        sdk_version=(ready["version"] or "") if ready else "",
        soc=soc["name"] if soc else "",
        unknown_soc=_line(_UNKNOWN_SOC, litert),
        unloadable=unloadable,
        failed=_line(_FAILED, litert),
        refusals=tuple(_refusals(litert, _validators_words(vendor))),
        refused_types={operator_name(int(match["code"])): match[0] for match in _CODE.finditer(litert)},
        unnumbered=tuple(_unnumbered(litert)),
        custom=_line(_CUSTOM, litert),
        composite=composites.pop() if len(composites) == 1 else "",
        culprit=_culprit(litert, vendor),
        selected_nothing=bool(_NOTHING_SELECTED.search(litert)),
    )


def _line(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    return match[0].strip() if match else ""


def _unnumbered(litert: str) -> Iterator[tuple[Reason, str]]:
    for match in _UNNUMBERED.finditer(litert):
        known = _known((match["words"],))
        yield known.reason if known else Reason.FORM, _one_line(match["words"])


def _known(words: tuple[str, ...]) -> ReasonPattern | None:
    return next((entry for entry in REASON_PATTERNS for word in words if entry.pattern.search(word)), None)


def _refusals(litert: str, said: dict[str, tuple[str, ...]]) -> Iterator[Refusal]:
    """Yield each operator that was refused, with what the validator said of Qualcomm's operators it was made into."""
    invalid: dict[str, str] = {}
    for record in _pieces(_RECORD, litert):
        if match := _INVALID.search(record):
            invalid[match["name"]] = record
        if match := _REFUSED.search(record):
            words = tuple(dict.fromkeys(word for name in invalid for word in said.get(name, ())))
            yield _refusal(match, record, words or tuple(invalid.values()), was_validated=bool(invalid))
            invalid.clear()


def _refusal(match: re.Match[str], record: str, words: tuple[str, ...], *, was_validated: bool) -> Refusal:
    known = _known(words)
    # What the validator was asked about exists in Qualcomm's set, but not in this form.
    otherwise = Reason.FORM if was_validated else Reason.UNSUPPORTED_OPERATOR
    outputs = _OUTPUTS.search(record)
    return Refusal(
        index=int(match["index"]),
        outputs=tuple(m["name"] for m in _TENSOR.finditer(outputs["lines"])) if outputs else (),
        reason=known.reason if known else otherwise,
        evidence=_one_line(match[0], *words),
        cause=known.cause if known else "",
    )


def _validators_words(qualcomm: str) -> dict[str, tuple[str, ...]]:
    """Return what was said of each of Qualcomm's operators that is not valid, by its name."""
    said: dict[str, tuple[str, ...]] = {}
    pending: list[str] = []
    for message in _pieces(_MESSAGE, qualcomm):
        if match := _NOT_VALID.search(message):
            said[match["name"]] = tuple(dict.fromkeys(pending))
            pending.clear()
        elif not _VALIDATED.search(message):
            pending.append(message.strip())
    return said


def _culprit(litert: str, qualcomm: str) -> Culprit | None:
    """Return the operator that could not be made; before it the compiler names those that it was to be joined with."""
    partitions = _PARTITION.findall(litert)
    messages = [message.strip() for message in _pieces(_MESSAGE, qualcomm)]
    named = [match for match in map(_CULPRIT.search, messages) if match]
    if not named or not partitions:
        return None
    kernels = [message for message in messages if _NOT_MADE.search(message)]
    return Culprit(
        partition=int(partitions[-1]),
        position=int(named[-1]["position"]),
        evidence=_one_line(*kernels[:1], named[-1][0]),
    )


def _pieces(start: re.Pattern[str], text: str) -> Iterator[str]:
    """Yield what follows each match of ``start``, up to the next one."""
    matches = list(start.finditer(text))
    ends = [match.start() for match in matches[1:]] + [len(text)]
    for match, end in zip(matches, ends, strict=False):  # without a match there is one end too many
        yield text[match.end() : end]


def _one_line(*parts: str) -> str:
    """Return words of several lines in one, cut where they are long."""
    text = " | ".join(" ".join(part.split()) for part in parts if part.strip())
    return text if len(text) <= _KEPT else f"{text[: _KEPT - 4]} ..."
