"""Where the files go."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from embedl_nb import config
from embedl_nb.errors import EmbedlWarning, InputError


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


@pytest.fixture
def locked_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set a home that cannot be, and a temporary folder to stand in; return the latter."""
    (tmp_path / "home").write_text("a file where the folder should be")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("EMBEDL_NB_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path / "temporary"


def _folder_of_a_new_process() -> Path:
    config._writable.cache_clear()
    with pytest.warns(EmbedlWarning, match="cannot be written"):
        return config.data_dir()


def test_folders_that_stand_in_for_an_unwritable_home_do_not_pile_up(locked_home: Path) -> None:
    first = _folder_of_a_new_process()
    assert _folder_of_a_new_process() == first
    assert list(locked_home.iterdir()) == [first]
    assert sys.platform == "win32" or first.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(sys.platform == "win32", reason="a temporary folder is private there")
@pytest.mark.parametrize("kind", ["open to others", "a link"])
def test_a_folder_that_is_not_ours_alone_does_not_stand_in(kind: str, locked_home: Path) -> None:
    theirs = _folder_of_a_new_process()
    theirs.rmdir()
    if kind == "a link":
        theirs.symlink_to(locked_home.parent)
    else:
        theirs.mkdir(mode=0o755)
    ours = _folder_of_a_new_process()
    assert ours != theirs
    assert ours.parent == locked_home
