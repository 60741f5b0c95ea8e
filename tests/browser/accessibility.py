"""What axe-core finds wrong with a page, or a part of it, and where the keyboard alone gets to."""

from __future__ import annotations

from typing import Any

import pytest

_MOST_PRESSES = 100


def serious_violations(page: Any, selector: str) -> list[str]:
    """Return what axe-core calls serious or critical in the elements that ``selector`` means, one line each."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, context=selector).response["violations"]
    return [
        f"{each['id']}: {each['help']}: {[node['html'][:200] for node in each['nodes'][:3]]}"
        for each in found
        if each["impact"] in ("serious", "critical")
    ]


def press_until(page: Any, key: str, focused: str, wanted: str) -> None:
    """Press ``key`` until a property of the element that has the focus, such as its ``ariaLabel``, is ``wanted``."""
    for _ in range(_MOST_PRESSES):
        if page.evaluate("name => document.activeElement[name]", focused) == wanted:
            return
        page.keyboard.press(key)
    pytest.fail(f"{_MOST_PRESSES} times {key} do not get to what has the {focused} {wanted!r}")
