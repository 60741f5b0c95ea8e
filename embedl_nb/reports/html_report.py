"""Results -> one offline HTML file, written whole or not at all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from embedl_nb import __version__
from embedl_nb.display import Displayable, ResultSet
from embedl_nb.errors import InputError
from embedl_nb.model.writer import write_file
from embedl_nb.reports.page import page
from embedl_nb.reports.sections import section

__all__ = ["write_report"]

_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f]")


def write_report(results: Displayable | Sequence[Displayable], path: str | Path) -> Path:
    """Write results into one HTML file that opens from disk, without a network or a kernel.

    Parameters
    ----------
    results
        One result or several, in the order they are to be read. The members of a ResultSet follow it.
    path
        The file; an existing one is replaced, its folder is made.

    Returns
    -------
    Path
        The file, absolute. About 5 MB, because plotly.js is in it once.

    Raises
    ------
    InputError
        If there are no results, one of them is none, or the path is a folder or in one that cannot be made.
    EmbedlError
        If the file cannot be written; an older one is then still there.
    """
    shown = _checked(results)
    target = Path(path).expanduser().absolute()
    sections = [section(result, number=number) for number, result in enumerate(shown, start=1)]
    title = "Report: " + ", ".join(dict.fromkeys(each.title.split(" | ")[0] for each in sections))
    written = f"Written {datetime.now(UTC):%Y-%m-%d %H:%M} UTC by embedl_nb {__version__}"
    plotly_js = _plotly_js() if any(each.figures for each in sections) else ""
    text = page(sections, title=title, written=written, plotly_js=plotly_js)
    _make_folder(target)
    return write_file(target, text.encode())


def _checked(results: Displayable | Sequence[Displayable]) -> list[Displayable]:
    given = [results] if isinstance(results, Displayable) or not _is_several(results) else list(results)
    shown = [each for result in given for each in (result, *(result if isinstance(result, ResultSet) else ()))]
    if not shown:
        raise InputError("a report needs at least one result", hint="pass enb.benchmark(model), or a list of results")
    for result in shown:
        if not isinstance(result, Displayable):
            raise InputError(
                f"a report shows results, not {type(result).__name__}",
                hint="pass what enb.compile or enb.benchmark returned",
            )
    return shown


def _is_several(results: object) -> bool:
    return isinstance(results, Iterable) and not isinstance(results, str)


def _plotly_js() -> str:
    from plotly.offline import get_plotlyjs

    # Its strings hold control characters as they are, which are errors in HTML; escaped, they are the same strings.
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", str(get_plotlyjs()))


def _make_folder(target: Path) -> None:
    if target.is_dir():
        raise InputError(f"{target} is a folder", hint=f"write to {target / 'report.html'}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as err:
        raise InputError(
            f"the folder {target.parent} cannot be made: {err.strerror or err}",
            hint="choose a path that can be written to",
        ) from err
