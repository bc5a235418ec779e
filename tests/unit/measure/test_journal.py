from __future__ import annotations

import errno
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from loadtest.errors import ResultsError
from loadtest.measure.journal import Journal, read_journal


class _FullDisk:
    """A file on a disk that becomes full after some bytes."""

    def __init__(self, file: BinaryIO, room: int) -> None:
        self._file = file
        self._room = room

    def write(self, data: bytes) -> int:
        self._room -= len(data)
        if self._room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def test_records_come_back_in_order(tmp_path: Path) -> None:
    """What was appended is read in the same order, across two openings."""
    path = tmp_path / "windows.jsonl"
    for first in (0, 2):
        with Journal(path) as journal:
            journal.append({"type": "event", "text": f"µ {first}"})
            journal.append({"type": "event", "text": f"µ {first + 1}"})

    assert [record["text"] for record in read_journal(path)] == ["µ 0", "µ 1", "µ 2", "µ 3"]


def test_records_are_on_disk_at_once(tmp_path: Path) -> None:
    """A record can be read as soon as it was appended, so that it survives the process."""
    journal = Journal(tmp_path / "windows.jsonl")
    journal.append({"type": "end"})

    assert list(read_journal(journal.path)) == [{"type": "end"}]
    journal.close()


@pytest.mark.parametrize("cut", [1, 5, 10])
def test_cut_last_line_is_left_out(tmp_path: Path, cut: int) -> None:
    """A last line that was cut off is left out; what comes before is read."""
    path = tmp_path / "windows.jsonl"
    path.write_bytes(b'{"type":"run"}\n' + b'{"type":"end"}\n'[:-cut][:-1])

    assert [record["type"] for record in read_journal(path)] == ["run"]


def test_last_line_without_its_end_is_whole(tmp_path: Path) -> None:
    """A last line of which only the newline is missing is a record."""
    path = tmp_path / "windows.jsonl"
    path.write_bytes(b'{"type":"run"}\n{"type":"end"}')

    assert [record["type"] for record in read_journal(path)] == ["run", "end"]


@pytest.mark.parametrize("line", [b"{broken", b"\xff\xfe", b"[1]", b"{}", b""])
def test_broken_line_in_the_middle(tmp_path: Path, line: bytes) -> None:
    """A line in the middle that is no record is an error that names file and line."""
    path = tmp_path / "windows.jsonl"
    path.write_bytes(b'{"type":"run"}\n' + line + b'\n{"type":"end"}\n')

    with pytest.raises(ResultsError, match=r"windows\.jsonl:2: not a record of a run"):
        list(read_journal(path))


def test_missing_file(tmp_path: Path) -> None:
    """A journal that is not there is an error of the results."""
    with pytest.raises(ResultsError, match="cannot be read"):
        list(read_journal(tmp_path / "windows.jsonl"))


def test_opening_fails_before_the_run(tmp_path: Path) -> None:
    """A journal that cannot be opened is an error at once."""
    with pytest.raises(ResultsError, match="cannot be written"):
        Journal(tmp_path / "nowhere" / "windows.jsonl")


def test_a_full_disk_does_not_end_the_run(tmp_path: Path) -> None:
    """When the disk is full, the journal says so, counts what it drops, and keeps what it has."""
    path = tmp_path / "windows.jsonl"
    journal = Journal(path)
    journal._file = cast("BinaryIO", _FullDisk(journal._file, 40))
    for number in range(4):
        journal.append({"type": "event", "n": number})
    journal.close()

    assert journal.failed is not None
    assert "No space left on device" in journal.failed
    assert journal.dropped == 3
    assert [record["n"] for record in read_journal(path)] == [0]
