"""The sentence of a comparison: who is how many times as fast, or what would tell, and in what they are unlike."""

from __future__ import annotations

from collections.abc import Sequence

from embedl_nb.analysis.noise import More, Verdict
from embedl_nb.analysis.unlike import Unlike
from embedl_nb.units import counted

__all__ = ["sentence_of", "times"]

_CLOSE = 1.5


def sentence_of(
    verdict: Verdict, first: str, second: str, unlike: Sequence[Unlike], *, can_take_turns: bool = True
) -> str:
    """Say it.

    Parameters
    ----------
    can_take_turns
        Whether both could be measured in turns: two models on one device can, two devices cannot.
    """
    more = "" if verdict.more is None else f": {_more(verdict.more, can_take_turns=can_take_turns)}"
    said = _said(verdict, first, second, more)
    apart = ", ".join(dict.fromkeys(each.kind for each in unlike if not each.is_decisive))
    return f"{said}; they are unlike in more than that: {apart}" if apart else said


def times(low: float, high: float, ratio: float) -> tuple[str, str, str]:
    """Write a ratio and its interval with as many digits as the interval has to say."""
    near_one = ratio < _CLOSE
    digits = 1 if ratio >= 10 or (high - low >= 0.1 and not near_one) else 2 if high - low >= 0.01 else 3
    return f"{ratio:.{digits}f}", f"{low:.{digits}f}", f"{high:.{digits}f}"


def _said(verdict: Verdict, first: str, second: str, more: str) -> str:
    if verdict.ratio is None:
        return f"{second} and {first} are not compared: {verdict.reason}"
    if verdict.ci95 is None:
        return f"cannot tell: {verdict.reason}{more}"
    # The faster one is named first: "0.5 times as fast" is read wrongly half of the time.
    ratio, (low, high), faster, slower = verdict.ratio, verdict.ci95, second, first
    if ratio < 1:
        ratio, low, high, faster, slower = 1 / ratio, 1 / high, 1 / low, first, second
    as_fast, least, most = times(low, high, ratio)
    interval = f"{as_fast} times as fast, 95 % interval {least}-{most}"
    if verdict.is_different is None:
        return f"cannot tell yet{more} ({faster} against {slower}: {interval})"
    if not verdict.is_different:
        margin = f"{verdict.margin * 100:g} %"
        return (
            f"no difference larger than {margin} between {second} and {first} ({faster} against {slower}: {interval})"
        )
    return f"{faster} is {as_fast} times as fast as {slower} (95 % interval {least}-{most})"


def _more(more: More, *, can_take_turns: bool) -> str:
    if more.what == "turns":
        return "more processes would not" + (", only a measurement in turns" if can_take_turns else "")
    if not more.count:
        return "even 100 processes of each would not"
    if more.what == "iterations":
        return f"about {counted(more.count, 'more iteration')} in each process would"
    return f"about {counted(more.count, 'more process', 'more processes')} of each would"
