"""What each group of users did: totals, rates and latencies of the measured part, series. Knows no judgement."""

from __future__ import annotations

from typing import Final

from loadtest.clock import NS_PER_S
from loadtest.measure.collector import Collector, GroupTotals
from loadtest.measure.histogram import Histogram
from loadtest.measure.runs import Run
from loadtest.result.document import GroupKind, GroupPart, LatencyPart, LoadModel, RatesPart, SeriesPart, StretchPart
from loadtest.result.ledger import PUBLISHER_TOTALS, Books
from loadtest.result.samples import PERCENTILES

_KINDS: Final[dict[str, GroupKind]] = {"publisher": "publisher", "consumer": "consumer", "getter": "getter"}
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

_TAKER_TOTALS: Final = ("foreign", "redelivered", "corrupted")
_SHARED_TOTALS: Final = ("duplicates", "out_of_order")
"""Known by sink and not by group: told of a group only if no other takes messages."""


def build_groups(collector: Collector, books: Books) -> dict[str, GroupPart]:
    """Return the parts of all groups, in the order of the run record."""
    takers = [group for group in collector.groups.values() if group.kind != "publisher"]
    shared = {name: getattr(books.totals, name) for name in _SHARED_TOTALS} if len(takers) == 1 else {}
    publisher_totals = _publisher_totals(collector, books)
    return {
        name: GroupPart(
            kind=_KINDS[group.kind],
            model=_MODELS[group.model],
            users=collector.run["groups"][name].get("users"),
            totals=publisher_totals[name] if group.kind == "publisher" else {**_taker_totals(group), **shared},
            rates=_rates(group),
            latency={
                latency: _latency(group.latencies[latency], _MODELS[group.model])
                for latency in sorted(group.latencies, key=_rank)
            },
            message_counts=_series(group),
        )
        for name, group in collector.groups.items()
    }


def _publisher_totals(collector: Collector, books: Books) -> dict[str, dict[str, int]]:
    """Return the totals of the publisher groups: the sums over their publishers."""
    totals = {
        name: {"offered": group.totals["offered"], **dict.fromkeys((*PUBLISHER_TOTALS, "lost"), 0)}
        for name, group in collector.groups.items()
        if group.kind == "publisher"
    }
    for publisher in collector.run["publishers"]:
        book = books.publishers[publisher["id"]]
        group = totals[publisher["group"]]
        for name in PUBLISHER_TOTALS:
            group[name] += getattr(book, name)
        group["lost"] += books.losses.by_publisher.get(publisher["id"], 0)
    return totals


def _rank(latency: str) -> tuple[int, str]:
    """Return the place of a latency in the document: the headline first, each followed by its uncorrected form."""
    return (LATENCIES.index(latency) if latency in LATENCIES else len(LATENCIES), latency)


def _taker_totals(group: GroupTotals) -> dict[str, int]:
    names = ("delivered",) if group.kind == "consumer" else ("got", "get_empty")
    return {name: group.totals[name] for name in (*names, *_TAKER_TOTALS)}


def _rates(group: GroupTotals) -> RatesPart:
    is_publisher = group.kind == "publisher"
    has_schedule = is_publisher and group.model == "open"
    has_confirms = is_publisher and bool(group.totals["confirmed"] or group.totals["nacked"])
    return RatesPart(
        active_s=group.measured_active_ns / NS_PER_S,
        offered_per_s=group.rate("offered") if has_schedule else None,
        published_per_s=group.rate("published") if is_publisher else None,
        confirmed_per_s=group.rate("confirmed") if has_confirms else None,
        delivered_per_s=group.rate("delivered") if group.kind == "consumer" else None,
        got_per_s=group.rate("got") if group.kind == "getter" else None,
        bytes_per_s=group.rate("bytes_published" if is_publisher else "bytes_delivered"),
    )


def _latency(histogram: Histogram, model: LoadModel) -> LatencyPart:
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
