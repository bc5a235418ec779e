from __future__ import annotations

import errno
import os
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.errors import ResultsError
from loadtest.report.folder import create_folder, safe_name, write_file

NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


def test_folder_is_named_by_utc_time_and_scenario(tmp_path: Path) -> None:
    """The name sorts by time, whatever the time zone of the machine."""
    folder = create_folder(tmp_path / "results", NOON.astimezone(timezone(timedelta(hours=9))), "steady-1kb")

    assert folder == tmp_path / "results" / "2026-03-01T120000Z-steady-1kb"
    assert folder.is_dir()


def test_folder_that_exists_gets_a_number(tmp_path: Path) -> None:
    """Two runs in a second do not share a folder."""
    names = [create_folder(tmp_path, NOON, "x").name for _ in range(3)]

    assert names == ["2026-03-01T120000Z-x", "2026-03-01T120000Z-x-2", "2026-03-01T120000Z-x-3"]


@pytest.mark.parametrize(
    "name,expected",
    [
        ("../../etc/passwd", "etc-passwd"),
        ("/absolute", "absolute"),
        ("..", "scenario"),
        ("", "scenario"),
        (".hidden", "hidden"),
        ("a b\nc\x00d", "a-b-c-d"),
        ("überlast", "berlast"),
        ("x" * 300, "x" * 100),
    ],
)
def test_name_of_a_scenario_cannot_leave_the_folder(name: str, expected: str) -> None:
    """What could be a path, hidden or too long becomes a plain name."""
    assert safe_name(name) == expected


@given(st.text())
def test_any_name_becomes_a_single_plain_path_component(name: str) -> None:
    """No text at all leads out of the folder."""
    safe = safe_name(name)

    assert Path(safe).name == safe
    assert not safe.startswith(".")


def test_file_is_replaced_whole_and_leaves_nothing_beside(tmp_path: Path) -> None:
    """Writing twice leaves one file with the second content, readable by all."""
    write_file(tmp_path, "result.json", "first")
    path = write_file(tmp_path, "result.json", "µ\n")

    assert path.read_bytes() == b"\xc2\xb5\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["result.json"]
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/b", "", ".", ".."])
def test_file_outside_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    """A name with a path in it is not written."""
    with pytest.raises(ResultsError, match="not the name of a file"):
        write_file(tmp_path, name, "x")


def test_link_in_place_of_a_file_is_replaced_and_not_followed(tmp_path: Path) -> None:
    """A link that leads out of the folder does not make us write there."""
    outside = tmp_path / "outside"
    outside.write_text("kept", encoding="utf-8")
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "result.json").symlink_to(outside)
    write_file(folder, "result.json", "new")

    assert outside.read_text(encoding="utf-8") == "kept"
    assert not (folder / "result.json").is_symlink()


def test_full_disk_leaves_the_old_file_and_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk is full the error names file and reason, and neither the old file nor the folder suffers."""
    write_file(tmp_path, "result.json", "old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises(ResultsError, match=r"result\.json: cannot be written: No space left on device"):
        write_file(tmp_path, "result.json", "new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["result.json"]
    assert (tmp_path / "result.json").read_text(encoding="utf-8") == "old"


def test_folder_gone_is_said(tmp_path: Path) -> None:
    """A folder that somebody removed is an error of results."""
    with pytest.raises(ResultsError, match="No such file or directory"):
        write_file(tmp_path / "gone", "result.json", "x")


def test_root_that_is_a_file_is_said(tmp_path: Path) -> None:
    """Results cannot be kept in a file."""
    root = tmp_path / "results"
    root.write_text("", encoding="utf-8")

    with pytest.raises(ResultsError, match="Not a directory"):
        create_folder(root, NOON, "x")
