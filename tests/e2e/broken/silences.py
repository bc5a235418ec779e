"""
How long nothing was answered, from the raw journal, beside what a result says of its outages.

Not by the tool's own code: only the counters and the instant of the last answer of each window are read. So a silence
is known to within the window in which it ended.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NS_PER_S = 1_000_000_000
LEAST_S = 0.1
"""What is shorter is no outage."""
DUE_S = 0.02
"""At 300 a second something falls due more often than that, and from then on an outage counts."""


@dataclass(frozen=True)
class Silence:
    """A stretch without an answer: at least, and at most so long."""

    least_s: float
    most_s: float


def windows_of(journal: Path) -> list[dict[str, Any]]:
    """Return the windows of a journal."""
    return [record for line in journal.read_text().splitlines() if (record := json.loads(line))["type"] == "window"]


def silences(journal: Path, group: str, counters: tuple[str, ...]) -> list[Silence]:
    """
    Return the silences of a group, which counts its answers by *counters*, while it was at work.

    One that did not end lasts until the last window in which anything fell due for it.
    """
    windows = windows_of(journal)
    found: list[Silence] = []
    last_ns = 0
    for window in sorted(windows, key=lambda each: int(each["start_ns"])):
        part: dict[str, Any] = window["groups"].get(group, {})
        counted = part.get("counters", {})
        if any(counted.get(name) for name in counters):
            before_ns = last_ns or window["start_ns"]
            least_ns = max(0, window["start_ns"] - before_ns)
            found.append(Silence(least_ns / NS_PER_S, (part["last_ns"] - before_ns) / NS_PER_S))
            last_ns = part["last_ns"]
        elif last_ns and counted.get("offered"):
            found.append(Silence((window["start_ns"] - last_ns) / NS_PER_S, float("inf")))
    return found


def assert_outages(journal: Path, result: dict[str, Any]) -> None:
    """Fail unless the longest outage of the publishers, and of who takes, is the longest silence of the journal."""
    for group, counters in (("in", ("confirmed", "nacked")), ("out", ("delivered", "got"))):
        outages = result["groups"][group]["outages"]
        if outages is None:
            continue
        told_s = max((outage["end_s"] - outage["start_s"] for outage in outages), default=0.0)
        found = silences(journal, group, counters)
        assert told_s <= max((each.most_s for each in found), default=0.0) + 1e-6, (group, told_s, found)
        if group == "in":  # to consumers nothing is due while nothing is published
            least_s = max((each.least_s for each in found), default=0.0)
            # Where the generator stood still is no outage, but a hole in one, which may part it in two.
            stalls_s = [
                (end - start) / NS_PER_S for window in windows_of(journal) for start, end in window.get("stalls", [])
            ]
            whole_s = told_s if not stalls_s else sum(each["end_s"] - each["start_s"] for each in outages)
            # ... and pieces are left out that are no outage by themselves.
            left_out_s = sum(stalls_s) + LEAST_S * (1 + len(stalls_s)) + DUE_S
            assert whole_s >= least_s - left_out_s, (whole_s, found, stalls_s)
