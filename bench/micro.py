"""
`python -m bench.micro`: ns a message of each hot path, and what moved against the baseline beyond noise.

Each case is timed in repeats of some 20 ms of processor time (what others do on the machine then costs only caches),
with the garbage collector off; its figure is the median of them, its noise their median absolute deviation. The
baseline is from the machine and the day that it names: on another machine only the ratios between cases say something.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from bench.machine import describe_machine, load_average
from bench.micro_cases import Case, all_cases

BASELINE: Final = Path(__file__).with_name("micro_baseline.json")
REPEATS: Final = 21
REPEAT_NS: Final = 20_000_000
# A change counts if it is larger than this share and than so many times the noise of both: below it lies what two
# runs of the same code differ by on a quiet machine.
LEAST_CHANGE: Final = 0.08
NOISE_FACTOR: Final = 4.0
# Goals of issue 4 in ns a message.
GOALS: Final[Mapping[str, float]] = {
    "encode": 100,
    "deliver in a run": 100,
    "lone delivery, recorded": 6000,
    "histogram record": 50,
    "ledger update of a window": 50,
}


@dataclass(frozen=True, slots=True)
class Timing:
    """The time of one case, in ns a message: median of the repeats, and their median absolute deviation."""

    median_ns: float
    noise_ns: float


def time_case(case: Case, clock: Callable[[], int] = time.process_time_ns) -> Timing:
    """Return the timing of *case*."""
    calls = 1
    while _elapsed(case, calls, clock) < REPEAT_NS:
        calls *= 2
    each = [_elapsed(case, calls, clock) / calls / case.messages for _ in range(REPEATS)]
    median = statistics.median(each)
    return Timing(median, statistics.median(abs(value - median) for value in each))


def change_of(now: Timing, before: Timing) -> float | None:
    """Return by which share *now* differs from *before*, None if that is within noise."""
    difference = now.median_ns - before.median_ns
    noise = NOISE_FACTOR * (now.noise_ns + before.noise_ns)
    if abs(difference) <= max(noise, LEAST_CHANGE * before.median_ns):
        return None
    return difference / before.median_ns


def moved(now: Mapping[str, Timing], before: Mapping[str, Timing]) -> list[str]:
    """Return a sentence for each case that moved beyond noise, is new, or is gone."""
    told = []
    for name, timing in now.items():
        if name not in before:
            told.append(f"{name}: new")
        elif (change := change_of(timing, before[name])) is not None:
            told.append(f"{name}: {'slower' if change > 0 else 'faster'} by {abs(change):.0%}")
    told += [f"{name}: gone" for name in before if name not in now]
    return told


def read_baseline(path: Path = BASELINE) -> dict[str, Timing]:
    """Return the timings of the baseline, empty if there is none."""
    if not path.exists():
        return {}
    return {name: Timing(**timing) for name, timing in json.loads(path.read_text())["cases"].items()}


def write_baseline(timings: Mapping[str, Timing], path: Path = BASELINE) -> None:
    """Write *timings* with machine and date."""
    document = {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "load_average": round(load_average(), 2),
        "machine": describe_machine(),
        "cases": {name: {key: round(value, 3) for key, value in asdict(t).items()} for name, t in timings.items()},
    }
    path.write_text(json.dumps(document, indent=1) + "\n")


def table_of(now: Mapping[str, Timing], before: Mapping[str, Timing]) -> Table:
    """Return the table that people see."""
    table = Table(title=f"ns a message · Python {platform.python_version()} · load average {load_average():.1f}")
    table.add_column("case")
    for heading in ("ns", "± ns", "baseline", "change", "goal"):
        table.add_column(heading, justify="right")
    for name, timing in now.items():
        old = before.get(name)
        change = f"{timing.median_ns / old.median_ns - 1:+.0%}" if old else "–"
        is_moved = old is not None and change_of(timing, old) is not None
        goal = GOALS.get(name)
        table.add_row(
            name,
            f"{timing.median_ns:,.1f}",
            f"{timing.noise_ns:,.1f}",
            f"{old.median_ns:,.1f}" if old else "–",
            f"[bold]{change}[/bold]" if is_moved else change,
            "" if goal is None else f"≤ {goal:,.0f}",
        )
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """Time all cases, print the table and what moved; 0 whatever moved: a slower machine is no fault."""
    parser = argparse.ArgumentParser(prog="python -m bench.micro", description="Time the hot paths.")
    parser.add_argument("--save", action="store_true", help="write the baseline anew")
    options = parser.parse_args(arguments)
    gc.collect()
    gc.disable()
    try:
        timings = {case.name: time_case(case) for case in all_cases()}
    finally:
        gc.enable()
    before = read_baseline()
    console = Console()
    console.print(table_of(timings, before))
    for sentence in moved(timings, before) or ["nothing moved beyond noise"]:
        console.print(sentence)
    if options.save:
        write_baseline(timings)
        console.print(f"baseline written to {BASELINE.name}")
    return 0


def _elapsed(case: Case, calls: int, clock: Callable[[], int]) -> int:
    call = case.call
    began = clock()
    for _ in range(calls):
        call()
    return clock() - began


if __name__ == "__main__":
    sys.exit(main())
