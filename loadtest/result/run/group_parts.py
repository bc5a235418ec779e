"""What each group of users did: totals, rates and latencies of the measured part, series. Knows no judgement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from loadtest import counters
from loadtest.clock import NS_PER_S
from loadtest.measure.collector import Collector
from loadtest.measure.group_totals import GroupTotals, SpanTotals
from loadtest.measure.histogram.histogram import Histogram
from loadtest.measure.pauses import LEAST_NS, Stretch, common, joined, parted, without
from loadtest.measure.runs import Run
from loadtest.result.run.causes.lasting_holds import holds_group, lasting_holds
from loadtest.result.run.document import (
    GroupPart,
    LatencyPart,
    LoadModel,
    OutagePart,
    RatesPart,
    SeriesPart,
    SpanPart,
    StretchPart,
)
from loadtest.result.run.evidence import CONNECTION_LOST, RUN_FAILED
from loadtest.result.run.ledger_part import PUBLISHER_TOTALS, Books, unseen_offers
from loadtest.result.run.worker_parts import bound_of, clock_bounds_ns
from loadtest.result.samples import PERCENTILES
from loadtest.scenario.grammar.threshold import MEASURED, STAGE, WARM_UP

_MODELS: Final[dict[str, LoadModel]] = {"open": "open", "closed": "closed"}
LATENCIES: Final = (
    "confirm",
    "confirm_uncorrected",
    "end_to_end",
    "end_to_end_uncorrected",
    "get",
    "rpc",
    "lateness",
    "connect",
    "declare",
)
"""In the order in which people look at them."""

MAX_OUTAGES: Final = 1_000
COUNTED_TOTALS: Final = tuple(counters.by_part())
"""Totals that a part of the run has too: those that are counted as they happen."""


def build_groups(collector: Collector, books: Books) -> dict[str, GroupPart]:
    """Return the parts of all groups, in the order of the run record."""
    takers = [group for group in collector.groups.values() if group.kind != "publisher"]
    # Known by sink and not by group: told of a group only if no other takes messages.
    merged = [row.name for row in counters.totals() if row.known == "merged" and row.kinds]
    shared = {name: getattr(books.totals, name) for name in merged} if len(takers) == 1 else {}
    publisher_totals = _publisher_totals(collector, books)
    bounds = clock_bounds_ns(collector)
    return {
        name: GroupPart(
            kind=group.kind,
            model=_MODELS[group.model],
            users=collector.run["groups"][name].get("users"),
            totals=publisher_totals[name] if group.kind == "publisher" else {**_counted(group), **shared},
            rates=build_rates(group, group.measured),
            latency=_latencies(group, group.measured, bounds),
            message_counts=_series(group),
            measured_counts=_counts(group.measured),
            outages=_outages(group, collector),
            by_user=_by_user(group, collector, books),
            spans=dict(_spans(group, collector, bounds)),
        )
        for name, group in collector.groups.items()
    }


def _publisher_totals(collector: Collector, books: Books) -> dict[str, dict[str, int]]:
    """Return the totals of the publisher groups: the sums over their publishers."""
    totals = {
        name: {
            **_counted(group),
            **dict.fromkeys((*PUBLISHER_TOTALS, "lost"), 0),
        }
        for name, group in collector.groups.items()
        if group.kind == "publisher"
    }
    for name, offered in unseen_offers(collector).items():
        totals[name]["offered"] += offered
    for publisher in collector.publishers:
        book = books.publishers[publisher["id"]]
        group = totals[publisher["group"]]
        for name in PUBLISHER_TOTALS:
            group[name] += getattr(book, name)
        group["lost"] += books.losses.by_publisher.get(publisher["id"], 0)
    return totals


def _rank(latency: str) -> tuple[int, str]:
    """Return the place of a latency in the document: the headline first, each followed by its uncorrected form."""
    return (LATENCIES.index(latency) if latency in LATENCIES else len(LATENCIES), latency)


def _counted(group: GroupTotals) -> dict[str, int]:
    """Return the totals that are counted by group."""
    return {row.name: group.totals[row.name] for row in counters.counted(group.kind) if row.is_total}


def _counts(span: SpanTotals) -> dict[str, int]:
    return {name: span.counts[name] for name in COUNTED_TOTALS if span.counts[name]}


def _by_user(group: GroupTotals, collector: Collector, books: Books) -> tuple[int, ...] | None:
    """Return what each user published, or took; None where a run that was cut off did not come to tell."""
    if group.kind == "publisher":
        published: dict[int, int] = {}
        user_of: dict[int, int] = {}
        for publisher in collector.publishers:
            if publisher["group"] == group.name:
                number = int(publisher["id"])
                user = user_of[number] = user_of.get(publisher.get("successor_of", number), number)
                published[user] = published.get(user, 0) + books.publishers[number].published
        return tuple(published.values())
    users = collector.run["groups"][group.name].get("users")
    if not collector.has_users or users is None:
        return None
    return tuple(group.by_user[user] for user in range(users))


def _outages(group: GroupTotals, collector: Collector) -> tuple[OutagePart, ...] | None:
    """Return when the group could not publish, or consume; None where it gets no confirms, or sets its own pace."""
    if not group.last_ns or collector.run["groups"][group.name].get("paces_itself", group.kind == "getter"):
        return None
    stalls = {worker: collector.stalls.get(worker, []) for worker in group.pauses}
    # A process that did nothing says nothing of the broker: it may have been answered by then, or not.
    silent = common(joined((*each, *stalls[worker])) for worker, each in group.pauses.items())
    # ... but beside a pause of somebody it makes none longer.
    pauses = [pause for each in group.pauses.values() for pause in each]
    silent = common((silent, joined(pauses)))
    # Two pauses that meet are two: something came between them.
    silent = parted(silent, (end for _, end in pauses))
    excused = _excused(group, collector)
    found = [(start, end, True) for start, end in _unexcused(silent, excused)][:MAX_OUTAGES]
    until_ns = _unanswered_until_ns(group, collector)
    rest = _unexcused([(group.last_ns, until_ns)], excused)
    found += [(start, end, end < until_ns) for start, end in rest]
    start_ns = collector.start_ns
    return tuple(
        OutagePart(start_s=(start - start_ns) / NS_PER_S, end_s=(end - start_ns) / NS_PER_S, is_over=is_over)
        for start, end, is_over in found
    )


def _unanswered_until_ns(group: GroupTotals, collector: Collector) -> int:
    """Return until when something was due to which no answer came any more; when the last came if nothing was."""
    # A broker that went away for good, or a queue that takes no more: what was due is in doubt.
    is_gone = any(event["code"] in {CONNECTION_LOST, RUN_FAILED} for event in collector.events)
    if is_gone or group.published_from_ns > group.last_ns:
        return max(group.last_ns, collector.last_ns)
    # Publishers that did not come back: nothing was sent, and nothing falls due any more when publishing ends.
    begin_ns, end_ns = group.due_ns
    until_ns = end_ns if begin_ns > group.last_ns else group.last_ns
    # What was published before they were held back, perhaps in the window of the last answer, waited until the end.
    return max(until_ns, _held_until_ns(group, collector))


def _held_until_ns(group: GroupTotals, collector: Collector) -> int:
    """Return when messages were given up while the broker held the group back; 0 if that did not happen."""
    events = sorted(collector.events, key=lambda event: int(event["at_ns"]))
    before = [(event["code"], event["text"]) for event in events if event["at_ns"] <= group.given_up_ns]
    return group.given_up_ns if holds_group(group.name, lasting_holds(before)) else 0


def _unexcused(silent: Iterable[Stretch], excused: list[Stretch]) -> list[Stretch]:
    """Return *silent* without what is *excused*, where that is most of it: a moment of it does not divide an outage."""
    found: list[Stretch] = []
    for start, end in silent:
        rest = without([(start, end)], excused)
        is_excused = sum(until - since for since, until in rest) < (end - start) / 2
        found += rest if is_excused else [(start, end)] * (end - start > LEAST_NS)
    return found


def _excused(group: GroupTotals, collector: Collector) -> list[Stretch]:
    """Return when the generator stood still: all processes with users of the group, or all that publish."""
    publishing = {worker for each in collector.groups.values() if each.kind == "publisher" for worker in each.workers}
    excused = common(joined(collector.stalls.get(worker, ())) for worker in group.pauses)
    if group.kind != "publisher":
        excused += common(joined(collector.stalls.get(worker, ())) for worker in publishing)
    return excused


def _spans(group: GroupTotals, collector: Collector, bounds: dict[str, int]) -> Iterator[tuple[str, SpanPart]]:
    """Yield the parts of the run besides the measured one in which the group did something."""
    if collector.begin_ns is None:
        return
    begin_ns = collector.begin_ns - collector.start_ns
    warm_up_ns = next((each["at_ns"] for each in collector.phases if each["phase"] == MEASURED), collector.last_ns)
    spans = [(WARM_UP, 0, warm_up_ns - collector.begin_ns, group.warm_up)]
    spans += [(f"{STAGE}{number}", *stage) for number, stage in enumerate(group.stages, start=1)]
    for name, start_ns, end_ns, span in spans:
        if span.counts or span.latencies:
            yield (
                name,
                SpanPart(
                    start_s=(begin_ns + start_ns) / NS_PER_S,
                    end_s=(begin_ns + end_ns) / NS_PER_S,
                    counts=_counts(span),
                    rates=build_rates(group, span),
                    latency=_latencies(group, span, bounds),
                ),
            )


def build_rates(group: GroupTotals, span: SpanTotals) -> RatesPart:
    """Return the rates of a group in a part of the run; those that its kind does not have are None."""
    is_publisher = group.kind == "publisher"
    has_schedule = is_publisher and group.model == "open"
    has_confirms = is_publisher and bool(group.totals["confirmed"] or group.totals["nacked"])
    return RatesPart(
        active_s=span.active_ns / NS_PER_S,
        offered_per_s=span.rate("offered") if has_schedule else None,
        published_per_s=span.rate("published") if is_publisher else None,
        confirmed_per_s=span.rate("confirmed") if has_confirms else None,
        delivered_per_s=span.rate("delivered") if group.kind == "consumer" else None,
        got_per_s=span.rate("got") if group.kind == "getter" else None,
        bytes_per_s=span.rate("bytes_published" if is_publisher else "bytes_delivered"),
    )


def _latencies(group: GroupTotals, span: SpanTotals, bounds: dict[str, int]) -> dict[str, LatencyPart]:
    return {
        name: _latency(span.latencies[name], _MODELS[group.model], bound_of(group, name, bounds))
        for name in sorted(span.latencies, key=_rank)
    }


def _latency(histogram: Histogram, model: LoadModel, clock_bound_ns: int | None) -> LatencyPart:
    values = histogram.percentiles(tuple(percentile.percent for percentile in PERCENTILES))
    percentiles = {percentile.field: value for percentile, value in zip(PERCENTILES, values, strict=True)}
    return LatencyPart(
        count=histogram.count,
        min_ns=histogram.min,
        mean_ns=histogram.mean,
        **percentiles,
        max_ns=histogram.max,
        model=model,
        saturated=histogram.saturated,
        negative=histogram.negative,
        hdr=histogram.encode(),
        clock_bound_ns=clock_bound_ns,
    )


def _series(group: GroupTotals) -> dict[str, SeriesPart]:
    return {
        sink: _series_part(runs, group.series_left_out[sink])
        for sink, runs in group.series.get("message_counts", {}).items()
        if runs
    }


def _series_part(runs: list[Run], left_out: int) -> SeriesPart:
    first, count, step = runs[-1]
    return SeriesPart(
        count=sum(run[1] for run in runs) + left_out,
        first=runs[0][0],
        last=first + (count - 1) * step,
        stretches=tuple(StretchPart(first=first, count=count, step=step) for first, count, step in runs),
        left_out=left_out,
    )
