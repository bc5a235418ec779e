"""`Sampler`: what it emits and says of what its sources tell, with sources of the test's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import gevent
import pytest

from loadtest.broker.endpoint import Endpoint
from loadtest.broker.monitor import sampler as sampler_module
from loadtest.broker.monitor.management import ManagementApi
from loadtest.broker.monitor.queue_depths import queues_of
from loadtest.broker.monitor.sampler import UNSAMPLED, Sampler, depth_gauges, state_sources
from loadtest.broker.monitor.state import ManagementState, PrometheusState, Reading
from loadtest.clock import NS_PER_S
from loadtest.errors import BrokerError
from loadtest.scenario import build_plan, load_scenario

ELSEWHERE = Endpoint("broker.invalid")


@dataclass
class Source:
    """A source that tells what it is given, in turn; an error is raised."""

    answers: list[Reading | BrokerError]
    closed: int = 0

    def read(self) -> Reading:
        """Return the next answer; the last one for ever."""
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, BrokerError):
            raise answer
        return answer

    def close(self) -> None:
        """Count."""
        self.closed += 1


@dataclass
class Told:
    """What a sampler emitted."""

    gauges: list[dict[str, float]] = field(default_factory=list)
    events: list[tuple[str, str]] = field(default_factory=list)

    def sampler(self, *sources: Source, queues: Sequence[str] = (), absent: Sequence[str] = ()) -> Sampler:
        """Return a sampler of a broker elsewhere that tells this."""
        return Sampler(
            [ELSEWHERE],
            sources,
            absent,
            queues,
            exclusive=False,
            emit=lambda _, gauges: self.gauges.append(gauges),
            event=lambda _, code, text: self.events.append((code, text)),
        )


def memory(n_bytes: float) -> Reading:
    """Return a reading of the memory alone."""
    return Reading({"broker.memory_bytes": n_bytes})


def test_a_source_that_fails_leaves_a_gap_and_is_asked_again() -> None:
    """While the broker is gone nothing is emitted; it is said once, and what comes afterwards is emitted again."""
    told = Told()
    gone = BrokerError("management API http://x cannot be reached")
    sampler = told.sampler(Source([memory(1.0), gone, gone, memory(2.0), gone, memory(3.0)]))

    rests = [sampler._read_state() for _ in range(6)]

    assert told.gauges == [{"broker.memory_bytes": value} for value in (1.0, 2.0, 3.0)]
    assert [code for code, _ in told.events] == [UNSAMPLED]
    assert "cannot be reached" in told.events[0][1]
    assert rests == [1] * 6


def test_the_second_source_is_asked_where_the_first_never_answered() -> None:
    """What the first said is told once, the second is kept, and the first not asked again."""
    told = Told()
    first = Source([BrokerError("refused"), memory(9.0)])
    sampler = told.sampler(first, Source([memory(1.0)]))

    for _ in range(3):
        sampler._read_state()

    assert told.gauges == [{"broker.memory_bytes": 1.0}] * 3


def test_nobody_tells() -> None:
    """Where no source answers it is said once, with every reason, and asked again after a rest."""
    told = Told()
    sampler = told.sampler(Source([BrokerError("401 not authorised")]), absent=["it has no Prometheus plugin"])

    rests = [sampler._read_state() for _ in range(3)]

    assert told.gauges == []
    ((code, text),) = told.events
    assert code == UNSAMPLED
    assert "401 not authorised" in text
    assert "no Prometheus plugin" in text
    assert min(rests) > 1


def test_a_source_that_refuses_everything_tells_nothing() -> None:
    """A reading without a gauge, only refusals, is as good as no answer, and the next source is asked."""
    told = Told()
    sampler = told.sampler(Source([Reading(refused={"memory, disk": "401"})]), Source([memory(1.0)]))

    sampler._read_state()

    assert told.gauges == [{"broker.memory_bytes": 1.0}]


def test_a_part_that_is_refused_is_said_once() -> None:
    """What else the source tells is emitted; which gauges are missing, and why, is one event."""
    told = Told()
    partly = Reading({"broker.memory_alarm": 0.0}, refused={"memory, disk": "403 forbidden"})
    sampler = told.sampler(Source([partly]))

    for _ in range(3):
        sampler._read_state()

    assert told.gauges == [{"broker.memory_alarm": 0.0}] * 3
    assert [text for _, text in told.events] == ["not told of the broker's state: memory, disk: 403 forbidden"]


class OverError(BaseException):
    """Ends a loop that has no end."""


def test_readings_keep_to_their_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that takes seconds, or a fault, costs the seconds it takes; the next reading is on the beat again."""
    now_ns = [0]
    takes_s = iter([0.25, 2.5, 0.5, 0.25])
    read_at_s: list[float] = []
    monkeypatch.setattr(sampler_module, "monotonic_ns", lambda: now_ns[0])
    monkeypatch.setattr(gevent, "sleep", lambda s: now_ns.__setitem__(0, now_ns[0] + int(s * NS_PER_S)))

    def read() -> int:
        read_at_s.append(now_ns[0] / NS_PER_S)
        took_s = next(takes_s, None)
        if took_s is None:
            raise OverError
        now_ns[0] += int(took_s * NS_PER_S)
        if took_s == 0.5:
            raise KeyError("nonsense")
        return 3 if took_s == 0.25 and len(read_at_s) > 1 else 1

    told = Told()
    with pytest.raises(OverError):
        told.sampler()._repeat(read, NS_PER_S)

    assert read_at_s == [1.0, 2.0, 5.0, 6.0, 9.0]
    assert [code for code, _ in told.events] == [UNSAMPLED]


