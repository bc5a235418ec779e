"""A journal that ends anywhere, or is damaged: the report says what is known, and that it is not all."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from loadtest.errors import ResultsError
from loadtest.report.run.write import regenerate

GOLDEN = Path(__file__).parents[2] / "golden" / "staged-orders" / "windows.jsonl"
JOURNAL = GOLDEN.read_bytes()
LINES = JOURNAL.splitlines(keepends=True)
ENDS = [sum(map(len, LINES[: number + 1])) for number in range(len(LINES))]
FILES = {"result.json", "report.html", "summary.md", "junit.xml", "windows.csv", "scenario.yaml", "windows.jsonl"}


def report_of(folder: Path, journal: bytes) -> dict[str, object]:
    """Return the verdict of the report that is made of a journal, with what is missing of its files."""
    (folder / "windows.jsonl").write_bytes(journal)
    result = regenerate(folder)
    missing = FILES - {path.name for path in folder.iterdir()}
    return {
        "complete": result.complete,
        "exit_code": result.verdict.exit_code,
        "outcome": result.verdict.outcome,
        "missing": missing,
    }


INCOMPLETE = {"complete": False, "exit_code": 4, "outcome": "inconclusive", "missing": set()}


@pytest.mark.parametrize("end", ENDS[:-1:3])
def test_a_journal_that_ends_between_two_records(tmp_path: Path, end: int) -> None:
    """From the first record on there is a full report, marked incomplete, exit code 4."""
    assert report_of(tmp_path, JOURNAL[:end]) == INCOMPLETE


@pytest.mark.parametrize("end", sorted(random.Random(5).sample(range(ENDS[0] + 1, len(JOURNAL) - 1), 24)))
@pytest.mark.parametrize("tail", [b"", b"\0" * 64], ids=["cut", "zeros"])
def test_a_journal_that_ends_within_a_record(tmp_path: Path, end: int, tail: bytes) -> None:
    """A line that was half written, perhaps with the zeros that a power cut leaves, is left out."""
    assert report_of(tmp_path, JOURNAL[:end] + tail) == INCOMPLETE


@pytest.mark.parametrize("end", [0, 1, ENDS[0] // 2])
def test_a_journal_without_its_first_record_is_none(tmp_path: Path, end: int) -> None:
    """Nobody can say what it was of; that is an error in a line."""
    with pytest.raises(ResultsError, match="it has no run record"):
        report_of(tmp_path, JOURNAL[:end])


def test_a_whole_journal_is_complete(tmp_path: Path) -> None:
    """The run that all these are cut from had ended, and failed by a threshold."""
    assert report_of(tmp_path, JOURNAL) == {"complete": True, "exit_code": 1, "outcome": "fail", "missing": set()}


@pytest.mark.parametrize("damage", [b"{broken", b"\xff\xfe\0", b"[1]", b"{}", b'{"type":"window"}', b'{"type":"what"}'])
def test_a_damaged_line_does_not_take_the_rest_with_it(tmp_path: Path, damage: bytes) -> None:
    """What can be read is reported; the report says how many lines could not, and is incomplete."""
    place = next(number for number, line in enumerate(LINES) if json.loads(line)["type"] == "broker")
    (tmp_path / "windows.jsonl").write_bytes(b"".join([*LINES[:place], damage + b"\n", *LINES[place + 1 :]]))
    result = regenerate(tmp_path)

    assert (result.verdict.exit_code, result.verdict.outcome) == (4, "inconclusive")
    assert "1 line of it cannot be read" in result.verdict.reason
    assert result.totals.published > 0
    assert result.totals.lost == 0


def test_a_lost_window_is_noticed(tmp_path: Path) -> None:
    """Where the damaged line was a window, its messages are unknown, and nothing is called lost."""
    windows = [number for number, line in enumerate(LINES) if json.loads(line)["type"] == "window"]
    (tmp_path / "windows.jsonl").write_bytes(b"".join([*LINES[: windows[2]], b"??\n", *LINES[windows[2] + 1 :]]))
    result = regenerate(tmp_path)

    assert result.verdict.exit_code == 4
    assert "never arrived" in result.verdict.reason
