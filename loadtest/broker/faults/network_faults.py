"""
What a scenario's faults do to the links between users and broker: which links, and what of it is told.

Knows no time: `faults` calls it. A node's number is that of the private node, or the position of its URL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadtest.broker.faults.network import Network
from loadtest.broker.proxy.shaper import Shape, describe
from loadtest.errors import BrokerError, UsageError
from loadtest.scenario.grammar.faults import RESET

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadtest.broker.endpoint import Endpoint
    from loadtest.broker.private.private_cluster import PrivateCluster
    from loadtest.broker.private.private_node import PrivateNode
    from loadtest.scenario.grammar.faults import BrokerFault


class NetworkFaults:
    """
    Does what faults say to links.

    Args:
        private: The nodes, if they are this tool's own.
        endpoints: Those that users connect to, in the order of the links.
    """

    def __init__(self, private: PrivateCluster | None, endpoints: Sequence[Endpoint]) -> None:
        self._private = private
        self._endpoints = endpoints
        self._links_of: dict[int, list[int]] = {}  # by the fault that did something to them

    def check(self, fault: BrokerFault, where: str) -> None:
        """
        Refuse a node that users do not connect to.

        Raises:
            UsageError: In one line, which begins with *where*.
        """
        if isinstance(fault.node, int):
            try:
                self._link(fault.node)
            except UsageError as error:
                raise UsageError(f"{where}: {error}") from None

    def do(self, fault: BrokerFault, undone: BrokerFault | None, network: Network | None) -> str:
        """
        Do *fault*, or undo what *undone* did, and return what was done, and to which links.

        Raises:
            BrokerError: If the proxy is gone, or nobody knows which node leads a queue.
            UsageError: If users do not connect to that node.
        """
        if network is None:
            raise BrokerError("there is no proxy between the users and the broker")
        links = self._links_of[id(undone)] if undone is not None else self._links(fault)
        self._links_of[id(fault)] = links
        who = self._called(links)
        if undone is not None:
            network.restore(links, cut=undone.do == "cut-network", slow=undone.do == "slow-network")
            return who
        if fault.leader_of is not None:
            who += f" (leader of {fault.leader_of})"
        if fault.do == "restore-network":
            network.restore(links)
            return who
        if fault.do == "slow-network":
            shape = Shape(fault.latency_ns or 0, fault.jitter_ns or 0, fault.bandwidth_bytes_per_s)
            network.slow(links, shape)
            return f"{who}: {describe(shape)}"
        if fault.how == RESET:
            network.reset(links, refuses=fault.for_ns is not None)
            return f"{who}: reset" + ("" if fault.for_ns is None else " and refused")
        network.hold(links)
        return f"{who}: black hole"

    def _links(self, fault: BrokerFault) -> list[int]:
        if fault.leader_of is not None and self._private is not None:
            leader = self._private.leader_of(fault.leader_of, self._endpoints[0].vhost)
            if leader is None:
                raise BrokerError(f"nobody knows which node leads {fault.leader_of}")
            return [self._link_to(leader)]
        if isinstance(fault.node, int):
            return [self._link(fault.node)]
        return list(range(len(self._endpoints)))

    def _link(self, number: int) -> int:
        """Return the link to a node by its number, from 1."""
        if self._private is not None:
            return self._link_to(self._private.node(number))
        named = len(self._endpoints)
        if number > named:
            raise UsageError(f"there is no node {number}; the broker is named by {named} URL{'s' if named > 1 else ''}")
        return number - 1

    def _link_to(self, node: PrivateNode) -> int:
        for link, endpoint in enumerate(self._endpoints):
            if endpoint.port in {node.endpoint.port, node.tls_port}:
                return link
        raise UsageError(f"the users do not connect to node {node.name}")

    def _called(self, links: Sequence[int]) -> str:
        if len(links) == len(self._endpoints):
            return "all links"
        named = [self._endpoints[link] for link in links]
        names = {node.endpoint.port: node.name for node in (self._private.nodes if self._private is not None else ())}
        return f"link to {', '.join(names.get(endpoint.port, endpoint.address) for endpoint in named)}"
