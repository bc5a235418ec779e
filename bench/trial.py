"""One trial: one generator does one work once, and what the broker and the system saw of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.brokers import BenchBroker, Counted
from bench.generators import ROOT, Generator, Order
from bench.machine import load_average
from bench.process_group import ProcessGroup
from bench.works import Work

_BEGIN_TIMEOUT_S: Final = 60.0
_END_TIMEOUT_S: Final = 30.0
# How much longer than warm-up and window a generator publishes: the window must end before it does.
_MARGIN_S: Final = 1.5
# In a window of this length at least, what memory grows by in its second half is more than settling in.
_LONG_S: Final = 60.0
_POLL_S: Final = 0.05
_SHOWN_CHARACTERS: Final = 400


class TrialError(Exception):
    """A generator did not do its work."""


@dataclass(frozen=True, slots=True)
class Trial:
    """
    What was seen of one trial.

    Attributes:
        figures: Numbers by name: `published_per_s`, `delivered_per_s` (as the broker counted), `cpu_us_per_event` (an
            event is a message published or delivered), `generator_cores`, `broker_cores`, `peak_mb`,
            `grown_mb_per_hour` (memory, by the second half of a long window), or `wall_s` and `cpu_s` from start to
            exit.
        printed: What the generator said itself: latencies in µs.
        error: Why there are none.
        load: The machine's load average before.
    """

    work: str
    generator: str
    round: int
    load: float
    figures: Mapping[str, float] = field(default_factory=dict)
    printed: Mapping[str, float] = field(default_factory=dict)
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Pace:
    """How long trials take, in s."""

    warm_up_s: float
    window_s: float


def run_trial(work: Work, generator: Generator, broker: BenchBroker, folder: Path, pace: Pace, number: int) -> Trial:
    """Return what one trial showed; a generator that fails is an outcome too."""
    load = load_average()
    window_s = work.window_s or pace.window_s
    order = Order(work, broker.url, folder, pace.warm_up_s, window_s + _MARGIN_S)
    broker.reset(work)
    try:
        with ProcessGroup(generator.command(order), folder, _environment(generator, order), folder) as group:
            figures = _to_exit(group) if work.measure == "exit" else _steady(order, window_s, broker, group)
            text = group.output()
    except TrialError as error:
        return Trial(work.name, generator.name, number, load, error=str(error))
    return Trial(work.name, generator.name, number, load, figures, generator.read(order, text))


def _environment(generator: Generator, order: Order) -> dict[str, str]:
    return {"PYTHONPATH": str(ROOT), **generator.environment(order)}


def _steady(order: Order, window_s: float, broker: BenchBroker, group: ProcessGroup) -> dict[str, float]:
    _wait_begun(order.work, broker, group)
    time.sleep(order.warm_up_s)
    generator_before, before = group.cpu_s(), broker.count()
    time.sleep(window_s / 2)
    rss = group.memory_bytes()
    time.sleep(window_s / 2)
    generator_after, after = group.cpu_s(), broker.count()
    grown = group.memory_bytes() - rss
    if not group.is_alive:
        raise TrialError(f"it ended before the window did: {group.output()[-_SHOWN_CHARACTERS:]}")
    _demand_success(group.wait(_END_TIMEOUT_S)[0], group)
    figures = steady_figures(before, after, generator_after - generator_before) | {"peak_mb": group.peak_bytes / 1e6}
    if window_s >= _LONG_S:
        figures["grown_mb_per_hour"] = grown / 1e6 / (window_s / 2) * 3600
    return figures


def steady_figures(before: Counted, after: Counted, generator_cpu_s: float) -> dict[str, float]:
    """Return the rates and costs between two counts."""
    elapsed_s = after.at_s - before.at_s
    published, delivered = after.published - before.published, after.delivered - before.delivered
    events = published + delivered
    figures = {
        "published_per_s": published / elapsed_s,
        "delivered_per_s": delivered / elapsed_s,
        "generator_cores": generator_cpu_s / elapsed_s,
        "broker_cores": (after.cpu_s - before.cpu_s) / elapsed_s,
    }
    if events:
        figures["cpu_us_per_event"] = generator_cpu_s / events * 1e6
    return figures


def _to_exit(group: ProcessGroup) -> dict[str, float]:
    code, used_s = group.wait(_END_TIMEOUT_S)
    wall_s = time.monotonic() - group.began
    _demand_success(code, group)
    return {"wall_s": wall_s, "cpu_s": used_s, "peak_mb": group.peak_bytes / 1e6}


def _demand_success(code: int | None, group: ProcessGroup) -> None:
    """
    Refuse what a generator did that ended as failed; a broker that it cannot reach is 1 for PerfTest.

    An unknown option is 0 for PerfTest: of that no message comes, which is refused, too.
    """
    if code != 0:
        raise TrialError(f"exit code {code}: {group.output()[-_SHOWN_CHARACTERS:]}")


def _wait_begun(work: Work, broker: BenchBroker, group: ProcessGroup) -> None:
    """Wait until every pair has published (or got) a message."""
    first = broker.count()
    deadline = time.monotonic() + _BEGIN_TIMEOUT_S
    while time.monotonic() < deadline:
        now = broker.count()
        seen = now.published - first.published if work.publishes else now.delivered - first.delivered
        if seen >= work.pairs:
            return
        if not group.is_alive:
            break
        time.sleep(_POLL_S)
    raise TrialError(f"no message arrived: {group.output()[-_SHOWN_CHARACTERS:]}")
