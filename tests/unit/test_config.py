"""Where the files go."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from embedl_nb import config
from embedl_nb.errors import InputError


def test_a_relative_home_stays_where_it_was_when_the_working_directory_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMBEDL_NB_HOME", "here")
    assert config.data_dir() == tmp_path / "here" / "data"


def test_a_cache_that_was_removed_meanwhile_is_made_again(empty_home: Path) -> None:
    shutil.rmtree(config.log_dir().parent)
    assert config.log_dir().is_dir()


def test_the_limit_of_the_cache_is_read_with_its_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDL_NB_CACHE_LIMIT", "2 GiB")
    assert config.cache_limit_bytes() == 2 * 2**30


def test_a_limit_that_is_no_size_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDL_NB_CACHE_LIMIT", "plenty")
    with pytest.raises(InputError, match="plenty"):
        config.cache_limit_bytes()
