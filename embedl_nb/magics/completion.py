"""Tab on a line with a magic: options, variables of the right kind, devices, run ids and model files.

One matcher, added to the shell's completer and taken away again. It looks at names and types only: no object is called,
no file is read but a folder's listing, and a completion that fails completes nothing.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from embedl_nb.magics.line import MAGICS

if TYPE_CHECKING:
    from IPython.core.completer import CompletionContext, SimpleMatcherResult
    from IPython.core.interactiveshell import InteractiveShell

    from embedl_nb.magics.candidates import Candidate

__all__ = ["add_completion", "complete", "remove_completion"]

# Behind its %, or without one at a line's beginning, where IPython knows a magic by its name alone.
_LINE = re.compile(rf"(?:(?:^|[=\s])%|^\s*)(?P<name>{'|'.join(MAGICS)})\s(?!\s*=)(?P<words>.*)$")
_WORD = re.compile(r"""(?:[^\s"']|"[^"]*(?:"|$)|'[^']*(?:'|$))+""")  # a quote that is not closed yet goes on
_IDENTIFIER = "embedl_nb.complete"

_log = logging.getLogger(__name__)


def add_completion(ip: InteractiveShell) -> None:
    """Add the matcher to the shell's completer, once."""
    if ip.Completer is None or list(_ours(ip)):
        return
    from IPython.core.completer import context_matcher

    @context_matcher(identifier=_IDENTIFIER, priority=100)  # type: ignore[untyped-decorator]
    def match(context: CompletionContext) -> SimpleMatcherResult:
        return complete(context, ip.user_ns)

    ip.Completer.custom_matchers.append(match)


def remove_completion(ip: InteractiveShell) -> None:
    """Take the matcher away again."""
    for matcher in list(_ours(ip)):
        ip.Completer.custom_matchers.remove(matcher)


def complete(context: CompletionContext, variables: dict[str, Any]) -> SimpleMatcherResult:
    """Complete the word before the cursor.

    Parameters
    ----------
    context
        The text and where the cursor is.
    variables
        Those of the user.

    Returns
    -------
    SimpleMatcherResult
        Nothing on lines without one of the magics.
    """
    found = _LINE.search(context.text_until_cursor)
    if found is None:
        return {"completions": []}
    try:
        from embedl_nb.magics.candidates import candidates

        before, word = _split(found["words"])
        replaced, offered = candidates(MAGICS[found["name"]], before, word, variables)
    except Exception:  # whatever a variable does when it is looked at, typing goes on
        _log.debug("no completion for %r", context.text_until_cursor, exc_info=True)
        return {"completions": []}
    return _result(replaced, offered)


def _split(text: str) -> tuple[list[str], str]:
    """Return the finished words and the one that the cursor is at the end of; a quoted one may hold blanks."""
    words = [each[0] for each in _WORD.finditer(text)]
    if not words or not text.endswith(words[-1]):
        return words, ""
    return words[:-1], words[-1]


def _result(replaced: str, offered: list[Candidate]) -> SimpleMatcherResult:
    from IPython.core.completer import SimpleCompletion

    return {
        "completions": [SimpleCompletion(text=each.text, type=each.type) for each in offered],
        "matched_fragment": replaced,
        "suppress": True,  # the others would offer every name and every file there is
        "ordered": True,
    }


def _ours(ip: InteractiveShell) -> Iterator[Any]:
    matchers = ip.Completer.custom_matchers if ip.Completer is not None else []
    return (each for each in matchers if getattr(each, "matcher_identifier", "") == _IDENTIFIER)
