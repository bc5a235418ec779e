"""`Workers`: the users of several processes as one crew, and what becomes of it when a process is gone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import gevent
import numpy as np
import pytest

from loadtest.clock import NS_PER_S, monotonic_ns
from loadtest.measure.record_models import RECORD
from loadtest.run.workers.clock_sync import ClockSync
from loadtest.run.workers.reassignment import Reassignment
from loadtest.run.workers.worker import LostWorkerError, Reading
from loadtest.run.workers.workers import Status, Workers, execute
from tests.unit.run.staged import StagedRun

FLOCK = """
topology: {queues: {q: {}}}
publishers: {in: {users: 3, routing_key: q, body: {text: hello}, rate: 30/s, confirm_window: 5}}
consumers: {out: {queue: q, ack: auto}}
run: {duration: 60s}
"""


class StagedLink:
    """A process that answers every order with its status, and one record where a cut is ordered."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_gone = False
        self.status = Status(is_lost=False)
        self.orders: list[str] = []
        self.arguments: list[dict[str, Any]] = []
        self.clock = "here"
        self.clock_offset_ns = 0

    def ask(self, order: str, arguments: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        """Answer, unless it is gone."""
        if self.is_gone:
            raise LostWorkerError("it is gone")
        self.orders.append(order)
        self.arguments.append(arguments)
        return {"records": [{"from": self.name}] if order == "cut" else [], "status": asdict(self.status)}

    def give_up(self) -> None:
        """Note it."""
        self.orders.append("give up")

    def read_clock(self, timeout_s: float) -> Reading:
        """Say what a clock says that is so far ahead, half-way through a round trip of 100 µs."""
        if self.is_gone:
            raise LostWorkerError("it is gone")
        now_ns = monotonic_ns()
        facts = {"host": f"host of {self.name}", "clock": self.clock, "cores": 2}
        return Reading(now_ns - 100_000, now_ns - 50_000 + self.clock_offset_ns, now_ns, facts)


@pytest.fixture
def links() -> list[StagedLink]:
    """Return two processes."""
    return [StagedLink("one"), StagedLink("two")]


@pytest.fixture
def fleet(links: list[StagedLink]) -> Iterator[Workers]:
    """Give a fleet of three publishers and a consumer on two processes."""
    staged = StagedRun(FLOCK)
    yield Workers(
        {"in": 3, "out": 1}, links, staged.pacer, ClockSync("here"), Reassignment(staged.plan, staged.collector)
    )
    staged.pacer.close()


def test_all_are_up_when_they_are_in_all_processes_together(fleet: Workers, links: list[StagedLink]) -> None:
    """Three on one process and one on the other are the four that there are to be."""
    links[0].status.users_up = 3
    fleet.refresh()
    assert not fleet.all_up.is_set()

    links[1].status.users_up = 1
    fleet.refresh()

    assert fleet.all_up.is_set()
    assert fleet.users_up == 4


def test_a_group_is_done_when_its_last_user_anywhere_is(fleet: Workers, links: list[StagedLink]) -> None:
    """It is done since that user's end, and every process hears of it."""
    links[0].status = Status(ended={"in": 2}, last_ended_ns={"in": 70})
    fleet.refresh()
    assert not fleet.is_done("in")

    links[1].status = Status(ended={"in": 1}, last_ended_ns={"in": 50})
    fleet.refresh()
    gevent.sleep(0.01)

    assert fleet.is_done("in")
    assert fleet.done_ns("in") == 70
    assert [link.orders.count("done") for link in links] == [1, 1]


def test_what_is_under_way_is_added_up(fleet: Workers, links: list[StagedLink]) -> None:
    """Messages in flight add up, and the newest delivery counts."""
    links[0].status = Status(in_flight=3, last_taken_ns={"out": 5}, is_lost=True)
    links[1].status = Status(in_flight=4, last_taken_ns={"out": 9}, is_lost=False)

    fleet.refresh()

    assert fleet.in_flight() == 7
    assert fleet.last_taken_ns == {"out": 9}
    assert not fleet.is_lost


def test_an_answer_that_was_overtaken_by_later_news_changes_nothing(fleet: Workers, links: list[StagedLink]) -> None:
    """An answer is taken when the one who asked gets to run; what the process told meanwhile counts."""
    links[0].status = Status(told_ns=10, users_up=0)
    fleet.take_status("one", asdict(Status(told_ns=11, users_up=3)))

    fleet.refresh()

    assert fleet.users_up == 3


def test_a_cut_brings_the_windows_of_all_and_the_events(fleet: Workers) -> None:
    """Every process's record comes, and what was put on the timeline here comes once."""
    fleet.record("noted", "something")

    records = list(fleet.cut(1, "measured"))

    assert [record.get("from") or record["code"] for record in records] == ["one", "two", "noted"]
    assert len(list(fleet.cut(2, "measured"))) == 2


def test_a_process_that_is_gone_fails_the_run(fleet: Workers, links: list[StagedLink]) -> None:
    """It is said once, the others are stopped, and no order goes to it any more."""
    links[0].is_gone = True

    fleet.refresh()
    gevent.sleep(0.01)
    records = list(fleet.cut(1, "measured"))

    assert fleet.failure is not None
    assert fleet.failure.startswith("worker one: it is gone")
    assert fleet.stopping.is_set()
    assert "stop" in links[1].orders
    assert [record.get("from") or record.get("code", record["type"]) for record in records] == [
        "two",
        "lost_worker",
        "worker-lost",
    ]


def test_a_failure_in_one_process_stops_the_others(fleet: Workers, links: list[StagedLink]) -> None:
    """Its reason is the run's; its event comes with its own window."""
    fleet.take_status("one", asdict(Status(failure="publisher in/1: gone")))
    gevent.sleep(0.01)

    assert fleet.failure == "publisher in/1: gone"
    assert "stop" in links[1].orders


def test_orders_are_carried_out_by_the_crew_of_the_process() -> None:
    """What a fleet orders reaches the users, and the answer says how they are."""
    staged = StagedRun()

    begun = execute(staged.crew, "begin", {"begin_ns": 5, "measured_ns": 6, "stop_ns": 7})
    done = execute(staged.crew, "done", {"group": "in", "done_ns": 8})

    assert (staged.run.begin_ns, staged.run.stop_ns, staged.run.completion.is_done("in")) == (5, 7, True)
    assert (begun["records"], done["records"]) == ([], [])
    assert done["status"]["told_ns"] >= begun["status"]["told_ns"] > 0
    assert Status(**done["status"] | {"told_ns": 0}) == replace(Status.of(staged.crew), told_ns=0)


def test_orders_go_by_the_clock_of_the_process(fleet: Workers, links: list[StagedLink]) -> None:
    """One on another host is told by how much its clock is ahead where windows begin and end; one on this is not."""
    links[1].clock, links[1].clock_offset_ns = "there", 5_000 * NS_PER_S

    fleet.open(7)
    list(fleet.cut(9, "measured"))
    fleet.refresh()

    assert [arguments.get("clock_offset_ns") for arguments in links[0].arguments] == [0, 0, None]
    assert "clock_offset_ns" not in links[1].arguments[2]
    for arguments in links[1].arguments[:2]:
        assert abs(arguments["clock_offset_ns"] - 5_000 * NS_PER_S) <= 50_000


def test_processes_of_a_host_get_the_same_offset(fleet: Workers, links: list[StagedLink]) -> None:
    """What both say is put together, so that between them nothing is added to a latency."""
    for link in links:
        link.clock, link.clock_offset_ns = "there", -NS_PER_S
    links[1].clock_offset_ns += 40_000

    fleet.open(7)

    ahead = [link.arguments[0]["clock_offset_ns"] for link in links]
    assert ahead[0] == ahead[1]
    assert ahead[0] in range(-NS_PER_S, -NS_PER_S + 40_001)


def test_a_process_whose_clock_cannot_be_ours_is_on_another_host(fleet: Workers, links: list[StagedLink]) -> None:
    """Two copies of a virtual machine say that they are the same boot; their clocks tell that they are not."""
    links[0].clock_offset_ns = NS_PER_S

    fleet.open(7)

    assert abs(links[0].arguments[0]["clock_offset_ns"] - NS_PER_S) <= 50_000
    assert links[1].arguments[0]["clock_offset_ns"] == 0


def test_what_is_known_of_clocks_is_told_first_and_last(fleet: Workers, links: list[StagedLink]) -> None:
    """Of every process once, and of those on other hosts again, in what the journal takes."""
    links[1].clock, links[1].clock_offset_ns = "there", NS_PER_S
    fleet.open(7)

    told = [
        [record for record in fleet.cut(now_ns, "measured") if record.get("type") == "worker"] for now_ns in (9, 10, 0)
    ]

    assert [[record["worker"] for record in records] for records in told] == [["one", "two"], [], ["two"]]
    one, two = told[0]
    assert (one["clock"], one["offset_ns"], one["bound_ns"]) == (None, 0, 0)
    assert (two["clock"], two["host"], two["cores"]) == ("there", "host of two", 2)
    assert abs(two["offset_ns"] - NS_PER_S) <= two["bound_ns"] < 60_000
    for record in (one, two):
        RECORD.validate_json(json.dumps(record))


def test_a_far_host_hears_of_the_begin_in_time(fleet: Workers, links: list[StagedLink]) -> None:
    """The begin is put off by the longest round trip."""
    near_ns = fleet.lead_ns
    links[1].clock = "there"

    fleet.open(7)

    assert fleet.lead_ns == near_ns + 100_000


def test_a_process_on_another_host_answers_in_the_time_of_the_run() -> None:
    """Orders are carried out by its own clock, and its windows and status come back by the run's."""
    staged = StagedRun()
    clock_offset_ns = 3_000 * NS_PER_S
    start_ns = monotonic_ns() - clock_offset_ns  # the clock of the run stands so far behind

    execute(staged.crew, "open", {"start_ns": start_ns, "clock_offset_ns": clock_offset_ns})
    execute(staged.crew, "begin", {"begin_ns": start_ns + 1, "measured_ns": start_ns + 2, "stop_ns": start_ns + 3})
    staged.run.last_taken_ns["out"] = start_ns + clock_offset_ns + 4
    answer = execute(
        staged.crew,
        "cut",
        {"now_ns": start_ns + 5, "phase": "measured", "pause": None, "clock_offset_ns": clock_offset_ns + 10},
    )

    assert (staged.run.begin_ns, staged.run.stop_ns) == (start_ns + 1 + clock_offset_ns, start_ns + 3 + clock_offset_ns)
    assert staged.recorder.measured_from_ns == start_ns + 2 + clock_offset_ns
    window = answer["records"][0]
    assert window["start_ns"] == start_ns
    assert start_ns < window["end_ns"] <= monotonic_ns() - clock_offset_ns
    assert answer["status"]["last_taken_ns"] == {"out": start_ns + 4 - 10}
    assert staged.recorder.clock_offset_ns == clock_offset_ns + 10


def test_stamps_of_another_host_give_true_latencies() -> None:
    """A message stamped in the time of the run, taken by a process whose clock is ahead: the difference is the way."""
    staged = StagedRun()
    clock_offset_ns = 3_000 * NS_PER_S
    read_ns = monotonic_ns()
    staged.recorder.clock_offset_ns = clock_offset_ns
    delivery = staged.recorder.delivery("out", "q")
    intended_ns = np.array([read_ns - 1000, read_ns + 5]) - clock_offset_ns
    delivery.delivered(0, np.array([0, 1]), intended_ns, 0, read_ns, 2)

    window = staged.recorder.cut(0, read_ns, "measured", {})

    latency = window.groups["out"].histogram("end_to_end")
    assert (latency.min, latency.max, latency.count, latency.negative) == (-5, 1000, 2, 1)


def going_on(links: list[StagedLink], staged: StagedRun) -> Workers:
    """Return a fleet that has begun, goes on without a process that is gone, and knows who sits where."""
    reassignment = Reassignment(staged.plan, staged.collector)
    fleet = Workers({"in": 3, "out": 1}, links, staged.pacer, ClockSync("here"), reassignment, goes_on=True)
    staged.collector.take(staged.opening)
    for worker in ("one", "two", "one"):
        fleet.assign_specs(worker, {"in": 1})
    fleet.assign_specs("one", {"out": 1})
    fleet.begin(1, 2, None)
    return fleet


def test_others_take_the_seats_of_a_process_that_is_gone(links: list[StagedLink]) -> None:
    """The run goes on; all hear of the new publishers first; the loss is told, and the process left to itself."""
    staged = StagedRun(FLOCK)
    fleet = going_on(links, staged)
    links[0].is_gone = True

    fleet.refresh()
    gevent.sleep(0.01)
    records = list(fleet.cut(1, "measured"))

    assert fleet.failure is None
    assert not fleet.stopping.is_set()
    assert "give up" in links[0].orders
    assert links[1].orders[-3:] == ["expect", "adopt", "cut"]
    adoptions = links[1].arguments[-2]["adoptions"]
    assert [(each["worker"], each["group"], each["number"], each["publisher_id"]) for each in adoptions] == [
        ("two", "in", 0, 3),
        ("two", "in", 2, 4),
        ("two", "out", 0, None),
    ]
    lost = next(record for record in records if record.get("type") == "lost_worker")
    assert (lost["publishers"], lost["sinks"]) == ([0, 2], ["q"])
    assert [(entry["id"], entry["successor_of"]) for entry in lost["successors"]] == [(3, 0), (4, 2)]
    assert [record["code"] for record in records if record.get("type") == "event"] == ["worker-replaced"]
    RECORD.validate_json(json.dumps(lost))


def test_a_group_is_done_when_the_successors_are(links: list[StagedLink]) -> None:
    """Users that had ended before their process went count, the others when who took their seats has ended."""
    staged = StagedRun(FLOCK)
    fleet = going_on(links, staged)
    links[0].status = Status(ended={"in": 1}, last_ended_ns={"in": 5})
    fleet.refresh()
    links[0].is_gone = True
    fleet.refresh()
    gevent.sleep(0.01)
    assert len(links[1].arguments[-1]["adoptions"]) == 2

    links[1].status = Status(ended={"in": 2, "out": 1}, last_ended_ns={"in": 9, "out": 9})
    fleet.refresh()

    assert fleet.is_done("in")
    assert fleet.is_done("out")


def test_the_last_process_cannot_be_replaced(links: list[StagedLink]) -> None:
    """With nobody left the run has failed."""
    fleet = going_on(links, StagedRun(FLOCK))
    for link in links:
        link.is_gone = True

    fleet.refresh()
    gevent.sleep(0.01)

    assert fleet.failure is not None
    assert fleet.stopping.is_set()
