"""
`python -m bench.sampled ARGUMENTS…`: `loadtest run ARGUMENTS…` with a sampling profiler and counts of wake-ups in it.

Prints, when the run is over, in which functions the processor time went, as the innermost Python function of each
sample (a call into C counts for who made it), and how much each read, write and run of deliveries brought. A sample
each millisecond of processor time, or as often as the kernel's tick allows, costs under 1 %; time in the event loop
itself counts for the callback that it calls next. What the kernel does is `perf`'s and `strace`'s to say:
docs/performance.md.
"""

from __future__ import annotations

import locust  # first: it patches the standard library through gevent  # isort: skip

import signal
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from loadtest.cli import main as loadtest_main
from loadtest.clients.consumer import Subscription
from loadtest.wire.connection.stream import Stream

__all__ = ["locust", "main"]

SAMPLE_S: Final = 0.001
_SHOWN: Final = 25


class Samples:
    """Where samples fell: by function itself, and by function on the stack."""

    def __init__(self) -> None:
        self.total = 0
        self.own: Counter[str] = Counter()
        self.within: Counter[str] = Counter()

    def take(self, _: int, frame: FrameType | None) -> None:
        """Take one sample."""
        if frame is None:
            return
        self.total += 1
        self.own[name_of(frame)] += 1
        seen = set()
        while frame is not None:
            seen.add(name_of(frame))
            frame = frame.f_back
        self.within.update(seen)


class Tallies:
    """How often something happened, and how much it was in all."""

    def __init__(self) -> None:
        self.times: Counter[str] = Counter()
        self.amount: Counter[str] = Counter()

    def count(self, owner: type, method: str, name: str, amount: Callable[[tuple[Any, ...], Any], int]) -> None:
        """Count the calls of *method*, and the *amount* that its arguments and result say."""
        called = getattr(owner, method)

        def counting(*arguments: Any) -> Any:
            result = called(*arguments)
            self.times[name] += 1
            self.amount[name] += amount(arguments, result)
            return result

        setattr(owner, method, counting)


def begin_with(owner: type, method: str, begin: Callable[[], object]) -> None:
    """Call *begin* with the first call of *method*, before it."""
    called = getattr(owner, method)

    def first(*arguments: Any) -> Any:
        setattr(owner, method, called)
        begin()
        return called(*arguments)

    setattr(owner, method, first)


def name_of(frame: FrameType) -> str:
    """Return a function as people find it: file within its folder, and name."""
    path = Path(frame.f_code.co_filename)
    return f"{path.parent.name}/{path.stem}.{frame.f_code.co_qualname}"


def counted() -> Tallies:
    """Begin to count reads, writes and runs of deliveries of this process."""
    tallies = Tallies()
    tallies.count(Stream, "_hand_on", "reads, bytes", lambda arguments, _: int(arguments[1]))
    tallies.count(Stream, "write", "writes, bytes", lambda arguments, _: len(arguments[1]))
    tallies.count(Subscription, "on_run", "runs of deliveries, messages", lambda arguments, _: len(arguments[1]))
    tallies.count(Subscription, "on_one", "lone deliveries, messages", lambda *_: 1)
    return tallies


def samples_table(samples: Samples) -> Table:
    """Return the functions in which most samples fell."""
    table = Table(title=f"{samples.total:,} samples of processor time")
    table.add_column("function")
    table.add_column("itself", justify="right")
    table.add_column("and below", justify="right")
    for name, own in samples.own.most_common(_SHOWN):
        table.add_row(name, f"{own / samples.total:.1%}", f"{samples.within[name] / samples.total:.1%}")
    return table


def tallies_table(tallies: Tallies) -> Table:
    """Return how much each thing brought."""
    table = Table(title="wake-ups")
    for heading in ("what", "times", "in all", "each"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    for name, times in tallies.times.items():
        amount = tallies.amount[name]
        table.add_row(name, f"{times:,}", f"{amount:,}", f"{amount / times:,.1f}")
    return table


def main() -> int:
    """Run, then print."""
    samples, tallies = Samples(), counted()
    signal.signal(signal.SIGPROF, samples.take)
    # From the first write on: what is loaded before is no part of the run.
    begin_with(Stream, "write", lambda: signal.setitimer(signal.ITIMER_PROF, SAMPLE_S, SAMPLE_S))
    try:
        sys.argv = ["loadtest", "run", *sys.argv[1:]]
        loadtest_main()
    except SystemExit as ended:
        code = ended.code
    else:
        code = 0
    signal.setitimer(signal.ITIMER_PROF, 0)
    console = Console(width=120)
    console.print(samples_table(samples), tallies_table(tallies))
    return code if isinstance(code, int) else 1


if __name__ == "__main__":
    sys.exit(main())
