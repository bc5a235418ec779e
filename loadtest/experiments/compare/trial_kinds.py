"""
What a trial of a comparison is, and what is taken from it: a run with its figures, or a search with its capacity.

Knows results; runs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Protocol

from loadtest.errors import EXIT_FAILED, EXIT_INCONCLUSIVE, EXIT_PASSED, ResultsError, UsageError
from loadtest.experiments.compare.blocks import DISTURBED, FAILED, GENERATOR_BOUND
from loadtest.experiments.compare.rounds import Trial
from loadtest.experiments.trial_runner import RUN, TrialKind
from loadtest.report.capacity.capacity_report import CAPACITY
from loadtest.report.run.read import read_result
from loadtest.result.capacity.capacity_result import CapacityResult
from loadtest.result.compare.compare_result import LapPart, MetricPart
from loadtest.result.compare.regression import parse_regression
from loadtest.result.interference import others_cores, others_text
from loadtest.result.run.document import GroupPart, RunResult
from loadtest.result.run.evidence import evidence_of
from loadtest.result.run.metric_figures import DocumentFigures, NoFigureError
from loadtest.result.run.thresholds import figure_of
from loadtest.scenario.grammar.threshold import parse_figure

NOT_SETTLED: Final = "not-settled"
"""A mark of a trial, besides those of `blocks`, of which only `failed` keeps it from counting."""

CAPACITY_METRIC: Final = MetricPart(name="capacity", better="more", unit="rate")
_USABLE: Final = frozenset({0, 1})
_GOLDEN_RATIO: Final = 0.618033988749895


class ComparedTrials(Protocol):
    """What trials are, and what is taken from the result of one."""

    @property
    def trial(self) -> TrialKind[Any]:
        """What is run."""

    def default_metrics(self, results: Sequence[Any]) -> list[MetricPart]:
        """Return the default metrics, by the result of a trial of each variant; `UsageError` if there are none."""

    def value(self, metric: str, result: Any) -> float | None:
        """Return a figure of a trial; None where it has none."""

    def marks(self, exit_code: int, result: Any) -> Iterator[str]:
        """Yield what is to be known of a trial; its result is None where it has none."""

    def interference_text(self, result: Any) -> str | None:
        """Return what else was at work on the machine, as far as a trial can tell."""

    def scenario_hash(self, result: Any) -> str | None:
        """Return what all trials of a variant have in common; None if they are meant to differ."""

    def run_of(self, folder: Path, result: Any) -> RunResult | None:
        """Return a run of a trial, for what it says of its broker."""


class RunTrials:
    """Trials that are runs: their figures are those of thresholds."""

    trial = RUN

    def default_metrics(self, results: Sequence[RunResult]) -> list[MetricPart]:
        """Return those that fit the scenario."""
        return [metric_part(name) for name in default_metrics(results)]

    def value(self, metric: str, result: RunResult) -> float | None:
        """Return a figure as thresholds name it."""
        return value_of(metric, result)

    def marks(self, exit_code: int, result: RunResult | None) -> Iterator[str]:
        """Yield whether it failed, or was the generator's limit."""
        if exit_code not in _USABLE or result is None:
            yield FAILED
            return
        if any(finding.code == GENERATOR_BOUND for finding in result.verdict.findings):
            yield GENERATOR_BOUND

    def interference_text(self, result: RunResult) -> str | None:
        """Return how much other programs used beside a run, where it is more than the kernel uses for it."""
        return others_text(others_cores(evidence_of(result)))

    def scenario_hash(self, result: RunResult) -> str:
        """Return that of the scenario."""
        return result.scenario.hash

    def run_of(self, folder: Path, result: RunResult) -> RunResult:
        """Return the run."""
        del folder
        return result


