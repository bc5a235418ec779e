from __future__ import annotations

from pathlib import Path

from loadtest.report.run.terminal import render
from loadtest.result.run.build import build_result
from tests.unit.result.staged_run import StagedRun, broker_lost, cut_off, flood, never_begun, nothing, orders

FOLDER = Path("results/2026-03-01T120000Z-flood")


def summary(run: StagedRun, width: int = 80) -> str:
    """Return the summary of a run as plain text."""
    return render(build_result(run.collector()), width=width, folder=FOLDER).plain


def test_passed_reads_at_a_glance() -> None:
    """A passed run shows what was asked, what came, the ledger and the verdict on a page."""
    assert (
        summary(
            flood(
                thresholds=["lost == 0", "flood.confirm.p99 < 20ms"], description="How fast does a broker take a flood?"
            )
        )
        == """\
flood
How fast does a broker take a flood?
RabbitMQ 3.10.8 · amqp://guest@127.0.0.1:5672/ ·
started 2026-03-01 12:00:00 UTC · measured 1.00 s

Rates  kind       messages    asked  achieved  confirmed     volume
flood  publisher     1,000  unpaced   2,000/s    2,000/s  42.0 KB/s
taker  getter        1,000  unpaced   2,000/s          –  42.0 KB/s

Latency       values      p50      p90      p99     p99.9      max
flood · closed model, from the time of sending
  confirm      1,000  2.00 ms  2.00 ms  2.00 ms  2.00 ms*  2.00 ms
taker · closed model, from the time of sending
  end_to_end   1,000   575 ms   635 ms   649 ms   650 ms*   650 ms
  get          1,001   200 µs   200 µs   200 µs   200 µs*   200 µs
* too few values for this percentile: fewer than ten lie beyond it

Ledger    published 1,000 = confirmed 1,000
          got 1,000
          lost 0
Series    taker Queue111112 · message_count 999 … 0 (1,000 values)
          taker Get-Empty 1

Bottleneck not known: nobody had used up its processor time; it may be a queue's
           single process, the disk or waiting (the generator's busiest process
           0.25 cores)

Findings
! too-few-samples: too few values for p99.9 of flood.confirm (1,000 values),
  p99.9 of taker.end_to_end (1,000 values), p99.9 of taker.get (1,001 values):
  p99 needs 1,000, p99.9 10,000. Read them as the largest values seen, or run
  longer.

Thresholds
ok    lost == 0                 0
ok    flood.confirm.p99 < 20ms  2.00 ms

PASS (exit code 0): 2 of 2 thresholds hold; 1,000 published, 1,000 got, 0 lost
results   results/2026-03-01T120000Z-flood"""
    )


def test_lost_reads_at_a_glance() -> None:
    """A run that lost messages names the first of them and fails."""
    assert (
        summary(flood(lose=7, thresholds=["lost == 0"]))
        == """\
flood
RabbitMQ 3.10.8 · amqp://guest@127.0.0.1:5672/ ·
started 2026-03-01 12:00:00 UTC · measured 1.00 s

Rates  kind       messages    asked  achieved  confirmed     volume
flood  publisher     1,000  unpaced   2,000/s    2,000/s  42.0 KB/s
taker  getter          993  unpaced   1,986/s          –  41.7 KB/s

Latency       values      p50      p90      p99     p99.9      max
flood · closed model, from the time of sending
  confirm      1,000  2.00 ms  2.00 ms  2.00 ms  2.00 ms*  2.00 ms
taker · closed model, from the time of sending
  end_to_end     993   575 ms   634 ms  647 ms*   649 ms*   649 ms
  get            994   200 µs   200 µs  200 µs*   200 µs*   200 µs
* too few values for this percentile: fewer than ten lie beyond it

Ledger    published 1,000 = confirmed 1,000
          got 993
          lost 7
            publisher 0 seq 993 for Queue111112
            publisher 0 seq 994 for Queue111112
            publisher 0 seq 995 for Queue111112
            publisher 0 seq 996 for Queue111112
            publisher 0 seq 997 for Queue111112
            and 2 more
Series    taker Queue111112 · message_count 999 … 7 (993 values)
          taker Get-Empty 1

Bottleneck not known: nobody had used up its processor time; it may be a queue's
           single process, the disk or waiting (the generator's busiest process
           0.25 cores)

Findings
! too-few-samples: too few values for p99.9 of flood.confirm (1,000 values), p99
  and p99.9 of taker.end_to_end (993 values), p99 and p99.9 of taker.get (994
  values): p99 needs 1,000, p99.9 10,000. Read them as the largest values seen,
  or run longer.

Thresholds
FAIL  lost == 0  7

FAIL (exit code 1): 7 messages were confirmed by the broker and neither
     delivered nor left in a queue
results   results/2026-03-01T120000Z-flood"""
    )


