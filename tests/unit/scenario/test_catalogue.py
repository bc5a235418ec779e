"""The scenarios that come with the tool, and the schema that editors check them with."""

from __future__ import annotations

import json

import pytest

from loadtest.experiments.compare.variants import variants_of
from loadtest.scenario import (
    CatalogueEntry,
    build_plan,
    catalogue,
    catalogue_folder,
    comparisons,
    load_scenario,
    scenario_schema,
)
from loadtest.scenario.loading.schema import SCHEMA_NAME

EXPECTED = {
    "backlog-drain",
    "consume-autoack",
    "fanout-1-to-10",
    "flaky-network",
    "flood-1000-direct",
    "get-one-by-one",
    "hello-default-exchange",
    "kill-node-classic",
    "kill-node-quorum-3",
    "many-connections",
    "memory-alarm",
    "poison-message",
    "quorum-confirms",
    "restart-durable",
    "saturate-12b",
    "slow-consumer",
    "steady-1kb",
    "topic-routing",
}
every_entry = pytest.mark.parametrize("entry", catalogue(), ids=lambda entry: entry.name)


def test_the_catalogue_is_complete() -> None:
    """Every scenario that the documentation names is there."""
    assert {entry.name for entry in catalogue()} >= EXPECTED


@every_entry
def test_each_scenario_loads_and_plans(entry: CatalogueEntry) -> None:
    """A scenario is named after its file, has thresholds, and every message has a known way."""
    scenario = load_scenario(entry.name).scenario
    plan = build_plan(scenario)

    assert scenario.name == entry.name
    assert scenario.thresholds
    assert all(publisher.routes is not None and all(publisher.routes) for publisher in plan.publishers)


@every_entry
def test_each_scenario_is_loadable_as_shown(entry: CatalogueEntry) -> None:
    """What `loadtest show` prints is the same scenario."""
    loaded = load_scenario(entry.name)
    again = load_scenario(entry.path.parent / "shown.yaml", text=loaded.text)

    assert again.scenario == loaded.scenario
    assert again.hash == loaded.hash


@every_entry
def test_each_scenario_opens_with_schema_and_question(entry: CatalogueEntry) -> None:
    """The first line points editors at the schema, the comment after it is the question that the scenario answers."""
    lines = entry.path.read_text(encoding="utf-8").splitlines()

    assert lines[0] == f"# yaml-language-server: $schema={SCHEMA_NAME}"
    assert entry.question.endswith("?")


@every_entry
def test_each_scenario_runs_with_any_broker(entry: CatalogueEntry) -> None:
    """Queues are durable, as brokers from 4.3 on may demand."""
    assert all(queue.durable for queue in load_scenario(entry.name).scenario.topology.queues.values())


@pytest.mark.parametrize("entry", comparisons(), ids=lambda entry: entry.name)
def test_each_comparison_answers_a_question(entry: CatalogueEntry) -> None:
    """It is named after its file, asks something, compares variants that differ, and each of them is a scenario."""
    loaded = load_scenario(entry.name)
    lines = entry.path.read_text(encoding="utf-8").splitlines()
    block = loaded.scenario.compare
    assert block is not None
    variants = variants_of(block, entry.path.parent)
    asked = [(variant.overrides, variant.broker) for variant in variants]

    assert loaded.scenario.name == entry.name
    assert lines[0] == f"# yaml-language-server: $schema=../scenarios/{SCHEMA_NAME}"
    assert entry.question.endswith("?")
    assert len(set(asked)) == len(asked) >= 2
    for variant in variants:
        build_plan(load_scenario(entry.name, overrides=variant.overrides).scenario)


def test_no_name_is_given_twice() -> None:
    """A comparison is not named as a scenario is: a name means one file."""
    assert not {entry.name for entry in catalogue()} & {entry.name for entry in comparisons()}


def test_flood_is_as_designed() -> None:
    """A thousand JSON bodies go to the durable direct exchange, and a getter takes them when all are out."""
    plan = build_plan(load_scenario("flood-1000-direct").scenario)
    flood, drain = plan.publishers[0], plan.getters[0]

    assert (flood.exchange, flood.routing_keys, flood.messages) == ("zhenshiceshi", ("111112",), 1000)
    assert flood.bodies == (b'{"aaa":123,"bbb":456}',)
    assert flood.routes == (("Queue111112",),)
    assert (drain.start.after, drain.until_empty, drain.queues) == ("flood", True, ("Queue111112",))


def test_the_schema_in_the_folder_is_that_of_the_grammar() -> None:
    """The file that editors read is what `loadtest schema` prints."""
    written = json.loads((catalogue_folder() / SCHEMA_NAME).read_text(encoding="utf-8"))

    assert written == scenario_schema()


def test_the_schema_names_keys_choices_and_units() -> None:
    """Keys, choices and the patterns of quantities are in the schema; variables may stand for values."""
    schema = scenario_schema()
    publisher = schema["$defs"]["PublisherGroup"]

    assert set(schema["properties"]) >= {"name", "variables", "topology", "publishers", "consumers", "getters", "run"}
    assert publisher["additionalProperties"] is False
    assert publisher["properties"]["stamp"]["anyOf"][0]["enum"] == ["headers", "body", "none"]
    assert publisher["properties"]["start_at"]["anyOf"][0]["pattern"].endswith("(ns|us|µs|ms|s|m|h|d)$")
    assert {"$ref": "#/$defs/Variable"} in publisher["properties"]["users"]["anyOf"]
