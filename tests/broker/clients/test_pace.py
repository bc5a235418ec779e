"""Open models against a real broker: what the schedule asks is offered, sent and measured, whatever the broker does."""

from __future__ import annotations

import time
from statistics import median

import gevent
import pytest

from loadtest.broker.endpoint import Endpoint
from loadtest.broker.monitor.management import ManagementApi
from loadtest.clock import NS_PER_S, monotonic_ns
from tests.broker.clients.load_run import perform

pytestmark = pytest.mark.broker

STATISTICS_WITHIN_S = 15.0
ATTEMPTS = 3


def steady(rate: str, run: str, publishers: str = "users: 2, confirm_window: 256") -> str:
    """Return a scenario of publishers at *rate* and a consumer."""
    return f"""
topology: {{queues: {{q: {{}}}}}}
publishers: {{in: {{routing_key: q, body: {{size: 100B}}, rate: {rate}, {publishers}}}}}
consumers: {{out: {{queue: q, prefetch: 1000, ack: every 50}}}}
run: {{{run}}}
"""


def test_a_rate_is_offered_and_sent_exactly(vhost_endpoint: Endpoint) -> None:
    """In a second at 1,000/s exactly 1,000 messages fall due, and all of them are sent."""
    result, _ = perform(vhost_endpoint, steady("1000/s", "duration: 1s"))

    assert result.totals.offered == result.totals.published == result.totals.delivered == 1000
    assert result.groups["in"].rates.offered_per_s == pytest.approx(1000, rel=0.001)


def test_poisson_arrivals_are_those_of_the_schedule(vhost_endpoint: Endpoint) -> None:
    """What is offered is what the seeded schedule says, to the message."""
    text = steady("2000/s", "duration: 500ms", "users: 3, arrival: poisson, confirm_window: 100")
    result, load_run = perform(vhost_endpoint, text)

    last_ns = NS_PER_S // 2 - 1
    due = sum(spec.arrivals.count_due(last_ns) for spec in load_run.plan.publishers if spec.arrivals is not None)
    assert result.totals.offered == result.totals.published == due


def test_stages_end_by_themselves(vhost_endpoint: Endpoint) -> None:
    """A ramp up and a plateau send as many messages as the area under the curve, and the run is over."""
    text = steady("[{for: 200ms, from: 0/s, to: 1000/s}, {for: 300ms, rate: 1000/s}]", "drain: 5s")
    result, _ = perform(vhost_endpoint, text)

    assert result.totals.offered == result.totals.published == result.totals.delivered == 400


def test_what_cannot_be_sent_in_time_is_offered_all_the_same(vhost_endpoint: Endpoint) -> None:
    """With one message in flight at a time a broker cannot take 30,000/s: the shortfall and the wait show."""
    text = steady("30000/s", "duration: 500ms", "confirm_window: 1")
    result, load_run = perform(vhost_endpoint, text)

    group = result.groups["in"]
    assert result.totals.offered == 15_000
    assert result.totals.published < 12_000
    assert group.rates.offered_per_s == pytest.approx(30_000, rel=0.001)
    assert (group.latency["lateness"].max_ns or 0) > 50_000_000
    assert load_run.run.tasks[0].window_full_ns() > 10_000_000
    assert result.totals.lost == 0


def test_the_warm_up_is_kept_apart(vhost_endpoint: Endpoint) -> None:
    """Totals are of the whole run, rates and latencies of what was intended after the warm-up."""
    result, load_run = perform(vhost_endpoint, steady("1000/s", "warm_up: 300ms, duration: 500ms"))

    assert result.totals.published == 800
    assert result.groups["in"].latency["confirm"].count == 500
    assert result.groups["out"].latency["end_to_end"].count == 500
    assert result.groups["in"].rates.published_per_s == pytest.approx(1000, rel=0.01)
    assert load_run.collector.groups["in"].warm_up.latencies["confirm"].count == 300


def test_a_getter_calls_at_its_rate(vhost_endpoint: Endpoint) -> None:
    """200 calls a second, answered by a message or not, until the last user has ended."""
    text = """
topology: {queues: {q: {}}}
publishers: {in: {routing_key: q, body: {text: hi}, messages: 20, confirm_window: 20}}
getters: {out: {queue: q, ack: auto, rate: 200/s}}
run: {duration: 500ms}
"""
    result, _ = perform(vhost_endpoint, text)

    assert result.totals.got == 20
    ended_s = max(phase.end_s for phase in result.phases)
    began_s = min(phase.start_s for phase in result.phases if phase.name == "measured")
    assert 100 <= result.totals.got + result.totals.get_empty <= 200 * (ended_s - began_s) + 1


def test_the_broker_counts_what_we_count(vhost_endpoint: Endpoint, management: ManagementApi) -> None:
    """Published, delivered and acknowledged by the ledger are what the queue's own counters say."""
    text = (
        steady("2000/s", "duration: 500ms")
        .replace("{queues", "{keep: true, queues")
        .replace("q: {}", "q: {durable: true}")
    )
    totals = perform(vhost_endpoint, text)[0].totals

    deadline = time.monotonic() + STATISTICS_WITHIN_S
    stats: dict[str, int] = {}
    # Each user's channel tells its part when it closes.
    while any(stats.get(name) != totals.published for name in ("publish", "ack")) and time.monotonic() < deadline:
        time.sleep(0.2)
        stats = management.queue(vhost_endpoint.vhost, "q").get("message_stats", {})
    assert totals.published == totals.delivered > 900
    assert [stats.get(name) for name in ("publish", "deliver", "ack")] == [totals.published] * 3
    assert stats.get("redeliver", 0) == 0


@pytest.mark.alone
@pytest.mark.parametrize("rate, users, most_times", [(1_000, 1, 1), (2_000, 4, 4)])
def test_messages_leave_on_time(vhost_endpoint: Endpoint, rate: int, users: int, most_times: int) -> None:
    """
    All that fell due is sent, in the median no later than *most_times* as late as a bare `gevent.sleep` wakes.

    That sleeps in the same process at the same time, so that whatever the machine is busy with delays both. Users that
    fall due at the same instant wait for each other, which a single one does not.
    """
    text = steady(f"{rate}/s", "duration: 1s", f"users: {users}, confirm_window: 1000")
    seen = []
    for _ in range(ATTEMPTS):
        slept_ns: list[int] = []
        result, _run = perform(vhost_endpoint, text, meanwhile=lambda _, late=slept_ns: sleep_along(late))
        assert result.totals.published == result.totals.offered == rate
        late_ns = result.groups["in"].latency["lateness"].p50_ns
        assert late_ns is not None
        seen.append((late_ns, median(slept_ns)))
        if late_ns < most_times * median(slept_ns):
            return
    pytest.fail(f"medians of lateness and of a gevent.sleep, in ns: {seen}")


def sleep_along(late_ns: list[int]) -> None:
    """Sleep to each of 190 instants 5 ms and a bit apart, and note by how much each sleep was too long."""
    start_ns = monotonic_ns()
    for number in range(190):
        due_ns = start_ns + number * 5_100_000
        if (left_ns := due_ns - monotonic_ns()) > 0:
            gevent.sleep(left_ns / NS_PER_S)
            late_ns.append(monotonic_ns() - due_ns)
