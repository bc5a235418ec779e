"""
Faults done to the broker while a run goes on: at their time, told as events with how long they took.

A greenlet for each occurrence, so that a node that is slow to start holds up nothing else. What is done to nodes is
done to private ones only; what is done to the network, to the users' own connections. Knows nothing of users, nor what
they see of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import gevent
from gevent.event import Event
from pika import spec

from loadtest.broker.admin.conversation import Conversation, Refusal
from loadtest.broker.faults.connections import close_all_connections, close_connections
from loadtest.broker.faults.network_faults import NetworkFaults
from loadtest.clock import NS_PER_S, monotonic_ns
from loadtest.errors import BrokerError, UsageError
from loadtest.scenario.grammar.faults import ALL_NODES, NETWORK_FAULTS, PRIVATE_ONLY, UNDONE_BY

if TYPE_CHECKING:
    from loadtest.broker.endpoint import Endpoint
    from loadtest.broker.faults.network import Network
    from loadtest.broker.monitor.management import ManagementApi
    from loadtest.broker.private.private_cluster import PrivateCluster
    from loadtest.broker.private.private_node import PrivateNode
    from loadtest.scenario.grammar.faults import BrokerFault

DONE: Final = "fault"
FAILED: Final = "fault-failed"
"""Codes of the events that tell of faults."""

CLIENT_NAME: Final = "loadtest's faults"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to be done, *after_ns* after the begin of the run, or after the step that it undoes was done."""

    after_ns: int
    do: str
    fault: BrokerFault
    undone: Step | None = None


def steps_of(faults: Sequence[BrokerFault], until_ns: int) -> Iterator[Step]:
    """Yield what is to be done before *until_ns*, and behind each what undoes it, be it after that."""
    for fault in faults:
        interval_ns = fault.every_ns
        due = range(interval_ns, until_ns, interval_ns) if interval_ns is not None else (fault.at_ns or 0,)
        for after_ns in due:
            step = Step(after_ns, fault.do, fault)
            yield step
            if fault.for_ns is not None:
                yield Step(fault.for_ns, UNDONE_BY[fault.do], fault, undone=step)


