"""The page of a run as text: what it carries, that nothing gets out of its place, and that it stays small."""

from __future__ import annotations

import base64
import json
import re
import zlib
from typing import Any

import numpy as np
import pytest

from loadtest.clock import NS_PER_S
from loadtest.measure.histogram.histogram import Histogram
from loadtest.report.html_page.charts import chart_data, fairness, percentile_curve
from loadtest.report.html_page.heat_map import MAX_COLUMNS, HeatMaps
from loadtest.report.html_page.series import MAX_POINTS, Columns, rounded
from loadtest.report.run.run_page import report_html
from loadtest.result.run.build import build_result
from loadtest.result.run.document import PointGroupPart, PointLatencyPart, PointPart, RunResult
from tests.unit.result.staged_run import START_NS, StagedRun, broker_lost, cut_off, flood, never_begun, nothing, orders

HOSTILE = "</script><img src=x onerror=alert(1)>{{ 7*7 }}<!-- \u2028"


def heat_of(run: StagedRun) -> HeatMaps:
    """Return the heat maps of a run."""
    heat = HeatMaps(START_NS)
    for record in run.records:
        heat.take(record)
    return heat


def page_of(run: StagedRun) -> str:
    """Return the page of a run."""
    return report_html(build_result(run.collector()), heat_of(run))


def carried(page: str) -> dict[str, Any]:
    """Return the charts' data that a page carries, unpacked as the browser does it."""
    found = re.search(r'<script type="text/plain" id="charts">([A-Za-z0-9+/=]*)</script>', page)
    assert found is not None
    data: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(found.group(1)), -zlib.MAX_WBITS))
    return data


RUNS = {
    "orders": orders(),
    "lost": flood(lose=3),
    "nothing": nothing(),
    "cut off": cut_off(),
    "never begun": never_begun(),
    "broker lost": broker_lost(),
}


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS.keys())
def test_every_run_has_a_page(run: StagedRun) -> None:
    """Whatever a run came to, its verdict stands first with its reason; the same run gives the same page."""
    result = build_result(run.collector())
    page = page_of(run)
    body = page[page.index("<body>") :]

    assert page == page_of(run)
    assert body.index('id="verdict"') < body.index("<h1>") < body.index('id="over-time"')
    assert ("Incomplete." in body or "Interrupted." in body) is not result.complete
    assert len(page) < 700_000


def test_what_comes_from_outside_is_text() -> None:
    """Names, descriptions, events and what a broker says of itself end up escaped, or packed."""
    run = StagedRun(
        {HOSTILE: ("publisher", "open"), "billing": ("consumer", "open")},
        name=HOSTILE,
        description=HOSTILE,
        overrides=[HOSTILE],
        text=HOSTILE,
    )
    run.records[0]["broker"] = {"product": HOSTILE, HOSTILE: [HOSTILE]}
    run.phase("measured", 0)
    run.recorder().active(HOSTILE, START_NS)
    intended = run.publish(HOSTILE, range(10), 0)
    run.confirm(HOSTILE, range(10), intended, 1_000_000)
    run.cut(NS_PER_S, "measured")
    run.event(5, "connection-blocked", HOSTILE)
    run.left(HOSTILE, 3)
    run.end(NS_PER_S)
    page = page_of(run)

    assert "<img" not in page
    assert "{{ 7*7 }}" in page
    assert page.count("</script>") == 3
    assert "<!--" not in page
    assert carried(page)["events"] == [[0, "connection-blocked", HOSTILE]]


def test_the_page_asks_for_nothing() -> None:
    """It has no address in it that a browser would open, and forbids all of them."""
    page = page_of(orders())
    markup = re.sub(r"<script.*?</script>|<style>.*?</style>", "", page, flags=re.DOTALL)

    assert re.findall(r"""(?:src|href|action|data)=["'](?!#|data:,)[^"']*""", markup) == []
    assert "default-src 'none'" in page
    assert re.search(r"@import|url\(", re.findall(r"<style>(.*?)</style>", page, re.DOTALL)[0]) is None


def test_the_charts_show_what_the_result_says() -> None:
    """Rates of each second, latencies, percentiles, and what the broker said, at their places."""
    run = orders()
    run.broker(2 * NS_PER_S + 5, {"queue.depth": 7.0, "broker.memory_bytes": 1.5e8})
    result = build_result(run.collector())
    data = chart_data(result, heat_of(run))
    rates = {rate["name"]: rate["values"] for rate in data["rates"] if rate["group"] is None}
    (confirm,) = (each for each in data["latencies"] if each["latency"] == "confirm")
    panels = {panel["title"]: panel["series"] for panel in data["panels"]}

    assert data["t_s"] == [0, 1, 2, 3]
    assert rates["published"] == rates["delivered"] == [1000, 1000, 1000, 1000]
    assert confirm["p99_ns"] == [pytest.approx(3_000_000, rel=1e-3)] * 4
    assert panels["Messages in the run's queues"] == [{"name": "ready", "values": [None, None, 7, None]}]
    assert {(curve["latency"], curve["uncorrected"]) for curve in data["curves"]} == {
        ("confirm", False),
        ("confirm", True),
        ("end_to_end", False),
        ("end_to_end", True),
    }
    assert sum(count for cell in data["heat"] if cell["latency"] == "confirm" for _, _, count in cell["cells"]) == 4000


