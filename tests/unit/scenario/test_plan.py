"""Plans: what each user gets of a scenario."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.broker.monitor.queue_depths import queues_of
from loadtest.errors import ScenarioError
from loadtest.scenario import Ack, BindingSpec, Plan, Start, build_plan, load_scenario
from loadtest.scenario.sequence import is_member, numbers_of_user, sequence
from loadtest.scenario.sharing import share_messages, share_users

SEQUENCE = """\
name: t
topology:
  exchanges:
    orders: {}
  queues:
    orders-%d: {count: 4}
  bindings:
    - {exchange: orders, queue: orders-%d, routing_key: key-%d}
publishers:
  shop: {users: USERS, exchange: orders, routing_key: key-%d, messages: 10}
consumers:
  billing: {users: USERS, queue: orders-%d}
"""
ONE = "name: t\ntopology:\n  queues: {q: {}}\npublishers:\n  shop: {routing_key: q, messages: 1, SETTINGS}\n"


def plan_of(text: str, users: int | None = None) -> Plan:
    """Return the plan of a scenario."""
    return build_plan(load_scenario("s.yaml", text=text).scenario, users=users)


def shop(settings_text: str) -> Any:
    """Return the plan of one publisher with settings."""
    return plan_of(ONE.replace("SETTINGS", settings_text)).publishers[0]


def test_as_many_users_as_queues_have_one_each() -> None:
    """With a user for each queue, publisher k and consumer k work on queue k."""
    plan = plan_of(SEQUENCE.replace("USERS", "4"))

    assert [each.routing_keys for each in plan.publishers] == [("key-1",), ("key-2",), ("key-3",), ("key-4",)]
    assert [each.routes for each in plan.publishers] == [((f"orders-{number}",),) for number in range(1, 5)]
    assert [each.queues for each in plan.consumers] == [("orders-1",), ("orders-2",), ("orders-3",), ("orders-4",)]


def test_more_users_than_queues_go_round() -> None:
    """The fifth and sixth of six users begin again at the first queue."""
    plan = plan_of(SEQUENCE.replace("USERS", "6"))

    assert [each.queues[0] for each in plan.consumers] == [f"orders-{number}" for number in (1, 2, 3, 4, 1, 2)]


def test_fewer_users_than_queues_take_several() -> None:
    """With three users, the first has the first and the fourth queue."""
    plan = plan_of(SEQUENCE.replace("USERS", "3"))

    assert [each.queues for each in plan.consumers] == [("orders-1", "orders-4"), ("orders-2",), ("orders-3",)]
    assert plan.publishers[0].routing_keys == ("key-1", "key-4")


@settings(derandomize=True, deadline=None)
@given(st.integers(1, 50), st.integers(1, 50))
def test_every_number_of_a_sequence_has_a_user(users: int, count: int) -> None:
    """All queues are worked on, and by one user only where there are no more users than queues."""
    numbers = [number for user in range(users) for number in numbers_of_user(user, users, count)]

    assert set(numbers) == set(range(1, count + 1))
    assert len(numbers) == max(users, count)


def test_messages_that_do_not_divide_go_to_the_first_users() -> None:
    """Ten messages over four users are three, three, two and two."""
    assert [each.messages for each in plan_of(SEQUENCE.replace("USERS", "4")).publishers] == [3, 3, 2, 2]


@settings(derandomize=True, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 60))
def test_shares_of_messages_sum_up(messages: int, users: int) -> None:
    """Shares differ by one at most and sum up to the whole."""
    shares = [share_messages(messages, user, users) or 0 for user in range(users)]

    assert sum(shares) == messages
    assert max(shares) - min(shares) <= 1


SHARES = [
    ({"a": 1, "b": 1}, None, {"a": 1, "b": 1}),
    ({"a": 1, "b": 1}, 10, {"a": 5, "b": 5}),
    ({"a": 1, "b": 3}, 8, {"a": 2, "b": 6}),
    ({"a": 1, "b": 1, "c": 1}, 10, {"a": 4, "b": 3, "c": 3}),
    ({"a": 1, "b": 1000}, 10, {"a": 1, "b": 9}),
    ({"a": 1, "b": 1, "c": 98}, 3, {"a": 1, "b": 1, "c": 1}),
    ({"a": 1000, "b": 1000}, 2, {"a": 1, "b": 1}),
]


@pytest.mark.parametrize("wanted, users, expected", SHARES)
def test_users_are_shared_in_proportion(wanted: dict[str, int], users: int | None, expected: dict[str, int]) -> None:
    """`-u` is shared in the scenario's proportions, with one for each group at least."""
    assert share_users(wanted, users) == expected


