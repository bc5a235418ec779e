"""
The result of a run, read from its folder: the document that was written, or what the journal gives.

Writes nothing. Knows nothing of what is in a result.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from loadtest.errors import ResultsError
from loadtest.measure.collector import Collector
from loadtest.measure.journal import read_journal
from loadtest.measure.records import event_record
from loadtest.report import json_file
from loadtest.result.run.build import build_result
from loadtest.result.run.document import RunResult
from loadtest.result.run.evidence import JOURNAL_FAILED

JOURNAL_NAME: Final = "windows.jsonl"


def read_result(folder: Path) -> RunResult:
    """
    Return the result of the run in *folder*: its `result.json`, or without one what its journal gives.

    Raises:
        ResultsError: If it has neither, or they cannot be read.
    """
    document = folder / json_file.FILE_NAME
    try:
        return json_file.parse_result(document.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return build_result(read_collector(folder))
    except NotADirectoryError as error:
        raise ResultsError(f"{folder}: not a folder") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ResultsError(f"{document}: cannot be read: {error}") from error
    except ResultsError as error:
        raise ResultsError(f"{document}: {error}") from error


def read_collector(folder: Path) -> Collector:
    """
    Return what the journal of a run in *folder* holds; lines that cannot be read are passed over, and said.

    Raises:
        ResultsError: If there is none of a run.
    """
    journal = folder / JOURNAL_NAME
    if not journal.is_file():
        raise ResultsError(f"{folder}: not the results of a run: it has no {JOURNAL_NAME}")
    collector = Collector()
    damaged: list[int] = []
    for record in read_journal(journal, damaged):
        if not collector.run and record["type"] != "run":
            break
        try:
            collector.take(record)
        except ResultsError as error:
            if record["type"] == "run":
                raise ResultsError(f"{journal}: {error}") from error
            damaged.append(0)
    if not collector.run:
        raise ResultsError(
            f"{journal}: not the journal of a run: it has no run record that can be read; a journal begins with 'run'"
        )
    if damaged:
        collector.take(event_record(collector.last_ns, JOURNAL_FAILED, _damage(damaged)))
    return collector


def _damage(damaged: list[int]) -> str:
    """Return what is wrong with a journal, of which these lines cannot be read (0: one that has no known place)."""
    first = next((f", the first is line {number}" for number in damaged if number), "")
    lines = "line" if len(damaged) == 1 else "lines"
    return f"{len(damaged):,} {lines} of it cannot be read{first}; what was in them is unknown"
