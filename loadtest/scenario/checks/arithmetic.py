"""
What a scenario's own numbers say before anything runs: how much each group can take, and whether more is published.

Users divided by the time they work on a message is the most that they can take; a schedule that asks for more lets
messages pile up whatever the broker does. Publishers without a rate, and routes that are not known, are left out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from loadtest.clock import NS_PER_MS, NS_PER_S, NS_PER_US

if TYPE_CHECKING:
    from loadtest.scenario.plan import ConsumerSpec, GetterSpec, Plan
    from loadtest.scenario.schedule.arrivals import Arrivals

    Taker = ConsumerSpec | GetterSpec

UNBOUNDED_NS: Final = 10 * NS_PER_S
"""Over so long a schedule is averaged where the run's messages, and not its duration, decide when it ends."""


@dataclass(frozen=True, slots=True)
class Most:
    """The most messages that a group can take in a second, and the arithmetic of that in words."""

    per_s: float
    text: str


def most_of(plan: Plan, group: str) -> Most | None:
    """Return the most that a group of consumers or getters can take; None where the scenario does not bound it."""
    consumers = [user for user in plan.consumers if user.group == group]
    if consumers and consumers[0].service_time:
        work_ns = consumers[0].service_time.mean_ns
        if work_ns <= 0:
            return None
        per_s = len(consumers) * NS_PER_S / work_ns
        average = "" if consumers[0].service_time.distribution == "fixed" else " on average"
        users = f"{len(consumers):,} user{'s' if len(consumers) > 1 else ''}"
        return Most(per_s, f"{users} × {_time(work_ns)} of work{average} = {_rate(per_s)} at most")
    getters = [user for user in plan.getters if user.group == group]
    rates = [_mean_per_s(user.arrivals, plan) for user in getters if user.arrivals is not None]
    if rates:
        return Most(sum(rates), f"its rate is {_rate(sum(rates))}, one message a Basic.Get at most")
    return None


def warnings(plan: Plan) -> Iterator[str]:
    """Yield a sentence for each group that is asked to take more than it can."""
    due = _due_by_sink(plan)
    takers: dict[str, list[Taker]] = {}
    everyone: tuple[Taker, ...] = (*plan.consumers, *plan.getters)
    for user in everyone:
        takers.setdefault(user.group, []).append(user)
    sinks_of = {group: {sink for user in users for sink in user.sinks} for group, users in takers.items()}
    groups_of_sink = Counter(sink for sinks in sinks_of.values() for sink in sinks)
    for group, users in takers.items():
        most, sinks = most_of(plan, group), sinks_of[group]
        # What several groups share a queue for cannot be told apart by arithmetic.
        if most is None or any(groups_of_sink[sink] > 1 for sink in sinks):
            continue
        due_per_s = sum(due[sink] for sink in sinks) * _times_delivered(users[0])
        if due_per_s > most.per_s:
            kind = plan.scenario.kinds[group]
            yield (
                f"{kind} `{group}`: {most.text}, but {_rate(due_per_s)} will be published to {_queues(sinks)}: "
                "messages will pile up"
            )


def warn(plan: Plan, say: Callable[[str], None]) -> None:
    """Say what `warnings` finds, a line each."""
    for warning in warnings(plan):
        say(f"warning: {warning}")


def _times_delivered(user: Taker) -> float:
    """Return how often a message is delivered, on average, as some are refused and come again."""
    refusals = getattr(user, "refusals", ())
    again = float(sum(each.share for each in refusals if each.requeue and each.of == "deliveries"))
    return 1 / (1 - again) if again < 1 else 1.0


def _due_by_sink(plan: Plan) -> dict[str, float]:
    """Return the messages a second that publishers with a rate send to each sink."""
    due: dict[str, float] = defaultdict(float)
    for publisher in plan.publishers:
        if publisher.arrivals is not None and publisher.routes:
            rate_per_s = _mean_per_s(publisher.arrivals, plan)
            for sinks in publisher.routes:
                for sink in sinks:
                    due[sink] += rate_per_s / len(publisher.routes)
    return due


def _mean_per_s(arrivals: Arrivals, plan: Plan) -> float:
    run = plan.scenario.run
    length_ns = UNBOUNDED_NS if run.duration_ns is None else run.warm_up_ns + run.duration_ns
    if arrivals.total:
        length_ns = min(length_ns, max(1, arrivals.intended_ns(arrivals.total - 1)))
    return arrivals.count_due(length_ns) * NS_PER_S / length_ns


def _queues(sinks: set[str]) -> str:
    return f"its {len(sinks):,} queues" if len(sinks) > 1 else "its queue"


def _rate(per_s: float) -> str:
    return f"{per_s:,.0f}/s" if per_s >= 10 else f"{per_s:.3g}/s"  # noqa: PLR2004  # two digits


def _time(time_ns: float) -> str:
    if time_ns >= NS_PER_S:
        return f"{time_ns / NS_PER_S:.15g} s"
    return f"{time_ns / NS_PER_MS:.4g} ms" if time_ns >= NS_PER_MS else f"{time_ns / NS_PER_US:.4g} µs"
