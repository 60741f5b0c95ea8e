"""What each front end asks of a widget: one ES module and one style sheet that fetch nothing and touch nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("anywidget", reason="needs anywidget: pip install 'embedl-nb[notebook]'")

import embedl_nb
from embedl_nb import widgets
from embedl_nb.widgets.base import Widget

_STATIC = Path(embedl_nb.__file__).parent / "widgets" / "static"
_WIDGETS = [getattr(widgets, name) for name in widgets.__all__ if issubclass(getattr(widgets, name), Widget)]
_COMMENT = re.compile(r"/\*.*?\*/|(?<!:)//[^\n]*", re.DOTALL)

# Each with why it must not be in a script.
_FORBIDDEN = {
    r"(?<![.\w])import(\s+[\w*{\"']|\s*[({\"'])": "a script is handed over as text: nothing is beside it",
    r"https?:|wss?:|[\"'`]//\w": "nothing is fetched: there may be no network, or a proxy in between",
    r"\b(fetch|XMLHttpRequest|WebSocket|EventSource|importScripts|sendBeacon)\b": "nothing is fetched",
    r"\beval\(|new Function\b|\bsetTimeout\(\s*[\"'`]": "VS Code and careful servers forbid text that is run as code",
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write\b": "names are shown as text, never as markup",
    r"\b(window|globalThis|self)\.\w+\s*=(?!=)": "a global is shared with every other output and extension",
    r"\blocation\b|\bdocument\.cookie\b|\blocalStorage\b|\bsessionStorage\b": "the page belongs to the front end",
    r"\b(jupyterapp|jupyterlab|requirejs|require\(|define\(|google\.colab|acquireVsCodeApi)\b": "of one front end only",
    r"\.jp-|\.lm-|\.cm-|\.vscode-|#notebook": "the elements of one front end",
    r"\b(document|window|body|documentElement)\.addEventListener\b": "a listener on the page outlives the output",
    # But for what the notebook's server says of itself, where there is one.
    r"getElementById\((?!\"jupyter-config-data\")|\bdocument\.querySelector": "the other view has them as well",
}


@pytest.mark.parametrize("widget", _WIDGETS, ids=lambda widget: widget.__name__)
def test_a_script_is_one_module_that_keeps_to_its_own_output(widget: type[Widget]) -> None:
    script = _COMMENT.sub("", widget._esm)
    found = [f"{re.search(rule, script)[0]!r}: {why}" for rule, why in _FORBIDDEN.items() if re.search(rule, script)]
    assert found == []
    assert len(re.findall(r"^export\b", script, re.MULTILINE)) == 1
    assert re.search(r"^export default \{ render \};$", script, re.MULTILINE)


@pytest.mark.parametrize("widget", _WIDGETS, ids=lambda widget: widget.__name__)
def test_a_style_sheet_reaches_no_further_than_its_widgets_and_fetches_nothing(widget: type[Widget]) -> None:
    style = _COMMENT.sub("", widget._css)
    assert not re.search(r"@import|@font-face|url\(", style)
    selectors = [each.strip() for each in re.findall(r"([^{}]+)\{", style) if not each.strip().startswith("@")]
    assert [each for each in selectors if not all(".embedl-" in part for part in _parts(each))] == []


@pytest.mark.parametrize("path", sorted(_STATIC.iterdir()), ids=lambda path: path.name)
def test_a_colour_of_one_front_end_has_another_to_fall_back_on(path: Path) -> None:
    text = _COMMENT.sub("", path.read_text(encoding="utf-8"))
    assert re.findall(r"var\(\s*--(?:jp|vscode|colab)-[\w-]+\s*\)", text) == []


def _parts(selector: str) -> list[str]:
    """Split a list of selectors at the commas that are not inside of brackets."""
    return re.split(r",(?![^()]*\))", selector)