def test_nothing_reads_at_a_glance() -> None:
    """A run on an empty queue says that nothing was measured."""
    assert (
        summary(nothing())
        == """\
staged
RabbitMQ 3.10.8 · amqp://guest@127.0.0.1:5672/ ·
started 2026-03-01 12:00:00 UTC · measured 1.00 s

Rates  kind    messages    asked  achieved  confirmed  volume
taker  getter         0  unpaced       0/s          –   0 B/s

Latency  values      p50      p90      p99    p99.9     max
taker · closed model, from the time of sending
  get         1  150 µs*  150 µs*  150 µs*  150 µs*  150 µs
* too few values for this percentile: fewer than ten lie beyond it

Ledger    nothing delivered or got
          lost 0
Series    taker Get-Empty 1

Findings
! too-few-samples: too few values for p99 and p99.9 of taker.get (1 value): p99
  needs 1,000, p99.9 10,000. Read them as the largest values seen, or run
  longer.

NOTHING MEASURED (exit code 4): no message was published, delivered or got; 1
                 Get-Empty
results   results/2026-03-01T120000Z-flood"""
    )


def test_cut_off_reads_at_a_glance() -> None:
    """A run that was cut off says so and gives no final word on losses."""
    assert (
        summary(cut_off())
        == """\
orders
RabbitMQ 3.10.8 · amqp://guest@127.0.0.1:5672/ ·
started 2026-03-01 12:00:00 UTC · measured 3.00 s

Rates    kind       messages    asked  achieved  confirmed     volume
shop     publisher     4,000  1,000/s   1,000/s    1,000/s  1.00 MB/s
billing  consumer      4,000        –   1,000/s          –  1.00 MB/s

Latency          values      p50      p90      p99     p99.9      max
shop · open model, from the intended time
  confirm         3,000  3.00 ms  3.00 ms  3.00 ms  3.00 ms*  3.00 ms
    uncorrected   3,000  2.96 ms  2.96 ms  2.96 ms  2.96 ms*  2.96 ms
  lateness        3,000  40.0 µs  40.0 µs  40.0 µs  40.0 µs*  40.0 µs
billing · open model, from the intended time
  end_to_end      3,000  5.00 ms  5.00 ms  5.00 ms  5.00 ms*  5.00 ms
    uncorrected   3,000  5.00 ms  5.00 ms  5.00 ms  5.00 ms*  5.00 ms
* too few values for this percentile: fewer than ten lie beyond it

Ledger    published 4,000 = confirmed 4,000
          delivered 4,000
          lost 0, as far as the journal goes

Bottleneck none: what was asked was done, and nobody was at a limit (the
           generator's busiest process 0.25 cores)

Findings
! too-few-samples: too few values for p99.9 of shop.confirm (3,000 values),
  p99.9 of shop.lateness (3,000 values), p99.9 of billing.end_to_end (3,000
  values): p99 needs 1,000, p99.9 10,000. Read them as the largest values seen,
  or run longer.

INCONCLUSIVE (exit code 4): the run was cut off: its journal has no end record,
             and what was in flight cannot be accounted for
results   results/2026-03-01T120000Z-flood"""
    )


def test_empty_groups_reads_at_a_glance() -> None:
    """A run whose groups did nothing shows dashes and never a zero for what has no figure."""
    assert (
        summary(never_begun())
        == """\
staged
RabbitMQ 3.10.8 · amqp://guest@127.0.0.1:5672/ ·
started 2026-03-01 12:00:00 UTC · nothing measured

Rates    kind       messages  asked  achieved  confirmed  volume
shop     publisher         0      –         –          –       –
billing  consumer          0      –         –          –       –

Ledger    nothing delivered or got
          lost 0

NOTHING MEASURED (exit code 4): no message was published, delivered or got
results   results/2026-03-01T120000Z-flood"""
    )


