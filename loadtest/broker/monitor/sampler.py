"""
The sampler: once a second, what the broker says of itself, for the timeline of the run.

Three greenlets, so that an answer which does not come holds up nothing else: processor time (from /proc), the broker's
state (management API, or else Prometheus endpoint) and queue depths (AMQP). What is not told is left out of that
second; it is said once, as an event, and asked for again.

Greenlets, not threads: nearly all of their time they wait for sockets, and what remains needs the interpreter's lock
either way. With a thread the run's loop would have to get that lock back, which can take 5 ms; the pieces of greenlets
are 0.5 ms at most, 0.9 ms with 1,000 queues. With one queue and four connections all of it takes 2 ms of this process
and 4 ms of the broker a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import gevent

from loadtest.broker.monitor.cpu_time import CpuTime
from loadtest.broker.monitor.machine_times import TakenTime
from loadtest.broker.monitor.queue_depths import DepthAsker
from loadtest.broker.monitor.state import FEW_QUEUES, Gauges, ManagementState, PrometheusState, StateSource
from loadtest.clock import NS_PER_MS, NS_PER_S, monotonic_ns
from loadtest.errors import BrokerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from loadtest.broker.endpoint import Endpoint
    from loadtest.broker.monitor.management import ManagementApi
    from loadtest.broker.private.private_cluster import PrivateBroker

    EmitGauges = Callable[[int, Gauges], None]
    EmitEvent = Callable[[int, str, str], None]

UNSAMPLED: Final = "broker-unsampled"
"""Code of the events that say what of the broker's state is missing, and why."""

INTERVAL_NS: Final = NS_PER_S
# Off the whole seconds, at which the run cuts its windows.
FIRST_NS: Final = 100 * NS_PER_MS
# Where nobody has told the state yet, it is not asked for again at once.
ABSENT_REST_S: Final = 10
# AMQP costs this process 12 µs a queue: without a management API many queues are asked less often.
ASKED_PER_S: Final = 500
PROMETHEUS_PORT: Final = 15692
MANAGEMENT_PORT: Final = 15672


