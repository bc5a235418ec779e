"""
A sweep from its first run to its document: all points in every round, saved after each run, gone on with after a pause.

Knows trials (`compare.trials`) and the document; prints nothing but by `say`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic_core import PydanticCustomError

from loadtest.errors import EXIT_BROKER, EXIT_FAILED, EXIT_INTERRUPTED, BrokerError, UsageError
from loadtest.experiments.compare.compare_request import redacted_all, shown_variant, source_of
from loadtest.experiments.compare.rounds import Trial
from loadtest.experiments.compare.trial_kinds import RunTrials, headlines, lap_part, value_of
from loadtest.experiments.compare.variants import Variant, broker_text
from loadtest.experiments.experiment import Experiment
from loadtest.experiments.sweep.axes import Axis, Point, axis_parts, points_of, redacted_axis_value
from loadtest.experiments.sweep.point_order import order_of_round
from loadtest.experiments.trial_runner import RUN, PrivateBrokers, TrialKind, TrialRunner
from loadtest.redaction import redacted
from loadtest.report import json_file
from loadtest.report.experiment_report import file_of_run
from loadtest.report.run.read import read_result
from loadtest.report.sweep.sweep_report import SWEEP
from loadtest.report.sweep.sweep_text import point_label
from loadtest.result.run.document import RunResult
from loadtest.result.sweep_result import (
    FAILED,
    LOST,
    NOT_PASSED,
    SweepMetricPart,
    SweepResult,
    SweepRunPart,
    counts,
    judge,
    point_part,
)
from loadtest.result.units import count_text, rough_text
from loadtest.scenario.grammar.threshold import parse_figure
from loadtest.scenario.loading.error_detail import words_of

Say = Callable[[str], None]

RUNS: Final = "runs"
SHORT_RUN_S: Final = 1.0
"""Of a run whose length messages decide: good for proportions."""

WARM_UP: Final = 0


@dataclass(frozen=True, slots=True)
class SweepRequest:
    """
    What is asked.

    Attributes:
        scenario: Name or file, as it was typed.
        axes: What is varied.
        broker: Where it runs, as a variant of a comparison.
        overrides: That all points have.
        metrics: What is looked at; none: rate and p99 of each group, and the broker's processor time.
        repeats: Rounds; each runs every point once.
        seed: Of the order within a round.
        restart: Whether each run has a private broker of its own.
        file: The scenario's, absolute; None: one of the catalogue.
        hashes: By point, of all that its files say, so that one that has been changed meanwhile is noticed.
    """

    scenario: str
    axes: tuple[Axis, ...]
    broker: Variant
    overrides: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    repeats: int = 1
    seed: int = 1
    restart: bool = False
    file: Path | None = None
    hashes: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def points(self) -> tuple[Point, ...]:
        """Every combination."""
        return tuple(points_of(self.axes))

    @property
    def source(self) -> str:
        """The scenario to be run, from whatever folder: as it was typed, where that leads to it."""
        return source_of(self.scenario, self.file)

    def to_json(self) -> str:
        """Return all but the environment and what may be a password."""
        asked = asdict(replace(self, environ={}, overrides=redacted_all(self.overrides)))
        del asked["environ"]
        asked["broker"] = asdict(shown_variant(self.broker))
        for axis in asked["axes"]:
            axis["values"] = [redacted_axis_value(axis["path"], value) for value in axis["values"]]
        return json.dumps(asked, indent=2, default=str)


class Sweep(Experiment[SweepRequest, SweepResult]):
    """
    One sweep in a folder.

    Args:
        variants: By point, where and how it runs.
        takes_s: By point, about how long a run takes; None where messages decide.
        say: Takes a line about what goes on.
    """

    report = SWEEP
    trials_folder = RUNS

    def __init__(
        self,
        request: SweepRequest,
        variants: Sequence[Variant],
        takes_s: Sequence[float | None],
        folder: Path,
        say: Say,
    ) -> None:
        super().__init__(request, folder, say)
        self._variants = variants
        self._takes_s = takes_s
        self._expected_s = [SHORT_RUN_S if each is None else each for each in takes_s]
        self._axes = axis_parts(request.axes)
        self._points = request.points
        self._runs: dict[tuple[int, int], SweepRunPart] = {}  # by round and point
        self._warm_up: SweepRunPart | None = None
        self._metrics = {name: sweep_metric(name) for name in request.metrics}
        self._broker = ""
        self._took_s = self._expected_done_s = 0.0

    def resume(self, before: SweepResult) -> None:
        """
        Take over what was done before a pause; runs that failed are made again.

        Raises:
            UsageError: If something else was varied then.
        """
        if before.axes != self._axes:
            raise UsageError("something else was varied in that folder")
        for number, point in enumerate(before.points):
            self._runs |= {(run.round, number): run for run in point.runs if counts(run)}
        if before.warm_up is not None and counts(before.warm_up):
            self._warm_up = before.warm_up
        self._metrics = {metric.name: metric for metric in before.metrics}
        self._broker, self._started_at = before.broker, before.started_at

    def plan(self) -> Iterator[str]:
        """Yield what is varied, how many runs that takes, and about how long."""
        for axis in self._request.axes:
            yield f"{axis.path} = {', '.join(redacted_axis_value(axis.path, value) for value in axis.values)}"
        yield sweep_duration_text(len(self._points), self._request.repeats, self._takes_s)

    def _on_brokers(self) -> list[Variant]:
        # One of each: what is printed of the only broker there is has the name of no point.
        return list({variant.broker: variant for variant in reversed(self._variants)}.values())

    def _trial_kind(self) -> TrialKind[RunResult]:
        return RUN

    def _run_trials(self, runner: TrialRunner[RunResult], brokers: PrivateBrokers | None) -> None:
        """Run all rounds; `LoadTestError` if the broker cannot be reached, or all points of a round failed."""
        del brokers
        request = self._request
        self._run_warm_up(runner)
        for number in range(1, request.repeats + 1):
            for place, point in enumerate(order_of_round(number, len(self._points), request.seed)):
                if (number, point) not in self._runs:
                    self._run_point(number, place, point, runner)
            self._stop_if_all_failed(number)

    def _run_warm_up(self, runner: TrialRunner[RunResult]) -> None:
        """Run the first point once for nothing; of a broker that is not there this is where one hears."""
        if self._warm_up is not None:
            return
        self._say(f"warm-up: {self._label(0)}")
        run = self._part(WARM_UP, 0, 0, runner)
        self._expected_done_s += self._expected_s[0]
        if run.exit_code == EXIT_BROKER and not counts(run):
            raise BrokerError(f"{self._label(0)} cannot be run: {run.reason}")
        self._warm_up = run
        self._tell(run)

    def _run_point(self, number: int, turn: int, point: int, runner: TrialRunner[RunResult]) -> None:
        self._say(self._where(number, point))
        run = self._part(number, turn, point, runner)
        self._expected_done_s += self._expected_s[point]
        self._tell(run)
        self._runs[number, point] = run
        self._write(complete=False)

    def _part(self, number: int, turn: int, point: int, runner: TrialRunner[RunResult]) -> SweepRunPart:
        trial = Trial(number, turn, self._points[point].name)
        done = self._run(runner, trial, replace(self._variants[point], name=trial.variant))
        self._took_s += done.took_s
        exit_code, result = done.exit_code, done.result
        if result is not None:
            self._learn(result)
        part = lap_part(trial, exit_code, done.folder, result, (), RunTrials(), done.interference)
        words = done.last_words if result is None else redacted(result.verdict.reason)
        metrics = self._metrics if FAILED not in part.marks else {}
        return SweepRunPart(
            round=number,
            turn=turn,
            folder=part.folder,
            exit_code=exit_code,
            values={name: value_of(name, result) for name in metrics} if result is not None else {},
            marks=(*part.marks, *_verdict_marks(result, exit_code)),
            reason=words,
        )

    def _learn(self, result: RunResult) -> None:
        """Take from a result what is not known yet: which broker it is, and, unless told, what can be looked at."""
        if not self._broker:
            self._broker = broker_text(shown_variant(self._variants[0]), result)
        for name in () if self._request.metrics else usual_metrics(result):
            if name not in self._metrics:
                self._metrics[name] = sweep_metric(name)
                self._fill_in(name)

    def _fill_in(self, name: str) -> None:
        """Read a metric that was not looked at before from the results of the runs that were."""
        for key, run in self._runs.items():
            result = file_of_run(self._folder, run.folder, json_file.FILE_NAME)
            if result is not None and counts(run):
                value = value_of(name, read_result(result.parent))
                self._runs[key] = run.model_copy(update={"values": {**run.values, name: value}})

    def _tell(self, run: SweepRunPart) -> None:
        if run.marks:
            why = f" ({run.reason})" if {FAILED, LOST, NOT_PASSED} & set(run.marks) else ""
            self._say(f"  {', '.join(run.marks)}{why}")

    def _stop_if_all_failed(self, number: int) -> None:
        runs = [self._runs[number, point] for point in range(len(self._points))]
        if any(map(counts, runs)):
            return
        kind = BrokerError if runs[-1].exit_code == EXIT_BROKER else UsageError
        raise kind(
            f"all runs of round {number} failed, the last with exit code {runs[-1].exit_code}: {runs[-1].reason}; "
            f"to go on: loadtest sweep --resume {self._folder}"
        )

    def _where(self, number: int, point: int) -> str:
        total = self._request.repeats * len(self._points)
        text = f"run {len(self._runs) + 1} of {total}: {self._label(point)}"
        if not self._expected_done_s:
            return text
        missing = [each for each in range(len(self._points)) if (number, each) not in self._runs]
        left = sum(self._expected_s[each] for each in missing)
        left += (self._request.repeats - number) * sum(self._expected_s)
        return f"{text}, about {rough_text(left * self._took_s / self._expected_done_s)} left"

    def _label(self, point: int) -> str:
        return point_label(self._axes, self._points[point].at)

    def document(self, *, complete: bool) -> SweepResult:
        """Return what the runs so far say."""
        request = self._request
        metrics = tuple(self._metrics.values())
        points = tuple(
            point_part(point.name, point.at, self._runs_of(place), metrics) for place, point in enumerate(self._points)
        )
        exit_code, reason = judge(points)
        if not complete:
            total = request.repeats * len(points)
            exit_code, reason = EXIT_INTERRUPTED, f"not complete: {len(self._runs)} of {total} runs"
        return SweepResult(
            scenario=redacted(request.scenario),
            overrides=redacted_all(request.overrides),
            broker=self._broker,
            started_at=self._started_at,
            ended_at=datetime.now(UTC).isoformat(),
            complete=complete,
            repeats=request.repeats,
            seed=request.seed,
            axes=self._axes,
            metrics=metrics,
            warm_up=self._warm_up,
            points=points,
            exit_code=exit_code,
            reason=reason,
        )

    def _runs_of(self, place: int) -> list[SweepRunPart]:
        return [run for (_, point), run in sorted(self._runs.items()) if point == place]


def sweep_metric(name: str) -> SweepMetricPart:
    """
    Return a metric by its name, as thresholds write it.

    Raises:
        UsageError: If there is none of that name.
    """
    try:
        metric, _ = parse_figure(name)
    except PydanticCustomError as error:
        raise UsageError(f"--metric: {words_of(error)}") from error
    return SweepMetricPart(name=name, unit=metric.unit)


def usual_metrics(result: RunResult) -> list[str]:
    """Return what is looked at unless told: rate and p99 of each group that has them, and the broker's CPU."""
    names: list[str] = []
    for name, group in result.groups.items():
        rate, latency = headlines(group)
        names += [f"{name}.{rate}", f"{name}.{latency}.p99"]
    return [name for name in [*names, "broker.cpu.mean"] if value_of(name, result) is not None]


def _verdict_marks(result: RunResult | None, exit_code: int) -> tuple[str, ...]:
    if result is not None and (result.totals.lost or result.totals.corrupted):
        return (LOST,)
    return (NOT_PASSED,) if result is not None and exit_code == EXIT_FAILED else ()


def sweep_duration_text(points: int, repeats: int, takes_s: Sequence[float | None]) -> str:
    """Return how many runs are to be made, and how long that takes where the scenario says."""
    runs = points * repeats
    rounds = "one round" if repeats == 1 else f"{repeats} rounds"
    text = f"{count_text(points)} points, {count_text(runs + 1)} runs: a warm-up, then {rounds} of all in random order"
    if any(each is None for each in takes_s):
        return f"{text}; how long its messages decide"
    known = [each for each in takes_s if each is not None]
    return f"{text}; about {rough_text(known[0] + repeats * sum(known))} in all"
