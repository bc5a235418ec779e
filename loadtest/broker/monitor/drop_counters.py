"""
How many messages a broker has dropped since its nodes started, expired or out of a full queue, and handed on to nobody.

RabbitMQ counts them for all queues together (3.10 and later). Private nodes are asked by `rabbitmqctl`, other brokers
at their Prometheus endpoint.

Source: rabbit_global_counters.erl; `rabbitmq_global_messages_dead_lettered_*_total` with
    dead_letter_strategy="disabled" of rabbitmq_prometheus.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from loadtest.broker.monitor.http_client import HttpClient
from loadtest.broker.monitor.sampler import PROMETHEUS_PORT
from loadtest.broker.private.rabbitmqctl import evaluate
from loadtest.errors import BrokerError

if TYPE_CHECKING:
    from loadtest.broker.endpoint import Endpoint
    from loadtest.broker.private.private_cluster import PrivateCluster

REASONS: Final = ("expired", "maxlen", "delivery_limit")
HANDED_ON: Final = "handed on"

# Labels are a property list (3.10), or a map.
_EXPRESSION: Final = (
    "Label = fun(K, L) when is_list(L) -> proplists:get_value(K, L); (K, M) -> maps:get(K, M, undefined) end, "
    "lists:append([[{N, Label(dead_letter_strategy, L), V} || {N, V} <- maps:to_list(C), is_integer(V)] || "
    "{L, C} <- maps:to_list(rabbit_global_counters:overview()), Label(dead_letter_strategy, L) =/= undefined])."
)
_TERM: Final = re.compile(
    r"\{messages_dead_lettered_(expired|maxlen|delivery_limit)_total,\s*([a-z_]+),\s*([0-9]+)\}", re.ASCII
)
_METRIC: Final = re.compile(
    r"^rabbitmq_global_messages_dead_lettered_(expired|maxlen|delivery_limit)_total\{([^}]*)\} ([0-9.e+]+)$",
    re.MULTILINE,
)

Counts = dict[str, Counter[str]]
"""By node, and there by reason."""


@dataclass(frozen=True, slots=True)
class Drops:
    """Messages that the broker took out of its queues, by reason: without handing them on, and to an exchange."""

    dropped: Mapping[str, int]
    handed_on: Mapping[str, int]


class DropCounters:
    """
    Tells what was dropped between `begin` and `end`, by reason.

    A node that was started anew meanwhile counts from its start: what it dropped before is not known then.
    """

    def __init__(self, private: PrivateCluster | None, endpoints: Sequence[Endpoint]) -> None:
        self._private = private
        self._endpoints = endpoints
        self._before: Counts = {}

    def begin(self) -> None:
        """
        Remember what was dropped so far.

        Raises:
            BrokerError: If nobody tells.
        """
        self._before = self._read()

    def end(self) -> Drops:
        """
        Return what was taken out of queues since `begin`.

        Raises:
            BrokerError: If nobody tells.
        """
        dropped: Counter[str] = Counter()
        for node, counts in self._read().items():
            before = self._before.get(node, Counter())
            for reason in (*REASONS, *(f"{HANDED_ON} {reason}" for reason in REASONS)):
                dropped[reason] += max(0, counts[reason] - before[reason])
        return Drops(
            dropped={reason: dropped[reason] for reason in REASONS},
            handed_on={reason: dropped[f"{HANDED_ON} {reason}"] for reason in REASONS},
        )

    def _read(self) -> Counts:
        if self._private is not None:
            nodes = self._private.living
            if not nodes:
                raise BrokerError("no node of the broker runs")
            return {
                f"{node.name} {node.server.pid}": _counted(_TERM.findall(evaluate(node.server, _EXPRESSION)))
                for node in nodes
            }
        return {endpoint.host: self._scraped(endpoint) for endpoint in self._endpoints}

    @staticmethod
    def _scraped(endpoint: Endpoint) -> Counter[str]:
        client = HttpClient("Prometheus endpoint", f"http://{endpoint.url_host}:{PROMETHEUS_PORT}")
        try:
            metrics = client.get("/metrics").decode(errors="replace")
        finally:
            client.close()
        found = _METRIC.findall(metrics)
        if not found:
            raise BrokerError(f"{client.called} does not tell what was dropped")
        return _counted(found)


def _counted(found: Iterable[tuple[str, str, str]]) -> Counter[str]:
    """Return the counts by reason; of what was handed on to a dead letter exchange, by `HANDED_ON` and the reason."""
    counts: Counter[str] = Counter()
    for reason, strategy, count in found:
        counts[reason if "disabled" in strategy else f"{HANDED_ON} {reason}"] += int(float(count))
    return counts