def test_stop_closes_the_sources() -> None:
    """Stopping twice, or without having started, does no harm."""
    source = Source([memory(1.0)])
    sampler = Told().sampler(source)
    sampler.stop()
    sampler.stop()

    assert source.closed == 2


def test_depths_of_many_queues() -> None:
    """All of them are in the sum; the first twenty have a gauge of their own, whatever is in them."""
    queues = [f"q-{number:02}" for number in range(30)]
    gauges = depth_gauges(queues, {name: number for number, name in enumerate(queues)})

    assert gauges.pop("queue.depth") == sum(range(30))
    assert list(gauges) == [f"queue.depth/q-{number:02}" for number in range(20)]
    assert gauges["queue.depth/q-07"] == 7.0


def test_no_depth_is_no_gauge() -> None:
    """Where no queue is told of there is no depth, not 0."""
    assert depth_gauges(["q"], {}) == {}


@pytest.mark.parametrize(
    "text, queues",
    [
        ("topology: {queues: {a: {}, b: {}}}\npublishers: {in: {routing_key: a, messages: 1}}", ["a", "b"]),
        (
            "topology: {queues: {s: {type: stream}, c: {}}}\npublishers: {in: {routing_key: c, messages: 1}}",
            ["c"],
        ),
    ],
    ids=["declared", "no streams"],
)
def test_queues_of_a_run(text: str, queues: list[str]) -> None:
    """A run's queues are those that it declares; a stream keeps its messages, and its length is no depth."""
    plan = build_plan(load_scenario("test", text=f"name: test\n{text}\n").scenario)

    assert queues_of(plan) == queues


def test_sources_of_a_foreign_broker() -> None:
    """The management API that was found is asked with its own credentials, else the usual ports are."""
    api = ManagementApi("http://manager:1234/", ("ann", "s3cret"))
    named, none = state_sources(ELSEWHERE, api, None, ["q"], None)
    usual, _ = state_sources(Endpoint("::1"), None, None, ["q"], None)

    assert none == []
    assert [type(source) for source in named] == [ManagementState, PrometheusState]
    called = [source._client.called for source in (*named, *usual) if isinstance(source, ManagementState)]
    assert called == ["management API http://manager:1234", "management API http://[::1]:15672"]
