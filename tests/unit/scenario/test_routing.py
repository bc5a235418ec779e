"""Where messages go, against known answers."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from loadtest.scenario.declared import declared_topology
from loadtest.scenario.grammar.topology import Topology
from loadtest.scenario.routing import Routes, headers_match, topic_matches, topic_words

TOPIC = [
    ("a.b.c", "a.b.c", True),
    ("a.b.c", "a.b", False),
    ("a.*.c", "a.b.c", True),
    ("a.*.c", "a.c", False),
    ("a.*", "a", False),
    ("a.*", "a.", True),
    ("a.#", "a", True),
    ("a.#", "a.b.c.d", True),
    ("a.#", "b.a", False),
    ("#", "", True),
    ("*", "", False),
    ("", "", True),
    ("#.c", "c", True),
    ("#.c", "a.b.c", True),
    ("#.c", "a.c.b", False),
    ("#.b.#", "a.b.c", True),
    ("#.b.#", "a.c", False),
    ("#.*", "a", True),
    ("#.*", "", False),
    ("*.#.*", "a.b", True),
    ("*.#.*", "a", False),
    ("#.#", "", True),
    ("a*", "ab", False),
]


@pytest.mark.parametrize("pattern, key, expected", TOPIC)
def test_topic_patterns(pattern: str, key: str, expected: bool) -> None:
    """A star stands for one word, a hash for any number of them."""
    assert topic_matches(topic_words(pattern), topic_words(key)) is expected


HEADERS: list[tuple[dict[str, object], dict[str, object], bool]] = [
    ({"a": 1, "b": "x"}, {"a": 1, "b": "x", "c": 2}, True),
    ({"a": 1, "b": "x"}, {"a": 1}, False),
    ({"x-match": "any", "a": 1, "b": "x"}, {"a": 1}, True),
    ({"x-match": "any", "a": 1}, {"a": 2}, False),
    ({"x-match": "any"}, {"a": 1}, False),
    ({"x-match": "all"}, {}, True),
    ({}, {}, True),
    ({"a": None}, {"a": 5}, True),
    ({"a": None}, {}, False),
    ({"a": 1}, {"a": True}, False),
    ({"a": 1}, {"a": "1"}, False),
    ({"x-a": 1}, {}, True),
    ({"x-match": "all-with-x", "x-a": 1}, {}, False),
    ({"x-match": "any-with-x", "x-a": 1}, {"x-a": 1}, True),
]


@pytest.mark.parametrize("arguments, headers, expected", HEADERS)
def test_headers_bindings(arguments: Mapping[str, object], headers: Mapping[str, object], expected: bool) -> None:
    """All or any of a binding's headers must be there with their values, and null asks for presence alone."""
    assert headers_match(arguments, headers) is expected


TOPOLOGY = {
    "exchanges": {
        "direct": {"alternate_exchange": "rest"},
        "fan": {"type": "fanout"},
        "topic": {"type": "topic"},
        "heads": {"type": "headers"},
        "rest": {"type": "fanout"},
        "inner": {"type": "topic", "internal": True},
        "lost": {"alternate_exchange": "plugin"},
        "plugin": {"type": "x-consistent-hash"},
        "there": {"passive": True},
        "loop": {"type": "fanout"},
        "to-plugin": {"type": "fanout"},
    },
    "queues": {"a": {}, "b": {}, "c": {}, "n-%d": {"count": 3}},
    "bindings": [
        {"exchange": "direct", "queue": "a", "routing_key": "k"},
        {"exchange": "direct", "queue": "a", "routing_key": "k2"},
        {"exchange": "direct", "queue": "b", "routing_key": "k"},
        {"exchange": "direct", "queue": "n-%d", "routing_key": "n.%d"},
        {"exchange": "direct", "to_exchange": "inner", "routing_key": "in.x"},
        {"exchange": "inner", "queue": "c", "routing_key": "in.*"},
        {"exchange": "fan", "queue": "a"},
        {"exchange": "fan", "queue": "n-%d"},
        {"exchange": "topic", "queue": "a", "routing_key": "x.#"},
        {"exchange": "topic", "queue": "a", "routing_key": "#.y"},
        {"exchange": "topic", "queue": "b", "routing_key": "x.y"},
        {"exchange": "heads", "queue": "b", "arguments": {"x-match": "any", "kind": "web", "size": 3}},
        {"exchange": "rest", "queue": "c"},
        {"exchange": "amq.topic", "queue": "b", "routing_key": "*"},
        {"exchange": "loop", "to_exchange": "loop"},
        {"exchange": "loop", "queue": "a"},
        {"exchange": "to-plugin", "to_exchange": "plugin"},
    ],
}
ROUTES: dict[str, tuple[str, str, dict[str, object], set[str] | None]] = {
    "default exchange": ("", "b", {}, {"b"}),
    "default exchange, one of a sequence": ("", "n-2", {}, {"n-2"}),
    "default exchange, nowhere": ("", "nothing", {}, set()),
    "direct, two queues": ("direct", "k", {}, {"a", "b"}),
    "direct, a pair of a sequence": ("direct", "n.3", {}, {"n-3"}),
    "direct, unbound goes to the alternate": ("direct", "unbound", {}, {"c"}),
    "exchange to exchange": ("direct", "in.x", {}, {"c"}),
    "fanout": ("fan", "whatever", {}, {"a", "n-1", "n-2", "n-3"}),
    "topic, two bindings are one copy": ("topic", "x.y", {}, {"a", "b"}),
    "topic, nowhere": ("topic", "z", {}, set()),
    "headers, any": ("heads", "", {"size": 3}, {"b"}),
    "headers, none": ("heads", "", {"size": 4}, set()),
    "the broker's own topic exchange": ("amq.topic", "word", {}, {"b"}),
    "a circle of exchanges": ("loop", "", {}, {"a"}),
    "plugin": ("plugin", "k", {}, None),
    "plugin behind a binding": ("to-plugin", "k", {}, None),
    "plugin as alternate": ("lost", "k", {}, None),
    "passive": ("there", "k", {}, None),
    "CC and BCC": ("direct", "k2", {"CC": ["n.1"], "BCC": ["n.2"]}, {"a", "n-1", "n-2"}),
}


@pytest.mark.parametrize("exchange, key, headers, expected", ROUTES.values(), ids=ROUTES.keys())
def test_routes(exchange: str, key: str, headers: dict[str, object], expected: set[str] | None) -> None:
    """Each message reaches the queues that the broker would give it to, once; None where that cannot be known."""
    routes = Routes(declared_topology(Topology.model_validate(TOPOLOGY)))

    assert routes.queues(exchange, key, headers) == expected
