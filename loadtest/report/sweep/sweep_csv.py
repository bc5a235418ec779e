"""
`sweep.csv`: every run of a sweep for spreadsheets and plots, with units in the names of the columns.

A row a run, those that failed with empty figures; the warm-up is left out. Made from the document alone.
"""

from __future__ import annotations

import csv
import io
from typing import Final

from loadtest.report.text.csv_cell import text_cell
from loadtest.result.sweep_result import AxisPart, SweepResult

FILE_NAME: Final = "sweep.csv"
_AXIS_UNITS: Final = {
    "count": "",
    "bytes": "_bytes",
    "ns": "_ns",
    "per_s": "_per_s",
    "bytes_per_s": "_bytes_per_s",
    "share": "_share",
}
_METRIC_UNITS: Final = {"time": "_ns", "rate": "_per_s", "size": "_bytes", "cores": "_cores", "count": ""}
_KEYS: Final = ("round", "turn", "exit_code", "marks")


def sweep_csv(result: SweepResult) -> str:
    """Return the table as RFC 4180 text with a head, lines ended by LF."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(
        [
            *(text_cell(f"{axis.path}{_AXIS_UNITS[axis.unit] if axis.unit else ''}") for axis in result.axes),
            *_KEYS,
            *(text_cell(f"{metric.name}{_METRIC_UNITS[metric.unit]}") for metric in result.metrics),
            "folder",
        ]
    )
    for point in result.points:
        places = [_value(axis, place) for axis, place in zip(result.axes, point.at, strict=True)]
        for run in point.runs:
            values = [_number(run.values.get(metric.name)) for metric in result.metrics]
            table.writerow(
                [*places, run.round, run.turn, run.exit_code, " ".join(run.marks), *values, text_cell(run.folder)]
            )
    return text.getvalue()


def _value(axis: AxisPart, place: int) -> str:
    value = axis.values[place]
    return text_cell(value.text) if value.number is None else _number(value.number)


def _number(number: float | None) -> str:
    """Return a number as short as it is exact; nothing where there is none."""
    if number is None:
        return ""
    return str(int(number)) if float(number).is_integer() else repr(number)
