"""
Thresholds: what a run must reach to pass, as text that is read into a metric, a comparison and a limit.

Knows which metrics there are and for which kind of group; never their values.

- `GROUP.LATENCY.STAT < 20ms`: a latency of a group; STAT is min, mean, max, or a percentile such as p99.9.
- `[GROUP.]NAMED_rate >= 2000/s`, or `>= 99.9% of offered`: a rate of the measured part.
- `[GROUP.]TOTAL == 0`: a total of the whole run.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Final, Literal

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from loadtest.scenario import quantity
from loadtest.scenario.fault import fault_error, near_miss, shown

GroupKind = Literal["publisher", "consumer", "getter"]
MetricKind = Literal["latency", "rate", "total"]

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
_TAKERS: Final[frozenset[GroupKind]] = frozenset({"consumer", "getter"})
_PUBLISHERS: Final[frozenset[GroupKind]] = frozenset({"publisher"})
TOTALS: Final[dict[str, frozenset[GroupKind]]] = {
    "published": _PUBLISHERS,
    "confirmed": _PUBLISHERS,
    "nacked": _PUBLISHERS,
    "returned": _PUBLISHERS,
    "in_doubt": _PUBLISHERS,
    "lost": _PUBLISHERS,
    "delivered": frozenset({"consumer"}),
    "got": frozenset({"getter"}),
    "get_empty": frozenset({"getter"}),
    "duplicates": _TAKERS,
    "redelivered": _TAKERS,
    "out_of_order": _TAKERS,
    "corrupted": _TAKERS,
    "foreign": _TAKERS,
}
OPERATORS: Final[dict[str, Callable[[Fraction, Fraction], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    ">": operator.gt,
}
Operator = Literal["<", "<=", "==", "!=", ">=", ">"]

THRESHOLD_ALLOWED: Final = (
    "METRIC OPERATOR LIMIT, such as shop.confirm.p99 < 20ms, published_rate >= 99.9% of offered, or lost == 0"
)
_SHAPE: Final = re.compile(r"([A-Za-z0-9_.-]{1,200}) *(<=|>=|==|!=|<|>) *([^<>=!]{1,60})", re.ASCII)
_STAT: Final = re.compile(r"min|mean|max|p(?:100|[0-9]{1,2}(?:\.[0-9]{1,6})?)", re.ASCII)
_STAT_WORDS: Final = ("min", "mean", "max", "p50", "p90", "p95", "p99", "p99.9", "p99.99")


@dataclass(frozen=True, slots=True)
class Metric:
    """
    A figure of the result.

    Attributes:
        group: None for the whole run; never None of a latency.
        name: As in `LATENCIES`, `RATES` or `TOTALS`.
        stat: Of a latency: min, mean, max, or p and the percentile.
    """

    kind: MetricKind
    group: str | None
    name: str
    stat: str | None = None

    @property
    def percentile(self) -> float | None:
        """The percentile that `stat` asks for, 0 to 100; None of min, mean and max."""
        return float(self.stat[1:]) if self.stat is not None and self.stat.startswith("p") else None

    @property
    def group_kinds(self) -> frozenset[GroupKind]:
        """The kinds of groups that have this metric."""
        return {"latency": LATENCIES, "rate": RATES, "total": TOTALS}[self.kind][self.name]


@dataclass(frozen=True, slots=True)
class Threshold:
    """
    A comparison that must hold.

    Attributes:
        text: As the author wrote it.
        limit: In ns of a latency, per second of a rate, a count of a total; with `of_offered` a share of the offered
            rate.
    """

    text: str
    metric: Metric
    operator: Operator
    limit: Fraction
    of_offered: bool = False

    def holds(self, value: Fraction | float, offered_per_s: Fraction | float | None = None) -> bool:
        """
        Return whether a value of the metric, in the limit's unit, passes.

        Args:
            value: Finite.
            offered_per_s: The offered rate of the same groups; needed with `of_offered`.

        Raises:
            ValueError: If the offered rate is needed and missing.
        """
        if self.of_offered and offered_per_s is None:
            raise ValueError(f"{self.text}: there is no offered rate to compare with")
        limit = self.limit * Fraction(offered_per_s or 0) if self.of_offered else self.limit
        return OPERATORS[self.operator](Fraction(value), limit)


def parse_threshold(value: object) -> Threshold:
    """Return the threshold that a text means; what is wrong with it is a fault. Groups are not known here."""
    match = _SHAPE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or not isinstance(value, str):
        raise fault_error(shown(value), THRESHOLD_ALLOWED)
    metric = _metric(match.group(1))
    limit, of_offered = _limit(metric, match.group(3).strip())
    symbol: Operator = match.group(2)  # type: ignore[assignment]  # the pattern has these six only
    return Threshold(value.strip(), metric, symbol, limit, of_offered)


def _metric(text: str) -> Metric:
    group, dot, rest = text.partition(".")
    if not dot:
        return _whole_run_metric(text)
    name, dot, stat = rest.partition(".")
    if dot:
        return _latency(group, name, stat)
    if name in RATES:
        return Metric("rate", group, name)
    if name in TOTALS:
        return Metric("total", group, name)
    if name in LATENCIES:
        raise fault_error(f"the latency {shown(text)} without a statistic", f"{text}.STAT, such as {text}.p99")
    raise _unknown(name, (*RATES, *TOTALS, *LATENCIES))


def _whole_run_metric(name: str) -> Metric:
    if name in RATES:
        return Metric("rate", None, name)
    if name in TOTALS:
        return Metric("total", None, name)
    if name in LATENCIES:
        raise fault_error(f"the latency {shown(name)} without a group", f"GROUP.{name}.STAT, such as shop.{name}.p99")
    raise _unknown(name, (*RATES, *TOTALS))


def _latency(group: str, name: str, stat: str) -> Metric:
    if name not in LATENCIES:
        raise fault_error(f"the latency {shown(name)}", ", ".join(LATENCIES), near_miss(name, LATENCIES))
    if not _STAT.fullmatch(stat):
        raise fault_error(f"the statistic {shown(stat)}", "min, mean, max, or p0 to p100", near_miss(stat, _STAT_WORDS))
    return Metric("latency", group, name, stat)


def _unknown(name: str, known: tuple[str, ...]) -> Exception:
    return fault_error(f"the metric {shown(name)}", ", ".join(known), near_miss(name, known))


def _limit(metric: Metric, text: str) -> tuple[Fraction, bool]:
    try:
        if metric.kind == "latency":
            return Fraction(quantity.parse_duration(text)), False
        if metric.kind == "rate":
            return _rate_limit(text)
    except quantity.QuantityError as error:
        raise fault_error(f"the limit {shown(text)}", str(error)) from None
    if not re.fullmatch(r"[0-9]{1,15}", text, re.ASCII):
        raise fault_error(f"the limit {shown(text)}", "a whole number of messages")
    return Fraction(int(text)), False


def _rate_limit(text: str) -> tuple[Fraction, bool]:
    share, found, _ = text.partition(" of offered")
    if found and text.endswith(" of offered"):
        return quantity.parse_share(share), True
    try:
        return quantity.parse_rate(text), False
    except quantity.QuantityError as error:
        raise quantity.QuantityError(f"{error}, or a share, such as 99.9% of offered") from None


ThresholdText = Annotated[
    Threshold,
    PlainValidator(parse_threshold),
    PlainSerializer(lambda threshold: threshold.text),
    WithJsonSchema({"type": "string", "description": THRESHOLD_ALLOWED}),
]
