"""
A run as Prometheus' metric families: names, units and help by its conventions.

Base units (seconds, bytes), `_total` for what only grows, no rates: those are for PromQL to make. docs/prometheus.md
lists them. Knows no sockets.

Source: Prometheus documentation, "Metric and label naming" and "Histograms and summaries".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
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

from loadtest import counters
from loadtest.clock import NS_PER_S
from loadtest.metrics.standing import EDGES_NS, Latency, Standing

PHASES: Final = ("connecting", "warm_up", "measured", "drain", "done")


class Named(NamedTuple):
    """A metric: its name, its help, and what a value of ours is multiplied by."""

    name: str
    text: str
    factor: float = 1.0


COUNTERS: Final = {row.name: Named(row.metric, row.help) for row in counters.counted()}
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
    "memory_bytes": Named("loadtest_generator_memory_bytes", "Resident memory of a process of the generator."),
    "loop_lag_max_ns": Named(
        "loadtest_generator_loop_lag_seconds", "Longest delay of its event loop in the last window.", 1 / NS_PER_S
    ),
    "outstanding": Named("loadtest_outstanding_messages", "Messages published and not yet answered."),
    "users": Named("loadtest_users", "Users connected."),
}
WORKER_COUNTERS: Final = {
    "cpu": Named("loadtest_generator_cpu_seconds", "Processor time of a process of the generator.", 1 / NS_PER_S),
    "window_full_ns": Named(
        "loadtest_confirm_window_full_seconds",
        "Time that full confirm windows held back what was due, summed over publishers.",
        1 / NS_PER_S,
    ),
    "blocked_ns": Named(
        "loadtest_blocked_seconds", "Time that the broker blocked connections, summed over them.", 1 / NS_PER_S
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
EVENTS: Final = Named("loadtest_events", "Things that happened once, such as a lost connection.")
FATES: Final = Named(
    "loadtest_ledger_messages", "What became of the messages of the run, once its books are closed, as in result.json."
)


_EDGES: Final = tuple(f"{edge / NS_PER_S:g}" for edge in EDGES_NS)
"""The edges as labels, in s."""


class RunFamilies(Collector):
    """
    Hands a registry how a run stands at the moment that somebody asks.

    All is of one moment; what costs the time is the text that the registry's reader makes of it. So *pause* is called
    before each family that is handed out, for others to have their turn.
    """

    def __init__(self, standing: Standing, pause: Callable[[], None] = lambda: None) -> None:
        self._standing = standing
        self._pause = pause

    def collect(self) -> Iterator[Metric]:
        """Yield the families; those of which nothing is known yet are left out."""
        if not self._standing.run:
            return
        families = [*self._about(), *self._counters(), *self._histograms(), *self._of_workers(), *self._of_the_broker()]
        for family in families:
            if family.samples:
                self._pause()
                yield family

    def _about(self) -> Iterator[Metric]:
        run, broker = self._standing.run, self._standing.run.get("broker") or {}
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
        phase.add_metric([], {name: name == self._standing.phase for name in PHASES})
        yield phase
        events = CounterMetricFamily(EVENTS.name, EVENTS.text, labels=["code"])
        yield _family(events, self._standing.events().items())
        yield _family(GaugeMetricFamily(FATES.name, FATES.text, labels=["fate"]), self._standing.fates.items())

    def _counters(self) -> Iterator[Metric]:
        counts = self._standing.counts()
        for counter, named in COUNTERS.items():
            of_groups = [(group, count) for (group, name), count in counts.items() if name == counter]
            yield _family(CounterMetricFamily(named.name, named.text, labels=["group"]), of_groups)

    def _histograms(self) -> Iterator[Metric]:
        families = {
            latency: HistogramMetricFamily(named.name, named.text, labels=["group"])
            for latency, named in LATENCIES.items()
        }
        for group, latency, values in self._standing.latencies():
            if latency in families:
                families[latency].add_metric([group], _buckets(values), values.total_ns / NS_PER_S)
        yield from families.values()

    def _of_workers(self) -> Iterator[Metric]:
        gauges = {worker: gauges.fresh() for worker, gauges in sorted(self._standing.workers.items())}
        for name, named in WORKER_GAUGES.items():
            told = [(worker, each[name] * named.factor) for worker, each in gauges.items() if name in each]
            yield _family(GaugeMetricFamily(named.name, named.text, labels=["worker"]), told)
        for name, named in WORKER_COUNTERS.items():
            used = [(worker, each[name] * named.factor) for worker, each in sorted(self._standing.used.items())]
            yield _family(CounterMetricFamily(named.name, named.text, labels=["worker"]), used)

    def _of_the_broker(self) -> Iterator[Metric]:
        gauges = self._standing.broker.fresh()
        for name, named in BROKER_GAUGES.items():
            if name in gauges:
                yield GaugeMetricFamily(named.name, named.text, gauges[name])
        depths = [
            (name.removeprefix(BY_QUEUE_SOURCE), depth)
            for name, depth in sorted(gauges.items())
            if name.startswith(BY_QUEUE_SOURCE)
        ]
        yield _family(GaugeMetricFamily(BY_QUEUE.name, BY_QUEUE.text, labels=["queue"]), depths)


def _family(
    family: CounterMetricFamily | GaugeMetricFamily, values: Iterable[tuple[str, float]]
) -> CounterMetricFamily | GaugeMetricFamily:
    """Return *family*, which has one label, with *values* by that label."""
    for label, value in values:
        family.add_metric([label], value)
    return family


def _buckets(values: Latency) -> list[tuple[str, float]]:
    """Return the cumulative counts with their upper edges in s."""
    return [*zip(_EDGES, map(float, values.up_to.tolist()), strict=True), ("+Inf", float(values.count))]
