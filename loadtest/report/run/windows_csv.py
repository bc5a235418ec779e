"""
`windows.csv`: the timeline for spreadsheets, with units in the names of the columns.

A row for each group in each second, with its rates and latencies, and one without a group for the gauges; what does not
apply is empty. Knows nothing of journals: it is made from the result.
"""

from __future__ import annotations

import csv
import io
from typing import Final

from loadtest.report.text.csv_cell import text_cell
from loadtest.result.run.document import PointGroupPart, PointPart, RunResult

FILE_NAME: Final = "windows.csv"

_KEYS: Final = ("t_s", "phase", "group")
_STATISTICS: Final = ("p50_ns", "p99_ns", "max_ns")
_UNITS: Final = {
    "cpu": "cores",
    "stolen": "cores",
    "throttled": "share",
    "outstanding": "messages",
    "users": "connected",
    "depth": "messages",
    "unacked": "messages",
    "memory_alarm": "nodes",
    "disk_alarm": "nodes",
    "flow": "connections",
    "blocked": "connections",
}
"""Units of the gauges whose names do not end in one."""


def windows_csv(result: RunResult) -> str:
    """Return the table as RFC 4180 text with a head, lines ended by LF."""
    groups = [group for point in result.timeline for group in point.groups.values()]
    rates = sorted({name for group in groups for name in group.rates})
    latencies = sorted({name for group in groups for name in group.latency})
    gauges = sorted({name for point in result.timeline for name in point.gauges})
    head = [
        *_KEYS,
        *rates,
        *(f"{latency}_{statistic}" for latency in latencies for statistic in _STATISTICS),
        *(_gauge_column(gauge) for gauge in gauges),
    ]
    text = io.StringIO()
    table = csv.DictWriter(text, head, restval="", lineterminator="\n")
    table.writeheader()
    for point in result.timeline:
        for name, group in point.groups.items():
            table.writerow({**_moment(point), "group": text_cell(name), **_group_cells(group)})
        if point.gauges:
            table.writerow({**_moment(point), **{_gauge_column(name): value for name, value in point.gauges.items()}})
    return text.getvalue()


def _moment(point: PointPart) -> dict[str, object]:
    return {"t_s": point.t_s, "phase": point.phase}


def _group_cells(group: PointGroupPart) -> dict[str, object]:
    cells: dict[str, object] = dict(group.rates)
    for name, latency in group.latency.items():
        cells |= {f"{name}_{statistic}": getattr(latency, statistic) for statistic in _STATISTICS}
    return cells


def _gauge_column(gauge: str) -> str:
    """Return the column of a gauge; ``shop.outstanding`` and ``queue.depth/orders`` keep the group or queue in it."""
    name, slash, queue = gauge.partition("/")
    unit = _UNITS.get(name.rpartition(".")[2])
    return f"{name}_{unit}{slash}{queue}" if unit else gauge
