"""The figures beside PerfTest's, as the README and docs/benchmarks.md have them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.beside import BEGIN, END, ROWS, readme_block, with_block, with_sections
from bench.document import Bench
from bench.summary import summed_up
from bench.trial import Pace, Trial
from bench.works import BESIDE, WORKS

ROOT = Path(__file__).parents[3]


def trials(work: str, generator: str, rates: list[float], costs: list[float], p50: float = 100.0) -> list[Trial]:
    """Return a trial a round."""
    return [
        Trial(
            work,
            generator,
            number,
            1.0,
            {"delivered_per_s": rate, "published_per_s": rate, "cpu_us_per_event": cost, "peak_mb": 100.0},
            {"end_to_end_p50_us": p50, "end_to_end_p99_us": 10 * p50},
        )
        for number, (rate, cost) in enumerate(zip(rates, costs, strict=True))
    ]


FOUND = [
    *trials("saturation", "loadtest", [150_000, 100_000], [0.2, 0.3]),
    *trials("saturation", "PerfTest", [140_000, 50_000], [3.0, 3.1]),
    *trials("paced-5000", "loadtest", [5_000, 5_000], [38, 39]),
    *trials("paced-5000", "PerfTest", [5_001, 5_001], [24, 25], p50=200.0),
    *trials("body-1mb", "loadtest", [1_000, 1_500], [1, 1]),
    *trials("body-1mb", "PerfTest", [1_100, 1_000], [1, 1]),
]
BENCH = Bench("2026-12-01", {"cores": "2"}, {"RabbitMQ": "3.10.8", "PerfTest": "2.26"}, 2, Pace(3, 5), FOUND)
BLOCK = readme_block(BENCH, summed_up(FOUND, WORKS))


def test_figures_have_their_spread() -> None:
    """Median, half of the range, and the ratio within rounds; a work that was not done has dashes."""
    lines = BLOCK.splitlines()

    assert "| | PerfTest 2.26 | loadtest | rate, ours ÷ theirs |" in lines
    assert (
        "| no confirms, auto-ack | 95,000/s ±47%, 3.05 µs of CPU per event ±2% | 125,000/s ±20%, "
        "0.25 µs of CPU per event ±20% | 1.54 ±30% × |" in lines
    )
    assert "| 2,000 connections, 1,000/s | – | – | – |" in lines
    assert "| bodies of 1 MB, as fast as possible | 1,050 MB/s ±5% | 1,250 MB/s ±20% |" in BLOCK


def test_both_are_praised_by_the_same_rule() -> None:
    """Better is better in each round; where rounds do not agree it is said, too."""
    other, ours, neither = BLOCK.splitlines()[-3:]

    assert other == "- Better in PerfTest: CPU per event (target 5,000/s, confirms)."
    assert ours == (
        "- Better in loadtest: rate (no confirms, auto-ack); CPU per event (no confirms, auto-ack); end to end p50 "
        "(target 5,000/s, confirms); end to end p99 (target 5,000/s, confirms)."
    )
    assert neither == "- Not decided by these rounds: rate (bodies of 1 MB, as fast as possible)."


def test_the_readme_has_a_place_for_them() -> None:
    """What stands there has the rows of the bench, and nothing outside is touched."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    made = with_block(readme, BLOCK)

    assert made.partition(BEGIN)[0] == readme.partition(BEGIN)[0]
    assert made.partition(END)[2] == readme.partition(END)[2]
    assert BLOCK in made
    assert with_block(made, BLOCK) == made
    old = readme.partition(BEGIN)[2].partition(END)[0]
    assert all(f"| {label} | " in old for label, _ in ROWS.values())
    with pytest.raises(ValueError, match="substring not found"):
        with_block("no place", BLOCK)


def test_sections_that_were_done_are_made_anew() -> None:
    """Each says when; the others stay as they were, in the order of the works."""
    document = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    made = with_sections(document, BENCH, summed_up(FOUND, WORKS))

    assert made.count("Measured on 2026-12-01 (RabbitMQ 3.10.8, PerfTest 2.26): 2 rounds") == 3
    assert "| loadtest | 125,000 ±20% |" in made
    for name in ("flood", "null-consume", "paced-1000"):
        (kept,) = [part for part in document.split("\n## ") if f"`{name}`" in part]
        assert kept.strip() in made
    assert with_sections(made, BENCH, summed_up(FOUND, WORKS)) == made
    names = [name for name in WORKS if f"\n`{name}`" in made]
    assert names == sorted(names, key=lambda name: made.index(f"\n`{name}`"))


def test_rows_are_the_works_that_are_done() -> None:
    """What the bench does beside PerfTest is what the README shows."""
    assert tuple(ROWS) == BESIDE
