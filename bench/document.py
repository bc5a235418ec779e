"""What a bench leaves behind: a JSON of all trials, and docs/benchmarks.md."""

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
Written by `python -m bench`; do not edit. What the figures rest on and where each microsecond goes is in
[performance.md](performance.md).

Every generator is a process of its own, on the same machine as the broker, a private RabbitMQ node. Works are done in
turns: in each round every generator does every work once, another one first each time. A figure is the median of the
rounds; behind ± is half of what lies between the least and the largest. A ratio is ours (`loadtest`) divided by the
other's, worked out within each round, so that what the machine did meanwhile is in both.

- **delivered/s** and **published/s** are counted by the broker (its global counters, read at both ends of a window
  while the generator runs, after a warm-up). Nobody's own word is taken for it. **rate ÷** is our delivered rate
  divided by the generator's (the published one where nothing is consumed).
- **µs/event** is user and system time of all the generator's processes within the window, divided by the messages
  published and delivered in it; **µs ÷** is ours divided by the generator's. **Cores** are processor seconds a second
  of the generator, **broker** those of the broker; **peak MB** is the generator's resident memory.
- **Latencies** are what each tool says itself, and they are not all the same thing: ours are from the intended time,
  PerfTest's from when it had made the message, after rate limiter and confirm window (medians of the lines it prints
  each second, after the warm-up), those of
  the Locust user on pika are the wall clock around a call, in whole ms.
- All generators do the same: messages are transient, and consumers ack as the work says with `multiple`, unless it says
  otherwise. omq always publishes persistent messages and acks each of them, so it does only what asks for that.
- The null broker swallows, confirms and replays without routing or queueing: what the generator could do at most.
"""


@dataclass(frozen=True, slots=True)
class Bench:
    """All that was done, and on what."""

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
        """Return when and how."""
        low, high = self.load
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        return (
            f"Measured on {self.date} ({versions}): {self.rounds} rounds, {self.pace.warm_up_s:g} s of warm-up and a "
            f"window of {self.pace.window_s:g} s each. The machine's load average before a trial was {low:.1f} to "
            f"{high:.1f}; the trials themselves make about 2."
        )

    def to_json(self) -> str:
        """Return the JSON document."""
        document = {"format_version": FORMAT_VERSION, **asdict(self)}
        return json.dumps(document, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Bench:
        """
        Return what `to_json` wrote.

        Raises:
            ValueError: If it is of another version.
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
    """Return the lines of a work; *measured* is when and how, where that is not as at the top of the document."""
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
    told = [f"{row.generator} failed: {' '.join(error.split())}" for row in rows for error in row.errors]
    return ["", *(f"- {text}" for text in told)] if told else []