def test_broker_lost_reads_at_a_glance() -> None:
    """A run that lost its broker accounts for every message."""
    assert (
        summary(broker_lost())
        == """\
broker-killed
RabbitMQ 3.10.8 · amqp://guest@127.0.0.1:5672/ ·
started 2026-03-01 12:00:00 UTC · measured 1.00 s

Rates    kind       messages    asked  achieved  confirmed     volume
shop     publisher     1,000  unpaced   1,000/s      900/s  1.00 MB/s
billing  consumer        903        –     903/s          –   903 KB/s

Latency       values      p50      p90       p99     p99.9      max
shop · closed model, from the time of sending
  confirm        950  1.00 ms  1.00 ms   546 ms*   550 ms*   550 ms
billing · closed model, from the time of sending
  end_to_end     903  2.00 ms  2.00 ms  2.00 ms*  4.00 ms*  4.00 ms
* too few values for this percentile: fewer than ten lie beyond it

Ledger    published 1,000 = confirmed 900 + nacked 50 + in doubt 50
          delivered 903 · duplicates 3
          lost 0

Events
1.00 s    connection-lost: publisher shop/1: the broker closed the connection:
          320 CONNECTION_FORCED

Bottleneck not known: nobody had used up its processor time; it may be a queue's
           single process, the disk or waiting (the generator's busiest process
           0.25 cores)

Findings
! connection-lost: 1 connection was lost (limit 0), first after 1.00 s:
  publisher shop/1: the broker closed the connection: 320 CONNECTION_FORCED. See
  the broker's log at that time.
! broker-blocked-publishers: the broker blocked connections, for 250 ms in all
  (limit 0 s). See its memory and disk alarms; rates and latencies hold for a
  broker in that state.
! messages-nacked: the broker nacked 50 of the 1,000 messages of publisher
  `shop`, 5% (limit 0): it did not take them, as a full queue with x-overflow
  reject-publish does not. Publish them again, lower the rate, add consumers, or
  raise the length limit of the queue.
! too-few-samples: too few values for p99 and p99.9 of shop.confirm (950
  values), p99 and p99.9 of billing.end_to_end (903 values): p99 needs 1,000,
  p99.9 10,000. Read them as the largest values seen, or run longer.
! in-doubt: 50 messages were in doubt: no answer came before the connection or
  the run ended (limit 0); 50 of them never arrived. An application has to
  publish them again; see the events for the reason.

ERROR (exit code 3): the run lost the broker: publisher shop/1: the broker
      closed the connection: 320 CONNECTION_FORCED
results   results/2026-03-01T120000Z-flood"""
    )


def test_wide_reads_at_a_glance() -> None:
    """A wide page has the further percentiles."""
    assert (
        summary(
            orders(seconds=12, thresholds=["shop.confirm.p99 < 2ms"], overrides=["publishers.shop.rate=1000/s"]), 120
        )
        == """\
orders
RabbitMQ 3.10.8 · amqp://guest@127.0.0.1:5672/ · started 2026-03-01 12:00:00 UTC · measured 11.0 s
set  publishers.shop.rate=1000/s

Rates    kind       messages    asked  achieved  confirmed     volume
shop     publisher    12,000  1,000/s   1,000/s    1,000/s  1.00 MB/s
billing  consumer     12,000        –   1,000/s          –  1.00 MB/s

Latency          values      min     mean      p50      p90      p95      p99    p99.9    p99.99      max
shop · open model, from the intended time
  confirm        11,000  3.00 ms  3.00 ms  3.00 ms  3.00 ms  3.00 ms  3.00 ms  3.00 ms  3.00 ms*  3.00 ms
    uncorrected  11,000  2.96 ms  2.96 ms  2.96 ms  2.96 ms  2.96 ms  2.96 ms  2.96 ms  2.96 ms*  2.96 ms
  lateness       11,000  40.0 µs  40.0 µs  40.0 µs  40.0 µs  40.0 µs  40.0 µs  40.0 µs  40.0 µs*  40.0 µs
billing · open model, from the intended time
  end_to_end     11,000  5.00 ms  5.00 ms  5.00 ms  5.00 ms  5.00 ms  5.00 ms  5.00 ms  5.00 ms*  5.00 ms
    uncorrected  11,000  5.00 ms  5.00 ms  5.00 ms  5.00 ms  5.00 ms  5.00 ms  5.00 ms  5.00 ms*  5.00 ms
* too few values for this percentile: fewer than ten lie beyond it

Ledger    published 12,000 = confirmed 12,000
          delivered 12,000
          lost 0

Bottleneck not known: the schedule was kept and nobody had used up its processor time, but 1 of 1 threshold failed (the
           generator's busiest process 0.25 cores)

Thresholds
FAIL  shop.confirm.p99 < 2ms  3.00 ms

FAIL (exit code 1): 1 of 1 threshold failed: shop.confirm.p99 < 2ms came to 3.00 ms
results   results/2026-03-01T120000Z-flood"""
    )
