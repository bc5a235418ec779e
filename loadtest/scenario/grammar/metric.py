"""
Metrics: the figures of a run that a threshold can ask for, by name.

Knows which there are, for which kind of group, and in what a limit of each is written; never their values.

- `GROUP.LATENCY.STAT`: a latency of a group.
- `GROUP.RATE` and `RATE`: a rate, of a group or of all that have it.
- `GROUP.TOTAL` and `TOTAL`: messages, of a group or of the run.
- `GAUGE.STAT`, `GAUGE/QUEUE.STAT` and `GROUP.outstanding.STAT`: what was read once a second.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from loadtest import counters
from loadtest.counters import GroupKind
from loadtest.scenario.loading.error_detail import detail_error, near_miss, shown

MetricKind = Literal["latency", "rate", "total", "gauge"]
Unit = Literal["time", "rate", "size", "cores", "count"]

LATENCIES: Final[dict[str, frozenset[GroupKind]]] = {
    "confirm": frozenset({"publisher"}),
    "confirm_uncorrected": frozenset({"publisher"}),
    "end_to_end": frozenset({"consumer", "getter"}),
    "end_to_end_uncorrected": frozenset({"consumer", "getter"}),
    "get": frozenset({"getter"}),
    "lateness": frozenset({"publisher", "getter"}),
    "connect": frozenset({"publisher", "consumer", "getter"}),
}
RATES: Final[dict[str, frozenset[GroupKind]]] = {
    "offered_rate": frozenset({"publisher"}),
    "published_rate": frozenset({"publisher"}),
    "confirmed_rate": frozenset({"publisher"}),
    "delivered_rate": frozenset({"consumer"}),
    "got_rate": frozenset({"getter"}),
}
TOTALS: Final = counters.metrics()
COUNTED: Final = frozenset(counters.by_part()) & TOTALS.keys()
"""Totals that are counted as they happen, so that a part of the run has them; the others are known at its end."""

GROUP_GAUGES: Final[dict[str, frozenset[GroupKind]]] = {"outstanding": counters.PUBLISHERS}


@dataclass(frozen=True, slots=True)
class Gauge:
    """
    A gauge of the run.

    Attributes:
        source: Its name on the timeline of the result.
        unit: Of its values there: ns, bytes, cores or a count.
    """

    source: str
    unit: Unit = "count"


GAUGES: Final[dict[str, Gauge]] = {
    "broker.cpu": Gauge("broker.cpu", "cores"),
    "broker.memory": Gauge("broker.memory_bytes", "size"),
    "broker.disk_free": Gauge("broker.disk_free_bytes", "size"),
    "broker.memory_alarm": Gauge("broker.memory_alarm"),
    "broker.disk_alarm": Gauge("broker.disk_alarm"),
    "broker.connections": Gauge("broker.connections"),
    "broker.flow": Gauge("broker.flow"),
    "broker.blocked": Gauge("broker.blocked"),
    "queue.depth": Gauge("queue.depth"),
    "queue.unacked": Gauge("queue.unacked"),
    "generator.cpu": Gauge("cpu", "cores"),
    "generator.memory": Gauge("memory_bytes", "size"),
    "generator.loop_lag": Gauge("loop_lag_max_ns", "time"),
    "generator.outstanding": Gauge("outstanding"),
    "generator.window_full": Gauge("window_full_ns", "time"),
    "generator.blocked": Gauge("blocked_ns", "time"),
    "machine.cpu": Gauge("machine.cpu", "cores"),
}
BY_QUEUE: Final = "queue.depth"
"""The gauge that is told of single queues too: `queue.depth/orders`."""

_STAT: Final = r"min|mean|max|p(?:100|[0-9]{1,2}(?:\.[0-9]{1,6})?)"
_STAT_WORDS: Final = ("min", "mean", "max", "p50", "p90", "p95", "p99", "p99.9", "p99.99")
_GAUGE: Final = re.compile(rf"([a-z]+\.[a-z_]+)(?:/(.+))?\.({_STAT})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Metric:
    """
    A figure of the result.

    Attributes:
        group: None for the whole run; never None of a latency.
        name: As in `LATENCIES`, `RATES`, `TOTALS`, `GAUGES` or `GROUP_GAUGES`.
        stat: Of a latency or gauge: min, mean, max, or p and the percentile; of a latency also count.
        queue: Of a gauge that is told by queue.
    """

    kind: MetricKind
    group: str | None
    name: str
    stat: str | None = None
    queue: str | None = None

    @property
    def percentile(self) -> float | None:
        """The percentile that `stat` asks for, 0 to 100; None of any other statistic."""
        return float(self.stat[1:]) if self.stat is not None and self.stat.startswith("p") else None

    @property
    def group_kinds(self) -> frozenset[GroupKind]:
        """The kinds of groups that have this metric; none of a gauge of the run."""
        tables = {"latency": LATENCIES, "rate": RATES, "total": TOTALS, "gauge": GROUP_GAUGES}
        return tables[self.kind].get(self.name, frozenset())

    @property
    def unit(self) -> Unit:
        """In what its values are."""
        if self.kind == "latency":
            return "count" if self.stat == "count" else "time"
        if self.kind == "gauge" and self.name in GAUGES:
            return GAUGES[self.name].unit
        return "rate" if self.kind == "rate" else "count"

    @property
    def source(self) -> str:
        """The name of a gauge on the timeline."""
        if self.group is not None:
            return f"{self.group}.{self.name}"
        source = GAUGES[self.name].source
        return source if self.queue is None else f"{source}/{self.queue}"


def parse_metric(text: str) -> Metric:
    """Return the metric that a text names; what is wrong with it is an error. Groups are not known here."""
    group, dot, rest = text.partition(".")
    if not dot:
        return _whole_run_metric(text)
    gauge = _GAUGE.fullmatch(text)
    if gauge is not None and gauge.group(1) in GAUGES:
        name, queue, stat = gauge.groups()
        if queue is not None and name != BY_QUEUE:
            raise detail_error(f"{name} of a queue, which is told as a whole", f"{BY_QUEUE}/QUEUE.STAT")
        return Metric("gauge", None, name, stat, queue)
    name, dot, stat = rest.partition(".")
    _refuse_half_a_gauge(group, name, text)
    if not dot:
        return _group_metric(group, name, text)
    if name in GROUP_GAUGES:
        return Metric("gauge", group, name, _stat(stat))
    return _latency(group, name, stat)


def _whole_run_metric(name: str) -> Metric:
    if name in RATES:
        return Metric("rate", None, name)
    if name in TOTALS:
        return Metric("total", None, name)
    if name in LATENCIES:
        raise detail_error(f"the latency {shown(name)} without a group", f"GROUP.{name}.STAT, such as shop.{name}.p99")
    raise _unknown(name, (*RATES, *TOTALS))


def _group_metric(group: str, name: str, text: str) -> Metric:
    if name in RATES:
        return Metric("rate", group, name)
    if name in TOTALS:
        return Metric("total", group, name)
    if name in LATENCIES or name in GROUP_GAUGES:
        kind = "latency" if name in LATENCIES else "gauge"
        raise detail_error(f"the {kind} {shown(text)} without a statistic", f"{text}.STAT, such as {text}.p99")
    raise _unknown(name, (*RATES, *TOTALS, *LATENCIES))


def _latency(group: str, name: str, stat: str) -> Metric:
    if name not in LATENCIES:
        raise detail_error(f"the latency {shown(name)}", ", ".join(LATENCIES), near_miss(name, LATENCIES))
    return Metric("latency", group, name, "count" if stat == "count" else _stat(stat, "count, "))


def _stat(stat: str, more: str = "") -> str:
    if not re.fullmatch(_STAT, stat, re.ASCII):
        allowed = f"min, mean, max, {more}or p0 to p100"
        raise detail_error(f"the statistic {shown(stat)}", allowed, near_miss(stat, _STAT_WORDS))
    return stat


def _refuse_half_a_gauge(group: str, name: str, text: str) -> None:
    """Say what is wrong with a text that begins like a gauge of the run and is none."""
    gauges = [gauge for gauge in GAUGES if gauge.startswith(f"{group}.")]
    if not gauges or name in {*LATENCIES, *RATES, *TOTALS, *GROUP_GAUGES}:
        return
    bare = name.partition("/")[0]
    if f"{group}.{bare}" in GAUGES:
        stat = text.removeprefix(f"{group}.{name}").removeprefix(".")
        if stat:
            _stat(stat)
        raise detail_error(f"the gauge {shown(text)} without a statistic", f"{text}.STAT, such as {text}.max")
    raise detail_error(f"the gauge {shown(f'{group}.{bare}')}", ", ".join(gauges), near_miss(f"{group}.{bare}", gauges))


def _unknown(name: str, known: tuple[str, ...]) -> Exception:
    return detail_error(f"the metric {shown(name)}", ", ".join(known), near_miss(name, known))
