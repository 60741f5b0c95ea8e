"""Paths of source models that no file can have, or that lead to something else than a file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from embedl_nb.compiler.sources.source_path import source_path
from embedl_nb.errors import InputError


@pytest.mark.parametrize("given", ["a\0.onnx", "a" * 5000 + ".keras", "~nobody-of-this-name/net.pt2", "\ud800.onnx"])
def test_a_path_that_no_file_can_have_is_refused_and_not_an_error_of_the_system(given: str) -> None:
    with pytest.raises(InputError) as caught:
        source_path(given)
    assert caught.value.hint
    assert len(str(caught.value)) < 500


def test_a_link_to_itself_is_refused(tmp_path: Path) -> None:
    loop = tmp_path / "net.onnx"
    loop.symlink_to(loop)
    with pytest.raises(InputError, match="is the path of no file"):
        source_path(loop)


def test_a_pipe_that_nobody_writes_to_is_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "net.onnx"
    os.mkfifo(pipe)
    with pytest.raises(InputError, match="neither a file nor a folder"):
        source_path(pipe)


def test_a_device_that_never_ends_is_not_read() -> None:
    with pytest.raises(InputError, match="neither a file nor a folder"):
        source_path("/dev/zero")


def test_a_file_a_folder_and_a_file_that_is_missing_are_left_to_their_readers(tmp_path: Path) -> None:
    assert source_path(str(tmp_path)) == tmp_path
    assert source_path(tmp_path / "missing.onnx") == tmp_path / "missing.onnx"