@dataclass(frozen=True)
class CapacityTrials:
    """
    Trials that are searches for a capacity: their one figure is its rate.

    Attributes:
        start_per_s: About where searches begin.
        slo: What has to hold, as thresholds.
        options: Of `loadtest capacity`, besides.
    """

    start_per_s: float
    slo: tuple[str, ...]
    options: tuple[str, ...] = ()

    @cached_property
    def trial(self) -> TrialKind[CapacityResult]:
        """What is run."""
        return TrialKind("capacity", CAPACITY.document, CAPACITY.read, self._options)

    def _options(self, trial: Trial) -> list[str]:
        """
        Return the options of a trial, which say where it begins.

        The rates that a search tries are a grid from its first one, and its answer is that of them below the truth.
        From the same first rate it would lie below it by the same share in all trials of a variant, and by another in
        those of another variant, which no number of trials shows. So first rates differ from pair to pair, evenly over
        a doubling (multiples of the golden ratio, modulo 1); both sides of a pair have the same.
        """
        share = (_GOLDEN_RATIO * (2 * trial.round + trial.block)) % 1
        asked = [word for text in self.slo for word in ("--slo", text)]
        return ["--from", f"{self.start_per_s * 2**share:.3f}/s", *asked, *self.options]

    def default_metrics(self, results: Sequence[CapacityResult]) -> list[MetricPart]:
        """Return the capacity."""
        if not any(result.capacity_per_s for result in results):
            raise UsageError(
                f"no variant has a capacity: {results[0].reason}" if results else "no variant was searched"
            )
        return [CAPACITY_METRIC]

    def value(self, metric: str, result: CapacityResult) -> float | None:
        """Return the rate; None where none was held."""
        return result.capacity_per_s if metric == CAPACITY_METRIC.name else None

    def marks(self, exit_code: int, result: CapacityResult | None) -> Iterator[str]:
        """Yield whether it failed, was bounded by the generator or by --most, or was not settled."""
        if exit_code not in {EXIT_PASSED, EXIT_FAILED, EXIT_INCONCLUSIVE} or result is None:
            yield FAILED
            return
        if result.is_lower_bound:
            yield GENERATOR_BOUND
        if exit_code == EXIT_INCONCLUSIVE:
            yield NOT_SETTLED

    def interference_text(self, result: CapacityResult) -> str | None:
        """Return that the machine was the limit, and neither broker nor generator."""
        cores = None if result.limit is None else result.limit.cores
        return "other programs took the machine's time" if cores is not None and cores.limit == "machine" else None

    def scenario_hash(self, result: CapacityResult) -> None:
        """Return None: each search begins elsewhere."""
        del result

    def run_of(self, folder: Path, result: CapacityResult) -> RunResult | None:
        """Return the first try of which there is a result."""
        for probe in result.probes:
            for found in sorted(folder.glob(f"*/{probe.folder}/*/result.json")):
                try:
                    return read_result(found.parent)
                except ResultsError:
                    continue
        return None


def metric_part(name: str) -> MetricPart:
    """
    Return a metric by its name, as thresholds write it.

    Raises:
        UsageError: If there is none of that name, or more of it is neither better nor worse.
    """
    regression = parse_regression(f"{name} 1%")
    metric, _ = parse_figure(name)
    return MetricPart(name=name, better="more" if regression.is_more_better else "less", unit=metric.unit)


def lap_part(  # a trial has as many sides
    trial: Trial,
    exit_code: int,
    folder: Path,
    result: Any,
    metrics: Sequence[MetricPart],
    kind: ComparedTrials,
    taken: Sequence[str] = (),
) -> LapPart:
    """
    Return what a trial came to; its result is None where it has none.

    *taken* is what the machine was not given meanwhile (`machine.disturbances`).
    """
    values: dict[str, float | None] = {metric.name: None for metric in metrics}
    if result is not None:
        values = {metric.name: kind.value(metric.name, result) for metric in metrics}
    marks = tuple(kind.marks(exit_code, result))
    others = kind.interference_text(result) if result is not None else None
    disturbed = [*([others] if others else []), *taken] if FAILED not in marks else []
    return LapPart(
        round=trial.round,
        turn=trial.block,
        attempt=trial.attempt,
        variant=trial.variant,
        folder=f"{folder.parent.name}/{folder.name}",
        exit_code=exit_code,
        values=values,
        marks=(*marks, DISTURBED) if disturbed else marks,
        why=tuple(disturbed),
    )


def value_of(metric: str, result: RunResult) -> float | None:
    """Return a figure of a run; None where it has none."""
    parsed, part = parse_figure(metric)
    try:
        return float(figure_of(parsed, DocumentFigures(evidence_of(result)), part).value)
    except (NoFigureError, KeyError):
        return None


def default_metrics(results: Sequence[RunResult]) -> list[str]:
    """
    Return what is looked at unless told: rates and waiting times of every group, and what the broker uses.

    Few: each further one makes all of them harder to decide, as any of them may differ by chance. And only what all of
    *results*, one of each variant, have: what one has not cannot be compared.

    Raises:
        UsageError: If there is nothing.
    """
    names = [name for name in _usual_metrics(results[0]) if all(value_of(name, each) is not None for each in results)]
    if not names:
        raise UsageError("the scenario has no figure that could be compared; name some with --metric")
    return names


def _usual_metrics(result: RunResult) -> list[str]:
    names: list[str] = []
    for name, group in result.groups.items():
        rate, latency = headlines(group)
        names.append(f"{name}.{rate}")
        if latency in group.latency:
            names += [f"{name}.{latency}.p50", f"{name}.{latency}.p99"]
    return [*names, "broker.cpu.mean", "broker.memory.max", "generator.cpu.mean"]


def headlines(group: GroupPart) -> tuple[str, str]:
    """Return the rate and the latency that say the most of a group."""
    return {
        "publisher": ("confirmed_rate" if "confirm" in group.latency else "published_rate", "confirm"),
        "consumer": ("delivered_rate", "end_to_end"),
        "getter": ("got_rate", "get"),
    }[group.kind]
