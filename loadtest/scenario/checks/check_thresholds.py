"""Whether thresholds ask for what the scenario's groups have."""

from __future__ import annotations

from collections.abc import Iterator

from loadtest.scenario.grammar.groups import PublisherGroup
from loadtest.scenario.grammar.metric import GROUP_GAUGES, LATENCIES, RATES, TOTALS, Metric
from loadtest.scenario.grammar.model import Scenario
from loadtest.scenario.grammar.threshold import WARM_UP, Threshold
from loadtest.scenario.loading.error_detail import ErrorDetail, Path, listed, near_miss, shown
from loadtest.scenario.loading.names import KINDS, Names
from loadtest.scenario.schedule.stages import common_stages, stages_of_groups


def threshold_errors(scenario: Scenario, names: Names) -> Iterator[ErrorDetail]:
    """Yield what thresholds ask for and no result will have."""
    for at, threshold in enumerate(scenario.thresholds):
        path: Path = ("thresholds", at)
        if threshold.metric.group is None:
            yield from _whole_run_errors(threshold, path, scenario, names)
        else:
            yield from _group_errors(threshold, threshold.metric.group, path, scenario, names)
        if threshold.of_offered or threshold.metric.name == "offered_rate":
            yield from _offered_errors(threshold, path, scenario)
        yield from _part_errors(threshold, path, scenario)


def _whole_run_errors(threshold: Threshold, path: Path, scenario: Scenario, names: Names) -> Iterator[ErrorDetail]:
    metric = threshold.metric
    if metric.kind == "rate" and not any(metric.group_kinds & _kinds(name, names) for name in names.groups):
        yield ErrorDetail(path, f"{metric.name} in a scenario without {_plural(metric)}", _metrics_of(names))
    if metric.queue is not None and not _has_queue(metric.queue, scenario, names):
        known = sorted(names.queues)
        allowed = listed(known) or "none: no queue is declared"
        yield ErrorDetail(path, f"the unknown queue {shown(metric.queue)}", allowed, near_miss(metric.queue, known))


def _has_queue(queue: str, scenario: Scenario, names: Names) -> bool:
    """Return whether a queue is declared, or one that is only taken from."""
    taken = {group.queue for group in scenario.consumers.values()} | {
        group.queue for group in scenario.getters.values()
    }
    return names.has_queue(queue) or queue in taken


def _group_errors(
    threshold: Threshold, group: str, path: Path, scenario: Scenario, names: Names
) -> Iterator[ErrorDetail]:
    metric = threshold.metric
    if group not in names.groups:
        yield ErrorDetail(
            path,
            f"the unknown group {shown(group)}",
            listed(names.groups) or "none: there is no group",
            near_miss(group, names.groups),
        )
        return
    kinds = _kinds(group, names)
    if not metric.group_kinds & kinds:
        table = {"latency": LATENCIES, "rate": RATES, "total": TOTALS, "gauge": GROUP_GAUGES}[metric.kind]
        allowed = listed([name for name, having in table.items() if having & kinds], most=20) or "no gauge"
        yield ErrorDetail(path, f"{metric.name} of {shown(group)}, a group of {' and '.join(sorted(kinds))}s", allowed)
        return
    publisher = scenario.publishers.get(group)
    needs_confirms = metric.name.startswith("confirm") or metric.name in GROUP_GAUGES
    if publisher is not None and publisher.confirm_window == 0 and needs_confirms:
        yield ErrorDetail(
            path, f"{metric.name} of {shown(group)}, which has confirm_window: 0", "a metric without confirms"
        )


def _offered_errors(threshold: Threshold, path: Path, scenario: Scenario) -> Iterator[ErrorDetail]:
    """An offered rate is that of a schedule: of the group if it publishes, else of all publishers."""
    group = threshold.metric.group
    publishers = [scenario.publishers[group]] if group in scenario.publishers else list(scenario.publishers.values())
    if publishers and not any(_is_open(publisher) for publisher in publishers):
        yield ErrorDetail(
            path, "an offered rate in the closed model", "a limit such as 2000/s, or publishers with a rate"
        )


def _part_errors(threshold: Threshold, path: Path, scenario: Scenario) -> Iterator[ErrorDetail]:
    """A part that a threshold looks at is one that the run has."""
    if threshold.part == WARM_UP and not scenario.run.warm_up_ns:
        yield ErrorDetail(path, "warm_up of a run without a warm-up", "in measured, or a run.warm_up")
    if threshold.stage is None:
        return
    stages = stages_of_groups(scenario)
    group = threshold.metric.group
    known = stages.get(group, ()) if group in scenario.groups else common_stages(stages)
    if threshold.stage > len(known):
        if known:
            allowed = f"stage 1 to stage {len(known)}"
        else:
            allowed = "in measured or warm_up: there are no stages that all agree on (a rate as a list, without after)"
        yield ErrorDetail(path, threshold.part, allowed)


def _is_open(publisher: PublisherGroup) -> bool:
    return publisher.rate is not None


def _kinds(group: str, names: Names) -> frozenset[str]:
    return frozenset(KINDS[section] for section in names.groups[group])


def _plural(metric: Metric) -> str:
    return " or ".join(f"{kind}s" for kind in sorted(metric.group_kinds))


def _metrics_of(names: Names) -> str:
    kinds = frozenset(kind for name in names.groups for kind in _kinds(name, names))
    return listed([name for name, having in RATES.items() if having & kinds] or TOTALS, most=20)