class FaultDoer:
    """
    Does the faults of a scenario to one broker.

    Args:
        private: The nodes, if they are this tool's own.
        management: The broker's management API, if it has one.
        endpoints: Its nodes.
        event: Takes code and text of what was done.
    """

    def __init__(
        self,
        private: PrivateCluster | None,
        management: ManagementApi | None,
        endpoints: Sequence[Endpoint],
        event: Callable[[str, str], None],
    ) -> None:
        self._private = private
        self._management = management
        self._endpoints = endpoints
        self._event = event
        self._network: Network | None = None
        self._network_faults = NetworkFaults(private, endpoints)
        self._nodes_of: dict[int, list[PrivateNode]] = {}  # by the step that did something to them
        self._steps: list[Step] = []
        self._to_undo: dict[int, Step] = {}  # by the step that was done
        self._greenlets: list[gevent.Greenlet] = []
        self._doing: dict[gevent.Greenlet, Step] = {}
        self._over = Event()
        self._begun: set[int] = set()  # ids of the faults that were begun at least once

    def use_network(self, network: Network) -> None:
        """Do what is to be done to the network to the links of *network*, which the users' connections go through."""
        self._network = network

    def check(self, faults: Sequence[BrokerFault], until_ns: int) -> None:
        """
        Refuse, before anything starts, what may not or cannot be done to this broker, or not until *until_ns*.

        Raises:
            UsageError: In one line.
        """
        for number, fault in enumerate(faults):
            where = f"faults[{number}]: {fault.do}"
            if (fault.at_ns or fault.every_ns or 0) >= until_ns:
                raise UsageError(f"{where} would come after the end of the run, at {until_ns / NS_PER_S:.15g} s")
            if (fault.do in PRIVATE_ONLY or fault.leader_of is not None) and self._private is None:
                what = where if fault.do in PRIVATE_ONLY else f"{where} with leader_of"
                raise UsageError(
                    f"{what} is for private nodes only (--nodes N, or those of `loadtest broker start`), "
                    "and this broker is not one that this tool started"
                )
            if fault.do in NETWORK_FAULTS:
                self._network_faults.check(fault, where)
            if fault.do == "close-connections" and self._private is None and self._management is None:
                raise UsageError(f"{where} needs the management API, which does not answer")
            if self._private is not None and isinstance(fault.node, int):
                self._private.node(fault.node)

    def begin(self, faults: Sequence[BrokerFault], begin_ns: int, until_ns: int) -> None:
        """Do *faults*, counted from the instant *begin_ns*; those that come again until *until_ns* after it."""
        self._steps = list(steps_of(faults, until_ns))
        self._greenlets = [gevent.spawn(self._do_at, step, begin_ns) for step in self._steps if step.undone is None]

    def stop(self) -> None:
        """Do nothing more, but undo what was to be undone later: on nodes that stay when the run is over, and links."""
        self._over.set()
        stays = self._private is not None and self._private.is_found
        finishes = [each for each, step in self._doing.items() if stays or step.do in NETWORK_FAULTS]
        for each, step in self._doing.items():
            if each not in finishes and step.undone is None:
                self._event(FAILED, f"{step.do}: it was not done yet when the run ended")
        gevent.killall([each for each in self._greenlets if each not in finishes])
        for each in set(self._doing).difference(finishes):
            del self._doing[each]  # told once
        gevent.joinall(finishes)
        self._tell_undone()
        for step in list(self._to_undo.values()):
            if stays or (step.do in NETWORK_FAULTS and self._network is not None):
                self._do_now(step)
        if self._network is not None and not self._network.is_running:
            why = self._network.last_words()
            text = "network: the proxy that the users' connections go through has ended by itself"
            self._event(FAILED, f"{text}: {why}" if why else text)
            self._network = None  # told once

    def _tell_undone(self) -> None:
        """Tell of faults whose time never came: a run without them does not show what it was to show."""
        for fault in {id(step.fault): step.fault for step in self._steps}.values():
            if id(fault) not in self._begun:
                self._event(FAILED, f"{fault.do}: the run was over before its time")
        self._steps = []

    def _do_at(self, step: Step, begin_ns: int) -> None:
        gevent.sleep(max(0, begin_ns + step.after_ns - monotonic_ns()) / NS_PER_S)
        self._begun.add(id(step.fault))
        self._do_here(step)
        for later in [each for each in self._steps if each.undone is step]:
            # From when it was done: a node takes seconds to stop, and is to be down for that long.
            if self._over.wait((step.fault.for_ns or 0) / NS_PER_S):
                return  # `stop` undoes it, where that is wanted
            self._do_here(later)

    def _do_here(self, step: Step) -> None:
        self._doing[gevent.getcurrent()] = step
        self._do_now(step)
        self._doing.pop(gevent.getcurrent(), None)

    def _do_now(self, step: Step) -> None:
        began_ns = monotonic_ns()
        self._to_undo.update({id(step): later for later in self._steps if later.undone is step})
        self._to_undo.pop(id(step.undone), None)
        try:
            what = self._do(step)
        except (BrokerError, UsageError, OSError) as error:
            self._event(FAILED, f"{step.do}: {error}")
        else:
            self._event(DONE, f"{step.do} {what} (it took {(monotonic_ns() - began_ns) / NS_PER_S:.2f} s)")

    def _do(self, step: Step) -> str:
        """
        Do one thing, and return what it was done to.

        Raises:
            BrokerError, UsageError, OSError: If it cannot be done.
        """
        if step.fault.queue is not None:
            return self._to_queue(step.do, step.fault.queue)
        if step.do == "close-connections":
            return self._close(step.fault.reason)
        if step.do in NETWORK_FAULTS:
            undone = step.undone.fault if step.undone is not None else None
            return self._network_faults.do(step.fault, undone, self._network)
        nodes = self._nodes(step)
        self._nodes_of[id(step)] = nodes
        if step.do == "start-node" and self._private is not None and len(nodes) == len(self._private.nodes):
            self._private.start_all()
        else:
            _to_nodes(step.do, nodes)
        return ", ".join(node.name for node in nodes) + (
            f" (leader of {step.fault.leader_of})" if step.fault.leader_of is not None else ""
        )

    def _nodes(self, step: Step) -> list[PrivateNode]:
        private = self._private
        if private is None:
            raise UsageError("this broker is not one that this tool started")
        if step.undone is not None and id(step.undone) in self._nodes_of:
            return self._nodes_of[id(step.undone)]
        if step.fault.leader_of is not None:
            leader = private.leader_of(step.fault.leader_of, self._endpoints[0].vhost)
            if leader is None:
                raise BrokerError(f"nobody knows which node leads {step.fault.leader_of}")
            return [leader]
        if step.fault.node == ALL_NODES or (step.fault.node is None and step.do in {"start-node", "resume-node"}):
            return list(private.nodes)
        return [private.node(step.fault.node if isinstance(step.fault.node, int) else 1)]

    def _close(self, reason: str) -> str:
        if self._private is not None:
            for node in self._private.living:
                close_all_connections(node.server, reason)
            return "of all living nodes"
        if self._management is None:
            raise BrokerError("the management API does not answer")
        return f"of this run: {close_connections(self._management, reason)}"

    def _to_queue(self, do: str, queue: str) -> str:
        method = spec.Queue.Delete(queue=queue) if do == "delete-queue" else spec.Queue.Purge(queue=queue)
        with Conversation(self._endpoints[0], client_name=CLIENT_NAME) as conversation:
            (answer,) = conversation.ask([method])
        if isinstance(answer, Refusal):
            raise BrokerError(str(answer))
        return f"{queue}, with {int(answer.message_count):,} messages ready"


def _to_nodes(do: str, nodes: Sequence[PrivateNode]) -> None:
    """
    Do one thing to all of *nodes* at once, and wait for all of them.

    Raises:
        BrokerError, UsageError, OSError: The first that could not be done. It is raised here and not in its greenlet,
            of which gevent would print a traceback.
    """
    errors: list[Exception] = []

    def do_to(node: PrivateNode) -> None:
        try:
            _to_node(do, node)
        except (BrokerError, UsageError, OSError) as error:
            errors.append(error)

    gevent.joinall([gevent.spawn(do_to, node) for node in nodes], raise_error=True)
    if errors:
        raise errors[0]


def _to_node(do: str, node: PrivateNode) -> None:
    deeds: dict[str, Callable[[], None]] = {
        "kill-node": node.server.kill,
        "stop-node": node.server.stop,
        "start-node": node.server.start,
        "restart-node": node.server.restart,
        "pause-node": node.server.pause,
        "resume-node": node.server.resume,
        "memory-alarm": lambda: node.memory_alarm(on=True),
        "memory-alarm-off": lambda: node.memory_alarm(on=False),
        "disk-alarm": lambda: node.disk_alarm(on=True),
        "disk-alarm-off": lambda: node.disk_alarm(on=False),
    }
    deeds[do]()
