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
from loadtest.report import json_file
from loadtest.result.build import build_result
from loadtest.result.document import RunResult

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
    Return what the journal of a run in *folder* holds.

    Raises:
        ResultsError: If there is none of a run.
    """
    journal = folder / JOURNAL_NAME
    if not journal.is_file():
        raise ResultsError(f"{folder}: not the results of a run: it has no {JOURNAL_NAME}")
    collector = Collector()
    for record in read_journal(journal):
        collector.take(record)
    if not collector.run:
        raise ResultsError(f"{journal}: not the journal of a run: it has no run record")
    return collector
