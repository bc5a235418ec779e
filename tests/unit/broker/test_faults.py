"""When faults are done, and what is refused before a run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import gevent
import pytest

from loadtest.broker.endpoint import Endpoint, resolve_endpoints
from loadtest.broker.faults.fault_runner import FaultDoer, steps_of
from loadtest.clock import NS_PER_S, monotonic_ns
from loadtest.errors import BrokerError, UsageError
from loadtest.scenario.grammar.faults import BrokerFault

UNTIL_NS = 10 * NS_PER_S


def fault(**keys: object) -> BrokerFault:
    """Return a fault as a scenario has it."""
    return BrokerFault.model_validate(keys)


def steps(*faults: BrokerFault) -> list[tuple[float, str]]:
    """Return the time, in s, and the kind of each step."""
    return [(step.after_ns / NS_PER_S, step.do) for step in steps_of(faults, UNTIL_NS)]


def foreign() -> FaultDoer:
    """Return one for a broker that is not ours and has no management API."""
    endpoints: list[Endpoint] | None = resolve_endpoints(["amqp://127.0.0.1:1"], {})
    assert endpoints is not None
    return FaultDoer(None, None, endpoints, lambda code, text: None)


def test_once() -> None:
    """At its time, and nothing after it."""
    assert steps(fault(at="3s", do="kill-node")) == [(3, "kill-node")]


def test_again_and_again() -> None:
    """The first time after the interval, the last before the end."""
    assert steps(fault(every="4s", do="close-connections")) == [(4, "close-connections"), (8, "close-connections")]


@pytest.mark.parametrize(
    "do, undone_by",
    [
        ("kill-node", "start-node"),
        ("stop-node", "start-node"),
        ("pause-node", "resume-node"),
        ("memory-alarm", "memory-alarm-off"),
        ("disk-alarm", "disk-alarm-off"),
        ("cut-network", "restore-network"),
    ],
)
def test_what_lasts_is_undone(do: str, undone_by: str) -> None:
    """So long after it was done, be that after the end of the run; and of the same nodes."""
    did, undid = steps_of([fault(at="9s", do=do, **{"for": "5s"})], UNTIL_NS)

    assert (undid.after_ns, undid.do) == (5 * NS_PER_S, undone_by)
    assert undid.undone is did


@pytest.mark.parametrize(
    "refused, words",
    [
        (fault(at="1s", do="kill-node"), "faults[0]: kill-node is for private nodes only"),
        (fault(at="1s", do="memory-alarm"), "faults[0]: memory-alarm is for private nodes only"),
        (fault(at="1s", do="close-connections"), "faults[0]: close-connections needs the management API"),
        (
            fault(at="10s", do="purge-queue", queue="q"),
            "faults[0]: purge-queue would come after the end of the run, at 10 s",
        ),
        (fault(at="1s", do="cut-network", node=2), "faults[0]: cut-network: there is no node 2"),
        (
            fault(at="1s", do="cut-network", leader_of="q"),
            "faults[0]: cut-network with leader_of is for private nodes only",
        ),
    ],
    ids=["node", "alarm", "connections", "late", "link", "leader"],
)
def test_refused(refused: BrokerFault, words: str) -> None:
    """What may not be done to a broker of somebody else, or would never be done."""
    with pytest.raises(UsageError) as caught:
        foreign().check([refused], UNTIL_NS)

    assert words in str(caught.value)


def test_what_was_never_done_is_told() -> None:
    """A run that is over before a fault's time has not shown what it was to show: that fault has failed."""
    told: list[tuple[str, str]] = []
    doer = FaultDoer(
        None, None, resolve_endpoints(["amqp://127.0.0.1:1"], {}) or [], lambda code, text: told.append((code, text))
    )
    doer.begin([fault(at="9s", do="kill-node", **{"for": "1s"})], monotonic_ns(), UNTIL_NS)
    doer.stop()
    doer.stop()

    assert told == [("fault-failed", "kill-node: the run was over before its time")]


def test_what_is_under_way_at_the_end_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it is stopped: the second time is when the journal is closed already."""
    told: list[str] = []
    doer = foreign()
    monkeypatch.setattr(doer, "_event", lambda code, text: told.append(text))
    monkeypatch.setattr(doer, "_do_now", lambda step: gevent.sleep(30))
    doer.begin([fault(at="0s", do="stop-node")], monotonic_ns(), UNTIL_NS)
    gevent.sleep(0.05)
    doer.stop()
    doer.stop()

    assert told == ["stop-node: it was not done yet when the run ended"]


@pytest.mark.parametrize("is_over", [False, True], ids=["in the run", "when it has ended"])
def test_a_node_that_fails_is_told_without_a_traceback(capfd: pytest.CaptureFixture[str], is_over: bool) -> None:
    """What is done to nodes is done in greenlets of their own, and gevent prints what one of these raises."""
    done: list[str] = []
    told: list[tuple[str, str]] = []

    def restart() -> None:
        gevent.sleep(0.1)
        raise BrokerError("it ended while it started")

    def start() -> None:
        gevent.sleep(0.2)
        done.append("n2")

    nodes = [
        SimpleNamespace(name=name, server=Mock(restart=restart_it))
        for name, restart_it in (("n1", restart), ("n2", start))
    ]
    private: Any = SimpleNamespace(nodes=nodes, node=lambda number: nodes[number - 1], is_found=False)
    doer = FaultDoer(private, None, [], lambda code, text: told.append((code, text)))
    doer.begin([fault(at="0s", do="restart-node", node="all")], monotonic_ns(), UNTIL_NS)
    gevent.sleep(0.05 if is_over else 0.5)
    doer.stop()
    gevent.sleep(0.3)

    assert "Traceback" not in capfd.readouterr().err
    assert done == ["n2"], "the others are done all the same"
    what = "it was not done yet when the run ended" if is_over else "it ended while it started"
    assert told == [("fault-failed", f"restart-node: {what}")]


def test_queues_anywhere() -> None:
    """Queues can be deleted wherever the user may."""
    foreign().check([fault(at="1s", do="delete-queue", queue="q")], UNTIL_NS)


def test_the_network_of_any_broker() -> None:
    """The users' connections are ours, whoever's the broker is."""
    foreign().check([fault(at="1s", do="cut-network", node=1), fault(at="2s", do="restore-network")], UNTIL_NS)
