"""
Thresholds judged: each becomes a check with what came, what was asked for and whether it holds.

A check that cannot be evaluated has failed and says why: a missing figure is no ground to pass. Knows nothing of the
verdict. A rate without a group is the sum of the rates of all groups that have it.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from loadtest.result.document import CheckPart, GroupPart, LatencyPart
from loadtest.result.evidence import Evidence
from loadtest.result.samples import histogram_of, is_few, needed_values
from loadtest.result.units import count_text, rate_text, share_text, time_text
from loadtest.scenario.threshold import Metric, Threshold


class _NoValueError(Exception):
    """A metric has no value in this run; the text says why."""


def check_thresholds(thresholds: Iterable[Threshold], evidence: Evidence) -> tuple[CheckPart, ...]:
    """Return a check for each of *thresholds*, in their order."""
    return tuple(_checked(threshold, evidence) for threshold in thresholds)


def _checked(threshold: Threshold, evidence: Evidence) -> CheckPart:
    try:
        if threshold.metric.kind == "latency":
            return _latency_check(threshold, evidence)
        if threshold.metric.kind == "rate":
            return _rate_check(threshold, evidence)
        return _total_check(threshold, evidence)
    except _NoValueError as error:
        note = f"cannot be evaluated, so it counts as failed: {error}"
        return CheckPart(check=threshold.text, value=None, limit=_limit_text(threshold), ok=False, note=note)


def _latency_check(threshold: Threshold, evidence: Evidence) -> CheckPart:
    metric = threshold.metric
    latency = _group(metric, evidence).latency.get(metric.name)
    if latency is None or not latency.count:
        raise _NoValueError(f"{metric.group}.{metric.name} has no values in the measured part")
    value_ns = _statistic(metric, latency)
    percent = metric.percentile
    note = None
    if percent is not None and is_few(percent, latency.count):
        note = (
            f"{metric.stat} of {count_text(latency.count)} values is mostly chance; "
            f"it needs {count_text(needed_values(percent))}"
        )
    return CheckPart(
        check=threshold.text,
        value=time_text(value_ns),
        limit=_limit_text(threshold),
        ok=threshold.holds(value_ns),
        note=note,
    )


def _statistic(metric: Metric, latency: LatencyPart) -> float:
    if metric.percentile is not None:
        value: float | None = histogram_of(latency).percentile(metric.percentile)
    else:
        value = {"min": latency.min_ns, "mean": latency.mean_ns, "max": latency.max_ns}[metric.stat or ""]
    if value is None:
        raise _NoValueError(f"{metric.stat} of nothing")
    return value


def _rate_check(threshold: Threshold, evidence: Evidence) -> CheckPart:
    metric = threshold.metric
    groups = [_group(metric, evidence)] if metric.group is not None else list(evidence.groups.values())
    offered: float | None = None
    if threshold.of_offered:
        groups, offered = _with_offered(groups, evidence)
    value = _sum(metric.name, groups)
    if value is None:
        raise _NoValueError(f"{metric.name} has no value: {_whose(metric)} was not active in the measured part")
    ok = threshold.holds(value, None if offered is None else Fraction(offered))
    shown = rate_text(value) if not offered else f"{rate_text(value)} ({share_text(value / offered)} of offered)"
    return CheckPart(check=threshold.text, value=shown, limit=_limit_text(threshold, offered), ok=ok, note=None)


def _with_offered(groups: list[GroupPart], evidence: Evidence) -> tuple[list[GroupPart], float]:
    """
    Return the groups to compare and the rate that was offered to them.

    Publishers are compared with their own schedules, and one without a rate is left out, because it offers nothing to
    compare with. Consumers and getters are compared with what all publishers offered.
    """
    paced = [group for group in groups if group.rates.offered_per_s is not None]
    offered = _sum("offered_rate", paced or evidence.groups.values())
    if offered is None:
        raise _NoValueError("nothing was offered: no group publishes at a rate in the measured part (closed model)")
    return [group for group in groups if group.kind != "publisher" or group in paced], offered


def _sum(rate: str, groups: Iterable[GroupPart]) -> float | None:
    values = [getattr(group.rates, f"{rate.removesuffix('_rate')}_per_s") for group in groups]
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _total_check(threshold: Threshold, evidence: Evidence) -> CheckPart:
    metric = threshold.metric
    totals = evidence.totals.model_dump() if metric.group is None else _group(metric, evidence).totals
    value = totals.get(metric.name)
    if value is None:
        raise _NoValueError(f"{metric.name} cannot be told apart by group where several take messages")
    return CheckPart(
        check=threshold.text,
        value=count_text(value),
        limit=_limit_text(threshold),
        ok=threshold.holds(Fraction(value)),
        note=None,
    )


def _group(metric: Metric, evidence: Evidence) -> GroupPart:
    group = evidence.groups.get(metric.group or "")
    if group is None:
        raise _NoValueError(f"the run had no group {metric.group}")
    return group


def _whose(metric: Metric) -> str:
    return "no such group" if metric.group is None else metric.group


def _limit_text(threshold: Threshold, offered_per_s: float | None = None) -> str:
    if threshold.of_offered:
        of_what = "offered" if offered_per_s is None else f"{rate_text(offered_per_s)} offered"
        return f"{threshold.operator} {share_text(float(threshold.limit))} of {of_what}"
    text = {"latency": time_text, "rate": rate_text}.get(threshold.metric.kind)
    limit = float(threshold.limit)
    return f"{threshold.operator} {text(limit) if text else count_text(int(limit))}"
