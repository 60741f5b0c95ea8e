"""What axe-core finds wrong with a page, or a part of it."""

from __future__ import annotations

from typing import Any


def serious_violations(page: Any, selector: str) -> list[str]:
    """Return what axe-core calls serious or critical in the elements that ``selector`` means, one line each."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, context=selector).response["violations"]
    return [
        f"{each['id']}: {each['help']}: {[node['html'][:200] for node in each['nodes'][:3]]}"
        for each in found
        if each["impact"] in ("serious", "critical")
    ]
