"""`python -m bench`: the works over rounds, a table, a JSON and docs/benchmarks.md."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from rich.console import Console

from bench.beside import OTHER, readme_block, with_block, with_sections
from bench.brokers import PLUGINS, RabbitBroker
from bench.document import Bench, markdown
from bench.generators import ROOT, Generator, all_generators, perf_test_version
from bench.machine import describe_machine
from bench.rounds import run_rounds, turns
from bench.summary import OURS, Row, rate_name, summed_up
from bench.table import render
from bench.trial import Pace, Trial
from bench.works import BESIDE, FULL, QUICK, WORKS, Work
from loadtest.broker.private.private_node import PrivateNode

README: Final = ROOT / "README.md"
DOCUMENT: Final = ROOT / "docs" / "benchmarks.md"
RESULTS: Final = ROOT / "results" / "bench.json"
FULL_PACE: Final = Pace(warm_up_s=3, window_s=6)
QUICK_PACE: Final = Pace(warm_up_s=1, window_s=2)
BESIDE_PACE: Final = Pace(warm_up_s=3, window_s=4)
FULL_ROUNDS: Final = 5
BESIDE_ROUNDS: Final = 3
QUICK_ROUNDS: Final = 2
_INTERRUPTED: Final = 130
_FILE_WIDTH: Final = 180
# What the quick bench leaves to the full one: minutes of ordinary clients.
_NOT_QUICK: Final = {"locust", "locust+pika"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the bench; 0 if every trial did its work."""
    options = _parser().parse_args(arguments)
    # As Ctrl-C: the broker and the generators, in sessions of their own, are ended; what was measured is kept.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console()
    if not console.is_terminal:
        console = Console(width=_FILE_WIDTH)
    if options.document is not None:
        bench = Bench.from_json(options.document.read_text())
        DOCUMENT.write_text(markdown(bench, summed_up(bench.trials, WORKS)))
        console.print(f"written: {DOCUMENT.relative_to(ROOT)}")
        return 0
    if options.beside and options.perf_test is None:
        sys.exit("bench: --beside needs --perf-test CMD")
    names, rounds, pace = _preset(options)
    works = [WORKS[name] for name in options.works or names]
    generators = _chosen(options)
    rounds = options.rounds or rounds
    pace = Pace(options.warm_up or pace.warm_up_s, options.window or pace.window_s)
    bench = _run(console, works, generators, rounds, pace)
    if options.perf_test is not None:
        bench = replace(bench, versions={**bench.versions, OTHER: perf_test_version(options.perf_test)})
    rows = summed_up(bench.trials, WORKS)
    console.print(render(rows))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(bench.to_json())
    if len(bench.trials) < sum(1 for _ in turns(works, generators, rounds)):
        return _INTERRUPTED
    if options.beside:
        _write_beside(console, bench, rows)
    elif not options.quick and not options.works:
        DOCUMENT.write_text(markdown(bench, rows))
    return 0 if all(trial.error is None for trial in bench.trials) else 1


def _preset(options: argparse.Namespace) -> tuple[Sequence[str], int, Pace]:
    if options.beside:
        return BESIDE, BESIDE_ROUNDS, BESIDE_PACE
    return (QUICK, QUICK_ROUNDS, QUICK_PACE) if options.quick else (FULL, FULL_ROUNDS, FULL_PACE)


def _write_beside(console: Console, bench: Bench, rows: Sequence[Row]) -> None:
    """Print the figures; of all works, put them into the README and their sections of docs/benchmarks.md, too."""
    block = readme_block(bench, rows)
    console.print(block, highlight=False, markup=False, soft_wrap=True)
    if {row.work.name for row in rows} == set(BESIDE):
        README.write_text(with_block(README.read_text(), block))
        DOCUMENT.write_text(with_sections(DOCUMENT.read_text(), bench, rows))


def _run(console: Console, works: Sequence[Work], generators: Sequence[Generator], rounds: int, pace: Pace) -> Bench:
    planned = sum(1 for _ in turns(works, generators, rounds))
    trials: list[Trial] = []

    def tell(trial: Trial) -> None:
        trials.append(trial)
        console.print(f"[dim]{len(trials)}/{planned}[/dim] {_line(trial)}", highlight=False)

    with PrivateNode.start(plugins=PLUGINS, progress=console.print) as node:
        versions = {"RabbitMQ": node.version}
        with contextlib.suppress(KeyboardInterrupt):
            run_rounds(works, generators, rounds, RabbitBroker(node), pace, tell)
    date = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    return Bench(date, describe_machine(), versions, rounds, pace, trials)


def _line(trial: Trial) -> str:
    if trial.error is not None:
        return f"{trial.work} {trial.generator}: failed: {trial.error}"
    if "wall_s" in trial.figures:
        return f"{trial.work} {trial.generator}: {trial.figures['wall_s']:.2f} s"
    rate = trial.figures[rate_name(WORKS[trial.work])]
    return f"{trial.work} {trial.generator}: {rate:,.0f}/s, {trial.figures.get('cpu_us_per_event', 0):.2f} µs per event"


def _chosen(options: argparse.Namespace) -> list[Generator]:
    known = all_generators(options.perf_test, options.omq)
    beside = [OURS, OTHER] if options.beside else None
    names = options.generators or beside or [name for name in known if not (options.quick and name in _NOT_QUICK)]
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"bench: no generator {', '.join(unknown)}; there are {', '.join(known)} (PerfTest, omq by options)")
    return [known[name] for name in names]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the generator against others.")
    parser.add_argument("--quick", action="store_true", help="two minutes: fewer works, rounds and generators")
    parser.add_argument(
        "--beside", action="store_true", help="ten minutes: ours and PerfTest, for the README and docs/benchmarks.md"
    )
    parser.add_argument("--works", nargs="+", choices=list(WORKS), metavar="WORK", help=f"of {', '.join(WORKS)}")
    parser.add_argument("--generators", nargs="+", metavar="NAME", help="loadtest, locust, pika, locust+pika, …")
    parser.add_argument("--perf-test", metavar="CMD", help="how PerfTest is started, e.g. 'java -jar perf-test.jar'")
    parser.add_argument("--omq", metavar="CMD", help="how omq is started")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--warm-up", type=float, metavar="S")
    parser.add_argument("--window", type=float, metavar="S")
    parser.add_argument("--json", type=Path, default=RESULTS, help="where all trials go (default: results/bench.json)")
    parser.add_argument("--document", type=Path, metavar="JSON", help="only write docs/benchmarks.md from this")
    return parser


if __name__ == "__main__":
    sys.exit(main())
