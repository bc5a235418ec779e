"""
All files of a run, written at its end or made again from its journal.

`write_results` and `regenerate` go one way: records -> Collector -> result -> files. The journal itself,
`windows.jsonl`, is written while the run goes on, and only read here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path

from loadtest.clock import monotonic_ns
from loadtest.errors import ResultsError
from loadtest.measure.collector import Collector
from loadtest.measure.journal import read_journal
from loadtest.measure.records import Record, event_record
from loadtest.report import json_file
from loadtest.report.folder import write_all
from loadtest.report.html_page.heat_map import HeatMaps
from loadtest.report.run import junit, markdown, run_page, scenario_file, windows_csv
from loadtest.report.run.hdr_files import IntervalLogs, percentile_files
from loadtest.report.run.read import JOURNAL_NAME, read_collector
from loadtest.result.run.build import build_result
from loadtest.result.run.document import RunResult
from loadtest.result.run.lost_times import LostTimes


def write_results(folder: Path, collector: Collector) -> RunResult:
    """
    Write every file of the run that *collector* holds into *folder* and return its result.

    The journal in *folder* gives the interval logs and the times of lost messages; without one they are left out.

    Raises:
        ResultsError: If files could not be written, or the journal not read; all that could be written is there then.
            `build_result` still gives the result.
    """
    faults: list[str] = []
    result = build_result(collector)
    logs = IntervalLogs(datetime.fromisoformat(result.started_at), collector.start_ns)
    lost_times = LostTimes(result)
    heat = HeatMaps(collector.start_ns)
    try:
        _read_again(folder / JOURNAL_NAME, (logs.take, lost_times.take, heat.take))
    except ResultsError as error:
        faults.append(str(error))
    result = lost_times.dated()
    faults += write_all(folder, (*_files(result, heat), *logs.files()))
    if faults:
        raise ResultsError("\n".join(faults))
    return result


def write_what_can_be(folder: Path, collector: Collector, say: Callable[[str], None]) -> RunResult:
    """
    Write every file of a run that has ended and return its result; a disk that is full takes files, not the verdict.

    What could not be written is said, and makes the run incomplete: then no file says that it has passed.
    """
    try:
        return write_results(folder, collector)
    except ResultsError as error:
        say(str(error))
        collector.take(event_record(monotonic_ns(), "journal-failed", str(error)))
    with contextlib.suppress(ResultsError):
        return write_results(folder, collector)
    return build_result(collector)


def _read_again(journal: Path, takers: Iterable[Callable[[Record], None]]) -> None:
    """Hand every record of a journal to *takers*; of what is damaged, whoever filled the collector has spoken."""
    for record in read_journal(journal, []) if journal.exists() else ():
        for take in takers:
            with contextlib.suppress(LookupError, ArithmeticError, TypeError, ValueError, AttributeError, ResultsError):
                take(record)


def regenerate(folder: Path) -> RunResult:
    """
    Make every file of *folder* again from its journal and return the result.

    A run whose journal has no end record, because it was killed, gives a result that is marked incomplete.

    Raises:
        ResultsError: If there is no journal of a run, or files could not be written.
    """
    return write_results(folder, read_collector(folder))


def _files(result: RunResult, heat: HeatMaps) -> Iterator[tuple[str, str]]:
    yield json_file.FILE_NAME, json_file.result_json(result)
    yield scenario_file.FILE_NAME, scenario_file.scenario_yaml(result.scenario)
    yield windows_csv.FILE_NAME, windows_csv.windows_csv(result)
    yield junit.FILE_NAME, junit.junit_xml(result)
    yield markdown.FILE_NAME, markdown.summary_md(result)
    yield from percentile_files(result)
    yield run_page.FILE_NAME, run_page.report_html(result, heat)
