"""
The journal: every record of a run appended to `windows.jsonl` as it comes, so that a killed run still has a report.

One JSON object a line, flushed with each: what was written survives the process, and at worst the last line is cut off.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Self

from loadtest.errors import ResultsError
from loadtest.measure.records import FORMAT


class Journal:
    """
    Appends records to a file.

    Opening fails loudly, before the run. A failure to write does not end the run that it was to record: `failed` says
    what happened, nothing more is written, and `dropped` counts the records that are not in the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.failed: str | None = None
        self.dropped = 0
        try:
            self._file: BinaryIO = path.open("ab")
        except OSError as error:
            raise ResultsError(f"{path}: cannot be written: {error.strerror}") from error

    def append(self, record: Mapping[str, Any]) -> None:
        """Write one record; once that failed, only count it."""
        if self.failed is None:
            line = json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
            try:
                self._file.write(line)
                self._file.flush()
            except OSError as error:
                self._fail(error)
        if self.failed is not None:
            self.dropped += 1

    def close(self) -> None:
        """Close the file; safe to call twice."""
        try:
            self._file.close()
        except OSError as error:
            self._fail(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _fail(self, error: OSError) -> None:
        if self.failed is None:
            self.failed = f"{self.path}: cannot be written: {error.strerror or error}"


def read_journal(path: Path, damaged: list[int] | None = None) -> Iterator[dict[str, Any]]:
    """
    Yield the records of a journal in the order in which they were written; a last line that was cut off is left out.

    Args:
        path: The file.
        damaged: If given, lines that are no records are passed over, and their numbers put here; a record is then
            what `record_models` says, with finite numbers throughout.

    Raises:
        ResultsError: If the file cannot be read, or another line than a cut last one is not a record.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    yield _record(line, is_strict=damaged is not None)
                except (ValueError, RecursionError) as error:
                    if not line.endswith(b"\n"):
                        return
                    if damaged is None:
                        raise ResultsError(f"{path}:{number}: not a record of a run: {error}") from error
                    damaged.append(number)
    except OSError as error:
        raise ResultsError(f"{path}: cannot be read: {error.strerror}") from error


def _record(line: bytes, *, is_strict: bool) -> dict[str, Any]:
    """Return a line's record; ValueError if it is none."""
    from loadtest.measure.record_models import is_record

    record = json.loads(line, parse_float=_finite, parse_constant=_finite)
    if not isinstance(record, dict) or "type" not in record:
        raise ValueError("it has no type")
    # Of another version it cannot be said what its fields are: that is for the collector to refuse, and to name.
    is_known = record["type"] != "run" or record.get("format") == FORMAT
    if is_strict and is_known and not is_record(line):
        raise ValueError("its fields are not those of a record")
    return record


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no finite number")
    return number
