"""Every command, with every option, is told of where users look."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import embedl_nb
from embedl_nb.commands import COMMANDS
from embedl_nb.commands.reference import reference
from embedl_nb.magics.line import MAGICS


@pytest.fixture
def page(project_root: Path) -> str:
    return (project_root / "docs" / "commands.md").read_text(encoding="utf-8")


def test_the_page_of_commands_is_up_to_date(page: str) -> None:
    assert page == reference(), "run: python -m embedl_nb.commands.reference > docs/commands.md"


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_is_on_the_page(command: str, page: str) -> None:
    assert f"## embedl-nb {command}" in page


def test_every_option_is_on_the_page(page: str) -> None:
    missing = [
        spelled
        for command in COMMANDS.values()
        for parameter in command.params
        for spelled in (*parameter.opts, *parameter.secondary_opts)
        if spelled.startswith("-") and spelled not in page
    ]
    assert missing == []


def test_the_page_is_linked_to(project_root: Path) -> None:
    assert "docs/commands.md" in (project_root / "README.md").read_text(encoding="utf-8")


def test_a_magic_is_called_as_its_command() -> None:
    assert list(MAGICS) == [f"embedl_{command}" for command in MAGICS.values()]


def test_every_setting_that_the_package_reads_is_on_the_page(page: str) -> None:
    files = Path(embedl_nb.__file__).parent.rglob("*.py")
    named = {name for file in files for name in re.findall(r"\bEMBEDL_NB_[A-Z_]+\b", file.read_text(encoding="utf-8"))}
    assert sorted(name for name in named if f"`{name}`" not in page) == []
