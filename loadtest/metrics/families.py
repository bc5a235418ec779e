"""
The tally of a run as Prometheus' metric families: names, units and help by its conventions.

Base units (seconds, bytes), `_total` for what only grows, no rates: those are for PromQL to make. docs/prometheus.md
lists them. Knows no sockets.

Source: Prometheus documentation, "Metric and label naming" and "Histograms and summaries".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
    StateSetMetricFamily,
)
from prometheus_client.registry import Collector

from loadtest.clock import NS_PER_S
from loadtest.metrics.tally import EDGES_NS, Latency, Tally

PHASES: Final = ("connecting", "warm_up", "measured", "drain", "done")


class Named(NamedTuple):
    """A metric: its name, its help, and what a value of ours is multiplied by."""

    name: str
    text: str
    factor: float = 1.0


COUNTERS: Final = {
    "offered": Named("loadtest_offered_messages", "Arrivals that fell due by the schedule, sent or not."),
    "published": Named("loadtest_published_messages", "Messages written to the broker."),
    "confirmed": Named("loadtest_confirmed_messages", "Messages answered by Basic.Ack."),
    "nacked": Named("loadtest_nacked_messages", "Messages answered by Basic.Nack."),
    "returned": Named("loadtest_returned_messages", "Messages that came back as unroutable."),
    "in_doubt": Named("loadtest_in_doubt_messages", "Messages that got no answer before their connection ended."),
    "delivered": Named("loadtest_delivered_messages", "Messages taken by consumers."),
    "got": Named("loadtest_got_messages", "Messages taken by getters."),
    "get_empty": Named("loadtest_get_empty", "Basic.Get-Empty answers."),
    "redelivered": Named("loadtest_redelivered_messages", "Messages taken with the redelivered flag."),
    "corrupted": Named("loadtest_corrupted_messages", "Messages taken with another body than was sent."),
    "foreign": Named("loadtest_foreign_messages", "Messages taken that this run did not publish."),
    "bytes_published": Named("loadtest_published_bytes", "Bodies published."),
    "bytes_delivered": Named("loadtest_taken_bytes", "Bodies taken by consumers and getters."),
}
LATENCIES: Final = {
    "confirm": Named("loadtest_confirm_latency_seconds", "From the intended time to the broker's answer."),
    "confirm_uncorrected": Named(
        "loadtest_confirm_uncorrected_latency_seconds", "From sending to the broker's answer."
    ),
    "end_to_end": Named("loadtest_end_to_end_latency_seconds", "From the intended time to the delivery."),
    "end_to_end_uncorrected": Named("loadtest_end_to_end_uncorrected_latency_seconds", "From sending to the delivery."),
    "get": Named("loadtest_get_latency_seconds", "From a Basic.Get to its answer."),
    "lateness": Named("loadtest_lateness_seconds", "From the intended time to sending: the generator's own delay."),
    "connect": Named("loadtest_connect_seconds", "Opening of a connection and its channel."),
}
WORKER_GAUGES: Final = {
    "cpu": Named("loadtest_generator_cpu_cores", "Cores that a process of the generator uses."),
    "memory_bytes": Named("loadtest_generator_memory_bytes", "Resident memory of a process of the generator."),
    "loop_lag_max_ns": Named("loadtest_generator_loop_lag_seconds", "Longest delay of its event loop.", 1 / NS_PER_S),
    "outstanding": Named("loadtest_outstanding_messages", "Messages published and not yet answered."),
    "users": Named("loadtest_users", "Users connected."),
    "window_full_ns": Named(
        "loadtest_confirm_window_full_seconds", "Time in the last window that full confirm windows took.", 1 / NS_PER_S
    ),
    "blocked_ns": Named(
        "loadtest_blocked_seconds", "Time in the last window that the broker blocked connections.", 1 / NS_PER_S
    ),
}
BROKER_GAUGES: Final = {
    "broker.cpu": Named("loadtest_broker_cpu_cores", "Cores that the broker's nodes on this machine use."),
    "broker.memory_bytes": Named("loadtest_broker_memory_bytes", "Memory of the node that uses most."),
    "broker.memory_limit_bytes": Named("loadtest_broker_memory_limit_bytes", "Its limit, above which it blocks."),
    "broker.disk_free_bytes": Named("loadtest_broker_disk_free_bytes", "Disk space of the node that has least."),
    "broker.memory_alarm": Named("loadtest_broker_memory_alarm_nodes", "Nodes in memory alarm."),
    "broker.disk_alarm": Named("loadtest_broker_disk_alarm_nodes", "Nodes in disk alarm."),
    "broker.connections": Named("loadtest_broker_connections", "Connections open on the broker."),
    "broker.flow": Named("loadtest_broker_flow_connections", "Connections in flow control."),
    "broker.blocked": Named("loadtest_broker_blocked_connections", "Connections blocked by an alarm."),
    "queue.depth": Named("loadtest_queues_ready_messages", "Messages ready in the run's queues together."),
    "queue.unacked": Named("loadtest_queues_unacked_messages", "Messages delivered from them and not acknowledged."),
    "machine.cpu": Named("loadtest_machine_cpu_cores", "Cores of the generator's machine in use by anything."),
}
BY_QUEUE: Final = Named("loadtest_queue_ready_messages", "Messages ready in a queue of the run.")
BY_QUEUE_SOURCE: Final = "queue.depth/"
FATES: Final = Named(
    "loadtest_ledger_messages", "What became of the messages of the run, once its books are closed, as in result.json."
)


class RunFamilies(Collector):
    """Hands a registry what a tally holds at the moment that somebody asks."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def collect(self) -> Iterator[Metric]:
        """Yield the families; those of which nothing is known yet are left out."""
        if not self._tally.run:
            return
        yield from self._about()
        yield from self._counters()
        yield from self._histograms()
        yield from self._gauges()

    def _about(self) -> Iterator[Metric]:
        run, broker = self._tally.run, self._tally.run.get("broker") or {}
        info = InfoMetricFamily("loadtest_run", "The run that these metrics are of.")
        told = {
            "scenario": run["scenario"].get("name"),
            "scenario_hash": run["scenario"].get("hash"),
            "started_at": run["started_at"],
            "broker_product": broker.get("product"),
            "broker_version": broker.get("version"),
        }
        info.add_metric([], {key: str(value) for key, value in told.items() if value is not None})
        yield info
        phase = StateSetMetricFamily("loadtest_run_phase", "The phase that the run is in.")
        phase.add_metric([], {name: name == self._tally.phase for name in PHASES})
        yield phase
        events = CounterMetricFamily(
            "loadtest_events", "Things that happened once, such as a lost connection.", labels=["code"]
        )
        for code, count in sorted(self._tally.events.items()):
            events.add_metric([code], count)
        yield events
        if self._tally.fates:
            fates = GaugeMetricFamily(FATES.name, FATES.text, labels=["fate"])
            for fate, count in self._tally.fates.items():
                fates.add_metric([fate], count)
            yield fates

    def _counters(self) -> Iterator[Metric]:
        groups = {name for name, _ in self._tally.counts}
        for counter, named in COUNTERS.items():
            family = CounterMetricFamily(named.name, named.text, labels=["group"])
            for group in sorted(groups):
                if (group, counter) in self._tally.counts:
                    family.add_metric([group], self._tally.counts[group, counter])
            if family.samples:
                yield family

    def _histograms(self) -> Iterator[Metric]:
        for latency, named in LATENCIES.items():
            family = HistogramMetricFamily(named.name, named.text, labels=["group"])
            for (group, name), values in sorted(self._tally.latencies.items()):
                if name == latency:
                    family.add_metric([group], _buckets(values), values.total_ns / NS_PER_S)
            if family.samples:
                yield family

    def _gauges(self) -> Iterator[Metric]:
        for gauge, named in WORKER_GAUGES.items():
            family = GaugeMetricFamily(named.name, named.text, labels=["worker"])
            for worker, gauges in sorted(self._tally.workers.items()):
                if gauge in gauges:
                    family.add_metric([worker], gauges[gauge] * named.factor)
            if family.samples:
                yield family
        for gauge, named in BROKER_GAUGES.items():
            if gauge in self._tally.broker:
                yield GaugeMetricFamily(named.name, named.text, self._tally.broker[gauge])
        queues = GaugeMetricFamily(BY_QUEUE.name, BY_QUEUE.text, labels=["queue"])
        for gauge, value in sorted(self._tally.broker.items()):
            if gauge.startswith(BY_QUEUE_SOURCE):
                queues.add_metric([gauge.removeprefix(BY_QUEUE_SOURCE)], value)
        if queues.samples:
            yield queues


def _buckets(values: Latency) -> list[tuple[str, float]]:
    """Return the cumulative counts with their upper edges in s."""
    edges = [
        (f"{edge / NS_PER_S:g}", float(count)) for edge, count in zip(EDGES_NS, values.up_to.tolist(), strict=True)
    ]
    return [*edges, ("+Inf", float(values.count))]
