"""
From the clock of a process to that of its run, and back.

In a process of another host than the leading one, everything is recorded by its own clock, and orders and answers are
converted where they come in and go out: a few numbers a second. Only stamps are written in the time of the run, as
messages go from host to host.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from loadtest.measure.records import Record

    Convert = Callable[[int], int]

# Of the arguments of orders. 0 and None are no instants there.
_INSTANTS: Final = frozenset(
    {"start_ns", "begin_ns", "measured_ns", "stop_ns", "now_ns", "done_ns", "pause", "from_ns"}
)


def to_own_time(arguments: Mapping[str, Any], clock_offset_ns: int) -> dict[str, Any]:
    """Return an order's arguments by a clock that is *clock_offset_ns* ahead of the run's."""
    return {
        name: value + clock_offset_ns if name in _INSTANTS and value else value for name, value in arguments.items()
    }


def to_run_time(record: Record, old_offset_ns: int, clock_offset_ns: int) -> Record:
    """
    Return a record by the clock of the run.

    Args:
        record: A window, an event, or one without instants.
        old_offset_ns: By how much the process's clock was ahead when the window began, ...
        clock_offset_ns: ... and when it ended. Between the two it is taken to have drifted evenly, so that windows
            follow one another without a gap.
    """
    if not old_offset_ns and not clock_offset_ns:
        return record
    if record["type"] == "event":
        return {**record, "at_ns": record["at_ns"] - clock_offset_ns}
    if record["type"] != "window":
        return record
    start_ns, end_ns = record["start_ns"], record["end_ns"]
    drift_ns, length_ns = clock_offset_ns - old_offset_ns, max(1, end_ns - start_ns)

    def at(instant_ns: int) -> int:
        within_ns = min(max(instant_ns - start_ns, 0), length_ns)
        return int(instant_ns - old_offset_ns - drift_ns * within_ns // length_ns)

    groups = {name: _group(group, at) for name, group in record["groups"].items()}
    stalls = {"stalls": [[at(begin), at(end)] for begin, end in record["stalls"]]} if "stalls" in record else {}
    return {**record, "start_ns": at(start_ns), "end_ns": at(end_ns), "groups": groups, **stalls}


def _group(group: dict[str, Any], at: Convert) -> dict[str, Any]:
    converted = dict(group)
    for name in ("active", "pauses"):
        if name in group:
            converted[name] = [[at(start_ns), at(end_ns)] for start_ns, end_ns in group[name]]
    if "last_ns" in group:
        converted["last_ns"] = at(group["last_ns"])
    return converted
