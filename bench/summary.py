"""Trials summed up: medians and spread by work and generator, and ratios within rounds. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bench.trial import Trial
from bench.works import Work

OURS: Final = "loadtest"
# By which figure generators are compared, and whether more of it is better.
_RATE: Final = "delivered_per_s"


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of some values, and the least and the largest of them."""

    median: float
    least: float
    largest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread | None:
        """Return the spread of *values*, None if there are none."""
        return cls(statistics.median(values), min(values), max(values)) if values else None


@dataclass(frozen=True, slots=True)
class Row:
    """
    One generator at one work.

    Attributes:
        figures: What was seen, by name, over the rounds.
        printed: What it said itself, over the rounds.
        rate_ratio: Our rate divided by its, round by round.
        cpu_ratio: Our CPU per event divided by its, round by round.
        errors: Why rounds are missing, each once.
    """

    work: Work
    generator: str
    rounds: int
    figures: Mapping[str, Spread]
    printed: Mapping[str, Spread]
    rate_ratio: Spread | None
    cpu_ratio: Spread | None
    errors: Sequence[str]

    @property
    def rate(self) -> Spread | None:
        """Messages a second: delivered where there are consumers, else published."""
        return self.figures.get(rate_name(self.work))


def rate_name(work: Work) -> str:
    """Return the figure that is a work's rate."""
    return _RATE if work.consumes else "published_per_s"


def summed_up(trials: Iterable[Trial], works: Mapping[str, Work]) -> list[Row]:
    """Return a row for each work and generator, in the order in which they first came."""
    cells: dict[tuple[str, str], list[Trial]] = {}
    for trial in trials:
        cells.setdefault((trial.work, trial.generator), []).append(trial)
    return [
        _row(works[work], generator, cell, cells.get((work, OURS), [])) for (work, generator), cell in _ordered(cells)
    ]


def _ordered(cells: Mapping[tuple[str, str], list[Trial]]) -> list[tuple[tuple[str, str], list[Trial]]]:
    works = list(dict.fromkeys(work for work, _ in cells))
    generators = list(dict.fromkeys(generator for _, generator in cells))
    return sorted(cells.items(), key=lambda cell: (works.index(cell[0][0]), generators.index(cell[0][1])))


def _row(work: Work, generator: str, trials: Sequence[Trial], ours: Sequence[Trial]) -> Row:
    return Row(
        work=work,
        generator=generator,
        rounds=sum(trial.error is None for trial in trials),
        figures=_spreads(trial.figures for trial in trials),
        printed=_spreads(trial.printed for trial in trials),
        rate_ratio=None if generator == OURS else ratio(ours, trials, rate_name(work)),
        cpu_ratio=None if generator == OURS else ratio(ours, trials, "cpu_us_per_event"),
        errors=list(dict.fromkeys(trial.error for trial in trials if trial.error is not None)),
    )


def _spreads(figures: Iterable[Mapping[str, float]]) -> dict[str, Spread]:
    values: dict[str, list[float]] = {}
    for one in figures:
        for name, value in one.items():
            values.setdefault(name, []).append(value)
    spreads = ((name, Spread.of(found)) for name, found in values.items())
    return {name: spread for name, spread in spreads if spread is not None}


def ratio(ours: Iterable[Trial], theirs: Iterable[Trial], name: str) -> Spread | None:
    """Return how often our figure *name* is theirs, over the rounds in which both have it."""
    known = {trial.round: trial.figures[name] for trial in ours if name in trial.figures}
    return Spread.of(
        [known[t.round] / t.figures[name] for t in theirs if t.round in known and t.figures.get(name, 0) > 0]
    )
