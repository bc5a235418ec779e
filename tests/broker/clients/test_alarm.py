"""Runs on a node of their own, which they alarm, freeze and kill."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import gevent
import gevent.subprocess
import pytest

from loadtest.broker.private.private_node import PrivateNode
from tests.broker.clients.load_run import LoadRun, perform

# In this order: the last one kills the node.
pytestmark = [pytest.mark.broker, pytest.mark.xdist_group("traffic-node")]

FLOW = """
topology: {queues: {q: {durable: true}}}
publishers: {in: {routing_key: q, body: {size: 1KB}, rate: 2000/s, confirm_window: 200}}
consumers: {out: {queue: q, ack: auto}}
"""


@pytest.fixture(scope="module")
def node(rabbitmq_server: Path) -> Iterator[PrivateNode]:
    """A node that may be harmed."""
    with PrivateNode.start(server=rabbitmq_server) as node:
        yield node


def control(node: PrivateNode, server: Path, *command: str) -> None:
    """Run `rabbitmqctl` as the node's owner, and let other greenlets run meanwhile."""
    environ = dict(
        entry.split("=", 1) for entry in Path(f"/proc/{node.pid}/environ").read_text().split("\0") if "=" in entry
    )
    program = str(server.with_name("rabbitmqctl"))
    done = gevent.subprocess.run([program, *command], env=environ, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_a_memory_alarm_is_counted_and_survived(node: PrivateNode, rabbitmq_server: Path) -> None:
    """The broker blocks the publisher for a while: events, blocked time and late messages say so, and all arrive."""

    def end_alarm(load_run: LoadRun) -> None:
        load_run.wait_until(lambda: "connection-blocked" in load_run.events())
        gevent.sleep(0.3)
        control(node, rabbitmq_server, "set_vm_memory_high_watermark", "0.4")

    # The alarm is on before the run, which ends by number: rabbitmqctl takes seconds where the machine is busy.
    control(node, rabbitmq_server, "set_vm_memory_high_watermark", "0")
    text = FLOW.replace("confirm_window: 200", "confirm_window: 200, messages: 8000")
    result, load_run = perform(node.endpoint, text, meanwhile=end_alarm)

    assert "low on memory" in load_run.events()["connection-blocked"]
    assert "connection-unblocked" in load_run.events()
    windows = [record for record in load_run.records if record["type"] == "window"]
    assert sum(window["gauges"]["blocked_ns"] for window in windows) > 300_000_000
    totals = result.totals
    assert totals.offered == totals.published == totals.confirmed == totals.delivered == 8000
    assert result.verdict.exit_code == 0
    assert "broker-blocked-publishers" in {finding.code for finding in result.verdict.findings}


def test_a_broker_that_stays_blocked_does_not_hold_the_run(node: PrivateNode, rabbitmq_server: Path) -> None:
    """The duration and the drain are over some time; what got no confirm is in doubt."""
    control(node, rabbitmq_server, "set_vm_memory_high_watermark", "0")
    text = FLOW.replace("confirm_window: 200", "confirm_window: 0, mandatory: false").replace("1KB", "100KB")
    began = time.monotonic()
    try:
        result, _ = perform(node.endpoint, text + "run: {duration: 500ms, drain: 300ms}")
    finally:
        control(node, rabbitmq_server, "set_vm_memory_high_watermark", "0.4")

    assert time.monotonic() - began < 25
    assert result.totals.offered == 1000
    assert result.totals.published < 1000


@pytest.mark.parametrize(
    "settings, exit_code, reason",
    [
        ("rate: 200/s / duration: 1s", 4, "publisher in: 0 of "),
        ("rate: 200/s, confirm_window: 0, mandatory: false / duration: 2s", 4, "nothing that was published is known"),
        ("messages: 500 / reconnect_for: 2s", 3, "the run got no further: publisher in: nothing done for "),
        ("messages: 500, users: 2, confirm_window: 0, mandatory: false / reconnect_for: 2s", 4, "nothing that was"),
    ],
    ids=["confirms", "without confirms", "no duration", "neither"],
)
def test_a_broker_that_is_blocked_throughout_never_passes(
    node: PrivateNode, rabbitmq_server: Path, settings: str, exit_code: int, reason: str
) -> None:
    """Nothing was measured; a run without a duration ends when its publishers have waited for `reconnect_for`."""
    publisher, run = settings.split(" / ")
    text = FLOW.replace(
        "rate: 2000/s, confirm_window: 200", publisher if "window" in publisher else f"{publisher}, confirm_window: 200"
    )
    control(node, rabbitmq_server, "set_vm_memory_high_watermark", "0")
    try:
        with LoadRun(node.endpoint, f"{text}run: {{{run}, drain: 1s}}") as load_run:
            result = load_run.perform()
    finally:
        control(node, rabbitmq_server, "set_vm_memory_high_watermark", "0.4")

    assert (result.verdict.exit_code, result.totals.delivered) == (exit_code, 0), result.verdict.reason
    assert result.verdict.reason.startswith(reason)
    assert "nothing-done" in {finding.code for finding in result.verdict.findings}
    assert not [finding for finding in result.verdict.findings if "ower the rate" in finding.text]


@pytest.mark.long
def test_a_frozen_broker_does_not_hold_the_run(node: PrivateNode) -> None:
    """A broker that answers nothing any more is left behind after the drain, in doubt what it had."""

    def freeze(load_run: LoadRun) -> None:
        gevent.sleep(0.3)
        os.kill(node.pid, signal.SIGSTOP)
        load_run.run.over.wait(20)
        gevent.sleep(0.1)

    try:
        with LoadRun(node.endpoint, FLOW + "run: {duration: 1s, drain: 500ms}") as load_run:
            gevent.spawn_later(8, os.kill, node.pid, signal.SIGCONT)
            result = load_run.perform(meanwhile=freeze)
            os.kill(node.pid, signal.SIGCONT)
    finally:
        os.kill(node.pid, signal.SIGCONT)

    assert result.totals.offered == 2000
    assert result.totals.in_doubt > 0
    assert result.ledger.balanced


def test_a_killed_broker_ends_the_run_with_its_books_closed(node: PrivateNode) -> None:
    """After kill -9 every message is confirmed or in doubt, and the run ends at once with the reason."""

    def kill(_: LoadRun) -> None:
        gevent.sleep(0.3)
        node.kill()

    began = time.monotonic()
    result, load_run = perform(node.endpoint, FLOW + "run: {duration: 30s, reconnect: off}", meanwhile=kill)

    assert time.monotonic() - began < 25
    assert "connection-lost" in load_run.events()
    assert "queues-unknown" in load_run.events() or not result.totals.lost
    assert result.totals.published == result.totals.confirmed + result.totals.in_doubt
    assert result.ledger.balanced
    assert result.verdict.exit_code in {1, 3}