@settings(derandomize=True, deadline=None)
@given(st.dictionaries(st.text("abcdef", min_size=1, max_size=2), st.integers(1, 1000), min_size=1), st.data())
def test_users_are_all_given_out(wanted: dict[str, int], data: st.DataObject) -> None:
    """Whatever the proportions, the shares sum up to `-u` and none is empty."""
    users = data.draw(st.integers(len(wanted), 3000))

    shares = share_users(wanted, users)

    assert sum(shares.values()) == users
    assert min(shares.values()) >= 1


def test_fewer_users_than_groups_is_an_error() -> None:
    """Each group needs a user."""
    text = SEQUENCE.replace("USERS", "4")

    with pytest.raises(
        ScenarioError, match=r"^-u: found 1; allowed 2 or more: each of shop, billing has one at least$"
    ):
        plan_of(text, users=1)


def test_user_numbers_and_publisher_ids() -> None:
    """Users count within their group, publishers over the run, and `-u` changes both."""
    text = SEQUENCE.replace("USERS", "2").replace(
        "consumers:", "  late: {exchange: orders, messages: 4, after: shop}\nconsumers:"
    )
    plan = plan_of(text, users=10)

    assert dict(plan.users) == {"shop": 4, "late": 2, "billing": 4}
    assert [(each.group, each.user) for each in plan.publishers[3:]] == [("shop", 3), ("late", 0), ("late", 1)]
    assert [each.publisher_id for each in plan.publishers] == list(range(6))
    assert plan.publishers[4].start == Start(0, "shop")


def test_topology_is_written_out() -> None:
    """A binding of a sequence becomes one for each queue, with the key of its number."""
    topology = plan_of(SEQUENCE.replace("USERS", "4")).topology

    assert [queue.name for queue in topology.queues] == ["orders-1", "orders-2", "orders-3", "orders-4"]
    assert topology.bindings[2] == BindingSpec("orders", "orders-3", "queue", "key-3", {})
    assert topology.vhost is None


def test_queue_types_are_arguments() -> None:
    """A type that is named goes out as x-queue-type; one that is not leaves it to the vhost."""
    queues = "topology: {queues: {a: {type: classic}, b: {type: quorum}, c: {}}}"
    text = f"name: t\n{queues}\ngetters: {{g: {{queue: a, until: empty}}}}\n"

    assert [queue.arguments for queue in plan_of(text).topology.queues] == [
        {"x-queue-type": "classic"},
        {"x-queue-type": "quorum"},
        {},
    ]


def test_each_consumer_of_a_stream_is_a_sink() -> None:
    """A message to a stream is expected once for each of its consumers."""
    text = """\
name: t
topology: {queues: {log: {type: stream}, q: {}}}
publishers: {in: {routing_key: [log, q], messages: 1}}
consumers:
  readers: {users: 2, queue: log, ack: every 1, arguments: {x-stream-offset: first}}
"""
    plan = plan_of(text)

    assert [each.sinks for each in plan.consumers] == [("log#readers/0",), ("log#readers/1",)]
    assert plan.publishers[0].routes == (("log#readers/0", "log#readers/1"), ("q",))
    assert plan.untaken == ("q",)
    assert plan.consumed_sinks == ("log#readers/0", "log#readers/1")
    assert plan.consumers[0].ack == Ack("every", 1)


def test_routes_are_unknown_behind_a_plugin() -> None:
    """What an exchange of a plugin does with a message cannot be known."""
    text = """\
name: t
topology: {exchanges: {hash: {type: x-consistent-hash}}, queues: {q: {}}}
publishers: {in: {exchange: hash, routing_key: a, messages: 1}}
consumers: {out: {queue: q}}
"""
    assert plan_of(text).publishers[0].routes is None


BODIES = {
    "text": ("body: {text: Hello World!}", b"Hello World!"),
    "empty text": ('body: {text: ""}', b""),
    "json": ("body: {json: {aaa: 123, bbb: 456}}", b'{"aaa":123,"bbb":456}'),
    "json text": ("body: {json: '{\"a\": 1}'}", b'{"a": 1}'),
    "json list": ("body: {json: [1, null, true, é]}", '[1,null,true,"é"]'.encode()),
    "size": ("body: {size: 12B}", b"abcdefghijkl"),
    "no size": ("body: {size: 0B}", b""),
}


@pytest.mark.parametrize("settings_text, expected", BODIES.values(), ids=BODIES.keys())
def test_bodies(settings_text: str, expected: bytes) -> None:
    """A body is the bytes that its author sees."""
    assert shop(settings_text).bodies == (expected,)


def test_random_bodies_are_seeded() -> None:
    """Random bodies differ from each other, are within their sizes, and come again with the same seed."""
    bodies = shop("body: {random: {min: 100B, max: 1KB}}").bodies

    assert all(100 <= len(body) <= 1000 for body in bodies)
    assert len(set(bodies)) == len(bodies) == 256
    assert shop("body: {random: {min: 100B, max: 1KB}}").bodies == bodies
    assert {len(body) for body in shop("body: {random: 1KiB}").bodies} == {1024}


