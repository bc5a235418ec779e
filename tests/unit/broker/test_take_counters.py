"""What the counters of a queue say of those who take from it, as the management API has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from loadtest.broker.monitor import take_counters
from loadtest.broker.monitor.management import ManagementApi
from loadtest.broker.monitor.take_counters import MOST_ASKED, TakeCounters
from loadtest.errors import BrokerError

GOT_ONE: Mapping[str, Any] | None = {"get": 1}


class Told(ManagementApi):
    """A management API that tells of each queue one answer after the other, the last of them again and again."""

    def __init__(self, **answers: list[Mapping[str, Any] | None]) -> None:
        super().__init__("http://127.0.0.1:1", ("u", "p"))
        self.answers = answers
        self.asked = 0

    def queue(self, vhost: str, name: str) -> dict[str, Any]:
        """Return the next answer; None is a queue that is gone."""
        assert vhost == "v"
        self.asked += 1
        left = self.answers[name]
        stats = left.pop(0) if len(left) > 1 else left[0]
        if stats is None:
            raise BrokerError("404")
        return {"message_stats": dict(stats)} if stats else {}


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(take_counters, "ASK_AGAIN_S", 0.0)
    monkeypatch.setattr(take_counters, "LAG_S", 0.05)


@pytest.mark.parametrize(
    "stats, consumed, expected",
    [
        ({"get": 2, "get_no_ack": 3, "publish": 9}, False, 5),
        ({"deliver": 2, "deliver_no_ack": 3}, False, 5),
        ({"get": 1, "deliver": 70}, True, 1),
        ({"deliver": 70, "get_empty": 4}, True, None),
        ({}, False, None),
        (None, False, None),
    ],
    ids=["gets", "consumers", "gets beside our consumers", "our consumers alone", "no counters", "gone"],
)
def test_what_others_took_is_counted(stats: Mapping[str, Any] | None, expected: int | None, *, consumed: bool) -> None:
    """Of a queue from which the run consumes only Basic.Get counts; Get-Empty takes nothing."""
    counters = TakeCounters(Told(q=[stats]), "v", ["q"] if consumed else [])

    assert counters.since(["q"]) == ({} if expected is None else {"q": expected})


def test_what_was_taken_before_is_taken_off() -> None:
    """A queue that was there before has counters from before."""
    counters = TakeCounters(Told(q=[{"get": 7}, {"get": 7}, {"get": 9}], idle=[{"get": 7}]), "v", [])
    counters.begin(["q", "idle"])

    assert counters.since(["q", "idle"]) == {"q": 2}


def test_many_queues_are_not_all_asked() -> None:
    """What is asked after a run has a bound, whatever the run has lost."""
    names = [f"q{number}" for number in range(100)]
    api = Told(**{name: [GOT_ONE] for name in names})

    assert len(TakeCounters(api, "v", []).since(names)) == api.asked == MOST_ASKED
