"""Findings about the messages and the broker: what piled up, what was blocked, what did not arrive."""

from __future__ import annotations

import re
from collections.abc import Iterator
from statistics import median
from typing import Final

from loadtest.result.document import FindingPart
from loadtest.result.evidence import BROKER_UNSAMPLED, CONNECTION_BLOCKED, CONNECTION_LOST, MEASURED, Evidence
from loadtest.result.findings.finding import finding
from loadtest.result.units import count_text, messages_text, number_text, span_text, time_text

GROWTH_LIMIT: Final = 2.0
"""Median latency of the last third of the measured part by that of the first: a queue that fills doubles it soon."""

GROWTH_FLOOR_NS: Final = 10_000_000
"""Below 10 ms at the end a doubling is jitter, not a queue."""

GROWTH_MIN_WINDOWS: Final = 6
"""Two windows a third: fewer show no trend."""

OUTAGE_LIMIT_S: Final = 1.0
"""A shorter pause is in the latencies, and no outage to anybody who waits."""

SHOWN: Final = 3
"""Queues named in one finding."""

_REFUSED: Final = re.compile(r": 40[13] ")
"""What HTTP says of a user who is not known, or may not ask, in the words of `broker.http_client`."""

_END_TO_END: Final = "end_to_end"
_NS_PER_S: Final = 1_000_000_000


def backlog_growing(evidence: Evidence) -> Iterator[FindingPart]:
    """Compare the end-to-end medians of the first and last thirds of the measured windows."""
    for name, group in evidence.groups.items():
        measured = [
            point.groups[name] for point in evidence.timeline if point.phase == MEASURED and name in point.groups
        ]
        latencies = [part.latency[_END_TO_END].p50_ns for part in measured if _END_TO_END in part.latency]
        medians = [p50_ns for p50_ns in latencies if p50_ns is not None]
        third = len(medians) // 3
        if group.kind == "publisher" or len(medians) < GROWTH_MIN_WINDOWS:
            continue
        first, last = median(medians[:third]), median(medians[-third:])
        if last >= GROWTH_FLOOR_NS and last >= GROWTH_LIMIT * first:
            growth = last / first if first else last
            yield finding(
                "backlog-growing",
                f"end_to_end of {name} grew from {time_text(first)} to {time_text(last)}, "
                f"{number_text(round(growth, 1))} times (limit {number_text(GROWTH_LIMIT)}; medians of the first and "
                f"last third): it is queueing time{_ready(evidence)}",
                "Lower the rate until it stays level, or add consumers",
                value=growth,
                limit=GROWTH_LIMIT,
                unit="times",
                group=name,
            )


def _ready(evidence: Evidence) -> str:
    """Return what the broker had ready in the first and last thirds of the measured part, where it told."""
    told = [point.gauges.get("queue.depth") for point in evidence.timeline if point.phase == MEASURED]
    depths = [depth for depth in told if depth is not None]
    third = len(depths) // 3
    if len(depths) < GROWTH_MIN_WINDOWS:
        return ""
    first, last = (count_text(int(median(part))) for part in (depths[:third], depths[-third:]))
    return f", with {first} and then {last} messages ready in the run's queues"


def messages_remaining(evidence: Evidence) -> Iterator[FindingPart]:
    """Name the queues that hold most."""
    queues = sorted(((left, name) for name, left in evidence.ledger.left.items() if left), reverse=True)
    if queues:
        total = sum(left for left, _ in queues)
        shown = [f"{name} {count_text(left)}" for left, name in queues[:SHOWN]]
        if len(queues) > SHOWN:
            shown.append(f"{len(queues) - SHOWN} more queues")
        yield finding(
            "messages-remaining",
            f"{messages_text(total)} left in queues after the drain (limit 0): {', '.join(shown)}",
            "Give the drain more time (run.drain), or add consumers",
            value=total,
            limit=0,
        )


def broker_blocked_publishers(evidence: Evidence) -> Iterator[FindingPart]:
    """Add up the seconds' longest blocked times, and quote the broker's reason."""
    blocked_s = sum(point.gauges.get("blocked_ns", 0.0) for point in evidence.timeline) / _NS_PER_S
    event = evidence.first_event(CONNECTION_BLOCKED)
    if blocked_s or event:
        long = f", for {span_text(blocked_s)} in all" if blocked_s else ""
        said = f": {event.text}" if event else ""
        yield finding(
            "broker-blocked-publishers",
            f"the broker blocked connections{long} (limit 0 s){said}",
            "See its memory and disk alarms; rates and latencies hold for a broker in that state",
            value=blocked_s,
            limit=0,
            unit="s",
        )


