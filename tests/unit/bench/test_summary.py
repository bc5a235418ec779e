"""Trials summed up, and how rows are written."""

from __future__ import annotations

import json

import pytest

from bench.brokers import Counted
from bench.cells import columns_of, ratio_text, spread_text
from bench.document import Bench, markdown
from bench.summary import Row, Spread, ratio, summed_up
from bench.trial import Pace, Trial, steady_figures
from bench.works import WORKS


def trial(generator: str, number: int, rate: float, cpu_us: float, work: str = "saturation") -> Trial:
    """Return a trial with a delivered rate and a CPU time per event."""
    figures = {"delivered_per_s": rate, "published_per_s": rate + 1, "cpu_us_per_event": cpu_us}
    return Trial(work, generator, number, 2.0, figures)


TRIALS = [
    trial("loadtest", 0, 90_000, 1.5),
    trial("PerfTest", 0, 60_000, 6.0),
    trial("PerfTest", 1, 40_000, 5.0),
    trial("loadtest", 1, 80_000, 1.0),
    Trial("saturation", "PerfTest", 2, 2.0, error="no message arrived"),
    trial("loadtest", 2, 1, 99.0),
]


def test_ratios_are_worked_out_within_rounds() -> None:
    """A round in which one of the two failed counts for neither."""
    ours, theirs = summed_up(TRIALS, WORKS)

    assert ("loadtest", None, 3) == (ours.generator, ours.rate_ratio, ours.rounds)
    assert Spread(1.75, 1.5, 2.0) == theirs.rate_ratio
    assert Spread(0.225, 0.2, 0.25) == theirs.cpu_ratio
    assert ["no message arrived"] == theirs.errors
    assert Spread(50_000, 40_000, 60_000) == theirs.rate


def test_ratio_without_common_rounds() -> None:
    """Where no round has both, or theirs is 0, there is no ratio."""
    ours = [trial("loadtest", 0, 1, 1)]

    assert ratio(ours, [trial("x", 1, 1, 1)], "delivered_per_s") is None
    assert ratio(ours, [trial("x", 0, 0, 1)], "delivered_per_s") is None


def test_rows_keep_the_order_of_works_and_generators() -> None:
    """Rows go by work, then by generator, as each first came, whatever the rounds' order."""
    mixed = [trial("b", 0, 1, 1, "confirm"), trial("a", 0, 1, 1), trial("b", 0, 1, 1), trial("a", 0, 1, 1, "confirm")]

    assert [("confirm", "b"), ("confirm", "a"), ("saturation", "b"), ("saturation", "a")] == [
        (row.work.name, row.generator) for row in summed_up(mixed, WORKS)
    ]


def test_steady_figures_are_differences_over_the_window() -> None:
    """Rates and costs come from what changed between two counts; an event is a message published or delivered."""
    before, after = Counted(10.0, 1000, 500, 3.0), Counted(12.0, 21_000, 20_500, 5.0)

    assert steady_figures(before, after, 0.4) == pytest.approx(
        {
            "published_per_s": 10_000,
            "delivered_per_s": 10_000,
            "generator_cores": 0.2,
            "broker_cores": 1.0,
            "cpu_us_per_event": 10.0,
        }
    )


def test_window_in_which_nothing_came_has_no_cost_per_event() -> None:
    """Nothing is divided by no events."""
    assert "cpu_us_per_event" not in steady_figures(Counted(0, 5, 5, 0), Counted(1, 5, 5, 0), 0.1)


@pytest.mark.parametrize(
    "spread,expected",
    [
        (None, "–"),
        (Spread(1234.6, 1234.6, 1234.6), "1,235"),
        (Spread(1000, 999, 1001), "1,000 ±0.1%"),
        (Spread(1000.1, 999.9, 1000.2), "1,000"),
        (Spread(0, 0, 5), "0"),
    ],
    ids=["none", "one value", "spread", "spread that rounds away", "of nothing"],
)
def test_spread_text(spread: Spread | None, expected: str) -> None:
    """A spread shows where it can be seen at the precision shown."""
    assert expected == spread_text(spread, 0)


def test_ratio_text() -> None:
    """A ratio has two digits and says that it is one."""
    assert "1.75 ±14% ×" == ratio_text(Spread(1.75, 1.5, 2.0))


def row_of(name: str, figures: dict[str, float], printed: dict[str, float] | None = None) -> Row:
    """Return a row of one round."""
    (row,) = summed_up([Trial(name, "loadtest", 0, 1.0, figures, printed or {})], WORKS)
    return row


@pytest.mark.parametrize(
    "name,figures,printed,heading,expected",
    [
        ("paced-1000", {"published_per_s": 1000.4, "delivered_per_s": 1000.3}, {}, "of asked", "100.04%"),
        ("body-64kb", {"delivered_per_s": 10_000}, {}, "MB/s", "640"),
        ("flood", {"wall_s": 1.234, "cpu_s": 1.0, "peak_mb": 90}, {}, "wall s", "1.23"),
        (
            "paced-1000",
            {"published_per_s": 1, "delivered_per_s": 1},
            {"confirm_p50_us": 200.2, "confirm_p99_us": 1999.9},
            "confirm p50 / p99 µs",
            "200 / 2,000",
        ),
    ],
)
def test_columns_suit_the_work(
    name: str, figures: dict[str, float], printed: dict[str, float], heading: str, expected: str
) -> None:
    """A paced work says how much of what was asked came, a large body how many bytes, a flood how long it took."""
    row = row_of(name, figures, printed)
    texts = {column.heading: column.text(row) for column in columns_of([row])}

    assert expected == texts[heading]


def test_markdown_has_a_table_for_each_work() -> None:
    """The document names machine, versions and load, and has a line for each generator and for what failed."""
    bench = Bench("2026-01-01", {"cores": "2"}, {"RabbitMQ": "3.10.8"}, 3, Pace(3, 6), TRIALS)
    text = markdown(bench, summed_up(bench.trials, WORKS))

    assert "| RabbitMQ | 3.10.8 |" in text
    assert "| PerfTest | 50,000 ±20% |" in text
    assert "- PerfTest failed: no message arrived" in text
    assert "Load average before a trial: 2.0 to 2.0" in text


def test_bench_json_round_trip() -> None:
    """What is written can be read, and another version is refused."""
    bench = Bench("2026-01-01", {"cores": "2"}, {"RabbitMQ": "3.10.8"}, 3, Pace(3, 6), TRIALS)
    text = bench.to_json()

    assert bench == Bench.from_json(text)
    with pytest.raises(ValueError, match="version 0"):
        Bench.from_json(json.dumps({**json.loads(text), "format_version": 0}))
