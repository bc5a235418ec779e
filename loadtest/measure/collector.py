"""
The collector: what all workers saw, merged record by record; the same code live and from a journal.

Knows no thresholds and no verdict: `loadtest.result` makes those from what is here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from loadtest.errors import ResultsError
from loadtest.measure.group_totals import GroupTotals
from loadtest.measure.ledger.ledger import Ledger
from loadtest.measure.ledger.ledger_delta import LedgerDelta
from loadtest.measure.ledger.losses import Drops, Looks, Losses, find_losses
from loadtest.measure.ledger.stream_view import StreamView
from loadtest.measure.records import FORMAT, Record
from loadtest.measure.timeline import Timeline
from loadtest.measure.window import Window

BEGINS: Final = ("warm_up", "measured")
"""Phases with which a run begins, once all its users are connected."""

RETAINED: Final = "its retention (max-age, max-length-bytes) may have dropped them, which a stream does not count"
UNTOLD_DROPS: Final = "the broker may have dropped them as its queue says, and does not tell how many it dropped"


class _Attendance:
    """The windows of one worker that have come, by index."""

    __slots__ = ("ahead", "next")

    def __init__(self) -> None:
        self.next = 0
        self.ahead: set[int] = set()

    def note(self, index: int) -> bool:
        """Return whether the window *index* is new, and remember it."""
        if index < self.next or index in self.ahead:
            return False
        self.ahead.add(index)
        while self.next in self.ahead:
            self.ahead.remove(self.next)
            self.next += 1
        return True

    @property
    def missing(self) -> int:
        """How many windows before the newest have not come."""
        return max(self.ahead, default=self.next - 1) + 1 - self.next - len(self.ahead)


class Collector:
    """
    A run, merged from its records.

    The `run` record comes first. The windows of workers may come in any order; one that comes twice counts once.

    Attributes:
        run: The run record; empty before it came.
        phases, events: Those records, in order.
        left: Messages left in a sink's queue after the drain.
        depths: By queue, the newest `depth` record.
        dropped: Messages that the broker dropped, by reason; None where it did not tell.
        blocked_ns: How long each publisher was blocked by the broker, by id.
        publishers: As in the run record, and those that have taken the place of others since.
        lost_workers: The records of processes that are gone.
        offered_unseen: Publishers of these whose messages count as offered where only their delivery is known.
        known_workers: By worker, the records of what is known of it, in order; empty where one process did it all.
        has_users: Whether it was told what each user took.
        stalls: By worker, when its process did nothing at all.
        begin_ns: The instant at which all users began; None before it.
        end: The end record; None while the run goes on, or if it was cut off.
    """

    def __init__(self) -> None:
        self.run: Record = {}
        self.phases: list[Record] = []
        self.events: list[Record] = []
        self.left: dict[str, int] = {}
        self.depths: dict[str, Record] = {}
        self.dropped: dict[str, int] | None = None
        self.has_users = False
        self.blocked_ns: Counter[int] = Counter()
        self.publishers: list[Record] = []
        self.lost_workers: list[Record] = []
        self.offered_unseen: set[int] = set()
        self.known_workers: dict[str, list[Record]] = {}
        self.stalls: dict[str, list[tuple[int, int]]] = {}
        self.begin_ns: int | None = None
        self.end: Record | None = None
        self.groups: dict[str, GroupTotals] = {}
        self.ledger = Ledger({})
        self.timeline = Timeline(0)
        self.last_ns = 0
        self._workers: dict[str, _Attendance] = {}
        self._takers: dict[str, Callable[[Record], Window | None]] = {
            "run": self._take_run,
            "phase": self._take_phase,
            "window": self._take_window,
            "broker": self._take_broker,
            "event": self.events.append,
            "users": self._take_users,
            "worker": self._take_worker,
            "lost_worker": self._take_lost_worker,
            "queue": self._take_queue,
            "depth": self._take_depth,
            "dead_letters": self._take_dead_letters,
            "standing": self._take_standing,
            "dropped": self._take_dropped,
            "end": self._take_end,
        }

    def take(self, record: Record) -> Window | None:
        """
        Merge one record; its types and fields are in `loadtest.measure.records`.

        Returns the window that it is, unless that had come before; None of other records.

        Raises:
            ResultsError: If it is of an unknown type or format, malformed, or comes before the run's.
        """
        kind = record.get("type")
        taker = self._takers.get(kind) if isinstance(kind, str) else None
        if taker is None:
            raise ResultsError(f"a record has the type {kind!r}; known are {', '.join(self._takers)}")
        if not self.run and kind != "run":
            raise ResultsError(f"the first record is {kind!r}; a journal begins with 'run'")
        try:
            return taker(record)
        except (LookupError, ArithmeticError, TypeError, ValueError, AttributeError) as error:
            raise ResultsError(f"a record of type {kind!r} is malformed: {error!r}") from error

    @property
    def start_ns(self) -> int:
        """The instant that the timeline counts from; 0 before the run's record."""
        return int(self.run.get("start_ns", 0))

    @property
    def complete(self) -> bool:
        """Whether the run came to its end, and every window arrived."""
        return self.end is not None and self.end["complete"] is True and not self.missing_windows

    @property
    def missing_windows(self) -> int:
        """How many windows are known to be missing: later ones of the same worker have come."""
        return sum(attendance.missing for attendance in self._workers.values())

    @property
    def workers(self) -> list[str]:
        """The workers of which a window has come."""
        return sorted(self._workers)

    @property
    def measured_from_ns(self) -> int | None:
        """The instant at which the measured phase began; None before it."""
        return next((record["at_ns"] for record in self.phases if record["phase"] == "measured"), None)

    @property
    def measured_ns(self) -> int:
        """How long the measured phase took, or has taken so far; 0 if there was none."""
        began = None
        for record in self.phases:
            if record["phase"] == "measured":
                began = record["at_ns"]
            elif began is not None:
                return int(record["at_ns"] - began)
        ended = self.last_ns if self.end is None else self.end["at_ns"]
        return 0 if began is None else max(int(ended - began), 0)

    def losses(self) -> Losses:
        """Return what is missing now; the last word on it only after the drain, with the `queue` records."""
        drops = Drops(self.dropped or {}, self.run.get("may_drop", {}))
        return find_losses(self.ledger, self.left, drops, self._looks())

    def _looks(self) -> Looks:
        """Return what was seen of the queues so far."""
        run, before = self.run, self.run.get("before", {})
        held = {queue: record["messages"] for queue, record in self.depths.items()}
        queues = {sink: view["queue"] for sink, view in run.get("streams", {}).items()}
        doubts: dict[str, str] = {}
        if self.dropped is None:
            may = run.get("may_drop", {})
            doubts |= {sink: UNTOLD_DROPS for sink, reasons in may.items() if {"expired", "maxlen"} & set(reasons)}
        doubts |= {sink: RETAINED for sink, reasons in run.get("may_drop", {}).items() if "retention" in reasons}
        doubts |= {queue: record["why"] for queue, record in self.depths.items() if record["why"] is not None}
        doubts |= run.get("others", {})
        doubts |= {sink: doubts[queue] for sink, queue in queues.items() if queue in doubts}
        return Looks(
            untaken={
                queue: max(0, (held[queue] or 0) - before.get(queue, 0)) if queue in held else None
                for queue in run.get("untaken", ())
            },
            before=before,
            streams={
                sink: StreamView(
                    spans=self.ledger.offsets.get(sink, ()),
                    before=before.get(view["queue"], 0),
                    end=held.get(view["queue"]),
                    is_first=view.get("first", False),
                    is_filtered=view.get("filtered", False),
                )
                for sink, view in run.get("streams", {}).items()
            },
            doubts=doubts,
        )

    def latest(self) -> dict[str, Any] | None:
        """Return the newest whole row of the timeline, for live views."""
        return self.timeline.latest()

    def _take_run(self, record: Record) -> None:
        if self.run:
            raise ResultsError("a second 'run' record; a journal holds one run")
        if record.get("format") != FORMAT:
            raise ResultsError(f"the journal has the format {record.get('format')!r}; this version reads {FORMAT!r}")
        self.groups = {
            name: GroupTotals(name=name, kind=group["kind"], model=group["model"])
            for name, group in record["groups"].items()
        }
        for name, group in record["groups"].items():
            self.groups[name].set_stages(group.get("stages", ()))
        self.ledger = Ledger(
            {
                publisher["id"]: None if publisher["routes"] is None else tuple(map(tuple, publisher["routes"]))
                for publisher in record["publishers"]
            }
        )
        self.ledger.unstamped = {each["id"] for each in record["publishers"] if each.get("stamp") == "none"}
        self.timeline = Timeline(record["start_ns"])
        self.publishers = list(record["publishers"])
        self.run = record

    def _take_phase(self, record: Record) -> None:
        if self.begin_ns is None and record["phase"] in BEGINS:
            self.begin_ns = int(record["at_ns"])
        self.phases.append(record)

    def _take_window(self, record: Record) -> Window | None:
        window = Window.from_record(record)
        if not self._workers.setdefault(window.worker, _Attendance()).note(window.index):
            return None
        self.last_ns = max(self.last_ns, window.end_ns)
        self.stalls.setdefault(window.worker, []).extend(window.stalls)
        for name, group in window.groups.items():
            self.groups[name].take(group, window, self.begin_ns)
        self.ledger.take(window.ledger)
        self.timeline.take(window)
        return window

    def _take_broker(self, record: Record) -> None:
        phase = self.phases[-1]["phase"] if self.phases else ""
        gauges = {str(name): float(value) for name, value in record["gauges"].items()}
        self.timeline.take_gauges(int(record["at_ns"]), phase, gauges)

    def _take_users(self, record: Record) -> None:
        self.has_users = True
        for name, users in record["taken"].items():
            for user, messages in users:
                self.groups[name].by_user[int(user)] += int(messages)
        for publisher, blocked_ns in record.get("blocked", ()):
            self.blocked_ns[int(publisher)] += int(blocked_ns)

    def _take_worker(self, record: Record) -> None:
        int(record["offset_ns"]), int(record["bound_ns"]), int(record["at_ns"])
        self.known_workers.setdefault(str(record["worker"]), []).append(record)

    def _take_lost_worker(self, record: Record) -> None:
        confirming = {each["id"]: bool(each["confirms"]) for each in self.publishers}
        for publisher in record["publishers"]:
            self.ledger.mark_publisher_lost(publisher, has_confirms=confirming[publisher])
            if record.get("is_offered"):
                self.offered_unseen.add(publisher)
        for sink in record["sinks"]:
            self.ledger.mark_sink_lost(str(sink))
        for entry in record["successors"]:
            routes = entry["routes"]
            if entry.get("stamp") == "none":
                self.ledger.unstamped.add(entry["id"])
            self.ledger.routes[entry["id"]] = None if routes is None else tuple(map(tuple, routes))
        self.publishers += record["successors"]
        self.lost_workers.append(record)

    def _take_queue(self, record: Record) -> None:
        self.left[record["sink"]] = record["left"]

    def _take_depth(self, record: Record) -> None:
        int(record["messages"] or 0)
        self.depths[record["queue"]] = record

    def _take_dead_letters(self, record: Record) -> None:
        self.ledger.take(LedgerDelta.from_record(record["ledger"]))

    def _take_standing(self, record: Record) -> None:
        self.ledger.take_found(record["sink"], LedgerDelta.from_record(record["ledger"]))

    def _take_dropped(self, record: Record) -> None:
        self.dropped = {str(reason): int(count) for reason, count in record["counts"].items()}

    def _take_end(self, record: Record) -> None:
        if not isinstance(record["complete"], bool):
            raise TypeError("complete is not a boolean")
        self.end = record
