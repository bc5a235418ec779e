"""
What the page shows of the run that goes on, or went last: one JSON document a look, of which seconds come once.

Fields, by `loadtest.live/1` (units are in the names; what is not known is null or absent, never 0):

`schema` · `since` for the next look · `is_full`: `points` are all there are, and take the place of any that came before
`state` of Locust: ready, spawning, running, stopped … · `run`, or null before the first: `folder`, `scenario`,
`description`, `overrides`, `users`, `started_at`, `broker`, `files` of its results, as they come
`phase` {`name`, `elapsed_s` since all users began, `planned_s`, `left_s`, `messages_done`, `messages_planned`}
`gauges` of the broker and the machine, as they were told last · `generator` {`cpu` of its busiest process,
`outstanding`, `blocked_s`, `window_full_s`, `loop_lag_max_ns`, `memory_bytes`, `users`} · `workers` [{`name` and the
same}]
`latencies` [{`group`, `latency`, `model`, `part`, `count`, `p50_ns`, `p99_ns`, `max_ns`}] so far
`ledger` {`is_closed`, `rows` [{`name`, `count`, `is_wrong`}], `imbalances`}
`checks` [{`check`, `value`, `limit`, `state` ok|failing|open, `note`}]
`faults` [{`t_s`, `text`}] as planned · `phases`, `events` [{`t_s`, `code`, `text`}] the newest · `more_events`
`verdict`, or null before the end: {`outcome`, `word`, `exit_code`, `reason`, `findings`}
`per_point_s` · `points`: rows of the timeline as in `result.json`.

A look costs this process a few hundred µs of the run's own loop; what grows with the run, such as the ledger, is looked
at so seldom that it takes a hundredth of the time at most. Knows nothing of HTTP.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from loadtest import counters
from loadtest.clock import NS_PER_S, monotonic_ns
from loadtest.dashboard.points import Points
from loadtest.measure.collector import Collector
from loadtest.metrics.standing import Gauges
from loadtest.redaction import redacted
from loadtest.report.run.run_page import WORDS
from loadtest.result.run.evidence import MEASURED
from loadtest.result.run.group_parts import LATENCIES
from loadtest.result.run.live_checks import checks_so_far

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadtest.result.run.document import RunResult
    from loadtest.scenario.grammar.threshold import Threshold

SCHEMA: Final = "loadtest.live/1"
MAX_EVENTS: Final = 50
MAX_WORKERS: Final = 32
MAX_DIGITS: Final = 18
REST: Final = 100
"""What took a ms is not done again within so many."""

_PERCENTILES: Final = {"p50_ns": 50.0, "p99_ns": 99.0, "max_ns": 100.0}

Json = dict[str, Any]
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Asked:
    """
    What a run is to be, as far as its records do not tell it.

    Attributes:
        folder: Name of its results folder.
        planned_s: Warm-up and measured part together; None where messages decide.
        messages: That are to be published; None where time decides.
        faults: Planned, as instant in s after the begin and text.
    """

    folder: str = ""
    planned_s: float | None = None
    drain_s: float = 0.0
    messages: int | None = None
    thresholds: Sequence[Threshold] = ()
    faults: Sequence[tuple[float, str]] = ()


class Rested(Generic[Value]):
    """A value that is worked out anew when it is asked for, but not before it has rested from how long that took."""

    def __init__(self, make: Callable[[], Value], clock: Callable[[], int]) -> None:
        self._make = make
        self._clock = clock
        self._due_ns = 0
        self._is_making = False
        self._value: Value | None = None

    def get(self) -> Value:
        """Return it, as fresh as it may be."""
        began_ns = self._clock()
        if self._value is not None and (began_ns < self._due_ns or self._is_making):
            return self._value
        self._is_making = True
        try:
            value = self._value = self._make()
        finally:
            self._is_making = False
        ended_ns = self._clock()
        self._due_ns = ended_ns + REST * (ended_ns - began_ns)
        return value

    def forget(self) -> None:
        """Have it worked out anew with the next look."""
        self._value = None


class Live:
    """
    The runs of this process, one after the other; told of each record, asked by whoever looks at the page.

    Attributes:
        folder: Name of the folder of the run's results; empty before the first run.
    """

    def __init__(self, clock: Callable[[], int] = monotonic_ns, pause: Callable[[], None] = lambda: None) -> None:
        """Show nothing yet; *pause* is called between two pieces of work, for others to have their turn."""
        self._clock = clock
        self._pause = pause
        self._instance = secrets.token_hex(6)
        self._runs = 0
        self.follow(Collector(), Asked())
        self._runs = 0

    def follow(self, collector: Collector, asked: Asked) -> None:
        """Show another run from now on, which *collector* merges; it has just been prepared."""
        self._runs += 1
        self._collector = collector
        self._asked = asked
        self._points = Points(pause=self._pause)
        self._result: RunResult | None = None
        self._broker = Gauges(self._clock)
        self._workers: dict[str, Mapping[str, float]] = {}
        self._lost_ns: dict[str, dict[str, float]] = {}
        self._seen: dict[str, int] = {}
        self._ledger = Rested(self._ledger_now, self._clock)
        self._checks = Rested(self._checks_now, self._clock)
        self._latencies = Rested(self._latencies_now, self._clock)

    @property
    def folder(self) -> str:
        """Name of the results folder of the run; empty before the first."""
        return self._asked.folder

    @property
    def is_over(self) -> bool:
        """Whether the run has come to its results."""
        return self._result is not None

    def take(self, record: Mapping[str, Any]) -> None:
        """Take one of the run's records; the collector has taken it already."""
        kind = record["type"]
        if kind == "window":
            self._take_window(record)
        elif kind == "broker":
            self._broker.take(record["gauges"])
            self._points.touch(self._second(record["at_ns"]))

    def close(self, result: RunResult) -> None:
        """Take what came of the run."""
        self._result = result
        for rested in (self._ledger, self._checks, self._latencies):
            rested.forget()

    def document(self, since: str, state: str, files: Sequence[str] = ()) -> str:
        """
        Return the document.

        Args:
            since: What the last document told; anything else gives all points.
            state: Of Locust.
            files: Of the run's results.
        """
        while True:
            run = self._runs
            told = self._document(since, state, files)
            if run == self._runs:  # else another has begun in a pause, and what is told is of both
                return told

    def _document(self, since: str, state: str, files: Sequence[str]) -> str:
        points = self._points
        points.take(self._collector.timeline, is_over=self._result is not None)
        life = f"{self._instance}.{self._runs}.{points.per_point_s}"
        known, _, number = since.rpartition(".")
        is_full = known != life or not (number.isdecimal() and len(number) <= MAX_DIGITS)
        told: Json = {
            "schema": SCHEMA,
            "since": f"{life}.{points.number}",
            "is_full": is_full,
            "state": state,
            "run": self._run(files),
            "per_point_s": points.per_point_s,
            **(self._body() if self._collector.run else {}),
        }
        rows = points.since(0 if is_full else int(number))
        return f'{json.dumps(told, separators=(",", ":"), allow_nan=False)[:-1]},"points":[{",".join(rows)}]}}'

    # --- records -------------------------------------------------------------------------------------------------

    def _take_window(self, record: Mapping[str, Any]) -> None:
        worker, gauges = record["worker"], record["gauges"]
        self._points.touch(self._second((record["start_ns"] + record["end_ns"]) // 2))
        if record["index"] <= self._seen.get(worker, -1):
            return  # it came twice, or late
        self._seen[worker] = record["index"]
        self._workers[worker] = gauges
        lost = self._lost_ns.setdefault(worker, {"blocked_ns": 0.0, "window_full_ns": 0.0})
        for name in lost:
            lost[name] += gauges.get(name, 0.0)

    def _second(self, at_ns: int) -> int:
        return max(0, at_ns - self._collector.start_ns) // NS_PER_S

    # --- parts ---------------------------------------------------------------------------------------------------

    def _run(self, files: Sequence[str]) -> Json | None:
        if not self._runs:
            return None
        run = self._collector.run
        scenario = run.get("scenario", {})
        broker = run.get("broker") or {}
        return {
            "number": self._runs,
            "folder": self._asked.folder,
            "scenario": scenario.get("name"),
            "description": scenario.get("description"),
            "overrides": scenario.get("overrides", []),
            "users": {name: group.get("users") for name, group in run.get("groups", {}).items()},
            "kinds": {name: group.get("kind") for name, group in run.get("groups", {}).items()},
            "started_at": run.get("started_at"),
            "broker": " ".join(str(broker[key]) for key in ("product", "version") if broker.get(key)),
            "files": list(files),
        }

    def _body(self) -> Json:
        events = self._collector.events
        result = self._result
        return {
            "phase": self._phase(),
            "phases": [[record["phase"], self._since_start(record["at_ns"])] for record in self._collector.phases],
            "gauges": self._broker.fresh() if result is None else {},
            "generator": self._generator(list(self._workers)),
            "workers": self._of_workers(),
            "latencies": self._latencies.get(),
            "ledger": self._ledger.get(),
            "checks": self._checks.get(),
            "faults": [{"t_s": t_s, "text": text} for t_s, text in self._planned_faults()],
            "events": [
                {
                    "t_s": self._since_start(event["at_ns"]),
                    "code": str(event["code"]),
                    "text": redacted(str(event["text"])),
                }
                for event in events[-MAX_EVENTS:]
            ],
            "more_events": max(0, len(events) - MAX_EVENTS),
            "verdict": None if result is None else _verdict(result),
        }

    def _since_start(self, at_ns: int) -> float:
        return round((at_ns - self._collector.start_ns) / NS_PER_S, 3)

    def _phase(self) -> Json:
        collector, asked = self._collector, self._asked
        last: Json = collector.phases[-1] if collector.phases else {"phase": "", "at_ns": collector.start_ns}
        now_ns = self._clock() if self._result is None else last["at_ns"]
        begin_ns = collector.begin_ns
        elapsed_s = 0.0 if begin_ns is None else max(0.0, (now_ns - begin_ns) / NS_PER_S)
        left_s = None
        if last["phase"] == "drain":
            left_s = max(0.0, asked.drain_s - (now_ns - last["at_ns"]) / NS_PER_S)
        elif last["phase"] in {"warm_up", MEASURED} and asked.planned_s is not None:
            left_s = max(0.0, asked.planned_s - elapsed_s)
        return {
            "name": last["phase"],
            "elapsed_s": round(elapsed_s, 1),
            "planned_s": asked.planned_s,
            "left_s": None if left_s is None else round(left_s, 1),
            "messages_done": sum(group.totals["published"] for group in collector.groups.values()),
            "messages_planned": asked.messages,
        }

    def _planned_faults(self) -> Iterator[tuple[float, str]]:
        begin_ns = self._collector.begin_ns
        begin_s = 0.0 if begin_ns is None else self._since_start(begin_ns)
        yield from ((round(begin_s + at_s, 3), text) for at_s, text in self._asked.faults)

    def _generator(self, workers: Sequence[str]) -> Json:
        """Return the gauges of *workers* together."""
        gauges = [self._workers[worker] for worker in workers]
        if not gauges:
            return {}
        told: Json = {name: max(each.get(name, 0.0) for each in gauges) for name in ("cpu", "loop_lag_max_ns")}
        told |= {name: sum(each.get(name, 0.0) for each in gauges) for name in ("outstanding", "users", "memory_bytes")}
        for name in ("blocked", "window_full"):
            told[f"{name}_s"] = round(sum(self._lost_ns[worker][f"{name}_ns"] for worker in workers) / NS_PER_S, 3)
        return told

    def _of_workers(self) -> list[Json]:
        """Return the gauges of each worker, the busiest first; none where there is but one."""
        if len(self._workers) < 2:  # noqa: PLR2004  # it is the generator
            return []
        busiest = sorted(self._workers, key=lambda name: -self._workers[name].get("cpu", 0.0))[:MAX_WORKERS]
        return [{"name": name, **self._generator([name])} for name in busiest]

    def _latencies_now(self) -> list[Json]:
        found = []
        for name, group in list(self._collector.groups.items()):
            part, span = (MEASURED, group.measured) if group.measured.latencies else ("warm_up", group.warm_up)
            known = [latency for latency in LATENCIES if latency in span.latencies and span.latencies[latency].count]
            self._pause()
            for latency in known:
                if latency == "lateness" and group.model == "closed":
                    continue
                histogram = span.latencies[latency]
                values = histogram.percentiles(tuple(_PERCENTILES.values()))
                told = dict(zip(_PERCENTILES, values, strict=True))
                line = {"group": name, "latency": latency, "model": group.model, "part": part, "count": histogram.count}
                found.append(line | told)
        return found

    def _ledger_now(self) -> Json:
        result = self._result
        totals = self._totals_so_far() if result is None else result.totals.model_dump()
        always = counters.headlines(group.kind for group in self._collector.groups.values())
        rows = [_row(name, count) for name, count in totals.items() if count or name in always]
        return {
            "is_closed": result is not None and result.ledger.balanced is not None,
            # What the schedule asked for comes first, then what came of it.
            "rows": sorted(rows, key=lambda row: row["name"] != "offered"),
            "imbalances": [] if result is None else list(result.ledger.imbalances),
        }

    def _totals_so_far(self) -> dict[str, int | None]:
        """Return the totals; None where only the closed ledger knows: what is on its way may still arrive."""
        groups, ledger = self._collector.groups.values(), self._collector.ledger.totals()
        totals: dict[str, int | None] = {}
        for row in counters.totals():
            if row.known == "closed":
                totals[row.name] = None
            else:
                counted = sum(group.totals[row.name] for group in groups)
                totals[row.name] = getattr(ledger, row.name, counted)
        return totals

    def _checks_now(self) -> list[Json]:
        if self._result is not None:
            return [
                {
                    **check.model_dump(include={"check", "value", "limit", "note"}),
                    "state": "ok" if check.ok else "failing",
                }
                for check in self._result.verdict.checks
            ]
        return [
            {**so_far.check.model_dump(include={"check", "value", "limit", "note"}), "state": so_far.state}
            for so_far in checks_so_far(self._asked.thresholds, self._collector)
        ]


def _row(name: str, count: int | None) -> Json:
    return {"name": name, "count": count, "is_wrong": counters.CATALOGUE[name].is_wrong and bool(count)}


def _verdict(result: RunResult) -> Json:
    verdict = result.verdict
    return {
        "outcome": verdict.outcome,
        "word": WORDS[verdict.outcome],
        "exit_code": verdict.exit_code,
        "reason": verdict.reason,
        "findings": [{"code": finding.code, "text": finding.text} for finding in verdict.findings],
    }
