from __future__ import annotations

import pytest

from loadtest.clock import NS_PER_MS, NS_PER_S
from loadtest.errors import ResultsError
from loadtest.measure import Collector, Histogram
from loadtest.result.run.build import build_result
from tests.unit.result.staged_run import START_NS, StagedRun, flood, orders


def test_totals_cover_the_whole_run_and_rates_the_measured_part() -> None:
    """A second of warm-up is in the totals and neither in rates nor in latencies."""
    result = build_result(orders(seconds=4).collector())
    shop = result.groups["shop"]

    assert result.totals.published == result.totals.confirmed == result.totals.delivered == 4_000
    assert result.measured_s == 3.0
    assert (shop.rates.active_s, shop.rates.offered_per_s, shop.rates.published_per_s) == (3.0, 1_000.0, 1_000.0)
    assert shop.latency["confirm"].count == 3_000
    assert shop.rates.bytes_per_s == 1_000_000.0


def test_rates_of_a_group_are_over_the_time_in_which_it_was_active() -> None:
    """A group that works half of the measured part has twice the rate of its mean over all of it."""
    result = build_result(flood().collector())

    assert result.measured_s == 1.0
    assert result.groups["flood"].rates.active_s == 0.5
    assert result.groups["flood"].rates.published_per_s == 2_000.0
    assert result.groups["flood"].rates.offered_per_s is None
    assert result.groups["taker"].rates.got_per_s == 2_000.0


def test_latencies_are_exact_and_can_be_read_back() -> None:
    """Count, extremes and model are those that were recorded, and the encoded histogram holds the same values."""
    latency = build_result(orders().collector()).groups["shop"].latency["confirm"]

    assert (latency.min_ns, latency.mean_ns, latency.max_ns) == (3 * NS_PER_MS, 3 * NS_PER_MS, 3 * NS_PER_MS)
    assert latency.model == "open"
    assert Histogram.decode(latency.hdr).count == 3_000


def test_series_of_message_counts_is_one_stretch_down_to_zero() -> None:
    """Getting a flood one by one gives 999 … 0 as a single stretch."""
    series = build_result(flood().collector()).groups["taker"].message_counts["Queue111112"]

    assert (series.first, series.last, series.count, series.left_out) == (999, 0, 1_000, 0)
    assert [stretch.model_dump() for stretch in series.stretches] == [{"first": 999, "count": 1_000, "step": -1}]


def test_lost_messages_are_counted_by_publisher_and_group_with_examples() -> None:
    """What was confirmed and never came is lost, in total, by group, by publisher and by seq."""
    result = build_result(flood(lose=2).collector())

    assert result.totals.lost == result.groups["flood"].totals["lost"] == result.ledger.publishers[0].lost == 2
    assert [(lost.publisher, lost.seq, lost.sink) for lost in result.ledger.lost_examples] == [
        (0, 998, "Queue111112"),
        (0, 999, "Queue111112"),
    ]


def test_what_is_still_in_the_queue_is_remaining_and_not_lost() -> None:
    """A message that the broker still holds after the drain is no loss."""
    run = flood(lose=2)
    run.records.insert(-1, {"type": "queue", "sink": "Queue111112", "left": 2})
    result = build_result(run.collector())

    assert (result.totals.lost, result.totals.remaining, result.ledger.left) == (0, 2, {"Queue111112": 2})


def test_published_equals_its_answers_in_every_book() -> None:
    """A nack, a return without an ack and a message in doubt balance the books beside the confirms."""
    run = StagedRun({"shop": ("publisher", "closed")}, routes=[[]])
    run.phase("measured", 0)
    publisher = run.recorder().publisher("shop", 0)
    intended = run.publish("shop", range(10), 0)
    run.confirm("shop", range(6), intended[:6], NS_PER_MS)
    publisher.nacked([6, 7], intended[6:8], intended[6:8], START_NS + NS_PER_MS)
    publisher.returned([8])
    publisher.in_doubt([9], START_NS, START_NS)
    run.cut(NS_PER_S, "measured")
    run.end(NS_PER_S)
    result = build_result(run.collector())
    book = result.ledger.publishers[0]

    assert (book.confirmed, book.nacked, book.returned_only, book.in_doubt) == (6, 2, 1, 1)
    assert result.ledger.balanced is True


def test_books_with_an_unanswered_message_do_not_balance() -> None:
    """With confirms a message that is neither answered nor in doubt is a fault, said in a sentence."""
    run = StagedRun({"shop": ("publisher", "closed")}, routes=[[]])
    run.phase("measured", 0)
    intended = run.publish("shop", range(3), 0)
    run.confirm("shop", range(2), intended[:2], NS_PER_MS)
    run.cut(NS_PER_S, "measured")
    run.end(NS_PER_S)
    result = build_result(run.collector())

    assert result.ledger.balanced is False
    assert result.ledger.imbalances == (
        "publisher 0 of shop published 3, but confirmed + nacked + returned only + in doubt is 2",
    )
    assert (result.verdict.outcome, result.verdict.exit_code) == ("fail", 1)