def test_a_percentile_curve_ends_at_the_maximum() -> None:
    """It rises, begins at the minimum and gets as near to 100 as the values allow."""
    result = build_result(orders().collector())
    points = percentile_curve(result.groups["shop"].latency["confirm"])
    shares = [share for share, _ in points]
    values = [value for _, value in points]

    assert shares[0] == 0
    assert shares == sorted(shares)
    assert values == sorted(values)
    assert shares[-1] == pytest.approx(100 - 50 / 3000)
    assert values[-1] == result.groups["shop"].latency["confirm"].max_ns


def points(seconds: int) -> list[PointPart]:
    """Return a timeline with a rate of its second and a p50, p99 and max of it."""
    return [
        PointPart(
            t_s=second,
            phase="measured",
            groups={
                "g": PointGroupPart(
                    rates={"published_per_s": float(second)},
                    latency={"confirm": PointLatencyPart(p50_ns=second, p99_ns=2 * second, max_ns=3 * second)},
                )
            },
            gauges={"broker.disk_free_bytes": 1000.0 - second / 100, "queue.depth": float(second)},
        )
        for second in range(seconds)
    ]


def test_a_long_run_is_merged_and_says_so() -> None:
    """Of three hours three seconds make a point: mean rate, middle p50, highest p99 and depth, least disk."""
    columns = Columns(points(3 * MAX_POINTS))

    assert columns.per_point == 3
    assert len(columns.t_s) == MAX_POINTS
    assert columns.t_s[:3] == [0, 3, 6]
    assert columns.rate("g", "published_per_s")[1] == 4
    assert columns.latency("g", "confirm", "p50_ns")[1] == 4
    assert columns.latency("g", "confirm", "p99_ns")[1] == 10
    assert columns.latency("g", "confirm", "max_ns")[1] == 15
    assert columns.gauge("queue.depth")[1] == 5
    assert columns.gauge("nobody")[1] is None


@pytest.mark.parametrize("seconds,per_point", [(1, 1), (MAX_POINTS, 1), (MAX_POINTS + 1, 2)])
def test_an_hour_is_shown_second_by_second(seconds: int, per_point: int) -> None:
    """Only more than an hour is merged."""
    assert Columns(points(seconds)).per_point == per_point


@pytest.mark.parametrize(
    "value,short", [(0.0, 0), (1234567.0, 1235000), (0.123456, 0.1235), (12.0, 12), (-3.14159, -3.142)]
)
def test_figures_of_charts_have_four_digits(value: float, short: float) -> None:
    """More than that no eye sees."""
    assert rounded(value) == short


def window(second: int, values: list[int]) -> dict[str, Any]:
    """Return the record of a window with confirm latencies."""
    histogram = Histogram()
    histogram.record(np.array(values, dtype=np.int64))
    return {
        "type": "window",
        "start_ns": START_NS + second * NS_PER_S,
        "end_ns": START_NS + (second + 1) * NS_PER_S,
        "groups": {"g": {"histograms": {"confirm": histogram.to_record()}}},
    }


def test_a_heat_map_loses_nothing_and_stays_bounded() -> None:
    """However long a run is there are at most so many columns, and all values are in them, each in its row."""
    heat = HeatMaps(START_NS)
    for second in range(1_000):
        heat.take(window(second, [1_000_000, 2_000_000 + second]))
    (cells,) = heat.cells().values()
    columns = {column for column, _, _ in cells}

    assert sum(count for _, _, count in cells) == 2_000
    assert len(columns) <= MAX_COLUMNS
    assert heat.width_s == 8
    for _, row, _ in cells:
        assert heat.edges_ns[row] <= 2_001_000
        assert heat.edges_ns[row + 1] > 999_000


@pytest.mark.parametrize("shares,index", [((5, 5, 5), 1.0), ((9, 0, 0), 1 / 3), ((4, 2), 36 / 40)])
def test_fairness_is_jains_index(shares: tuple[int, ...], index: float) -> None:
    """1 where all have the same, 1/n where one has all."""
    assert fairness(shares) == pytest.approx(index)


def test_users_are_shown_where_they_are_known() -> None:
    """A group of several users has its shares in table and chart; one whose users are not known has neither."""
    result = build_result(orders().collector())
    group = result.groups["billing"].model_copy(update={"by_user": (10, 20, 30)})
    shared: RunResult = result.model_copy(update={"groups": {**result.groups, "billing": group}})
    page = report_html(shared, HeatMaps(START_NS))

    assert '<div id="user-charts">' in page
    assert "30 (150%)" in page
    assert carried(page)["users"] == [{"group": "billing", "values": [10, 20, 30]}]
    assert '<div id="user-charts">' not in page_of(orders())
