"""
What the simulated workers of `bench.scale` tell: groups as a real worker recorded them, and a ledger that adds up.

Each simulated worker has a publisher and a consumer. Counters and histograms of its windows are those of real windows
(`scale_windows.json`), in turns; what the ledger says is made anew, so that every publisher has ids and seqs of its
own, everything published is confirmed and taken once, and what one worker publishes another one takes, some of it in
the window after. All of it depends on the number of the worker and of the window alone: several processes that
simulate some workers each agree without a word.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from loadtest.measure.ledger.ledger_delta import PUBLISHER_BITS, LedgerDelta
from loadtest.measure.ledger.seq_ranges import SeqRanges, of_ascending, united

RECORDED: Final = Path(__file__).with_name("scale_windows.json")
PUBLISHERS: Final = "pub"
CONSUMERS: Final = "con"
QUEUE: Final = "scale"
BODY_BYTES: Final = 100
# What is on its way when a window is cut: published and neither confirmed nor taken.
IN_FLIGHT: Final = 50
# Who takes which message of a shared queue repeats after so many; prime, so that it falls anew in every window.
_DEALT: Final = 9_973
_SEED: Final = 11

Int64s = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Profile:
    """
    What each worker does.

    Attributes:
        title: For people.
        rate_per_s: Of each publisher; None: as fast as confirms allow.
        workers_a_queue: So many consumers share a queue, and take its messages in turns.
    """

    name: str
    title: str
    rate_per_s: int | None
    workers_a_queue: int = 1


PROFILES: Final[Mapping[str, Profile]] = {
    profile.name: profile
    for profile in (
        Profile("saturated", "a pair as fast as confirms allow, tens of thousands of messages a second", None),
        Profile("paced", "a pair at 1,000 messages a second, a queue each", 1_000),
        Profile("shared", "a pair at 1,000 messages a second, ten workers a queue", 1_000, workers_a_queue=10),
    )
}


def recording_of(profile: Profile) -> str:
    """Return the name under which the windows of *profile* are recorded: how queues are shared they do not say."""
    return "saturated" if profile.rate_per_s is None else "paced"


def scenario_of(profile: Profile, workers: int, duration_s: float) -> str:
    """Return the scenario (JSON, which is YAML) in which *workers* have a publisher and a consumer each."""
    queues = max(1, workers // profile.workers_a_queue)
    publisher: dict[str, Any] = {
        "users": workers,
        "exchange": QUEUE,
        "routing_key": f"{QUEUE}-%d",
        "body": {"size": f"{BODY_BYTES}B"},
        "confirm_window": 192,
    }
    if profile.rate_per_s is not None:
        publisher["rate"] = f"{workers * profile.rate_per_s}/s"
    scenario = {
        "name": f"scale-{profile.name}",
        "topology": {
            "exchanges": {QUEUE: {"type": "direct"}},
            "queues": {f"{QUEUE}-%d": {"count": queues}},
            "bindings": [{"exchange": QUEUE, "queue": f"{QUEUE}-%d", "routing_key": f"{QUEUE}-%d"}],
        },
        "publishers": {PUBLISHERS: publisher},
        "consumers": {
            CONSUMERS: {"users": workers, "queue": f"{QUEUE}-%d", "prefetch": 200, "ack": "every 50"},
        },
        "run": {"duration": f"{duration_s:g}s", "drain": "30s", "connect_rate": f"{max(500, 2 * workers)}/s"},
    }
    return json.dumps(scenario, indent=1)


class Traffic:
    """
    What all workers together publish and take.

    Args:
        windows: Real windows of a pair, which all workers go through in turns, each from another one on.
        workers: How many there are.
        workers_a_queue: How many publish to a queue, and take from it; *workers* must be a multiple of it.
    """

    def __init__(self, windows: Sequence[Mapping[str, Any]], workers: int, workers_a_queue: int = 1) -> None:
        if workers % workers_a_queue:
            raise ValueError(f"{workers} workers are no multiple of {workers_a_queue}")
        self.windows = windows
        self.workers = workers
        self._queues = workers // workers_a_queue
        self._published = [int(window["groups"][PUBLISHERS]["counters"]["published"]) for window in windows]
        self._before = np.concatenate(([0], np.cumsum(self._published * 2)))
        self._dealt = np.random.default_rng(_SEED).integers(workers_a_queue, size=(workers_a_queue, _DEALT))

    def published_before(self, worker: int, turn: int) -> int:
        """Return how many messages *worker* has published before its window *turn*, from 0."""
        rounds, rest = divmod(turn, len(self.windows))
        first = worker % len(self.windows)
        return rounds * sum(self._published) + int(self._before[first + rest] - self._before[first])

    def answered_before(self, worker: int, turn: int, *, is_over: bool = False) -> int:
        """Return how many of them were confirmed, and taken by whoever takes them; all of them where it is over."""
        published = self.published_before(worker, turn)
        return published if is_over else max(0, published - IN_FLIGHT)

    def sink_of(self, worker: int) -> str:
        """Return the queue that the publisher of *worker* publishes to."""
        return f"{QUEUE}-{worker % self._queues + 1}"

    def delta(self, worker: int, turn: int, *, is_over: bool = False) -> LedgerDelta:
        """Return what changed in the ledger of *worker* in its window *turn*; where it *is_over* the rest comes."""
        begin = self.published_before(worker, turn)
        end = begin if is_over else self.published_before(worker, turn + 1)
        source = (worker + 1) % self._queues
        return LedgerDelta(
            published=_row(worker, begin, end),
            confirmed=_row(worker, *self._answered(worker, turn, is_over=is_over)),
            sinks=(self.sink_of(source),),
            delivered=self._taken(worker, source, turn, is_over=is_over),
        )

    def window(
        self, name: str, worker: int, turn: int | None, *, is_over: bool = False, **fields: Any
    ) -> dict[str, Any]:
        """
        Return the record of a window.

        Args:
            name: Of the worker.
            worker: Its number.
            turn: The window's place among those in which there was traffic; None: there was none.
            is_over: Only what was on its way comes.
            fields: `index`, `start_ns`, `end_ns`, `phase`.
        """
        real = self.windows[(worker + (turn or 0)) % len(self.windows)]
        delta = LedgerDelta() if turn is None else self.delta(worker, turn, is_over=is_over)
        with_traffic = turn is not None and not is_over
        counts = {table: int(getattr(delta, table).count.sum()) for table in ("published", "confirmed", "delivered")}
        taken = {"delivered": counts["delivered"], "bytes_delivered": counts["delivered"] * BODY_BYTES}
        sent = {"published": counts["published"], "bytes_published": counts["published"] * BODY_BYTES}
        if "offered" in real["groups"][PUBLISHERS]["counters"]:
            sent["offered"] = counts["published"]
        counters = {PUBLISHERS: {**sent, "confirmed": counts["confirmed"]}, CONSUMERS: taken}
        groups = {
            group: {
                "counters": {counter: count for counter, count in of_group.items() if count},
                **({"histograms": real["groups"][group]["histograms"]} if with_traffic else {}),
                **(
                    {"active": [[fields["start_ns"], fields["end_ns"]]], "last_ns": fields["end_ns"]}
                    if any(of_group.values())
                    else {}
                ),
            }
            for group, of_group in counters.items()
        }
        return {
            "type": "window",
            "format": real["format"],
            "worker": name,
            **fields,
            "groups": groups,
            "ledger": delta.to_record(),
            "gauges": real["gauges"],
        }

    def _answered(self, worker: int, turn: int, *, is_over: bool) -> tuple[int, int]:
        begin = self.answered_before(worker, turn)
        end = self.answered_before(worker, turn + (not is_over), is_over=is_over)
        return begin, end

    def _taken(self, worker: int, source: int, turn: int, *, is_over: bool) -> SeqRanges:
        publishers = range(source, self.workers, self._queues)
        if len(publishers) == 1:
            return _row(source, *self._answered(source, turn, is_over=is_over))
        rank = worker // self._queues
        pieces = []
        for place, publisher in enumerate(publishers):
            seqs = np.arange(*self._answered(publisher, turn, is_over=is_over), dtype=np.int64)
            mine = seqs[self._dealt[place][seqs % _DEALT] == rank]
            pieces.append(of_ascending(np.full(len(mine), publisher, dtype=np.int64), mine))
        return united(pieces)


def _row(publisher: int, begin: int, end: int) -> SeqRanges:
    if end <= begin:
        return SeqRanges.empty()
    assert publisher < 1 << PUBLISHER_BITS  # noqa: S101 -- the key of a delivery is sink and publisher; the sink is 0
    return SeqRanges(*(np.array([value], dtype=np.int64) for value in (publisher, begin, end - begin, 1)))


def read_recorded(path: Path = RECORDED) -> dict[str, list[dict[str, Any]]]:
    """Return the real windows, by name of the recording."""
    windows: dict[str, list[dict[str, Any]]] = json.loads(path.read_text())["windows"]
    return windows
