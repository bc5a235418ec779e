"""
Where a message goes: the broker's routing, followed through the bindings of a scenario.

A pure simulation of direct, fanout, topic and headers exchanges, of exchange-to-exchange bindings, alternate
exchanges, the default exchange and the CC and BCC headers. It knows the exchanges that the scenario declares, and the
broker's own; what an exchange of a plugin does, or one that was there before, it cannot know and says so with None.

Source: AMQP 0-9-1, 3.1.3; RabbitMQ's rabbit_exchange.erl, rabbit_exchange_type_topic.erl and
    rabbit_exchange_type_headers.erl.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from loadtest.errors import ScenarioError
from loadtest.scenario.grammar.topology import ALTERNATE_EXCHANGE, BUILTIN_EXCHANGES, EXCHANGE_TYPES, SENDER_SELECTED
from loadtest.scenario.plan import BindingSpec, DeclaredTopology

_WILDCARDS: Final = {"*", "#"}
# No sets: what a scenario gives as x-match may be a mapping or a list, which no set can be asked for.
_X_MATCH_ANY: Final = ("any", "any-with-x")
_WITH_X: Final = ("all-with-x", "any-with-x")
# Bindings looked at for all keys of a scenario, and takers found: so many take 15 s and 100 MB at most.
MAX_ROUTES: Final = 10_000_000


def topic_words(key: str) -> list[str]:
    """Return the words of a topic key; the empty key has none."""
    return key.split(".") if key else []


def topic_matches(pattern: list[str], words: list[str]) -> bool:
    """Return whether words match a topic pattern, where `*` stands for one word and `#` for any number of them."""
    # reached[i]: the pattern so far matches the first i words.
    reached = [True] + [False] * len(words)
    for part in pattern:
        if part == "#":
            first = reached.index(True) if True in reached else len(reached)
            reached = [at >= first for at in range(len(reached))]
        else:
            steps = (was and part in ("*", word) for was, word in zip(reached, words, strict=False))
            reached = [False, *steps]
    return reached[-1]


def headers_match(arguments: Mapping[str, object], headers: Mapping[str, object]) -> bool:
    """
    Return whether a message's headers match a binding's arguments.

    A value of null in the binding asks for the header to be there, whatever its value. Names that begin with `x-`
    count only with `all-with-x` and `any-with-x`; `x-match` itself never does.
    """
    mode = arguments.get("x-match", "all")
    asked = {
        name: value
        for name, value in arguments.items()
        if name != "x-match" and (mode in _WITH_X or not name.startswith("x-"))
    }
    matches = (name in headers and (value is None or _same(value, headers[name])) for name, value in asked.items())
    return any(matches) if mode in _X_MATCH_ANY else all(matches)


def _same(left: object, right: object) -> bool:
    """Return whether two field values are equal and of one class: true is not 1, and 1 is not 1.0."""
    return type(left) is type(right) and left == right


class Routes:
    """The routing of one topology. Immutable, but for an account of what it cost to answer."""

    def __init__(self, topology: DeclaredTopology, alternates: Mapping[str, str] | None = None) -> None:
        """
        Take the routing of *topology*.

        Args:
            topology: What the scenario declares.
            alternates: By exchange, its alternate by a policy; an argument goes before it.
        """
        self._left = MAX_ROUTES
        self._queues = frozenset(queue.name for queue in topology.queues)
        self._types = dict(BUILTIN_EXCHANGES) | {each.name: each.type for each in topology.exchanges}
        self._unknown = {
            each.name for each in topology.exchanges if each.passive and each.name not in BUILTIN_EXCHANGES
        }
        self._alternates: dict[str, object] = {**(alternates or {})}
        for each in topology.exchanges:
            if ALTERNATE_EXCHANGE in each.arguments:
                self._alternates[each.name] = each.arguments[ALTERNATE_EXCHANGE]
        self._by_key: dict[str, dict[str, list[BindingSpec]]] = defaultdict(lambda: defaultdict(list))
        self._by_pattern: dict[str, list[tuple[list[str], BindingSpec]]] = defaultdict(list)
        self._all: dict[str, list[BindingSpec]] = defaultdict(list)
        for binding in topology.bindings:
            self._add(binding)

    def _add(self, binding: BindingSpec) -> None:
        self._all[binding.source].append(binding)
        words = topic_words(binding.routing_key)
        if self._types.get(binding.source) == "topic" and _WILDCARDS.intersection(words):
            self._by_pattern[binding.source].append((words, binding))
        else:
            self._by_key[binding.source][binding.routing_key].append(binding)

    def queues(self, exchange: str, routing_key: str, headers: Mapping[str, object]) -> frozenset[str] | None:
        """
        Return the queues that get a copy of a message, one each; None where that cannot be known.

        Raises:
            ScenarioError: As `spend`.
        """
        keys = [routing_key, *(key for name in SENDER_SELECTED for key in _texts(headers.get(name)))]
        found: set[str] = set()
        seen, waiting = {exchange}, [exchange]
        while waiting:
            name = waiting.pop()
            if not self._is_known(name):
                return None
            queues, exchanges = self._next(name, keys, headers)
            found |= queues
            waiting += exchanges - seen
            seen |= exchanges
        return frozenset(found)

    def cycle(
        self, exchange: str, keys: Sequence[str], headers: Mapping[str, object], sinks: Mapping[str, tuple[str, ...]]
    ) -> tuple[tuple[str, ...], ...] | None:
        """
        Return for each routing key the sinks that a message reaches; None where that cannot be known.

        Args:
            exchange: That is published to.
            keys: The publisher's, in order.
            headers: Of its messages.
            sinks: By queue from which the run takes; another queue is its own sink.

        Raises:
            ScenarioError: As `spend`.
        """
        by_key: dict[str, tuple[str, ...]] = {}
        for key in dict.fromkeys(keys):
            queues = self.queues(exchange, key, headers)
            if queues is None:
                return None
            self.spend(sum(len(sinks.get(queue, (queue,))) for queue in queues))
            by_key[key] = tuple(sink for queue in sorted(queues) for sink in sinks.get(queue, (queue,)))
        return tuple(by_key[key] for key in keys)

    def spend(self, routes: int) -> None:
        """
        Note that so many bindings were looked at, or takers found.

        Raises:
            ScenarioError: If that makes more than `MAX_ROUTES`: keys times bindings is how a short file asks for days.
        """
        self._left -= routes
        if self._left < 0:
            raise ScenarioError(
                f"publishers: found more than {MAX_ROUTES:,} ways from a routing key to a queue to be followed; "
                "allowed fewer routing keys, or fewer bindings and takers for each"
            )

    def _is_known(self, exchange: str) -> bool:
        return exchange not in self._unknown and self._types.get(exchange, "direct") in EXCHANGE_TYPES

    def _next(self, exchange: str, keys: list[str], headers: Mapping[str, object]) -> tuple[set[str], set[str]]:
        """Return the queues and exchanges that an exchange hands a message to; its alternate if there are none."""
        if exchange == "":
            return set(self._queues.intersection(keys)), set()
        taken = list(self._taken(exchange, keys, headers))
        queues = {binding.destination for binding in taken if binding.destination_kind == "queue"}
        exchanges = {binding.destination for binding in taken if binding.destination_kind == "exchange"}
        alternate = self._alternates.get(exchange)
        if not taken and isinstance(alternate, str):
            exchanges = {alternate}
        return queues, exchanges

    def _taken(self, exchange: str, keys: list[str], headers: Mapping[str, object]) -> Iterable[BindingSpec]:
        kind = self._types.get(exchange, "direct")
        if kind in ("fanout", "headers"):
            self.spend(len(self._all[exchange]))
        if kind == "fanout":
            yield from self._all[exchange]
        elif kind == "headers":
            yield from (binding for binding in self._all[exchange] if headers_match(binding.arguments, headers))
        else:
            for key in keys:
                bound = self._by_key[exchange].get(key, ())
                self.spend(len(bound))
                yield from bound
        if kind == "topic":
            for key in keys:
                self.spend(len(self._by_pattern[exchange]))
                words = topic_words(key)
                yield from (binding for pattern, binding in self._by_pattern[exchange] if topic_matches(pattern, words))


def _texts(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