def outage(evidence: Evidence) -> Iterator[FindingPart]:
    """Tell of each group for how long it could not publish, or consume, though something was due."""
    for name, group in evidence.groups.items():
        outages = [outage for outage in group.outages or () if outage.end_s - outage.start_s >= OUTAGE_LIMIT_S]
        if not outages:
            continue
        longest = max(outages, key=lambda outage: outage.end_s - outage.start_s)
        long_s = longest.end_s - longest.start_s
        what = "nothing was confirmed to" if group.kind == "publisher" else "nothing was delivered to"
        times = "once" if len(outages) == 1 else f"{count_text(len(outages))} times, the longest"
        how = f"from {span_text(longest.start_s)} to {span_text(longest.end_s)} after the start"
        limit = f"(limit {span_text(OUTAGE_LIMIT_S)})"
        yield finding(
            "outage",
            f"{what} {name} {times} for {span_text(long_s)} though something was due {limit}, "
            f"{how}{'' if longest.is_over else ', and then not any more'}",
            "See the events at that time, and the broker's log",
            value=long_s,
            limit=OUTAGE_LIMIT_S,
            unit="s",
            group=name,
        )


def connection_lost(evidence: Evidence) -> Iterator[FindingPart]:
    """Count the connections lost and quote the first."""
    lost = [event for event in evidence.events if event.code == CONNECTION_LOST]
    if lost:
        count = f"{count_text(len(lost))} connection{'s were' if len(lost) > 1 else ' was'} lost (limit 0)"
        yield finding(
            "connection-lost",
            f"{count}, first after {span_text(lost[0].t_s)}: {lost[0].text}",
            "See the broker's log at that time",
            value=len(lost),
            limit=0,
            unit="connections",
        )


def books_unbalanced(evidence: Evidence) -> Iterator[FindingPart]:
    """Quote the first book that does not balance."""
    if evidence.ledger.imbalances:
        count = len(evidence.ledger.imbalances)
        yield finding(
            "books-unbalanced",
            f"{count_text(count)} of the ledger's books do not balance (limit 0): {evidence.ledger.imbalances[0]}",
            "Believe no total of this run; it is a fault of the tool or of a plugin of the broker, please report it",
            value=count,
            limit=0,
            unit="books",
        )


def in_doubt(evidence: Evidence) -> Iterator[FindingPart]:
    """Count what got no answer, and what of it never came."""
    totals = evidence.totals
    if totals.in_doubt:
        yield finding(
            "in-doubt",
            f"{messages_text(totals.in_doubt)} in doubt: no answer came before the connection or the run ended (limit "
            f"0); {count_text(totals.vanished)} of them never arrived",
            "An application has to publish them again; see the events for the reason",
            value=totals.in_doubt,
            limit=0,
        )


def undelivered(evidence: Evidence) -> Iterator[FindingPart]:
    """Count what was promised nothing and never came."""
    if evidence.totals.undelivered:
        yield finding(
            "undelivered",
            f"{messages_text(evidence.totals.undelivered)} published and never delivered (limit 0), but not lost: not "
            "confirmed, or gone where this run does not look",
            "Use confirms (confirm_window) and consume from every queue to know",
            value=evidence.totals.undelivered,
            limit=0,
        )


def unexpected_deliveries(evidence: Evidence) -> Iterator[FindingPart]:
    """Count what came where the bindings do not lead."""
    if evidence.totals.unexpected:
        yield finding(
            "unexpected-deliveries",
            f"{messages_text(evidence.totals.unexpected)} delivered from queues to which the scenario's bindings do "
            "not lead (limit 0)",
            "Look for other bindings or policies on the broker, such as dead lettering",
            value=evidence.totals.unexpected,
            limit=0,
        )


def foreign_messages(evidence: Evidence) -> Iterator[FindingPart]:
    """Count what others published."""
    if evidence.totals.foreign:
        yield finding(
            "foreign-messages",
            f"{messages_text(evidence.totals.foreign)} taken that this run did not publish, or without its stamp "
            "(limit 0); they count in rates and have no end-to-end latency",
            "Use queues of their own, or empty them before; with stamp none all messages are foreign",
            value=evidence.totals.foreign,
            limit=0,
        )


def broker_unsampled(evidence: Evidence) -> Iterator[FindingPart]:
    """Quote the first question that the broker's management API did not answer to this user."""
    refused = [event for event in evidence.events if event.code == BROKER_UNSAMPLED and _REFUSED.search(event.text)]
    if refused:
        yield finding(
            "broker-unsampled",
            f"the management API refuses the run's user (limit 0): {refused[0].text}",
            "The broker's own figures, and perhaps its policies, are missing: give the user the tag monitoring, or "
            "name another in LOADTEST_MANAGEMENT_URL",
            value=len(refused),
            limit=0,
            unit="refusals",
        )
