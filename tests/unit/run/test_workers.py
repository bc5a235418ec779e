"""`Workers`: a run's workers as the controller leads them, and what becomes of it when a process is gone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gevent
import numpy as np
import pytest

from loadtest.clock import NS_PER_S, monotonic_ns
from loadtest.measure.record_models import RECORD
from loadtest.run.workers.clock_sync import ClockSync
from loadtest.run.workers.reassignment import Reassignment
from loadtest.run.workers.remote_command import execute
from loadtest.run.workers.worker import Answer, ClockReading, LostWorkerError
from loadtest.run.workers.worker_status import WorkerStatus
from loadtest.run.workers.workers import Workers
from tests.unit.run.staged import StagedRun

FLOCK = """
topology: {queues: {q: {}}}
publishers: {in: {users: 3, routing_key: q, body: {text: hello}, rate: 30/s, confirm_window: 5}}
consumers: {out: {queue: q, ack: auto}}
run: {duration: 60s}
"""


class StagedWorker:
    """A process that answers every command with its status, and a cut with one record."""

    lead_ns = 50_000_000

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_gone = False
        self.status = WorkerStatus(is_lost=False)
        self.commands: list[str] = []
        self.arguments: list[dict[str, Any]] = []
        self.clock = "here"
        self.clock_offset_ns = 0

    def execute(self, command: str, arguments: dict[str, Any], clock_offset_ns: int | None) -> Answer:
        """Answer, unless it is gone."""
        if self.is_gone:
            raise LostWorkerError("it is gone")
        self.commands.append(command)
        offset = {} if clock_offset_ns is None else {"clock_offset_ns": clock_offset_ns}
        self.arguments.append(arguments | offset)
        return Answer([{"from": self.name}] if command == "cut" else [], replace(self.status))

    def give_up(self) -> None:
        """Note it."""
        self.commands.append("give up")

    def read_clock(self, timeout_s: float) -> ClockReading:
        """Say what a clock says that is so far ahead, half-way through a round trip of 100 µs."""
        if self.is_gone:
            raise LostWorkerError("it is gone")
        now_ns = monotonic_ns()
        facts = {"host": f"host of {self.name}", "clock": self.clock, "cores": 2}
        return ClockReading(now_ns - 100_000, now_ns - 50_000 + self.clock_offset_ns, now_ns, facts)


@pytest.fixture
def processes() -> list[StagedWorker]:
    """Return two processes."""
    return [StagedWorker("one"), StagedWorker("two")]


@pytest.fixture
def workers(processes: list[StagedWorker]) -> Iterator[Workers]:
    """Give a workers of three publishers and a consumer on two processes."""
    staged = StagedRun(FLOCK)
    yield Workers(
        {"in": 3, "out": 1}, processes, staged.pacer, ClockSync("here"), Reassignment(staged.plan, staged.collector)
    )
    staged.pacer.close()


def test_all_are_up_when_they_are_in_all_processes_together(workers: Workers, processes: list[StagedWorker]) -> None:
    """Three on one process and one on the other are the four that there are to be."""
    processes[0].status.users_up = 3
    workers.refresh()
    assert not workers.all_up.is_set()

    processes[1].status.users_up = 1
    workers.refresh()

    assert workers.all_up.is_set()
    assert workers.users_up == 4


def test_a_group_is_done_when_its_last_user_anywhere_is(workers: Workers, processes: list[StagedWorker]) -> None:
    """It is done since that user's end, and every process hears of it."""
    processes[0].status = WorkerStatus(ended={"in": 2}, last_ended_ns={"in": 70})
    workers.refresh()
    assert not workers.is_done("in")

    processes[1].status = WorkerStatus(ended={"in": 1}, last_ended_ns={"in": 50})
    workers.refresh()
    gevent.sleep(0.01)

    assert workers.is_done("in")
    assert workers.done_ns("in") == 70
    assert [process.commands.count("mark_done") for process in processes] == [1, 1]


def test_what_is_under_way_is_added_up(workers: Workers, processes: list[StagedWorker]) -> None:
    """Messages in flight add up, and the newest delivery counts."""
    processes[0].status = WorkerStatus(in_flight=3, last_taken_ns={"out": 5}, is_lost=True)
    processes[1].status = WorkerStatus(in_flight=4, last_taken_ns={"out": 9}, is_lost=False)

    workers.refresh()

    assert workers.in_flight() == 7
    assert workers.last_taken_ns == {"out": 9}
    assert not workers.is_lost


