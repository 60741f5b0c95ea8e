"""What a phone printed, line by line, without the heads that loggers put before it.

The text is hostile and of any size: it is bounded here, once, for every parser of this folder. Lines of others
(drivers, the shell, a person) may stand anywhere; nothing here judges them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from embedl_nb.errors import UnparsableOutputError

__all__ = ["MAX_NUM_LINES", "MAX_OUTPUT_CHARS", "TOOL", "Line", "read_lines", "unparsable"]

TOOL = "benchmark_model"
MAX_OUTPUT_CHARS = 16 * 2**20
MAX_NUM_LINES = 250_000
_MAX_LINE_CHARS = 2**16
_EXCERPT_LINES = 5
_EXCERPT_CHARS = 300

# "09-28 06:21:39.135 19410 19410 I tflite  : ", with or without its time and process; other programs' tags stay.
_LOGCAT = re.compile(
    r"(?:\d\d-\d\d \d\d:\d\d:\d\d\.\d{1,9} {1,9}(?:\d{1,9} {1,9}\d{1,9} )?[VDIWEF] )?(?:tflite|litert|native) {0,20}: "
)
# "I0000 00:00:1776763095.992481   21214 delegate_kernel.cc:285] "
_ABSEIL = re.compile(r"[IWEF]\d{4} \d\d:\d\d:\d{1,12}\.\d{1,9} {1,9}\d{1,9} (?P<source>[^\]\s]{1,300}:\d{1,6})\] ")
_LEVEL = re.compile(r"(?P<level>INFO|WARN|WARNING|ERROR|VERBOSE|FATAL): ")
_SOURCE = re.compile(r"\[(?P<source>[^\]\s]{1,300}:\d{1,6})\](?: |$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line that is not blank.

    Attributes
    ----------
    number
        Position in the text, from 1.
    raw
        As printed, without the line's end.
    text
        Without logger's heads and the blanks around it.
    source
        ``"benchmark_litert_model.h:89"`` where the runtime's logger named it, else empty.
    is_whole
        False for a last line without its end: the phone may have gone in the middle of a number.
    """

    number: int
    raw: str
    text: str
    source: str
    is_whole: bool = True


def read_lines(text: str) -> Iterator[Line]:
    r"""Yield the lines that are not blank; those longer than 64 KiB are cut.

    Only ``\n`` ends a line, so that no separator within a hostile name makes two of one.

    Raises
    ------
    UnparsableOutputError
        If the text is longer than :data:`MAX_OUTPUT_CHARS` or has more than :data:`MAX_NUM_LINES` lines.
    """
    num_ends = text.count("\n")
    if len(text) > MAX_OUTPUT_CHARS or num_ends >= MAX_NUM_LINES:
        raise unparsable(f"printed too much to be read: {len(text):,} characters in {num_ends:,} lines", text)
    for number, raw in enumerate(text.split("\n"), start=1):
        if raw and not raw.isspace():
            yield _line(number, raw[:_MAX_LINE_CHARS], is_whole=number <= num_ends)


def unparsable(what: str, text: str, *, line: Line | None = None) -> UnparsableOutputError:
    """Build the error for output that no format explains.

    Parameters
    ----------
    what
        The rest of the sentence that begins with the tool's name.
    text
        All that was printed.
    line
        Where it stands; the excerpt is its surroundings. None: the end of the text.
    """
    if line is None:
        picked = text[-_EXCERPT_LINES * _EXCERPT_CHARS :].rstrip().split("\n")[-_EXCERPT_LINES:]
    else:
        picked = text.split("\n")[max(0, line.number - _EXCERPT_LINES) : line.number]
        what = f"{what} (line {line.number})"
    return UnparsableOutputError(
        f"{TOOL} {what}",
        tool=TOOL,
        excerpt="\n".join(part.rstrip("\r")[:_EXCERPT_CHARS] for part in picked),
        hint="use a benchmark_model of a LiteRT version that is known here, e.g. 2.2.0, or report this output",
    )


def _line(number: int, raw: str, *, is_whole: bool) -> Line:
    position, source = 0, ""
    for head in (_LOGCAT, _ABSEIL, _LEVEL, _SOURCE):
        if found := head.match(raw, position):
            position = found.end()
            source = found.groupdict().get("source") or source
    text = raw[position:].removeprefix("└ ").strip()
    return Line(number=number, raw=raw, text=text, source=source, is_whole=is_whole)