def test_a_body_file_is_held_to_its_content(tmp_path: Any) -> None:
    """A file is found from the scenario's folder, its hash is kept, and a change after loading is an error."""
    path = tmp_path / "order.json"
    path.write_bytes(b"{}")
    (tmp_path / "s.yaml").write_text(ONE.replace("SETTINGS", "body: {file: order.json}"))
    loaded = load_scenario(tmp_path / "s.yaml")

    assert build_plan(loaded.scenario, folder=tmp_path).publishers[0].bodies == (b"{}",)
    assert load_scenario(tmp_path / "other.yaml", text=loaded.text).scenario == loaded.scenario

    path.write_bytes(b"[]")
    with pytest.raises(ScenarioError, match="another content"):
        build_plan(loaded.scenario, folder=tmp_path)
    with pytest.raises(ScenarioError, match=r"body\.sha256: found a file whose SHA-256 is"):
        load_scenario(tmp_path / "s.yaml", text=loaded.text)


def test_zipf_keys_fall_off() -> None:
    """The first key of a Zipf distribution comes about twice as often as the second, and the cycle is seeded."""
    text = ONE.replace("routing_key: q", "exchange: amq.direct, routing_key: {zipf: {keys: 100, s: 1}}")
    keys = plan_of(text.replace("SETTINGS", "users: 1")).publishers[0].routing_keys

    assert len(keys) == 10_000
    assert 1.7 < keys.count("key-1") / keys.count("key-2") < 2.3
    assert set(keys) <= {f"key-{number}" for number in range(1, 101)}


def test_properties_are_those_of_amqp() -> None:
    """Properties go out by their AMQP names, the expiration as text in ms."""
    given_text = (
        "properties: {content_type: application/json, delivery_mode: 2, expiration: 5s, headers: {source: web}}"
    )

    assert dict(shop(given_text).properties) == {
        "content_type": "application/json",
        "delivery_mode": 2,
        "expiration": "5000",
        "headers": {"source": "web"},
    }


def test_a_blocking_client_has_a_window_of_one() -> None:
    """Pika's blocking channel waits for each confirm, unless there are none."""
    assert shop("client: blocking").confirm_window == 1
    assert shop("client: blocking, confirm_window: 0").confirm_window == 0
    assert shop("users: 1").confirm_window == 256


def test_two_plans_of_a_scenario_are_equal_where_values_are() -> None:
    """Another process makes the same bodies, keys and instants of the same scenario."""
    text = ONE.replace("SETTINGS", "rate: 100/s, arrival: poisson, users: 3, body: {random: 10B}")
    first, second = plan_of(text), plan_of(text)

    assert first.publishers[2].bodies == second.publishers[2].bodies
    assert first.publishers[2].arrivals is not None
    assert second.publishers[2].arrivals is not None
    assert first.publishers[2].arrivals.intended_ns(10) == second.publishers[2].arrivals.intended_ns(10)


@settings(derandomize=True, deadline=None)
@given(
    st.sampled_from(["q-%d", "%d", "%d-q", "1%d1"]),
    st.integers(1, 120),
    st.from_regex(r"(q-|1)?[0-9]{0,3}(-q|1)?", fullmatch=True),
)
def test_a_member_of_a_sequence_is_one_of_its_names(pattern: str, count: int, name: str) -> None:
    """Whether a name belongs to a sequence is told without writing the sequence out."""
    assert is_member(name, pattern, count) is (name in sequence(pattern, count))


STREAM_AND_NAMESAKE = """
name: namesakes
topology:
  queues:
    log: {type: stream}
    "log#out/0": {type: classic}
    "log#out/0'": {type: quorum}
    "a#b/1": {type: classic}
publishers: {in: {routing_key: ["log", "log#out/0", "log#out/0'", "a#b/1"], messages: 10, body: {size: 50B}}}
consumers:
  out: {queue: log, ack: every 1, prefetch: 10}
  rest: {queue: "log#out/0", ack: every 1}
  more: {queue: "log#out/0'", ack: every 1}
  last: {queue: "a#b/1", ack: every 1}
"""


def test_only_a_stream_is_one_whatever_the_names_of_queues_are() -> None:
    """A queue's name may hold the marks of a stream's sink, or be just like one: each sink still stands for itself."""
    plan = build_plan(load_scenario("x", text=STREAM_AND_NAMESAKE).scenario)
    sinks = {consumer.group: consumer.sinks[0] for consumer in plan.consumers}

    assert len(set(sinks.values())) == len(sinks)
    assert plan.streams == {sinks["out"]: "log"}
    assert {name: sinks[name] for name in ("rest", "more", "last")} == {
        "rest": "log#out/0",
        "more": "log#out/0'",
        "last": "a#b/1",
    }
    assert plan.publishers[0].routes == tuple((sinks[group],) for group in ("out", "rest", "more", "last"))
    assert queues_of(plan) == ["log#out/0", "log#out/0'", "a#b/1"]
