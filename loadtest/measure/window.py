"""
The window: what one worker saw in about a second, and the unit in which everything measured travels.

Fields of the record (`type` "window", `format` as in `FORMAT`):

`worker` · `index` from 0, per worker · `start_ns`, `end_ns` instants (CLOCK_MONOTONIC of the worker's host) · `phase`.
`groups` {name: {
    `active` [[from_ns, to_ns], …] when in the window the group had work to do;
    `counters` {name: n}, zeros left out;
    `histograms` {latency: {`hdr`: HdrHistogram V2 compressed base64 in ns, `count`, `min_ns`, `max_ns`, `sum_ns`
    exact, `negative`,
    `saturated`}}, of messages intended at or after the end of warm-up;
    `warm_up` the same of those intended before it;
    `pauses` [[from_ns, to_ns], …] in which nothing was confirmed, or delivered, though something was due; `last_ns`
    the instant at which something last was;
    `series` {`message_counts`: {sink: [[first, count, step], …]}} in the order of arrival}}.
`ledger` what changed: see `loadtest.measure.ledger.ledger_delta`.
`gauges` {name: value at `end_ns`}.
`stalls` [[from_ns, to_ns], …] in which the worker's process did nothing at all; left out where there are none.

Windows are merged by addition and by union of sets, so the order in which those of several workers come does not
matter. History of the format: 1 = the first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Self

from loadtest.errors import ResultsError
from loadtest.measure.histogram.histogram import Histogram
from loadtest.measure.histogram.recorded import Recorded
from loadtest.measure.ledger.ledger_delta import LedgerDelta

FORMAT: Final = "loadtest.window/1"


@dataclass(frozen=True, slots=True)
class GroupWindow:
    """
    What one group did in one window of one worker.

    `histograms` are in their recorded form (see the module's docstring): a window is written once and decoded where it
    is merged, once for all who merge it.
    """

    active: tuple[tuple[int, int], ...] = ()
    counters: dict[str, int] = field(default_factory=dict)
    histograms: dict[str, dict[str, Any]] = field(default_factory=dict)
    warm_up: dict[str, dict[str, Any]] = field(default_factory=dict)
    series: dict[str, dict[str, list[list[int]]]] = field(default_factory=dict)
    pauses: tuple[tuple[int, int], ...] = ()
    last_ns: int = 0
    _decoded: dict[str, dict[str, Recorded]] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def measured_values(self) -> dict[str, Recorded]:
        """The values of `histograms`, by latency."""
        return self._values("histograms")

    @property
    def warm_up_values(self) -> dict[str, Recorded]:
        """The values of `warm_up`, by latency."""
        return self._values("warm_up")

    @property
    def active_ns(self) -> int:
        """The time in this window in which the group had work to do."""
        return sum(end - start for start, end in self.active)

    def histogram(self, latency: str) -> Histogram:
        """Return the measured values of *latency*; empty if there were none."""
        values = self.measured_values.get(latency)
        return Histogram() if values is None else values.histogram()

    def to_record(self) -> dict[str, Any]:
        """Return the JSON form; what is empty is left out."""
        record: dict[str, Any] = {
            "active": [list(interval) for interval in self.active],
            "counters": {name: count for name, count in self.counters.items() if count},
            "histograms": self.histograms,
            "warm_up": self.warm_up,
            "series": self.series,
            "pauses": [list(pause) for pause in self.pauses],
            "last_ns": self.last_ns,
        }
        return {name: value for name, value in record.items() if value}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Self:
        """Return the group's part of a window from its JSON form."""
        return cls(
            active=tuple((start, end) for start, end in record.get("active", ())),
            counters=dict(record.get("counters", {})),
            histograms=record.get("histograms", {}),
            warm_up=record.get("warm_up", {}),
            series=record.get("series", {}),
            pauses=tuple((start, end) for start, end in record.get("pauses", ())),
            last_ns=record.get("last_ns", 0),
        )

    def _values(self, part: str) -> dict[str, Recorded]:
        values = self._decoded.get(part)
        if values is None:
            records: dict[str, dict[str, Any]] = getattr(self, part)
            values = self._decoded[part] = {name: Recorded.from_record(record) for name, record in records.items()}
        return values


@dataclass(frozen=True, slots=True)
class Window:
    """What one worker saw between two cuts; each event of a run is in exactly one window."""

    worker: str
    index: int
    start_ns: int
    end_ns: int
    phase: str
    groups: dict[str, GroupWindow]
    ledger: LedgerDelta
    gauges: dict[str, float]
    stalls: tuple[tuple[int, int], ...] = ()

    def to_record(self) -> dict[str, Any]:
        """Return the JSON form; its fields are in the module's docstring."""
        stalls = {"stalls": [list(stall) for stall in self.stalls]} if self.stalls else {}
        return {
            "type": "window",
            "format": FORMAT,
            "worker": self.worker,
            "index": self.index,
            "start_ns": self.start_ns,
            "end_ns": self.end_ns,
            "phase": self.phase,
            "groups": {name: group.to_record() for name, group in self.groups.items()},
            "ledger": self.ledger.to_record(),
            "gauges": self.gauges,
        } | stalls

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Self:
        """
        Return the window that *record* describes.

        Raises:
            ResultsError: If it is of another format, or a field is missing or malformed.
        """
        if record.get("format") != FORMAT:
            raise ResultsError(f"a window has the format {record.get('format')!r}; this version reads {FORMAT!r}")
        try:
            return cls(
                worker=record["worker"],
                index=record["index"],
                start_ns=record["start_ns"],
                end_ns=record["end_ns"],
                phase=record["phase"],
                groups={name: GroupWindow.from_record(group) for name, group in record["groups"].items()},
                ledger=LedgerDelta.from_record(record["ledger"]),
                gauges=record["gauges"],
                stalls=tuple((int(start), int(end)) for start, end in record.get("stalls", ())),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ResultsError(f"a window's record is malformed: {error!r}") from error
