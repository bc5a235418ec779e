"""
Reading back what variants come to on their brokers, before anything is measured.

Of a private node all that it reports of itself; of any broker which one it is, and what it made of the queues that the
variants declare differently.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from loadtest.broker.admin.queue_settings import declared_queues
from loadtest.broker.admin.reach import ServerInfo, is_same_broker, probe
from loadtest.broker.endpoint import Endpoint, broker_urls
from loadtest.broker.monitor.management import URL_ENVIRONMENT_NAME, ManagementApi, find_management
from loadtest.broker.private.node_settings import ARGUMENTS, node_settings
from loadtest.broker.private.private_cluster import PrivateCluster
from loadtest.errors import BrokerError, UsageError
from loadtest.experiments.compare.compare_request import CompareRequest
from loadtest.experiments.compare.effects import UNREAD, Effect, plan_text
from loadtest.experiments.compare.variants import Variant
from loadtest.experiments.trial_runner import PrivateBrokers
from loadtest.scenario import Plan, build_plan, load_scenario

_NODES_VARIABLES: Final = ("RABBITMQ_", "ERL_")
"""Begin the names of variables that a node has no other use for than its flags and settings, which it reports."""


def read_effects(
    request: CompareRequest, variants: Mapping[str, Variant], brokers: PrivateBrokers
) -> dict[str, Effect]:
    """
    Return what each variant comes to, by name; *brokers* are up.

    Raises:
        BrokerError: If a broker cannot be reached, refuses what a variant declares, or cannot be read from.
    """
    return _EffectReader(request, brokers).effects(variants)


@dataclass
class _EffectReader:
    request: CompareRequest
    brokers: PrivateBrokers
    _nodes: dict[tuple[object, ...], dict[str, str]] = field(default_factory=dict)
    _places: dict[tuple[str, ...], str] = field(default_factory=dict)

    def effects(self, variants: Mapping[str, Variant]) -> dict[str, Effect]:
        plans = {name: self._plan(variant) for name, variant in variants.items()}
        has_other_queues = len({repr(plan.topology.queues) for plan in plans.values()}) > 1
        return {
            name: self._effect(variant, plans[name], reads_queues=has_other_queues)
            for name, variant in variants.items()
        }

    def _plan(self, variant: Variant) -> Plan:
        loaded = load_scenario(self.request.source, overrides=[*self.request.overrides, *variant.overrides])
        return build_plan(loaded.scenario, folder=loaded.folder)

    def _effect(self, variant: Variant, plan: Plan, *, reads_queues: bool) -> Effect:
        broker = _BrokerOf(variant, self.brokers.cluster(variant), self.request.environ)
        product = f"{broker.info.product or 'the broker'} {broker.info.version or ''}".strip()
        found = dict(self._private(variant, broker.cluster) if broker.cluster else self._named(broker))
        known = re.findall(r"\"([\w-]+)\"", found.pop(ARGUMENTS, ""))
        if reads_queues:
            try:
                found |= declared_queues(
                    plan.topology,
                    broker.endpoints[0],
                    broker.management,
                    broker.info.version if broker.info.product == "RabbitMQ" else None,
                    known,
                )
            except BrokerError as error:
                raise BrokerError(f"{variant.name} cannot be run: {error}") from error
        asked = {
            f"queue {queue.name}": {key: str(value) for key, value in queue.arguments.items()}
            for queue in plan.topology.queues
        }
        text = plan_text(plan, is_search=self.request.searching is not None)
        return Effect(variant.name, product, text, found, asked)

    def _private(self, variant: Variant, cluster: PrivateCluster) -> Iterator[tuple[str, str]]:
        if variant.broker not in self._nodes:
            try:
                self._nodes[variant.broker] = node_settings(cluster)
            except BrokerError:  # no rabbitmqctl beside the server, or none that reaches it
                self._nodes[variant.broker] = {f"{UNREAD}the settings of its nodes": variant.name}
        yield from self._nodes[variant.broker].items()
        yield "connection", "TLS" if variant.tls else "plain TCP"
        for name, value in variant.env:
            if not name.startswith(_NODES_VARIABLES):
                yield f"{UNREAD}{name}", hashlib.sha256(value.encode()).hexdigest()[:12]
        with contextlib.suppress(OSError):
            script = cluster.nodes[0].server.order.script.resolve().read_bytes()
            yield f"{UNREAD}start script", hashlib.sha256(script).hexdigest()[:12]

    def _named(self, broker: _BrokerOf) -> Iterator[tuple[str, str]]:
        first = broker.endpoints[0]
        yield "broker", self._place(broker)
        yield "nodes", ", ".join(sorted(broker.node_name(endpoint) for endpoint in broker.endpoints))
        yield "vhost", first.vhost
        yield "user", first.username
        tunings = [f"{name}={value:.15g}" for name, value in sorted(first.tunings.items())]
        yield "connection", ", ".join(["plain TCP" if first.tls is None else "TLS", *tunings])

    def _place(self, broker: _BrokerOf) -> str:
        """Return what a broker is called here: as the first of those that are the same one."""
        urls = broker.variant.brokers
        if urls not in self._places:
            shown = f"{broker.info.cluster_name or ''} at {broker.endpoints[0].address}".strip()
            for others, name in self._places.items():
                if is_same_broker(Endpoint.parse(others[0]), broker.endpoints[0]):
                    shown = name
            self._places[urls] = shown
        return self._places[urls]


@dataclass(frozen=True)
class _BrokerOf:
    """The broker of a variant, private or named."""

    variant: Variant
    cluster: PrivateCluster | None
    environ: Mapping[str, str]

    @cached_property
    def endpoints(self) -> list[Endpoint]:
        if self.cluster is not None:
            return self.cluster.endpoints
        return [Endpoint.parse(url) for url in self.variant.brokers]

    @cached_property
    def info(self) -> ServerInfo:
        try:
            return probe(self.endpoints[0])
        except (BrokerError, UsageError) as error:
            raise type(error)(f"{self.variant.name} cannot be run: {error}") from error

    @cached_property
    def management(self) -> ManagementApi | None:
        is_told = self.cluster is not None or self.variant.brokers == broker_urls(self.environ)
        environ = {name: text for name, text in self.environ.items() if is_told or name != URL_ENVIRONMENT_NAME}
        return find_management(self.endpoints[0], self.cluster, environ)

    def node_name(self, endpoint: Endpoint) -> str:
        """Return what a node calls itself, or, where only its address is known, that."""
        if len(self.endpoints) == 1 and self.management is not None:
            with contextlib.suppress(BrokerError):
                return str(self.management.overview()["node"])
        addresses = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
        return f"{min(str(each[4][0]) for each in addresses)}:{endpoint.port}"
