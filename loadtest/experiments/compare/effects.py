"""
What variants come to: what is run, and what their broker made of it; and which of them are therefore the same.

Knows what was read back; reads nothing itself (`reading_back`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Final

from loadtest.broker.admin.queue_settings import ignored
from loadtest.experiments.compare.variants import Variant
from loadtest.redaction import redacted_value
from loadtest.scenario import ConsumerSpec, ExchangeSpec, Plan, PublisherSpec

UNREAD: Final = "unread "
"""Begins the name of what was asked of a broker that reports nothing of it: a variable that no part of it names."""

_PLAIN_EXCHANGES: Final = frozenset({"direct", "fanout", "topic", "headers"})
_ALTERNATE: Final = "alternate-exchange"


@dataclass(frozen=True, slots=True)
class Effect:
    """
    What one variant comes to.

    Attributes:
        name: Of the variant.
        product: What its broker is, such as `RabbitMQ 4.0.5`.
        plan: What is run, without what the broker may make something else of (`plan_text`).
        settings: What was read back from the broker, by name.
        asked: Arguments of queues as they were asked for, by `queue NAME`.
    """

    name: str
    product: str
    plan: str
    settings: Mapping[str, str] = field(default_factory=dict)
    asked: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def differs_from(self, other: Effect) -> dict[str, tuple[str, str]]:
        """Return the settings in which another variant (first) and this one (second) differ; not the plans."""
        names = sorted(self.settings.keys() | other.settings.keys())
        pairs = {name: (other.settings.get(name, "not set"), self.settings.get(name, "not set")) for name in names}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}

    def is_as(self, other: Effect) -> bool:
        """Return whether the two do the same on brokers that are the same."""
        return self.plan == other.plan and not self.differs_from(other)


def plan_text(plan: Plan, *, is_search: bool) -> str:
    """
    Return what tells a plan from one by which something else is run; queues and nodes are left to the broker.

    Names, descriptions and thresholds that only judge change nothing, nor does the prefetch of a consumer that does not
    acknowledge, nor a seed that nothing random is drawn from. A search chooses rates and durations itself.
    """
    scenario = plan.scenario
    run = scenario.run.model_copy(update={"nodes": None, "seed": scenario.run.seed if _is_random(plan) else 0})
    if is_search:
        run = run.model_copy(update={"duration_ns": None, "warm_up_ns": 0})
    topology = replace(plan.topology, queues=(), exchanges=tuple(map(_exchange, plan.topology.exchanges)))
    parts = (
        run,
        topology,
        [queue.name for queue in plan.topology.queues],
        [_publisher(each) for each in plan.publishers],
        {} if is_search else _rates(plan),
        [_consumer(each) for each in plan.consumers],
        [replace(each, arrivals=None) for each in plan.getters],
        scenario.faults,
        [each for each in scenario.thresholds if each.abort_after_ns is not None],
    )
    return "\n".join(map(repr, parts))


def _publisher(each: PublisherSpec) -> PublisherSpec:
    return replace(each, arrivals=None)


def _consumer(each: ConsumerSpec) -> ConsumerSpec:
    return replace(each, prefetch=0) if each.ack.mode == "auto" else each


def _exchange(each: ExchangeSpec) -> ExchangeSpec:
    """Return an exchange without the arguments that an exchange of its type ignores."""
    if each.type not in _PLAIN_EXCHANGES:
        return each
    return replace(each, arguments={name: value for name, value in each.arguments.items() if name == _ALTERNATE})


def _rates(plan: Plan) -> dict[str, str]:
    """Return the schedule of each group that has one: none where answers alone decide."""
    scheduled = {each.group for each in plan.publishers if each.arrivals is not None}
    scheduled |= {each.group for each in plan.getters if each.arrivals is not None}
    groups = plan.scenario.groups
    return {
        name: repr((getattr(groups[name], "rate", None), getattr(groups[name], "arrival", None)))
        for name in sorted(scheduled)
    }


def _is_random(plan: Plan) -> bool:
    """Return whether anything that a run does is drawn by its seed; keys and bodies are in the plan as drawn."""
    groups = plan.scenario.groups.values()
    return (
        bool(plan.scenario.faults)  # users come back after pauses that are drawn
        or any(getattr(group, "arrival", None) == "poisson" for group in groups)
        or any(each.service_time.distribution != "fixed" or each.refusals for each in plan.consumers)
    )


def shown_effect(effects: Mapping[str, Effect], name: str, baseline: str) -> dict[str, tuple[str, str]]:
    """Return in what a variant differs from the baseline, as read back from the broker, without secrets."""
    if name not in effects or baseline not in effects:
        return {}
    differs = effects[name].differs_from(effects[baseline])
    return {
        key: (redacted_value(before), redacted_value(after))
        for key, (before, after) in differs.items()
        if not key.startswith(UNREAD)
    }


def nothing_differs(
    variants: Sequence[Variant], effects: Mapping[str, Effect], baseline: str
) -> tuple[str | None, list[str]]:
    """
    Return why a comparison compares nothing, None if it compares something, and what is to be said of its variants.

    Variants that ask for the very same are compared on purpose, to see what noise is.
    """
    others = [each for each in variants if each.name != baseline]
    base = next(each for each in variants if each.name == baseline)
    same = [each for each in others if effects[each.name].is_as(effects[baseline])]
    asked_same = [each for each in same if is_asked_alike(base, each)]
    if len(same) == len(others) and not asked_same:
        told = "; ".join(dict.fromkeys(why_the_same(base, each, effects) for each in same))
        names = ", ".join(each.name for each in others)
        return f"{baseline} and {names} compare nothing: {told}", []
    return None, [*_remarks(variants, effects)]


def _remarks(variants: Sequence[Variant], effects: Mapping[str, Effect]) -> Iterator[str]:
    for one, other in combinations(variants, 2):
        if is_asked_alike(one, other):
            continue
        pair = f"{one.name} and {other.name}"
        if effects[other.name].is_as(effects[one.name]):
            yield f"{pair} are the same here: {why_the_same(one, other, effects)}"
        elif effects[other.name].plan == effects[one.name].plan:
            differs = effects[other.name].differs_from(effects[one.name])
            if all(name.startswith(UNREAD) for name in differs):
                names = ", ".join(name.removeprefix(UNREAD) for name in differs)
                yield f"{pair} differ in {names} alone, and the broker reports nothing that it changes"


def is_asked_alike(one: Variant, other: Variant) -> bool:
    """Return whether two variants differ in nothing but their names."""
    return replace(one, name="") == replace(other, name="")


def why_the_same(one: Variant, other: Variant, effects: Mapping[str, Effect]) -> str:
    """Return in words what two variants that are the same have in common, whatever was asked."""
    first, second = effects[one.name], effects[other.name]
    found = [*_queues_alike(first, second)]
    if one.brokers and other.brokers and set(one.brokers) != set(other.brokers):
        found.append(f"both brokers are the same, {second.settings.get('broker', second.product)}")
    told = [*_only_one_has(one.settings, other.settings), *_config_names(one, other)]
    told += [*_only_one_has([f"{k}={v}" for k, v in one.env], [f"{k}={v}" for k, v in other.env])]
    if told:
        found.append(f"nodes of {second.product} report the same settings, whatever {', '.join(told)} asks")
    if one.server != other.server:
        found.append(f"both servers run the same code, {second.product}")
    if one.nodes != other.nodes:
        found.append(f"both brokers have as many nodes, {second.settings.get('cluster nodes', '1')}")
    if not found:
        asked = _only_one_has(one.overrides, other.overrides)
        found.append(f"{', '.join(asked)} changes nothing that is run" if asked else "the same is run")
    return "; ".join(found)


def _queues_alike(first: Effect, second: Effect) -> Iterator[str]:
    """Yield what the broker made of arguments of queues that were asked for differently."""
    told = {}
    for queue in sorted(first.asked.keys() & second.asked.keys()):
        before, after = first.asked[queue], second.asked[queue]
        for name in sorted(before.keys() | after.keys()):
            if before.get(name) != after.get(name):
                told[name] = _queue_text(name, queue, second)
    yield from told.values()


def _queue_text(argument: str, queue: str, effect: Effect) -> str:
    def has(name: str) -> str:
        return effect.settings.get(f"{queue}: {name}", "")

    if argument == "x-queue-version" and has("version"):
        return f"classic queues are version {has('version')} on {effect.product}, whatever {argument} asks"
    if argument == "x-queue-type":
        return f"{queue} is of type {has('type')} on {effect.product}, whatever {argument} asks"
    if ignored(argument, effect.product.rpartition(" ")[2]):
        return f"{effect.product} ignores {argument}"
    if argument == "x-queue-mode" and has("mode"):
        return f"{queue} is in mode {has('mode')} on {effect.product}, whatever {argument} asks"
    if has("members"):
        return f"{queue} has {has('members')} members on {effect.product}, whatever {argument} asks"
    return f"{effect.product} makes the same queue of it, whatever {argument} asks"


def _config_names(one: Variant, other: Variant) -> list[str]:
    if one.config == other.config:
        return []
    return [each.name for each in (one.config, other.config) if each is not None]


def _only_one_has(one: Sequence[str], other: Sequence[str]) -> list[str]:
    return [*(each for each in one if each not in other), *(each for each in other if each not in one)]