def test_group_without_values_has_no_latency_and_no_rate() -> None:
    """What never happened is null or absent, never 0."""
    run = StagedRun({"shop": ("publisher", "open"), "billing": ("consumer", "open")})
    run.phase("measured", 0)
    run.cut(NS_PER_S, "measured")
    run.end(NS_PER_S)
    result = build_result(run.collector())

    assert result.groups["billing"].latency == {}
    assert result.groups["billing"].rates.delivered_per_s is None
    assert result.verdict.outcome == "nothing-measured"


def test_duplicates_are_not_told_of_a_group_among_several_takers() -> None:
    """The ledger knows duplicates by sink: they belong to a group only if no other takes messages."""
    alone = build_result(orders().collector())
    run = StagedRun({"a": ("consumer", "open"), "b": ("consumer", "open")})
    run.end(NS_PER_S)
    several = build_result(run.collector())

    assert alone.groups["billing"].totals["duplicates"] == 0
    assert "duplicates" not in several.groups["a"].totals


def test_phases_and_events_are_on_one_time_axis() -> None:
    """Phases follow each other without gaps and events have the codes of the documentation."""
    run = orders()
    run.records.insert(5, {"type": "event", "at_ns": START_NS + NS_PER_S // 2, "code": "connection_lost", "text": "x"})
    result = build_result(run.collector())

    assert [(phase.name, phase.start_s, phase.end_s) for phase in result.phases] == [
        ("warm_up", 0.0, 1.0),
        ("measured", 1.0, 4.0),
        ("drain", 4.0, 4.0),
        ("done", 4.0, 4.0),
    ]
    assert [(event.t_s, event.code) for event in result.events] == [(0.5, "connection-lost")]


def test_timeline_has_a_row_a_second_with_rates_latencies_and_gauges() -> None:
    """A row says what each group did in that second, in the figures of the measured part."""
    points = build_result(orders(seconds=3).collector()).timeline

    assert [(point.t_s, point.phase) for point in points] == [(0, "warm_up"), (1, "measured"), (2, "measured")]
    assert points[1].groups["shop"].rates["published_per_s"] == 1_000.0
    assert points[1].groups["billing"].latency["end_to_end"].max_ns == 5 * NS_PER_MS
    assert points[1].gauges["cpu"] == 0.25


def test_secrets_are_replaced_wherever_they_stand() -> None:
    """Passwords in the broker's address, an override, the scenario or an event are not in the document."""
    run = flood(text="url: amqp://u:hunter2@h\n", overrides=["x.url=amqp://u:hunter2@h"], description="token: hunter2")
    run.records[0]["broker"] = {"address": "amqp://u:hunter2@h", "password": "hunter2"}
    run.records.insert(1, {"type": "event", "at_ns": START_NS, "code": "x", "text": "amqp://u:hunter2@h refused"})

    assert "hunter2" not in build_result(run.collector()).model_dump_json()


def test_run_that_was_cut_off_ends_with_its_last_window() -> None:
    """Without an end record the end is that of the last window, and whether books balance is unknown."""
    run = orders(seconds=4)
    del run.records[-3:]
    result = build_result(run.collector())

    assert result.ended_at == "2026-03-01T12:00:04+00:00"
    assert (result.complete, result.ledger.balanced, result.verdict.exit_code) == (False, None, 4)


def test_thresholds_come_from_the_scenario_text_where_the_record_lists_none() -> None:
    """A record without a list of thresholds is judged by those of its scenario."""
    text = "name: empty\npublishers: {flood: {exchange: '', routing_key: q, messages: 1}}\nthresholds: [lost == 7]\n"
    run = flood(text=text)
    del run.records[0]["scenario"]["thresholds"]

    assert [check.check for check in build_result(run.collector()).verdict.checks] == ["lost == 7"]


def test_thresholds_that_cannot_be_read_count_as_failed() -> None:
    """A journal with a damaged scenario does not pass for want of checks."""
    run = flood(text=": no scenario")
    del run.records[0]["scenario"]["thresholds"]
    verdict = build_result(run.collector()).verdict

    assert (verdict.exit_code, verdict.checks[0].ok) == (1, False)


def test_collector_without_a_run_has_no_result() -> None:
    """Nothing is made of nothing."""
    with pytest.raises(ResultsError, match="no run record"):
        build_result(Collector())
