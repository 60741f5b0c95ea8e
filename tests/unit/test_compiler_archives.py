"""Archives that would land elsewhere or unpack to far more than they are stay closed."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import pytest

from embedl_nb.compiler.sources.archives import opened_archive, read_text
from embedl_nb.compiler.sources.pt2_check import refuse_untrusted
from embedl_nb.errors import InputError

MIB = 2**20


def _open(path: Path) -> list[str]:
    with opened_archive(path, kind="archive", hint="save it again") as archive:
        return archive.namelist()


def _written(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def test_an_archive_of_plain_members_is_opened(tmp_path: Path) -> None:
    assert _open(_written(tmp_path / "a.zip", ("config.json", b"{}"), ("assets/words.txt", b"x"))) == [
        "config.json",
        "assets/words.txt",
    ]


@pytest.mark.parametrize("name", ["../up", "a/../../up", "/etc/passwd", "C:/up", "a\\..\\up"])
def test_a_member_that_leads_out_of_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="outside of its folder"):
        _open(_written(tmp_path / "a.zip", (name, b"x")))


def test_a_link_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("model.weights.h5")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(InputError, match="outside of its folder"):
        _open(_written(tmp_path / "a.zip", (link, b"/etc/passwd")))


def test_a_member_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = _written(tmp_path / "a.zip", ("config.json", b"{}"), ("config.json", b"[]"))
    with pytest.raises(InputError, match="twice"):
        _open(path)


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = _written(tmp_path / "a.zip", ("model.weights.h5", bytes(65 * MIB)))
    assert path.stat().st_size < MIB
    with pytest.raises(InputError, match=r"unpacks to 65\.0 MiB"):
        _open(path)


def test_a_small_archive_may_compress_well(tmp_path: Path) -> None:
    assert _open(_written(tmp_path / "a.zip", ("model.weights.h5", bytes(MIB)))) == ["model.weights.h5"]


def test_members_that_overlap_are_refused(tmp_path: Path) -> None:
    path = _written(tmp_path / "a.zip", ("one", b"x" * 5000))
    with zipfile.ZipFile(path, "a") as archive:
        for number in range(200):  # the directory lists the same bytes again and again
            again = zipfile.ZipInfo(f"copy{number}")
            first = archive.infolist()[0]
            again.header_offset, again.file_size = first.header_offset, first.file_size
            again.compress_size, again.CRC, again.compress_type = 5000, first.CRC, first.compress_type
            archive.filelist.append(again)
            archive.NameToInfo[again.filename] = again
        archive._didModify = True
    with pytest.raises(InputError, match="unpacks to"):
        _open(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 and no more"])
def test_something_else_is_no_archive(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(InputError, match="no readable archive"):
        _open(tmp_path / "a.zip")


def test_a_truncated_archive_is_refused(tmp_path: Path) -> None:
    path = _written(tmp_path / "a.zip", ("config.json", b"{}" * 999))
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match="no readable archive"):
        _open(path)


def test_a_member_that_is_damaged_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", b"{" + b" " * 100 + b"}")
    path.write_bytes(path.read_bytes().replace(b" " * 100, b"x" * 100))
    with (
        pytest.raises(InputError, match="no readable archive"),
        opened_archive(path, kind="archive", hint="") as archive,
    ):
        read_text(archive, "config.json")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file"):
        _open(tmp_path / "a.zip")


def test_an_exported_program_that_is_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = _written(tmp_path / "net.pt2", ("net/models/model.json", bytes(65 * MIB)))
    with pytest.raises(InputError, match="not unpacked"):
        refuse_untrusted(path)


def test_an_exported_program_that_leads_out_is_refused(tmp_path: Path) -> None:
    path = _written(tmp_path / "net.pt2", ("net/models/model.json", b"{}"), ("net/../../x", b""))
    with pytest.raises(InputError, match="outside of its folder"):
        refuse_untrusted(path)
