"""The broker of a run, ready for it: reached or started, its topology declared, its faults and its sampler at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loadtest.broker.admin.reach import probe
from loadtest.broker.admin.run_topology import Topology, queue_depths
from loadtest.broker.endpoint import resolve_endpoints
from loadtest.broker.faults.fault_runner import FaultDoer
from loadtest.broker.faults.network import Network
from loadtest.broker.monitor.fingerprint import broker_fingerprint
from loadtest.broker.monitor.management import find_management, usual_address
from loadtest.broker.monitor.queue_depths import queues_of
from loadtest.broker.monitor.sampler import Sampler, state_sources
from loadtest.broker.private.detached import find_cluster
from loadtest.broker.private.node_config import DEFAULT_PLUGINS
from loadtest.broker.private.private_cluster import PrivateCluster
from loadtest.broker.processes.descriptors import allow_run
from loadtest.clock import monotonic_ns
from loadtest.measure.records import broker_record, event_record
from loadtest.scenario.grammar.faults import harms_network
from loadtest.scenario.policies import with_policies

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import ExitStack

    from loadtest.broker.endpoint import Endpoint
    from loadtest.run.run_options import RunOptions
    from loadtest.scenario import Plan


class PreparedBroker:
    """
    The broker of a run, ready for its users.

    Attributes:
        plan: Of the run, with what the broker's policies add to it.
        private: The nodes, if they are this tool's own.
        endpoints: The nodes.
        management: Their management API, if there is one.
        user_endpoints: Where users connect to: the nodes, or a proxy before each.
        fingerprint: What the run record has of the broker.
        topology: What is declared for the run.
        declared: What of it was there before.
        sampler: Reads the broker's state; not started yet.
        faults: Does what the scenario asks for.

    Args:
        options: Of the run.
        plan: Of the run, before the broker's policies are known.
        processes: That the users are spread over on this machine; None where that is not known.
        until_ns: The instant, from the begin of the run on, until which faults come again.
        log_progress: Takes a line for people.
        take: Takes the records of sampler and faults.
        opened: Gets what is to be closed when the run is over, or its preparation fails.

    Raises:
        LoadTestError: In one line, whatever stands in the way.
    """

    def __init__(
        self,
        options: RunOptions,
        plan: Plan,
        processes: int | None,
        until_ns: int,
        log_progress: Callable[[str], None],
        take: Callable[[dict[str, Any]], None],
        opened: ExitStack,
    ) -> None:
        self._log_progress = log_progress
        self._take = take
        endpoints, self.private = _nodes(options, plan, processes, log_progress, opened)
        vhost = plan.topology.vhost
        self.endpoints = [each.with_vhost(vhost) if vhost is not None else each for each in endpoints]
        infos = [probe(endpoint) for endpoint in self.endpoints]
        management = self.management = find_management(self.endpoints[0], self.private, options.environ)
        self.faults = FaultDoer(self.private, management, self.endpoints, self._take_event)
        self.faults.check(plan.scenario.faults, until_ns)
        self.user_endpoints = self._user_endpoints(options, plan, opened)
        opened.callback(self.faults.stop)
        sources, absent = state_sources(
            self.endpoints[0],
            management,
            self.private,
            queues_of(plan),
            infos[0].cluster_name,
            usual_address(self.endpoints[0], options.environ),
        )
        if management is not None:
            plan = with_policies(plan, self.endpoints[0].vhost, *management.policy_levels())
        self.plan = plan
        self.fingerprint = broker_fingerprint(infos[0], management, self.private) | {
            "endpoints": [endpoint.redacted for endpoint in self.endpoints]
        }
        self.topology = Topology(plan.topology, self.endpoints[0], self.endpoints[1:])
        opened.callback(self.topology.close)
        self.declared = self.topology.declare()
        for queue, messages in self.declared.found_messages.items():
            log_progress(f"queue {queue} already held {messages:,} messages; what is taken of them counts as foreign")
        self.sampler = Sampler(
            self.endpoints,
            sources,
            absent,
            queues_of(plan),
            exclusive=any(queue.exclusive for queue in plan.topology.queues),
            emit=lambda at_ns, gauges: take(broker_record(at_ns, gauges)),
            event=lambda at_ns, code, text: take(event_record(at_ns, code, text)),
        )
        opened.callback(self.sampler.stop)

    @property
    def is_proxied(self) -> bool:
        """Whether users connect through a proxy of this process."""
        return self.user_endpoints is not self.endpoints

    def depths(self, queues: Sequence[str]) -> Mapping[str, int]:
        """Return the messages ready in *queues*, leaving out those that are gone."""
        return queue_depths(self.endpoints[0], queues, self.endpoints[1:])

    def remove_topology(self) -> None:
        """Remove what was declared for the run, unless it is to stay."""
        for text in self.topology.remove():
            self._log_progress(text)

    def _take_event(self, code: str, text: str) -> None:
        self._take(event_record(monotonic_ns(), code, text))

    def _user_endpoints(self, options: RunOptions, plan: Plan, opened: ExitStack) -> Sequence[Endpoint]:
        if not harms_network(plan.scenario.faults):
            return self.endpoints
        network = Network.start(self.endpoints, options.environ)
        self.faults.use_network(network)
        opened.callback(network.close)
        self._log_progress("the users' connections go through a proxy of this tool, for the faults of the network")
        return network.endpoints


def _nodes(
    options: RunOptions,
    plan: Plan,
    processes: int | None,
    log_progress: Callable[[str], None],
    opened: ExitStack,
) -> tuple[Sequence[Endpoint], PrivateCluster | None]:
    """Return the broker's nodes, and the private cluster that they are, if so; starts one if no broker is named."""
    endpoints = resolve_endpoints(options.brokers, options.environ)
    nodes = options.nodes or plan.scenario.run.nodes or 1
    allow_run(plan, processes, 0 if endpoints else nodes)
    if endpoints is None:
        private = PrivateCluster.start(
            nodes=nodes,
            config=options.config,
            plugins=options.plugins or DEFAULT_PLUGINS,
            server=options.server,
            tls=options.tls,
            environ=options.environ,
            progress=log_progress,
        )
        opened.callback(private.stop)
        return private.endpoints, private
    options.refuse_private_options()
    found = find_cluster(endpoints, options.environ)
    if found is not None:
        opened.callback(found.stop)
    return endpoints, found