class Sampler:
    """
    Samples from `start` to `stop`.

    Args:
        endpoints: The nodes of the broker; the first is asked for depths, the next where that does not answer.
        sources: Who may tell the state, the best first; the first that answers is kept.
        absent: What is to be said of those that are not even there to be asked.
        queues: The run's queues.
        exclusive: Whether some of the queues are another connection's own, which AMQP does not tell of.
        emit: Takes gauges and the instant that they are of.
        event: Takes instant, code and text of what happened once.

    Attributes:
        most_consumers: By queue, the most consumers that it was seen to have, of anybody.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        sources: Sequence[StateSource],
        absent: Sequence[str],
        queues: Sequence[str],
        *,
        exclusive: bool,
        emit: EmitGauges,
        event: EmitEvent,
    ) -> None:
        self._cpu = CpuTime(endpoints)
        self._taken = TakenTime()
        self._sources = list(sources)
        self._absent = list(absent)
        self._queues = list(queues)
        # Else the management API tells them, if there is one.
        self._asks_amqp = len(self._queues) <= FEW_QUEUES and not exclusive
        self._depths = DepthAsker(endpoints, self._queues)
        self._emit = emit
        self._event = event
        self._source: StateSource | None = None
        self._tells_depths: bool | None = None  # None: nobody knows yet
        self._said: set[str] = set()
        self.most_consumers = self._depths.most_consumers
        self._greenlets: list[gevent.Greenlet] = []

    def start(self) -> None:
        """Begin to sample."""
        first_ns = monotonic_ns() + FIRST_NS
        readers = (self._read_cpu, self._read_state, self._read_depths)
        self._greenlets = [gevent.spawn(self._repeat, reader, first_ns) for reader in readers]

    def stop(self) -> None:
        """End the sampling and close its connections; safe to call twice, or without `start`."""
        gevent.killall(self._greenlets)
        self._greenlets = []
        self._depths.close()
        for source in self._sources:
            source.close()

    def _repeat(self, read: Callable[[], int], due_ns: int) -> None:
        """Call *read* each second, less often if it asks for a rest of whole seconds; a missed second stays missed."""
        while True:
            gevent.sleep(max(0, due_ns - monotonic_ns()) / NS_PER_S)
            try:
                seconds = max(1, read())
            except Exception as error:  # noqa: BLE001  # a broker that is going can make anything fail; the run goes on
                told = f"{type(error).__name__}: {error}"
                self._say(read.__name__, f"a reading failed because of an internal error of loadtest: {told}")
                seconds = 1
            behind_ns = max(0, monotonic_ns() - due_ns)
            due_ns += max(seconds, -(-behind_ns // INTERVAL_NS)) * INTERVAL_NS

    def _read_cpu(self) -> int:
        self._put(self._cpu.read() | self._taken.read())
        return 1

    # --- state ---------------------------------------------------------------------------------------------------

    def _read_state(self) -> int:
        if self._source is not None:
            try:
                self._take(self._source)
            except BrokerError as error:
                self._say("state", f"the broker's state is unavailable for now: {error}")
            return 1
        faults = list(self._absent)
        for source in self._sources:
            try:
                self._take(source)
            except BrokerError as error:
                faults.append(str(error))
            else:
                self._source = source
                if isinstance(source, PrometheusState):
                    told = f"the Prometheus endpoint tells its state, without {source.MISSING}"
                    self._say("fallback", f"{'; '.join(faults)}; {told}")
                return 1
        self._tells_depths = False
        self._say("absent", f"the broker's memory, disk, alarms and connections are unavailable: {'; '.join(faults)}")
        return ABSENT_REST_S

    def _take(self, source: StateSource) -> None:
        """
        Ask *source* and emit what it tells.

        Raises:
            BrokerError: If it tells nothing.
        """
        reading = source.read()
        if reading.refused and len(reading.gauges) == 0:
            raise BrokerError(next(iter(reading.refused.values())))
        self._tells_depths = isinstance(source, ManagementState) and "queue.unacked" not in reading.refused
        if not self._asks_amqp and set(self._queues) <= reading.depths.keys():
            reading.gauges.update(depth_gauges(self._queues, reading.depths))
        self._put(reading.gauges)
        if reading.refused:
            missing = "; ".join(f"{gauges}: {text}" for gauges, text in reading.refused.items())
            self._say("refused", f"not told of the broker's state: {missing}")

    # --- depths --------------------------------------------------------------------------------------------------

    def _read_depths(self) -> int:
        if not self._queues or (not self._asks_amqp and self._tells_depths is not False):
            return 1
        try:
            depths = self._depths.read()
        except BrokerError as error:
            self._say("depths", f"queue depths are unavailable for now: {error}")
            return 1
        if refused := self._depths.refused:
            name, text = next(iter(refused.items()))
            self._say("locked", f"queue.depth is without {len(refused)} of the run's queues: {name}: {text}")
        self._put(depth_gauges(self._queues, depths))
        return len(self._queues) // ASKED_PER_S

    # --- out -----------------------------------------------------------------------------------------------------

    def _put(self, gauges: Gauges) -> None:
        if gauges:
            self._emit(monotonic_ns(), gauges)

    def _say(self, what: str, text: str) -> None:
        """Say *text*, if nothing about *what* was said before."""
        if what not in self._said:
            self._said.add(what)
            self._event(monotonic_ns(), UNSAMPLED, text)


def depth_gauges(queues: Iterable[str], depths: Mapping[str, int]) -> Gauges:
    """Return the gauges of what is ready in *queues*: together, and of each of the first `FEW_QUEUES`."""
    if not depths:
        return {}
    named = [name for name in queues if name in depths][:FEW_QUEUES]
    return {"queue.depth": float(sum(depths.values()))} | {f"queue.depth/{name}": float(depths[name]) for name in named}


def state_sources(
    endpoint: Endpoint,
    management: ManagementApi | None,
    private: PrivateBroker | None,
    queues: Sequence[str],
    cluster_name: str | None,
    address: str | None = None,
) -> tuple[list[StateSource], list[str]]:
    """
    Return who may tell the state of the broker at *endpoint*, and what is to be said of who is not there.

    A foreign broker's are looked for at *address*, or on the usual ports: also where `find_management` found nothing,
    so that the reason can be told. What listens there may be another broker's; *cluster_name*, as AMQP tells it, tells
    them apart.
    """
    auth = management.auth if management is not None else (endpoint.username, endpoint.password)
    if private is None:
        usual = address or f"http://{endpoint.url_host}:{MANAGEMENT_PORT}"
        apis = [usual if management is None else management.base_url]
        metrics = [f"http://{endpoint.url_host}:{PROMETHEUS_PORT}"]
    else:
        apis = [node.management_url for node in private.nodes if node.management_url is not None]
        metrics = [node.prometheus_url for node in private.nodes if node.prometheus_url is not None]
    sources: list[StateSource] = []
    absent: list[str] = []
    if apis:
        sources.append(ManagementState(apis, auth, endpoint.vhost, queues, cluster_name))
    else:
        absent.append("the private node has no management plugin")
    if metrics:
        sources.append(PrometheusState(metrics, cluster_name))
    else:
        absent.append("it has no Prometheus plugin")
    return sources, absent
