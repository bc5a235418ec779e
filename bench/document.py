"""The output of a bench: all trials as JSON, and docs/benchmarks.md."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any, Final

from bench.cells import columns_of
from bench.summary import Row
from bench.trial import Pace, Trial
from bench.works import Work

# Of the JSON; 1: the first.
FORMAT_VERSION: Final = 1
_METHOD: Final = """\
Written by `python -m bench`; do not edit. [performance.md](performance.md) explains the figures and shows where each
microsecond goes.

Every generator is a process of its own, on the same machine as the broker, a private RabbitMQ node. In each round every
generator runs every workload once; a different one is first each time. A figure is the median of the rounds, ± half the
range. A ratio is ours (`loadtest`) divided by the other's, computed within each round, so that other load on the
machine affects both.

- **delivered/s** and **published/s** are counted by the broker (its global counters, read at both ends of a window
  while the generator runs, after a warm-up), not by the generators. **rate ÷** is our delivered rate divided by the
  generator's (the published rate where nothing is consumed).
- **µs/event** is user and system time of all the generator's processes within the window, divided by the messages
  published and delivered in it; **µs ÷** is ours divided by the generator's. **Cores** are processor seconds per second
  of the generator, **broker** those of the broker; **peak MB** is the generator's resident memory.
- **Latencies** are those that each tool reports, and they differ in meaning: ours count from the intended time,
  PerfTest's from when it had made the message, after rate limiter and confirm window (medians of the lines that it
  prints each second, after the warm-up); those of the Locust user on pika are wall-clock times of a call, in whole ms.
- All generators do the same: messages are transient, and consumers ack with `multiple`, unless the workload differs.
  omq always publishes persistent messages and acks each of them, so it runs only the workloads that require that.
- The null broker swallows, confirms and replays without routing or queueing: an upper bound for the generator.
"""


@dataclass(frozen=True, slots=True)
class Bench:
    """All trials of one bench, with the machine and the settings."""

    date: str
    machine: Mapping[str, str]
    versions: Mapping[str, str]
    rounds: int
    pace: Pace
    trials: Sequence[Trial]

    @property
    def load(self) -> tuple[float, float]:
        """The least and the largest load average before a trial."""
        loads = [trial.load for trial in self.trials] or [0.0]
        return min(loads), max(loads)

    def measured(self) -> str:
        """Return date and settings as a sentence."""
        low, high = self.load
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        return (
            f"Measured on {self.date} ({versions}): {self.rounds} rounds, {self.pace.warm_up_s:g} s of warm-up and a "
            f"window of {self.pace.window_s:g} s each. Load average before a trial: {low:.1f} to "
            f"{high:.1f}; the trials add about 2."
        )

    def to_json(self) -> str:
        """Return the JSON document."""
        document = {"format_version": FORMAT_VERSION, **asdict(self)}
        return json.dumps(document, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Bench:
        """
        Return a bench from its JSON.

        Raises:
            ValueError: If the JSON has another format version.
        """
        document: dict[str, Any] = json.loads(text)
        found = document.pop("format_version", None)
        if found != FORMAT_VERSION:
            raise ValueError(f"bench JSON of version {found}; this reads {FORMAT_VERSION}")
        trials = [Trial(**trial) for trial in document.pop("trials")]
        return cls(**{**document, "pace": Pace(**document["pace"]), "trials": trials})


def markdown(bench: Bench, rows: Iterable[Row]) -> str:
    """Return docs/benchmarks.md."""
    lines = [
        "# Benchmarks",
        "",
        _METHOD,
        bench.measured(),
        "",
        "| machine | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in {**bench.machine, **bench.versions}.items()),
    ]
    for work, found in groupby(rows, key=lambda row: row.work):
        lines += ["", *section(work, list(found))]
    return "\n".join(lines) + "\n"


def section(work: Work, rows: Sequence[Row], measured: str | None = None) -> list[str]:
    """Return the section of a work; *measured* is date and settings, if not those of the document."""
    lines = [f"## {work.title[0].upper()}{work.title[1:]}", ""]
    lines += [f"`{work.name}`" + (f" · goal: {work.goal}" if work.goal else ""), ""]
    lines += [measured, ""] if measured else []
    return [*lines, *_table(rows)]


def _table(rows: Sequence[Row]) -> list[str]:
    columns = columns_of(rows)
    lines = [
        "| generator | " + " | ".join(column.heading for column in columns) + " |",
        "|---" + "|---:" * len(columns) + "|",
    ]
    lines += [f"| {row.generator} | " + " | ".join(column.text(row) for column in columns) + " |" for row in rows]
    return lines + _errors(rows)


def _errors(rows: Iterable[Row]) -> list[str]:
    failures = [f"{row.generator} failed: {' '.join(error.split())}" for row in rows for error in row.errors]
    return ["", *(f"- {text}" for text in failures)] if failures else []
