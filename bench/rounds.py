"""The rounds: every generator does every work once a round, taking turns at going first."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench.brokers import RabbitBroker, null_broker
from bench.generators import Generator
from bench.trial import Pace, Trial, run_trial
from bench.works import Work


def turns(works: Sequence[Work], generators: Sequence[Generator], rounds: int) -> Iterator[tuple[int, Work, Generator]]:
    """
    Yield what to do in order: round by round, work by work.

    The generators of a work follow each other at once, so that they see the same machine, and another one begins each
    round, so that none always finds the broker as the same one left it.
    """
    for number in range(rounds):
        for work in works:
            able = [generator for generator in generators if generator.does(work)]
            first = number % len(able) if able else 0
            for generator in able[first:] + able[:first]:
                yield number, work, generator


def run_rounds(
    works: Sequence[Work],
    generators: Sequence[Generator],
    rounds: int,
    broker: RabbitBroker,
    pace: Pace,
    told: Callable[[Trial], None],
) -> None:
    """Run all trials; *told* hears of each when it is done."""
    for number, work, generator in turns(works, generators, rounds):
        with tempfile.TemporaryDirectory(prefix="loadtest-bench-") as name:
            folder = Path(name)
            if work.on_null:
                with null_broker(folder) as null:
                    trial = run_trial(work, generator, null, folder, pace, number)
            else:
                trial = run_trial(work, generator, broker, folder, pace, number)
                broker.clear(work)
        told(trial)
