"""When variants compare nothing, and in what words: by plans, and by what was read back of brokers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loadtest.experiments.compare.effects import UNREAD, Effect, nothing_differs, plan_text, shown_effect
from loadtest.experiments.compare.variants import Variant
from loadtest.scenario import build_plan, load_scenario

SMALL = """\
name: small
topology: {queues: {q: {}}, exchanges: {x: {type: fanout}}, bindings: [{exchange: x, queue: q}]}
publishers: {in: {exchange: x, body: {size: 100B}, rate: 100/s}}
consumers: {out: {queue: q, ack: every 2, prefetch: 10}}
run: {duration: 1s}
"""
A, B, C = Variant("a"), Variant("b", overrides=("x=1",)), Variant("c", overrides=("x=2",))
EFFECT = Effect("a", "RabbitMQ 4.0.5", "plan", {"rabbit heartbeat": "60"})


def text(*overrides: str, is_search: bool = False) -> str:
    """Return what tells the plan of the scenario with overrides."""
    return plan_text(
        build_plan(load_scenario("small.yaml", text=SMALL, overrides=overrides).scenario), is_search=is_search
    )


@pytest.mark.parametrize(
    "override",
    [
        "publishers.in.rate=101/s",
        "publishers.in.rate=[{for: 1s, rate: 100/s}]",
        "publishers.in.rate=null",
        "publishers.in.arrival=poisson",
        "publishers.in.users=2",
        "publishers.in.messages=5",
        "publishers.in.body.size=101B",
        "publishers.in.properties={delivery_mode: 2}",
        "publishers.in.confirm_window=7",
        "publishers.in.client=blocking",
        "consumers.out.prefetch=11",
        "consumers.out.ack=every 3",
        "consumers.out.processing_time=1ms",
        "run.duration=2s",
        "run.warm_up=1s",
        "run.connect_rate=1/s",
        "topology.exchanges.x.type=direct",
        "topology.exchanges.x.durable=false",
        "faults=[{at: 0s, do: slow-network, latency: 1us}]",
        "thresholds=[{check: lost == 0, abort: true}]",
    ],
)
def test_what_changes_a_run(override: str) -> None:
    """Each of these is another plan."""
    if "abort" in override:
        override = "thresholds=[{check: published_rate > 1/s, abort: true}]"
    assert text(override) != text()


@pytest.mark.parametrize(
    "override",
    [
        "name=other",
        "description=words",
        "publishers.in.rate=6000/m",
        "run.duration=1000ms",
        "run.seed=5",
        "run.nodes=3",
        "thresholds=[lost == 0]",
        "topology.exchanges.x.arguments={x-of-nobody: 1}",
        "topology.queues.q.arguments={x-max-length: 5}",  # which the broker is asked about
    ],
)
def test_what_changes_nothing(override: str) -> None:
    """None of these is, as far as the plan says."""
    assert text(override) == text()


def test_a_seed_counts_where_something_is_drawn() -> None:
    """Arrivals at random are others by another seed."""
    assert text("publishers.in.arrival=poisson") != text("publishers.in.arrival=poisson", "run.seed=5")


def test_searches_choose_rates_and_durations() -> None:
    """Variants that differ in these alone search for the same capacity."""
    assert text("publishers.in.rate=5/s", "run.duration=9s", is_search=True) == text(is_search=True)
    assert text("publishers.in.users=2", is_search=True) != text(is_search=True)


def told(*variants: Variant, **effects: Effect) -> tuple[str | None, list[str]]:
    """Return what is said of variants, the first of which is the baseline."""
    return nothing_differs(variants, effects, variants[0].name)


def test_all_the_same_is_refused() -> None:
    """With what was asked, which changes nothing."""
    refused, said = told(A, B, C, a=EFFECT, b=EFFECT, c=EFFECT)

    assert refused is not None
    assert refused.startswith("a and b, c compare nothing: x=1 changes nothing that is run; x=2 changes")
    assert said == []


def test_one_of_several_is_told() -> None:
    """The others are worth comparing."""
    refused, said = told(A, B, C, a=EFFECT, b=EFFECT, c=replace(EFFECT, settings={"rabbit heartbeat": "10"}))

    assert refused is None
    assert said == ["a and b are the same here: x=1 changes nothing that is run"]


def test_variants_that_ask_for_the_same_are_meant_so() -> None:
    """A comparison of a variant with itself shows what noise is."""
    assert told(A, replace(A, name="b"), a=EFFECT, b=EFFECT) == (None, [])


def test_what_the_broker_does_not_report_is_run_and_told() -> None:
    """A variable of the environment that is neither Erlang's nor RabbitMQ's may do anything, or nothing."""
    variant = Variant("b", env=(("MALLOC_ARENA_MAX", "1"),))
    refused, said = told(
        A, variant, a=EFFECT, b=replace(EFFECT, settings={**EFFECT.settings, f"{UNREAD}MALLOC_ARENA_MAX": "x"})
    )

    assert refused is None
    assert said == ["a and b differ in MALLOC_ARENA_MAX alone, and the broker reports nothing that it changes"]


@pytest.mark.parametrize(
    "argument, asked, settings, words",
    [
        (
            "x-queue-version",
            "12",
            {"queue q: version": "2"},
            "classic queues are version 2 on RabbitMQ 4.0.5, whatever",
        ),
        ("x-queue-mode", ("default", "lazy"), {}, "RabbitMQ 4.0.5 ignores x-queue-mode"),
        ("x-queue-type", ("", "classic"), {"queue q: type": "classic"}, "queue q is of type classic on RabbitMQ 4.0.5"),
        ("x-quorum-initial-group-size", "13", {"queue q: members": "1"}, "queue q has 1 members on RabbitMQ 4.0.5"),
        ("x-of-nobody", "12", {}, "RabbitMQ 4.0.5 makes the same queue of it, whatever x-of-nobody asks"),
    ],
)
def test_words_for_queues(argument: str, asked: tuple[str, str], settings: dict[str, str], words: str) -> None:
    """What is equal, and why."""
    one, other = (replace(EFFECT, settings=settings, asked={"queue q": {argument: value}}) for value in asked)
    refused, _ = told(A, B, a=one, b=other)

    assert refused is not None
    assert words in refused


@pytest.mark.parametrize(
    "change, words",
    [
        ({"brokers": ("amqp://ip6",)}, "both brokers are the same, rabbit at x"),
        ({"settings": ("heartbeat = 60",)}, "report the same settings, whatever heartbeat = 60 asks"),
        ({"env": (("ERL_FLAGS", "+S 2:2"),)}, "report the same settings, whatever ERL_FLAGS=+S 2:2 asks"),
        ({"nodes": 1}, "both brokers have as many nodes, 1"),
    ],
)
def test_words_for_brokers(change: dict[str, object], words: str) -> None:
    """As above."""
    base = Variant("a", brokers=("amqp://ip4",)) if "brokers" in change else A
    effect = replace(EFFECT, settings={"broker": "rabbit at x", "cluster nodes": "1"})
    refused, _ = told(base, replace(base, name="b", **change), a=effect, b=effect)  # type: ignore[arg-type]

    assert refused is not None
    assert words in refused


def test_what_is_shown_holds_no_password() -> None:
    """Nor what cannot be read back."""
    other = replace(EFFECT, settings={"shovel uri": '"amqp://ann:hunter2@x"', f"{UNREAD}TOKEN": "y"})
    shown = shown_effect({"a": EFFECT, "b": other}, "b", "a")

    assert shown.keys() == {"rabbit heartbeat", "shovel uri"}
    assert "hunter2" not in str(shown)
