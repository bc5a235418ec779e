"""The live document: what a page is told of a run, from before its first record to its results."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest

from loadtest.clock import NS_PER_S
from loadtest.dashboard.live import MAX_EVENTS, SCHEMA, Asked, Live, Rested
from loadtest.measure import Collector
from loadtest.result.run.build import build_result
from loadtest.scenario.grammar.threshold import parse_threshold
from tests.unit.result.staged_run import START_NS, StagedRun, broker_lost, orders

S = NS_PER_S


@cache
def five_seconds() -> StagedRun:
    """Return a run that no test changes."""
    return orders(5)


class Watched:
    """A run that is replayed before a page."""

    def __init__(self, run: StagedRun, **asked: Any) -> None:
        self.now_ns = START_NS
        self.live = Live(clock=lambda: self.now_ns)
        self.collector = Collector()
        self.records = list(run.records)
        self.live.follow(self.collector, Asked(folder="2026-orders", **asked))
        self.since = ""

    def replay(self, windows: int) -> None:
        """Take records up to so many windows more."""
        while self.records and windows:
            record = self.records.pop(0)
            self.collector.take(record)
            self.live.take(record)
            windows -= record["type"] == "window"
            self.now_ns = max(self.now_ns, record.get("end_ns", 0), record.get("at_ns", 0))

    def finish(self) -> None:
        """Take the rest, and what comes of it."""
        self.replay(10**9)
        self.live.close(build_result(self.collector))

    def look(self, state: str = "running") -> dict[str, Any]:
        """Look as a page does."""
        told: dict[str, Any] = json.loads(self.live.document(self.since, state))
        self.since = told["since"]
        return told


def test_before_the_first_run_there_is_none() -> None:
    """The document says so, and the state of Locust."""
    told = json.loads(Live().document("", "ready"))

    assert {"schema": SCHEMA, "state": "ready", "run": None, "points": [], "is_full": True}.items() <= told.items()
    assert "phase" not in told


def test_a_page_is_told_each_second_once() -> None:
    """The first look gives all points, each further one the new ones."""
    watched = Watched(five_seconds())
    watched.replay(2)
    first = watched.look()
    watched.replay(1)
    second = watched.look()
    third = watched.look()

    assert (first["is_full"], [point["t_s"] for point in first["points"]]) == (True, [0, 1])
    assert (second["is_full"], [point["t_s"] for point in second["points"]]) == (False, [2])
    assert (third["is_full"], third["points"]) == (False, [])
    assert second["points"][0]["groups"]["shop"]["rates"]["published_per_s"] == 1000


@pytest.mark.parametrize(
    "since", ["", "x", "..", "another.1.1.3", "é.1", "9" * 5000, "-1", "\0"], ids=lambda text: ascii(text)[:12]
)
def test_whatever_a_page_asks_it_gets_points(since: str) -> None:
    """A token of another process, or none at all, gives all points: that is how a page outlives a restart."""
    watched = Watched(five_seconds())
    watched.replay(3)
    life = watched.look()["since"].rpartition(".")[0]

    for token in (since, f"{life}.{since}"):
        told = json.loads(watched.live.document(token, "running"))
        assert told["is_full"]
        assert len(told["points"]) == 3


def test_another_run_begins_anew() -> None:
    """What a page knew of the run before is replaced."""
    watched = Watched(five_seconds())
    watched.replay(3)
    watched.look()
    collector = Collector()
    watched.live.follow(collector, Asked(folder="next"))
    told = watched.look("spawning")

    assert (told["is_full"], told["points"], told["run"]["folder"], told["run"]["number"]) == (True, [], "next", 2)


def test_phase_and_time_left() -> None:
    """Time counts from the begin of the run; what is left is of warm-up and measured part together."""
    watched = Watched(five_seconds(), planned_s=5.0, drain_s=30.0)
    watched.replay(1)
    watched.now_ns = START_NS + int(1.5 * S)
    assert watched.look()["phase"] | {"messages_done": 0} == {
        "name": "warm_up",
        "elapsed_s": 1.5,
        "planned_s": 5.0,
        "left_s": 3.5,
        "messages_done": 0,
        "messages_planned": None,
    }
    watched.replay(4)
    assert watched.look()["phase"]["name"] == "measured"
    watched.records.pop()  # its end
    watched.replay(1)
    watched.collector.phases.pop()  # done
    watched.now_ns = START_NS + 7 * S
    assert (watched.look()["phase"]["name"], watched.look()["phase"]["left_s"]) == ("drain", 28.0)


def test_figures_so_far() -> None:
    """Latencies, ledger and thresholds stand as they are; what is lost nobody can tell before the end."""
    watched = Watched(
        five_seconds(), thresholds=[parse_threshold("shop.confirm.p50 < 1ms"), parse_threshold("lost == 0")]
    )
    watched.replay(4)
    told = watched.look()
    confirm = next(each for each in told["latencies"] if each["latency"] == "confirm")
    ledger = {row["name"]: row for row in told["ledger"]["rows"]}

    assert (confirm["group"], confirm["part"], confirm["count"], confirm["p99_ns"]) == ("shop", "measured", 3000, 3e6)
    assert (ledger["published"]["count"], ledger["lost"]["count"]) == (4000, None)
    assert not told["ledger"]["is_closed"]
    assert [check["state"] for check in told["checks"]] == ["failing", "open"]
    assert told["verdict"] is None


def test_the_end_is_the_result() -> None:
    """Ledger, thresholds and verdict are those of result.json."""
    watched = Watched(orders(5, thresholds=["shop.confirm.p50 < 1ms"]))
    watched.finish()
    told = watched.look("stopped")
    ledger = {row["name"]: row["count"] for row in told["ledger"]["rows"]}

    assert (told["verdict"]["outcome"], told["verdict"]["word"], told["verdict"]["exit_code"]) == ("fail", "Failed", 1)
    assert told["checks"][0]["state"] == "failing"
    assert (ledger["published"], ledger["delivered"], ledger["lost"]) == (5000, 5000, 0)
    assert next(iter(ledger)) == "offered"
    assert told["ledger"]["is_closed"]
    assert len(told["points"]) == 5


def test_what_is_wrong_is_marked() -> None:
    """Duplicates and messages in doubt are, zeros and ordinary counts are not; blocked time adds up."""
    watched = Watched(broker_lost())
    watched.replay(1)
    told = watched.look()
    wrong = {row["name"] for row in told["ledger"]["rows"] if row["is_wrong"]}

    assert wrong == {"in_doubt", "duplicates"}
    assert told["generator"]["blocked_s"] == 0.25
    watched.finish()
    told = watched.look()
    assert [event["code"] for event in told["events"]] == ["connection-lost"]
    assert told["verdict"]["outcome"] == "error"


def test_events_are_bounded_and_harmless() -> None:
    """The newest are told, how many came before, and no password of what a broker wrote."""
    run = orders(1)
    for number in range(MAX_EVENTS + 7):
        run.event(S, "connection-lost", f"amqp://guest:hunter2@broker {number}")
    watched = Watched(run)
    watched.finish()
    told = watched.look()

    assert (len(told["events"]), told["more_events"]) == (MAX_EVENTS, 7)
    assert told["events"][-1]["text"] == f"amqp://guest:***@broker {MAX_EVENTS + 6}"
    assert "hunter2" not in json.dumps(told)


def test_the_brokers_gauges_are_the_newest() -> None:
    """They come between windows and are told at once, as long as the run goes on."""
    run = orders(2)
    run.records.insert(4, {"type": "broker", "at_ns": START_NS + S, "gauges": {"queue.depth": 7.0}})
    watched = Watched(run, faults=[(2.5, "kill-node 1")])
    watched.replay(2)

    assert watched.look()["gauges"] == {"queue.depth": 7.0}
    assert watched.look()["faults"] == [{"t_s": 2.5, "text": "kill-node 1"}]


def test_workers_are_told_where_there_are_several() -> None:
    """Of one process the generator's gauges say all; a window that comes twice counts once."""
    run = StagedRun({"shop": ("publisher", "open")})
    run.phase("measured", 0)
    for worker, cpu in (("a", 0.2), ("b", 0.9)):
        run.cut(S, "measured", worker, cpu=cpu, outstanding=5.0, blocked_ns=S / 2)
    run.records.append(run.records[-1])
    watched = Watched(run)
    watched.replay(3)
    told = watched.look()

    assert [(worker["name"], worker["cpu"]) for worker in told["workers"]] == [("b", 0.9), ("a", 0.2)]
    assert told["generator"] | {"memory_bytes": 0} == {
        "cpu": 0.9,
        "loop_lag_max_ns": 0.0,
        "outstanding": 10.0,
        "users": 0.0,
        "memory_bytes": 0,
        "blocked_s": 1.0,
        "window_full_s": 0.0,
    }


def test_what_is_costly_rests() -> None:
    """What took 10 ms is looked at again after a second, and at once when it is forgotten."""
    now_ns, made = [0], []

    def make() -> int:
        made.append(now_ns[0])
        now_ns[0] += 10_000_000
        return len(made)

    rested = Rested(make, lambda: now_ns[0])
    assert [rested.get(), rested.get()] == [1, 1]
    now_ns[0] += S
    assert rested.get() == 2
    rested.forget()
    assert rested.get() == 3
