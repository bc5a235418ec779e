"""`Fleet`: the users of several processes as one crew, and what becomes of it when a process is gone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import gevent
import pytest

from loadtest.traffic.fleet import Fleet, LostWorkerError, Status, carry_out
from loadtest.wire.pacing import Pacer
from tests.unit.traffic.staged import StagedRun


class StagedLink:
    """A process that answers every order with its status, and one record where a cut is ordered."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_gone = False
        self.status = Status(is_lost=False)
        self.orders: list[str] = []

    def ask(self, order: str, arguments: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        """Answer, unless it is gone."""
        if self.is_gone:
            raise LostWorkerError("it is gone")
        self.orders.append(order)
        return {"records": [{"from": self.name}] if order == "cut" else [], "status": asdict(self.status)}


@pytest.fixture
def links() -> list[StagedLink]:
    """Return two processes."""
    return [StagedLink("one"), StagedLink("two")]


@pytest.fixture
def fleet(links: list[StagedLink]) -> Iterator[Fleet]:
    """Give a fleet of three publishers and a consumer on two processes."""
    pacer = Pacer()
    yield Fleet({"in": 3, "out": 1}, links, pacer)
    pacer.close()


def test_all_are_up_when_they_are_in_all_processes_together(fleet: Fleet, links: list[StagedLink]) -> None:
    """Three on one process and one on the other are the four that there are to be."""
    links[0].status.users_up = 3
    fleet.refresh()
    assert not fleet.all_up.is_set()

    links[1].status.users_up = 1
    fleet.refresh()

    assert fleet.all_up.is_set()
    assert fleet.users_up == 4


def test_a_group_is_done_when_its_last_user_anywhere_is(fleet: Fleet, links: list[StagedLink]) -> None:
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


def test_what_is_under_way_is_added_up(fleet: Fleet, links: list[StagedLink]) -> None:
    """Messages in flight add up, and the newest delivery counts."""
    links[0].status = Status(in_flight=3, last_taken_ns={"out": 5}, is_lost=True)
    links[1].status = Status(in_flight=4, last_taken_ns={"out": 9}, is_lost=False)

    fleet.refresh()

    assert fleet.in_flight() == 7
    assert fleet.last_taken_ns == {"out": 9}
    assert not fleet.is_lost


def test_an_answer_that_was_overtaken_by_later_news_changes_nothing(fleet: Fleet, links: list[StagedLink]) -> None:
    """An answer is taken when the one who asked gets to run; what the process told meanwhile counts."""
    links[0].status = Status(told_ns=10, users_up=0)
    fleet.take_status("one", asdict(Status(told_ns=11, users_up=3)))

    fleet.refresh()

    assert fleet.users_up == 3


def test_a_cut_brings_the_windows_of_all_and_the_events(fleet: Fleet) -> None:
    """Every process's record comes, and what was put on the timeline here comes once."""
    fleet.record("noted", "something")

    records = list(fleet.cut(1, "measured"))

    assert [record.get("from") or record["code"] for record in records] == ["one", "two", "noted"]
    assert len(list(fleet.cut(2, "measured"))) == 2


def test_a_process_that_is_gone_fails_the_run(fleet: Fleet, links: list[StagedLink]) -> None:
    """It is said once, the others are stopped, and no order goes to it any more."""
    links[0].is_gone = True

    fleet.refresh()
    gevent.sleep(0.01)
    records = list(fleet.cut(1, "measured"))

    assert fleet.failure is not None
    assert fleet.failure.startswith("worker one: it is gone")
    assert fleet.stopping.is_set()
    assert "stop" in links[1].orders
    assert [record.get("from") or record["code"] for record in records] == ["two", "worker-lost"]


def test_a_failure_in_one_process_stops_the_others(fleet: Fleet, links: list[StagedLink]) -> None:
    """Its reason is the run's; its event comes with its own window."""
    fleet.take_status("one", asdict(Status(failure="publisher in/1: gone")))
    gevent.sleep(0.01)

    assert fleet.failure == "publisher in/1: gone"
    assert "stop" in links[1].orders


def test_orders_are_carried_out_by_the_crew_of_the_process() -> None:
    """What a fleet orders reaches the users, and the answer says how they are."""
    staged = StagedRun()

    begun = carry_out(staged.crew, "begin", {"begin_ns": 5, "measured_ns": 6, "stop_ns": 7})
    done = carry_out(staged.crew, "done", {"group": "in", "done_ns": 8})

    assert (staged.run.begin_ns, staged.run.stop_ns, staged.run.completion.is_done("in")) == (5, 7, True)
    assert (begun["records"], done["records"]) == ([], [])
    assert done["status"]["told_ns"] >= begun["status"]["told_ns"] > 0
    assert Status(**done["status"] | {"told_ns": 0}) == replace(Status.of(staged.crew), told_ns=0)