def test_an_answer_overtaken_by_later_news_changes_nothing(workers: Workers, processes: list[StagedWorker]) -> None:
    """An answer is taken when the one who asked gets to run; what the process told meanwhile counts."""
    processes[0].status = WorkerStatus(told_ns=10, users_up=0)
    workers.take_status("one", WorkerStatus(told_ns=11, users_up=3))

    workers.refresh()

    assert workers.users_up == 3


def test_a_cut_brings_the_windows_of_all_and_the_events(workers: Workers) -> None:
    """Every process's record comes, and what was put on the timeline here comes once."""
    workers.record("noted", "something")

    records = list(workers.cut(1, "measured"))

    assert [record.get("from") or record["code"] for record in records] == ["one", "two", "noted"]
    assert len(list(workers.cut(2, "measured"))) == 2


def test_a_process_that_is_gone_fails_the_run(workers: Workers, processes: list[StagedWorker]) -> None:
    """It is said once, the others are stopped, and no order goes to it any more."""
    processes[0].is_gone = True

    workers.refresh()
    gevent.sleep(0.01)
    records = list(workers.cut(1, "measured"))

    assert workers.failure is not None
    assert workers.failure.startswith("worker one: it is gone")
    assert workers.stopping.is_set()
    assert "stop" in processes[1].commands
    assert [record.get("from") or record.get("code", record["type"]) for record in records] == [
        "two",
        "lost_worker",
        "worker-lost",
    ]


def test_a_failure_in_one_process_stops_the_others(workers: Workers, processes: list[StagedWorker]) -> None:
    """Its reason is the run's; its event comes with its own window."""
    workers.take_status("one", WorkerStatus(failure="publisher in/1: gone"))
    gevent.sleep(0.01)

    assert workers.failure == "publisher in/1: gone"
    assert "stop" in processes[1].commands


def test_orders_are_carried_out_by_the_crew_of_the_process() -> None:
    """What a workers orders reaches the users, and the answer says how they are."""
    staged = StagedRun()

    begun = execute(staged.worker, "begin", {"begin_ns": 5, "measured_ns": 6, "stop_ns": 7})
    done = execute(staged.worker, "mark_done", {"group": "in", "done_ns": 8})

    assert (staged.run.begin_ns, staged.run.stop_ns, staged.run.completion.is_done("in")) == (5, 7, True)
    assert (begun["records"], done["records"]) == ([], [])
    assert done["status"]["told_ns"] >= begun["status"]["told_ns"] > 0
    assert WorkerStatus(**done["status"] | {"told_ns": 0}) == replace(staged.worker.status(), told_ns=0)


def test_orders_go_by_the_clock_of_the_process(workers: Workers, processes: list[StagedWorker]) -> None:
    """One on another host is told by how much its clock is ahead where windows begin and end; one on this is not."""
    processes[1].clock, processes[1].clock_offset_ns = "there", 5_000 * NS_PER_S

    workers.open(7)
    list(workers.cut(9, "measured"))
    workers.refresh()

    assert [arguments.get("clock_offset_ns") for arguments in processes[0].arguments] == [0, 0, None]
    assert "clock_offset_ns" not in processes[1].arguments[2]
    for arguments in processes[1].arguments[:2]:
        assert abs(arguments["clock_offset_ns"] - 5_000 * NS_PER_S) <= 50_000


def test_processes_of_a_host_get_the_same_offset(workers: Workers, processes: list[StagedWorker]) -> None:
    """What both say is put together, so that between them nothing is added to a latency."""
    for process in processes:
        process.clock, process.clock_offset_ns = "there", -NS_PER_S
    processes[1].clock_offset_ns += 40_000

    workers.open(7)

    ahead = [process.arguments[0]["clock_offset_ns"] for process in processes]
    assert ahead[0] == ahead[1]
    assert ahead[0] in range(-NS_PER_S, -NS_PER_S + 40_001)


def test_a_process_whose_clock_cannot_be_ours_is_elsewhere(workers: Workers, processes: list[StagedWorker]) -> None:
    """Two copies of a virtual machine say that they are the same boot; their clocks tell that they are not."""
    processes[0].clock_offset_ns = NS_PER_S

    workers.open(7)

    assert abs(processes[0].arguments[0]["clock_offset_ns"] - NS_PER_S) <= 50_000
    assert processes[1].arguments[0]["clock_offset_ns"] == 0


def test_what_is_known_of_clocks_is_told_first_and_last(workers: Workers, processes: list[StagedWorker]) -> None:
    """Of every process once, and of those on other hosts again, in what the journal takes."""
    processes[1].clock, processes[1].clock_offset_ns = "there", NS_PER_S
    workers.open(7)

    told = [
        [record for record in workers.cut(now_ns, "measured") if record.get("type") == "worker"]
        for now_ns in (9, 10, 0)
    ]

    assert [[record["worker"] for record in records] for records in told] == [["one", "two"], [], ["two"]]
    one, two = told[0]
    assert (one["clock"], one["offset_ns"], one["bound_ns"]) == (None, 0, 0)
    assert (two["clock"], two["host"], two["cores"]) == ("there", "host of two", 2)
    assert abs(two["offset_ns"] - NS_PER_S) <= two["bound_ns"] < 60_000
    for record in (one, two):
        RECORD.validate_json(json.dumps(record))


