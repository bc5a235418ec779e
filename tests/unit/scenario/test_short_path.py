"""Short paths of overrides: the one place that ends so, or all of them by name."""

from __future__ import annotations

import pytest

from loadtest.errors import ScenarioError
from loadtest.scenario import load_scenario

TEXT = """
name: t
variables: {size: 1KB, rate: 10/s}
topology: {exchanges: {x: {}}, queues: {"q.1": , r: {type: quorum}}}
publishers:
  p: {routing_key: r, exchange: x, body: {size: "${size}"}, rate: "${rate}"}
  run: {routing_key: r, messages: 5}
consumers:
  c: {queue: r}
run: {duration: 10s}
"""


@pytest.mark.parametrize(
    "short, whole",
    [
        pytest.param("size=2KB", "variables.size=2KB", id="a variable"),
        pytest.param("p.users=3", "publishers.p.users=3", id="from the group on"),
        pytest.param("p.body.size=3B", "publishers.p.body.size=3B", id="a value of a value"),
        pytest.param("c.prefetch=7", "consumers.c.prefetch=7", id="of another section"),
        pytest.param("prefetch=7", "consumers.c.prefetch=7", id="a default that only one group has"),
        pytest.param("duration=3s", "run.duration=3s", id="of the run"),
        pytest.param("keep=true", "topology.keep=true", id="of the topology"),
        pytest.param("r.type=classic", "topology.queues.r.type=classic", id="a queue"),
        pytest.param('queues."q.1".durable=false', 'topology.queues."q.1".durable=false', id="a quoted one"),
        pytest.param("bindings=[{exchange: x, queue: r}]", "topology.bindings=[{exchange: x, queue: r}]", id="a list"),
    ],
)
def test_a_short_path_means_the_place_that_ends_so(short: str, whole: str) -> None:
    """It does what the whole path does."""
    as_written = load_scenario("s.yaml", text=TEXT).text
    resolved = load_scenario("s.yaml", text=TEXT, overrides=[short]).text

    assert resolved == load_scenario("s.yaml", text=TEXT, overrides=[whole]).text
    assert resolved != as_written


@pytest.mark.parametrize(
    "override, places",
    [
        ("body.size=3B", "publishers.p.body.size, publishers.run.body.size"),
        ("rate=3/s", "variables.rate, publishers.p.rate, publishers.run.rate"),
        ("users=3", "publishers.p.users, publishers.run.users, consumers.c.users"),
        ("type=classic", 'topology.exchanges.x.type, topology.queues."q.1".type, topology.queues.r.type'),
    ],
)
def test_several_places_are_named(override: str, places: str) -> None:
    """What may mean several places is refused, with the whole path to each of them."""
    with pytest.raises(ScenarioError) as error:
        load_scenario("s.yaml", text=TEXT, overrides=[override])

    count, path = len(places.split(", ")), override.partition("=")[0]
    assert str(error.value) == (
        f"--set:1: {path}: found {count} places that end so; allowed one of them by its whole path: {places}"
    )


@pytest.mark.parametrize("override", ["run.users=3", "run.seed=9"])
def test_a_path_that_begins_with_a_key_of_the_scenario_is_whole(override: str) -> None:
    """`run.users` is of the run, and not of a group that is called so."""
    if override == "run.seed=9":
        assert load_scenario("s.yaml", text=TEXT, overrides=[override]).scenario.run.seed == 9
        return
    with pytest.raises(ScenarioError, match=r"^--set:1: run\.users: found an unknown key"):
        load_scenario("s.yaml", text=TEXT, overrides=[override])


@pytest.mark.parametrize(
    "override, expected",
    [
        ("sizes=1", "sizes: found an unknown key"),
        ("publisher.p.users=2", r'publisher: found an unknown key; .*; did you mean "publishers"\?'),
        ("p.user.x=1", "p: found an unknown key"),
        ("[0]=1", "found a position in a mapping"),
    ],
)
def test_what_ends_nowhere_is_as_it_is_written(override: str, expected: str) -> None:
    """It is an unknown key, of which the grammar says what is near."""
    with pytest.raises(ScenarioError, match=expected):
        load_scenario("s.yaml", text=TEXT, overrides=[override])


def test_a_document_that_is_none_has_no_places() -> None:
    """Whatever stands in the file, an override raises nothing else than the file does."""
    for text in ("", "[]", "topology: 5\npublishers: [1]\nrun: x\nvariables: 3\n"):
        with pytest.raises(ScenarioError):
            load_scenario("s.yaml", text=text, overrides=["p.users=2", "size=1KB"])
