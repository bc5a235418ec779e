"""What AMQP cannot carry is refused when a scenario is loaded, with its line; what it can is kept."""

from __future__ import annotations

import pytest

from loadtest.errors import ScenarioError
from loadtest.scenario import build_plan, load_scenario

LONG = "ä" * 126
NUMBERED = "exchanges: {x: {}}, queues: {w-%d: {count: 1000}}, "
OTHER_NAME = "another name, as the stamp has this one, or stamp: body or none"
REFUSED = {
    "a queue's name": (
        f'queues: {{"{LONG}%d": {{count: 1000}}}}', "",
        "s.yaml:3: topology.queues.",
    ),
    "a binding's key": (
        NUMBERED + f'bindings: [{{exchange: x, queue: w-%d, routing_key: "{LONG}%d"}}]', "",
        "s.yaml:3: topology.bindings[0].routing_key: ",
    ),
    "a key of each user": (
        "queues: {q: {}}", f'users: 1000, routing_key: "{LONG}%d"',
        "s.yaml:4: publishers.p.routing_key: ",
    ),
    "a key of each user, in a list": (
        "queues: {q: {}}", f'users: 1000, routing_key: [q, "{LONG}%d"]',
        "s.yaml:4: publishers.p.routing_key[1]: ",
    ),
    "a key by Zipf": (
        "queues: {q: {}}", f'routing_key: {{zipf: {{keys: 1000, key: "{LONG}%d"}}}}',
        "s.yaml:4: publishers.p.routing_key.zipf.key: ",
    ),
}  # fmt: skip


def scenario(topology: str, publisher: str) -> str:
    """Return a scenario with so much of a topology, and of a group of publishers."""
    keys = publisher or "routing_key: k"
    return f"name: t\nrun: {{seed: 1}}\ntopology: {{{topology}}}\npublishers: {{p: {{messages: 1000, {keys}}}}}\n"


@pytest.mark.parametrize("case", REFUSED)
def test_names_that_are_too_long_only_with_their_number(case: str) -> None:
    """With numbers up to 999 they are 255 bytes, with 1000 they are 256: signs do not count, bytes do."""
    topology, publisher, place = REFUSED[case]
    with pytest.raises(ScenarioError) as caught:
        load_scenario("s.yaml", text=scenario(topology, publisher))

    (line,) = str(caught.value).splitlines()
    assert line.startswith(place)
    assert line.endswith(
        "found a text of 256 bytes with 1000 in the place of %d; allowed at most 255 bytes, as AMQP has it"
    )
    shorter = scenario(topology, publisher).replace("1000", "999")
    build_plan(load_scenario("s.yaml", text=shorter).scenario)


def test_more_users_than_the_scenario_has_are_looked_at_too() -> None:
    """`-u` may make a name too long that is none in the file."""
    loaded = load_scenario("s.yaml", text=scenario("queues: {q: {}}", f'users: 2, routing_key: "{LONG}%d"'))
    build_plan(loaded.scenario, users=999)
    with pytest.raises(ScenarioError, match=r"publishers\.p\.routing_key: found a text of 256 bytes with 1000"):
        build_plan(loaded.scenario, users=1000)


@pytest.mark.parametrize(
    "properties, line",
    [
        (
            "headers: {lt: 5}",
            f"headers.lt: found a header of the stamp's name; allowed {OTHER_NAME}",
        ),
        ("headers: {CC: other}", 'headers.CC: found "other"; allowed a list of routing keys, as RabbitMQ has it'),
        ("expiration: 50d", "expiration: found a longer time; allowed at most 4294967295ms, as RabbitMQ has it"),
        (
            f"headers: {{a: {'x' * 128_000}}}",
            "headers: found a table of 128011 bytes; allowed at most 128000 bytes, as it has to fit in a frame",
        ),
    ],
    ids=["lt", "CC", "expiration", "size"],
)
def test_what_a_broker_refuses_is_refused_before(properties: str, line: str) -> None:
    """Headers that the stamp or RabbitMQ have for themselves, and what fits in no frame."""
    text = scenario("queues: {q: {}}", f"routing_key: q, properties: {{{properties}}}")
    with pytest.raises(ScenarioError) as caught:
        load_scenario("s.yaml", text=text)

    assert str(caught.value) == f"s.yaml:4: publishers.p.properties.{line}"


@pytest.mark.parametrize("stamp", ["body", "none"])
def test_a_header_of_the_stamps_name_is_left_alone_where_the_stamp_is_elsewhere(stamp: str) -> None:
    """Only where it would be overwritten is it refused."""
    text = scenario("queues: {q: {}}", f"routing_key: q, stamp: {stamp}, properties: {{headers: {{lt: 5}}}}")

    assert build_plan(load_scenario("s.yaml", text=text).scenario).publishers[0].properties == {"headers": {"lt": 5}}


@pytest.mark.parametrize(
    "body, content", [("{json: null}", b"null"), ("{json: {a: null}}", b'{"a":null}'), ("{json: , text: x}", b"x")]
)
def test_null_is_a_body(body: str, content: bytes) -> None:
    """As a value of JSON; beside another kind it takes the option away, as null does elsewhere."""
    loaded = load_scenario("s.yaml", text=scenario("queues: {q: {}}", f"routing_key: q, body: {body}"))
    again = load_scenario("s.yaml", text=loaded.text)

    assert build_plan(loaded.scenario).publishers[0].bodies == (content,)
    assert again.scenario == loaded.scenario