def test_a_far_host_hears_of_the_begin_in_time(workers: Workers, processes: list[StagedWorker]) -> None:
    """The begin is put off by the longest round trip."""
    near_ns = workers.lead_ns
    processes[1].clock = "there"

    workers.open(7)

    assert workers.lead_ns == near_ns + 100_000


def test_a_process_on_another_host_answers_in_the_time_of_the_run() -> None:
    """Orders are carried out by its own clock, and its windows and status come back by the run's."""
    staged = StagedRun()
    clock_offset_ns = 3_000 * NS_PER_S
    start_ns = monotonic_ns() - clock_offset_ns  # the clock of the run stands so far behind

    execute(staged.worker, "open", {"start_ns": start_ns}, clock_offset_ns)
    execute(staged.worker, "begin", {"begin_ns": start_ns + 1, "measured_ns": start_ns + 2, "stop_ns": start_ns + 3})
    staged.run.last_taken_ns["out"] = start_ns + clock_offset_ns + 4
    answer = execute(
        staged.worker,
        "cut",
        {"now_ns": start_ns + 5, "phase": "measured", "pause": None},
        clock_offset_ns + 10,
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


def going_on(processes: list[StagedWorker], staged: StagedRun) -> Workers:
    """Return a workers that has begun, goes on without a process that is gone, and knows who sits where."""
    reassignment = Reassignment(staged.plan, staged.collector)
    workers = Workers({"in": 3, "out": 1}, processes, staged.pacer, ClockSync("here"), reassignment, goes_on=True)
    staged.collector.take(staged.opening)
    for worker in ("one", "two", "one"):
        workers.assign_specs(worker, {"in": 1})
    workers.assign_specs("one", {"out": 1})
    workers.begin(1, 2, None)
    return workers


def test_others_take_the_seats_of_a_process_that_is_gone(processes: list[StagedWorker]) -> None:
    """The run goes on; all hear of the new publishers first; the loss is told, and the process left to itself."""
    staged = StagedRun(FLOCK)
    workers = going_on(processes, staged)
    processes[0].is_gone = True

    workers.refresh()
    gevent.sleep(0.01)
    records = list(workers.cut(1, "measured"))

    assert workers.failure is None
    assert not workers.stopping.is_set()
    assert "give up" in processes[0].commands
    assert processes[1].commands[-3:] == ["expect", "take_over", "cut"]
    takeovers = processes[1].arguments[-2]["takeovers"]
    assert [(each["worker"], each["group"], each["number"], each["publisher_id"]) for each in takeovers] == [
        ("two", "in", 0, 3),
        ("two", "in", 2, 4),
        ("two", "out", 0, None),
    ]
    lost = next(record for record in records if record.get("type") == "lost_worker")
    assert (lost["publishers"], lost["sinks"]) == ([0, 2], ["q"])
    assert [(entry["id"], entry["successor_of"]) for entry in lost["successors"]] == [(3, 0), (4, 2)]
    assert [record["code"] for record in records if record.get("type") == "event"] == ["worker-replaced"]
    RECORD.validate_json(json.dumps(lost))


def test_a_group_is_done_when_the_successors_are(processes: list[StagedWorker]) -> None:
    """Users that had ended before their process went count, the others when who took their seats has ended."""
    staged = StagedRun(FLOCK)
    workers = going_on(processes, staged)
    processes[0].status = WorkerStatus(ended={"in": 1}, last_ended_ns={"in": 5})
    workers.refresh()
    processes[0].is_gone = True
    workers.refresh()
    gevent.sleep(0.01)
    assert len(processes[1].arguments[-1]["takeovers"]) == 2

    processes[1].status = WorkerStatus(ended={"in": 2, "out": 1}, last_ended_ns={"in": 9, "out": 9})
    workers.refresh()

    assert workers.is_done("in")
    assert workers.is_done("out")


def test_the_last_process_cannot_be_replaced(processes: list[StagedWorker]) -> None:
    """With nobody left the run has failed."""
    workers = going_on(processes, StagedRun(FLOCK))
    for process in processes:
        process.is_gone = True

    workers.refresh()
    gevent.sleep(0.01)

    assert workers.failure is not None
    assert workers.stopping.is_set()
