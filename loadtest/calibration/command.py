"""`loadtest calibrate`: measure, keep, print."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from loadtest.broker.monitor.fingerprint import generator_fingerprint
from loadtest.calibration.measure import WORKS, measure
from loadtest.calibration.store import calibration_path, save_calibration
from loadtest.errors import ResultsError

MEANING = (
    "This is one process, against a broker that costs nothing: runs on this machine carry these figures, and judge by "
    "them whether the generator was the limit."
)


def calibrate(json_file: Path | None) -> None:
    """
    Measure what the generator can do, keep it for later runs, and print it; as JSON to *json_file* (`-`: print that).

    Raises:
        LoadTestError: If it cannot be measured, or kept.
    """
    progress = Console(file=sys.stderr, highlight=False)
    figures = measure(lambda title: progress.print(f"{title} …"))
    path = calibration_path(os.environ)
    document = save_calibration(path, generator_fingerprint(), datetime.now(UTC).isoformat(timespec="seconds"), figures)
    if json_file is not None and str(json_file) == "-":
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
        return
    if json_file is not None:
        try:
            json_file.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        except OSError as error:
            raise ResultsError(f"{json_file}: cannot be written: {error.strerror}") from error
    console = Console(highlight=False)
    console.print(table_of(document["works"]))
    console.print(f"{MEANING}\nkept in {path}", soft_wrap=False)


def table_of(works: dict[str, Any]) -> Table:
    """Return the figures as a table."""
    table = Table(box=None, padding=(0, 3, 0, 0))
    table.add_column("12 bytes, against a null broker")
    table.add_column("messages/s", justify="right")
    table.add_column("µs of CPU a message", justify="right")
    for name, figures in works.items():
        rate, cost = figures["messages_per_s"], figures["cpu_us_per_message"]
        table.add_row(WORKS[name].title, f"{rate:,.0f}", f"{cost:.2f}")
    return table
