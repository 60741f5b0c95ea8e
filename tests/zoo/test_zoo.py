"""Every architecture of the zoo compiles, runs, and is equal to its source; the page about them is the zoo's."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("litert_torch")
pytest.importorskip("transformers")

from zoo_families import ZOO  # noqa: E402

import embedl_nb as enb  # noqa: E402

pytestmark = [pytest.mark.torch, pytest.mark.litert, pytest.mark.filterwarnings("ignore")]

QUICK = [name for name, entry in ZOO.items() if entry.is_quick]
OTHERS = [name for name, entry in ZOO.items() if not entry.is_quick]


def _is_equal_to_its_source(name: str) -> bool:
    model = enb.compile(*ZOO[name].make(), name=name)
    return model.parity is not None and model.parity.passed


@pytest.mark.parametrize("name", QUICK)
def test_a_small_architecture_is_equal_to_its_source(name: str) -> None:
    assert _is_equal_to_its_source(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_an_architecture_is_equal_to_its_source(name: str) -> None:
    assert _is_equal_to_its_source(name)


def test_the_page_about_the_zoo_has_its_names_and_kinds(project_root: Path) -> None:
    page = (project_root / "docs" / "zoo.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")][2:]
    assert {row[0]: row[1] for row in rows} == {name: entry.kind for name, entry in ZOO.items()}
    assert f"Small versions of {len(ZOO)} architectures" in page
