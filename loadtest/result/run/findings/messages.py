"""Findings about the messages and the broker: what piled up, what was blocked, what did not arrive."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from loadtest.result.run.backlog import GROWTH_LIMIT, growths, ready_depths
from loadtest.result.run.causes.scenario_faults import (
    WITHOUT_FAULTS,
    faults_between,
    faults_text,
    likely_cause,
    measured_faults,
)
from loadtest.result.run.document import FindingPart, OutagePart
from loadtest.result.run.evidence import (
    BROKER_UNSAMPLED,
    CONNECTION_BLOCKED,
    CONNECTION_LOST,
    Evidence,
    NotBegun,
    got_no_confirm,
    named,
)
from loadtest.result.run.findings.finding import finding
from loadtest.result.run.unavailability import OUTAGE_LIMIT_S, long_outages
from loadtest.result.units import count_text, messages_text, number_text, share_text, span_text, time_text
from loadtest.scenario.grammar.faults import ALARMS

SHOWN: Final = 3
"""Queues named in one finding."""

_REFUSED: Final = re.compile(r": 40[13] ")
"""What HTTP says of a user who is not known, or may not ask, in the words of `broker.http_client`."""

_NS_PER_S: Final = 1_000_000_000


def backlog_growing(evidence: Evidence) -> Iterator[FindingPart]:
    """Compare the end-to-end medians of the first and last thirds of the measured windows."""
    faults = measured_faults(evidence, after_share=1 / 3)
    for growth in growths(evidence):
        if evidence.broker_failure is not None:
            next_step = "See the events for the reason"
        elif faults:
            next_step = WITHOUT_FAULTS
        else:
            next_step = "Lower the rate until it stays level, or add consumers"
        yield finding(
            "backlog-growing",
            f"end_to_end of {named(evidence, growth.group)} grew from {time_text(growth.first_ns)} to "
            f"{time_text(growth.last_ns)}, {number_text(round(growth.times, 1))} times (limit "
            f"{number_text(GROWTH_LIMIT)}; medians of the first and last third): {likely_cause(faults)}"
            f"{_where_it_waits(evidence)}",
            next_step,
            value=growth.times,
            limit=GROWTH_LIMIT,
            unit="times",
            group=growth.group,
        )


def _where_it_waits(evidence: Evidence) -> str:
    """Return where messages wait, by what the broker had ready in the first and last thirds of the measured part."""
    depths = ready_depths(evidence)
    if depths is None:
        return "it is queueing time"
    first, last = depths
    ready = f"{count_text(first)} and then {count_text(last)} messages were ready in the run's queues"
    return f"it is queueing time: {ready}" if last > first else f"not in the queues, as {ready}"


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
            _how_to_empty(evidence),
            value=total,
            limit=0,
        )


def _how_to_empty(evidence: Evidence) -> str:
    """Return what would have emptied the queues: no drain is long enough for a group that never began."""
    for name, waited in evidence.not_begun.items():
        if evidence.groups[name].kind != "publisher":
            return _how_to_begin(name, waited)
    return "Give the drain more time (run.drain), or add consumers"


def _how_to_begin(group: str, waited: NotBegun) -> str:
    if waited.after is None:
        return f"Run for longer than the {span_text(waited.start_at_s)} after which `{group}` begins"
    return f"Run for longer, or give `{waited.after}` less to do, so that it is done in time and `{group}` begins"


def broker_blocked_publishers(evidence: Evidence) -> Iterator[FindingPart]:
    """Add up the seconds' longest blocked times, and quote the broker's reason."""
    blocked_s = sum(point.gauges.get("blocked_ns", 0.0) for point in evidence.timeline) / _NS_PER_S
    event = evidence.first_event(CONNECTION_BLOCKED)
    if blocked_s or event:
        long = f", for {span_text(blocked_s)} in all" if blocked_s else ""
        said = f": {event.text}" if event else ""
        alarms = [span for span in measured_faults(evidence) if span.do in ALARMS]
        if alarms:
            said += f"; {faults_text(alarms)} did it"
        yield finding(
            "broker-blocked-publishers",
            f"the broker blocked connections{long} (limit 0 s){said}",
            "Rates and latencies hold for a broker in that state; raise no alarm to see others"
            if alarms
            else "See its memory and disk alarms; rates and latencies hold for a broker in that state",
            value=blocked_s,
            limit=0,
            unit="s",
        )


def outage(evidence: Evidence) -> Iterator[FindingPart]:
    """
    Tell of each group for how long it could not publish, or consume, though something was due.

    A broker that is away is so to all: who was out at the same time as a group that has been told of says so.
    """
    told: dict[str, OutagePart] = {}
    for name, group in evidence.groups.items():
        outages = long_outages(evidence, name)
        if not outages:
            continue
        longest = max(outages, key=lambda outage: outage.end_s - outage.start_s)
        too = [named(evidence, other) for other, each in told.items() if _overlap(each, longest)]
        told[name] = longest
        long_s = longest.end_s - longest.start_s
        what = "got no confirm" if group.kind == "publisher" else "got no delivery"
        times = "once" if len(outages) == 1 else f"{count_text(len(outages))} times, the longest"
        how = f"from {span_text(longest.start_s)} to {span_text(longest.end_s)} after the start"
        limit = f"(limit {span_text(OUTAGE_LIMIT_S)})"
        yield finding(
            "outage",
            f"{named(evidence, name)} {what} {times} for {span_text(long_s)} though something was due {limit}, "
            f"{how}{'' if longest.is_over else ', and then not any more'}"
            f"{f', when {too[0]} was out, too' if too else ''}{_by_faults(evidence, longest)}",
            "See the events at that time, and the broker's log",
            value=long_s,
            limit=OUTAGE_LIMIT_S,
            unit="s",
            group=name,
        )


def _by_faults(evidence: Evidence, outage: OutagePart) -> str:
    """Return what the scenario did that lies over an outage, or ended so shortly before that it may have caused it."""
    spans = faults_between(evidence, outage.start_s - OUTAGE_LIMIT_S, outage.end_s)
    return f"; the likely cause is {faults_text(spans)}" if spans else ""


def _overlap(one: OutagePart, other: OutagePart) -> bool:
    return one.start_s < other.end_s and other.start_s < one.end_s


def messages_nacked(evidence: Evidence) -> Iterator[FindingPart]:
    """Tell of each group what share of its messages the broker refused by Basic.Nack."""
    for name, group in evidence.groups.items():
        nacked, published = group.totals.get("nacked", 0), group.totals.get("published", 0)
        if nacked and published:
            yield finding(
                "messages-nacked",
                f"the broker nacked {count_text(nacked)} of the {count_text(published)} messages of "
                f"{named(evidence, name)}, {share_text(nacked / published)} (limit 0): it did not take them, as a full "
                "queue with x-overflow reject-publish does not",
                "Publish them again, lower the rate, add consumers, or raise the length limit of the queue",
                value=nacked,
                limit=0,
                group=name,
            )


def messages_returned(evidence: Evidence) -> Iterator[FindingPart]:
    """Tell of each group what share of its messages came back because no queue was bound for them."""
    for name, group in evidence.groups.items():
        returned, published = group.totals.get("returned", 0), group.totals.get("published", 0)
        if returned and published:
            yield finding(
                "messages-returned",
                f"the broker returned {count_text(returned)} of the {count_text(published)} messages of "
                f"{named(evidence, name)} as unroutable, {share_text(returned / published)} (limit 0): no queue is "
                "bound for their routing key, though the confirm of such a message is positive",
                "Look into the bindings of the exchange, or give it an alternate exchange",
                value=returned,
                limit=0,
                group=name,
            )


def messages_discarded(evidence: Evidence) -> Iterator[FindingPart]:
    """Count what the broker took out of queues by their own rules and handed on to nobody."""
    totals = evidence.totals
    counts = {
        "at a delivery limit": totals.delivery_limit,
        "expired": totals.expired,
        "beyond the length of a queue": totals.overflowed,
    }
    if discarded := sum(counts.values()):
        parts = ", ".join(f"{count_text(count)} {why}" for why, count in counts.items() if count)
        yield finding(
            "messages-discarded",
            f"{messages_text(discarded)} discarded by the rules of their queues, as no dead letter exchange took "
            f"them, or only a circle of those (limit 0): {parts}",
            "Name a dead letter exchange that leads elsewhere to keep them, and see why they were refused that often "
            "or not taken in time",
            value=discarded,
            limit=0,
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
            "Believe no total of this run; it is an error of loadtest or of a plugin of the broker, please report it",
            value=count,
            limit=0,
            unit="books",
        )


def in_doubt(evidence: Evidence) -> Iterator[FindingPart]:
    """Count what got no answer, and what of it never came."""
    totals = evidence.totals
    if totals.in_doubt:
        is_taken = any(group.kind != "publisher" for group in evidence.groups.values())
        never = f"{count_text(totals.vanished)} of them never arrived"
        yield finding(
            "in-doubt",
            f"{messages_text(totals.in_doubt)} in doubt: no answer came before the connection or the run ended (limit "
            f"0); {never if is_taken else 'nobody of the run takes from their queues, so who has them is not known'}",
            "An application has to publish them again; see the events for the reason",
            value=totals.in_doubt,
            limit=0,
        )


def nothing_done(evidence: Evidence) -> Iterator[FindingPart]:
    """Name the groups that never began, publishers without a confirm and, where nothing was taken, all other groups."""
    totals = evidence.totals
    is_taken = totals.delivered or totals.got
    for name, group in evidence.groups.items():
        next_step = "See the events for the reason, and the broker's log"
        if waited := evidence.not_begun.get(name):
            text, next_step = f"{group.kind} {name}: {_why_not_begun(waited)}", _how_to_begin(name, waited)
        elif got_no_confirm(group):
            text = f"publisher {name}: 0 of {count_text(group.totals['published'])} messages confirmed"
        elif group.kind != "publisher" and totals.published and not is_taken:
            text = f"{group.kind} {name}: no message was {'delivered to it' if group.kind == 'consumer' else 'got'}"
        else:
            continue
        yield finding(
            "nothing-done",
            f"{text} (limit 1)",
            next_step,
            value=0,
            limit=1,
            group=name,
        )


def _why_not_begun(waited: NotBegun) -> str:
    if waited.after is None:
        return f"its turn never came, as the run was over before {span_text(waited.start_at_s)}"
    later = f", and {span_text(waited.start_at_s)} past that" if waited.start_at_s else ""
    return f"its turn never came, as it begins when `{waited.after}` is done{later}, and the run was over before that"


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
