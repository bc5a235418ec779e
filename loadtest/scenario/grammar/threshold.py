"""
Thresholds: what a run must reach to pass, as text that is read into a metric, a comparison, a limit and a part.

    METRIC OPERATOR LIMIT [in PART]

LIMIT is in the metric's unit, or for a rate a share of what was offered. PART is where it is looked at: `measured`,
`warm_up`, `stage N` of a rate in stages, or the whole `run`. A mapping with `check` is the same with more to say:
`abort: true` ends a run early that does not hold it. Knows no values.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Final, Literal, Self, TypeAlias

from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    PlainSerializer,
    PlainValidator,
    Tag,
    WithJsonSchema,
    model_validator,
)

from loadtest.scenario.grammar import quantity
from loadtest.scenario.grammar.leaf import Flag, Nanoseconds
from loadtest.scenario.grammar.metric import COUNTED, Metric, MetricKind, parse_metric
from loadtest.scenario.grammar.part import Part
from loadtest.scenario.loading.error_detail import detail_error, shown

__all__ = ["AnyThreshold", "Metric", "MetricKind", "Threshold", "parse_figure", "parse_threshold"]

OPERATORS: Final[dict[str, Callable[[Fraction, Fraction], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    ">": operator.gt,
}
Operator = Literal["<", "<=", "==", "!=", ">=", ">"]

MEASURED: Final = "measured"
WARM_UP: Final = "warm_up"
WHOLE_RUN: Final = "run"
STAGE: Final = "stage "
ABORT_AFTER_NS: Final = 10 * quantity.NS_PER_S
"""How long a threshold that aborts waits, unless told: the first seconds are of caches and connections."""

THRESHOLD_ALLOWED: Final = (
    "METRIC OPERATOR LIMIT, such as shop.confirm.p99 < 20ms, published_rate >= 99.9% of offered, or lost == 0"
)
_SHAPE: Final = re.compile(r"([^\s<>=!]{1,400}) *(<=|>=|==|!=|<|>) *([^<>=!]{1,60})", re.ASCII)
_PART: Final = re.compile(r"(.*?) +in +(warm_up|measured|run|stage +[1-9][0-9]{0,3})", re.ASCII)
_LIMITS: Final[dict[str, Callable[[str], Fraction | int]]] = {
    "time": quantity.parse_duration,
    "size": quantity.parse_memory,
    "cores": quantity.parse_cores,
}


@dataclass(frozen=True, slots=True)
class Threshold:
    """
    A comparison that must hold.

    Attributes:
        text: As the author wrote it.
        limit: In the metric's unit: ns, per second, bytes, cores or a count; with `of_offered` a share of the offered
            rate.
        part: measured, warm_up, run, or stage and its number from 1.
        abort_after_ns: How long after the begin of the measured part a run that does not hold it is ended; None: never.
    """

    text: str
    metric: Metric
    operator: Operator
    limit: Fraction
    of_offered: bool = False
    part: str = MEASURED
    abort_after_ns: int | None = None

    @property
    def stage(self) -> int | None:
        """The stage that it is about, from 1."""
        return int(self.part.removeprefix(STAGE)) if self.part.startswith(STAGE) else None

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
    """Return the threshold that a text means; what is wrong with it is an error. Groups are not known here."""
    text = value.strip() if isinstance(value, str) else ""
    comparison, part = _split_part(text)
    match = _SHAPE.fullmatch(comparison)
    if match is None:
        raise detail_error(shown(value), THRESHOLD_ALLOWED)
    metric = parse_metric(match.group(1))
    limit, of_offered = _limit(metric, match.group(3).strip())
    symbol: Operator = match.group(2)  # type: ignore[assignment]  # the pattern has these six only
    return Threshold(text, metric, symbol, limit, of_offered, _part(metric, part))


def parse_figure(text: str) -> tuple[Metric, str]:
    """Return the metric and the part of `METRIC [in PART]`; what is wrong with it is an error."""
    name, part = _split_part(text.strip())
    metric = parse_metric(name)
    return metric, _part(metric, part)


def _split_part(text: str) -> tuple[str, str | None]:
    match = _PART.fullmatch(text)
    return (text, None) if match is None else (match.group(1), " ".join(match.group(2).split()))


def _part(metric: Metric, part: str | None) -> str:
    """Return where a metric is looked at: what the author says, if the metric is known there."""
    if metric.kind == "total":
        if part not in {None, WHOLE_RUN} and metric.name not in COUNTED:
            raise detail_error(f"{metric.name} in {part}, which is known of the whole run only", "no part, or in run")
        return part or WHOLE_RUN
    if part == WHOLE_RUN and metric.kind != "gauge":
        raise detail_error(f"a {metric.kind} in run", "in measured, in warm_up or in stage N")
    return part or MEASURED


def _limit(metric: Metric, text: str) -> tuple[Fraction, bool]:
    try:
        if metric.unit == "rate":
            return _rate_limit(text)
        if metric.unit in _LIMITS:
            return Fraction(_LIMITS[metric.unit](text)), False
    except quantity.QuantityError as error:
        raise detail_error(f"the limit {shown(text)}", str(error)) from None
    if not re.fullmatch(r"[0-9]{1,15}", text, re.ASCII):
        what = {"latency": " of values", "total": " of messages"}.get(metric.kind, "")
        raise detail_error(f"the limit {shown(text)}", f"a whole number{what}")
    return Fraction(int(text)), False


def _rate_limit(text: str) -> tuple[Fraction, bool]:
    share, found, _ = text.partition(" of offered")
    if found and text.endswith(" of offered"):
        return quantity.parse_share(share), True
    try:
        return quantity.parse_rate(text), False
    except quantity.QuantityError as error:
        raise quantity.QuantityError(f"{error}, or a share, such as 99.9% of offered") from None


def _refuse_abort(threshold: Threshold) -> None:
    """Refuse to end a run by what may still come right."""
    if threshold.part not in {MEASURED, WHOLE_RUN}:
        raise detail_error(f"abort in {threshold.part}", "abort of what is looked at in the measured part, or the run")
    if threshold.metric.kind != "total":
        return
    if threshold.metric.name not in COUNTED:
        raise detail_error(f"abort by {threshold.metric.name}, which is known after the drain only", "another metric")
    can_heal = threshold.operator not in {"<", "<="} and not (threshold.operator == "==" and threshold.limit == 0)
    if can_heal:
        raise detail_error(f"abort by {shown(threshold.text)}, which may still come to hold", "a limit from above")


_Text = Annotated[
    Threshold,
    PlainValidator(parse_threshold),
    WithJsonSchema({"type": "string", "description": THRESHOLD_ALLOWED}),
]


class ThresholdEntry(Part):
    """A threshold with more to say than its comparison."""

    check: _Text = Field(description=THRESHOLD_ALLOWED)
    abort: Flag = Field(default=False, description="end the run early once it does not hold")
    after_ns: Nanoseconds | None = Field(
        None, alias="after", description="do not abort before this time in the measured part; 10s by default"
    )

    @model_validator(mode="after")
    def _can_abort(self) -> Self:
        if self.after_ns is not None and not self.abort:
            raise detail_error("after without abort", "abort: true beside it")
        if self.abort:
            _refuse_abort(self.check)
        return self

    def threshold(self) -> Threshold:
        """Return the threshold that it means."""
        if not self.abort:
            return self.check
        return replace(self.check, abort_after_ns=ABORT_AFTER_NS if self.after_ns is None else self.after_ns)


def _tag(value: object) -> str:
    return "<entry>" if isinstance(value, dict | ThresholdEntry) else "<text>"


def _threshold(value: Threshold | ThresholdEntry) -> Threshold:
    return value.threshold() if isinstance(value, ThresholdEntry) else value


def _written(threshold: Threshold) -> str | dict[str, object]:
    if threshold.abort_after_ns is None:
        return threshold.text
    return {"check": threshold.text, "abort": True, "after": quantity.format_duration(threshold.abort_after_ns)}


if TYPE_CHECKING:
    AnyThreshold: TypeAlias = Threshold  # what comes out of it; a type checker does not follow the validators
else:
    AnyThreshold = Annotated[
        Annotated[_Text, Tag("<text>")] | Annotated[ThresholdEntry, Tag("<entry>")],
        Discriminator(_tag),
        AfterValidator(_threshold),
        PlainSerializer(_written),
    ]
"""A threshold as it stands in a scenario: a text, or a mapping."""
