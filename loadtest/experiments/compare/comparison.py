"""A comparison: rounds of all variants in alternating order, saved after each trial, resumed after a pause."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import astuple, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from loadtest.errors import EXIT_BROKER, EXIT_INTERRUPTED, BrokerError, UsageError
from loadtest.experiments.compare.blocks import FAILED, attempt_to_run, is_compared, marked_blocks, settled
from loadtest.experiments.compare.compare_request import CompareRequest, shown_variant
from loadtest.experiments.compare.comparison_plan import comparison_plan
from loadtest.experiments.compare.differences import differences
from loadtest.experiments.compare.effects import Effect, nothing_differs, shown_effect
from loadtest.experiments.compare.pace import Pace, where_text
from loadtest.experiments.compare.rounds import Trial, blocks_of_round, trials_of_round
from loadtest.experiments.compare.trial_kinds import ComparedTrials, RunTrials, lap_part, metric_part
from loadtest.experiments.compare.variants import Variant, broker_text
from loadtest.experiments.experiment import Experiment
from loadtest.experiments.trial_runner import OVERHEAD_S, PrivateBrokers, TrialKind, TrialRunner, with_config_file
from loadtest.redaction import redacted
from loadtest.report.compare.comparison_report import COMPARISON
from loadtest.report.junit_suite import elapsed_s
from loadtest.result.compare.compare_result import (
    WARM_UP,
    CompareResult,
    LapPart,
    MetricPart,
    VariantPart,
    findings_of,
    judge,
)
from loadtest.result.compare.paired import ALPHA, alpha_of_look, looks
from loadtest.result.run.document import RunResult
from loadtest.scenario.grammar.node_environment import shown_environment

Say = Callable[[str], None]
ReadBack = Callable[[CompareRequest, Mapping[str, Variant], PrivateBrokers], Mapping[str, Effect]]

LAPS: Final = "laps"


class Comparison(Experiment[CompareRequest, CompareResult]):
    """
    One comparison in a folder.

    Args:
        say: Takes a line about what goes on.
        read_back: Returns what variants come to on their brokers, which are up; None: that is not looked at.
    """

    report = COMPARISON
    trials_folder = "laps"

    def __init__(self, request: CompareRequest, folder: Path, say: Say, *, read_back: ReadBack | None = None) -> None:
        super().__init__(request, folder, say)
        self._read_back = read_back
        self._effects: Mapping[str, Effect] = {}
        self._notes: list[str] = []
        self._variants = {variant.name: variant for variant in request.variants}
        self._trials: list[LapPart] = []
        self._metrics: list[MetricPart] = [metric_part(name) for name in request.metrics]
        self._kind: ComparedTrials = request.searching or RunTrials()
        self._first: dict[str, Any] = {}
        self._runs: dict[str, RunResult] = {}
        self._configs: dict[str, str | None] = {}
        self._pace = Pace()

    def resume(self, before: CompareResult) -> None:
        """
        Take over what was done before a pause.

        Raises:
            UsageError: If other variants were compared then.
        """
        if [variant.name for variant in before.variants] != list(self._variants):
            raise UsageError("other variants were compared in that folder")
        self._trials = self._without_failed(before.laps)
        self._metrics = list(before.metrics)
        self._started_at = before.started_at

    def _without_failed(self, trials: Sequence[LapPart]) -> list[LapPart]:
        """Return trials without those that failed and have no other try: they are run alone, in their block's place."""
        names, repeats = list(self._variants), self._request.repeat_marked
        again = set(marked_blocks(trials, names, repeats))
        kept = [
            trial
            for trial in trials
            if FAILED not in trial.marks or trial.repeated or (trial.round, trial.turn) in again
        ]
        return settled(kept, names)

    def plan(self) -> Iterator[str]:
        """Yield what is compared, how many runs that takes, and about how long."""
        yield from comparison_plan(self._request, len(self._trials))

    def _prepare(self, opened: ExitStack) -> None:
        for trial in self._trials:
            self._remember(trial.variant, self._folder / trial.folder)
        if any(variant.settings for variant in self._request.variants):
            configs = Path(opened.enter_context(TemporaryDirectory(prefix="loadtest-configs-")))
            self._variants = {each.name: with_config_file(each, configs) for each in self._request.variants}

    def _on_brokers(self) -> list[Variant]:
        return list(self._variants.values())

    def _trial_kind(self) -> TrialKind[Any]:
        return self._kind.trial

    def _run_trials(self, runner: TrialRunner[Any], brokers: PrivateBrokers | None) -> None:
        """
        Run all rounds.

        Raises:
            UsageError: If its variants are the same on this broker, before the first trial.
            LoadTestError: If a trial of the warm-up fails, or all of a round failed.
        """
        if brokers is not None:
            self._configs = {name: brokers.config(variant) for name, variant in self._variants.items()}
        self._look(brokers)
        self._run_rounds(runner)

    def _look(self, brokers: PrivateBrokers | None) -> None:
        """
        Read back what the variants come to; where each trial has a broker of its own, from one that is like it.

        Raises:
            UsageError: If all of them come to the same, and so nothing would be compared.
        """
        if self._read_back is None:
            return
        with ExitStack() as opened:
            if brokers is None:
                brokers = PrivateBrokers(self._request.environ, self._say)
                opened.callback(brokers.close)
                brokers.start(list(self._variants.values()))
            self._effects = self._read_back(self._request, self._variants, brokers)
        told, self._notes = nothing_differs(self._request.variants, self._effects, self._request.baseline)
        if told is not None:
            raise UsageError(redacted(told))
        for text in self._notes:
            self._say(redacted(text))

    def _run_rounds(self, runner: TrialRunner[Any]) -> None:
        number = WARM_UP
        while not self._is_over(number):
            for block in blocks_of_round(number):
                self._run_block(number, block, runner)
            if number == WARM_UP:
                self._settle_metrics()
            self._stop_if_hopeless(number)
            number += 1

    def _run_block(self, number: int, block: int, runner: TrialRunner[Any]) -> None:
        """Run what is missing of a block; and, as often as is asked, all of it again, if it was marked."""
        names, repeats = list(self._variants), self._request.repeat_marked
        while (attempt := attempt_to_run(self._trials, number, block, names, repeats)) is not None:
            for trial in trials_of_round(number, names):
                if trial.block == block:
                    self._run_trial(replace(trial, attempt=attempt), runner)

    def _is_over(self, number: int) -> bool:
        """Return whether round *number* is not to be run any more."""
        request = self._request
        done = number - 1
        if done < max(request.rounds, *(trial.round for trial in self._trials), WARM_UP):
            return False
        if not request.until_decided or done >= request.max_rounds:
            return True
        return done in self._looks() and all(
            finding.verdict != "inconclusive" for finding in self.document(complete=False).findings
        )

    def _run_trial(self, trial: Trial, runner: TrialRunner[Any]) -> None:
        if any((each.round, each.turn, each.variant, each.attempt) == astuple(trial) for each in self._trials):
            return
        self._say(where_text(trial, self._trials, list(self._variants), self._pace, self._planned()))
        done = self._run(runner, trial, self._variants[trial.variant])
        self._pace.take(trial.variant, done.took_s)
        if done.result is None and trial.round == WARM_UP:
            kind = BrokerError if done.exit_code == EXIT_BROKER else UsageError
            raise kind(f"{trial.variant} cannot be run: {done.last_words}")
        if done.result is not None:
            self._refuse_other(trial, done.result)
            self._keep(trial.variant, done.folder, done.result)
        part = lap_part(trial, done.exit_code, done.folder, done.result, self._metrics, self._kind, done.interference)
        if FAILED in part.marks:
            part = part.model_copy(update={"why": (done.last_words or redacted(runner.last_words(done.folder)),)})
        if part.marks:
            why = f" ({'; '.join(part.why)})" if part.why else ""
            self._say(f"  {trial.variant}: {', '.join(part.marks)}{why}")
        self._trials = settled([*self._trials, part], list(self._variants))
        self._write(complete=False)

    def _refuse_other(self, trial: Trial, result: Any) -> None:
        """
        Refuse a trial of another scenario than the variant's first.

        Raises:
            UsageError: If somebody has changed the file meanwhile.
        """
        first = self._first.get(trial.variant, result)
        if self._kind.scenario_hash(first) != self._kind.scenario_hash(result):
            raise UsageError(
                f"{self._request.scenario}, or a file that it names, was changed while it was compared: "
                f"{trial.variant} is not what it was; put it back, and go on: loadtest compare "
                f"--resume {self._folder}; or compare anew"
            )

    def _settle_metrics(self) -> None:
        """Decide what is looked at, unless it has been told, and refuse what no variant has, by the warm-up."""
        results = [self._first[variant] for variant in self._variants if variant in self._first]
        if not self._metrics:
            self._metrics = self._kind.default_metrics(results)
        for metric in self._metrics:
            if results and all(self._kind.value(metric.name, result) is None for result in results):
                raise UsageError(f"--metric {metric.name}: the warm-up has no such figure")

    def _remember(self, variant: str, folder: Path) -> None:
        """Take the first result of a variant, and how long it took, from a trial of before a pause."""
        if variant not in self._first:
            results = sorted(folder.glob(f"*/{self._kind.trial.document}"))
            if results:
                result = self._kind.trial.read(results[-1].parent)
                self._pace.known_s[variant] = elapsed_s(result.started_at, result.ended_at) + OVERHEAD_S
                self._keep(variant, folder, result)

    def _keep(self, variant: str, folder: Path, result: Any) -> None:
        """Keep the first result of a variant, and a run of it."""
        if variant not in self._first:
            self._first[variant] = result
            run = self._kind.run_of(folder, result)
            if run is not None:
                self._runs[variant] = run

    def _stop_if_hopeless(self, number: int) -> None:
        """
        End a comparison that comes to nothing.

        Raises:
            BrokerError: If all runs of a round failed, or in two rounds on end there was nothing to compare with each
                other, as all of one variant failed.
        """
        trials = [trial for trial in self._trials if trial.round == number and not trial.repeated]
        to_go_on = f"to go on: loadtest compare --resume {self._folder}"
        if number != WARM_UP and all(FAILED in trial.marks for trial in trials):
            raise BrokerError(
                f"all runs of round {number} failed, the last with exit code {trials[-1].exit_code}; {to_go_on}"
            )
        baseline, last_two = self._request.baseline, (number - 1, number)
        if number - 1 > WARM_UP and not any(is_compared(self._trials, each, baseline) for each in last_two):
            failed = [trial for trial in trials if FAILED in trial.marks]
            names = ", ".join(dict.fromkeys(trial.variant for trial in failed))
            raise BrokerError(
                f"nothing could be compared in rounds {number - 1} and {number}, as runs of {names} failed, the last "
                f"with exit code {failed[-1].exit_code} ({'; '.join(failed[-1].why)}); {to_go_on}"
            )

    def document(self, *, complete: bool) -> CompareResult:
        """Return what the trials so far say."""
        request = self._request
        done = [number for number in {trial.round for trial in self._trials} - {WARM_UP} if self._is_whole(number)]
        findings = findings_of(
            self._trials,
            self._metrics,
            list(self._variants),
            request.baseline,
            min_effect=request.min_effect,
            alpha=self._alpha(len(done)),
        )
        exit_code, reason = EXIT_INTERRUPTED, f"not complete: {len(done)} of {request.rounds} rounds"
        if complete:
            exit_code, reason = judge(findings, self._trials, fails_on_worse=request.fails_on_worse)
        return CompareResult(
            scenario=redacted(request.scenario),
            baseline=request.baseline,
            min_effect=request.min_effect,
            started_at=self._started_at,
            ended_at=datetime.now(UTC).isoformat(),
            rounds=len(done),
            complete=complete,
            variants=tuple(self._variant_part(variant) for variant in request.variants),
            metrics=tuple(self._metrics),
            laps=tuple(self._trials),
            findings=findings,
            exit_code=exit_code,
            reason=reason,
            slo=request.slo,
            notes=tuple(redacted(text) for text in self._notes),
        )

    def _alpha(self, rounds: int) -> float:
        """Return the probability of a false verdict of this look, or of the next one, if it is none."""
        if not self._request.until_decided:
            return ALPHA
        planned = self._looks()
        number = sum(look < rounds for look in planned)
        return alpha_of_look(min(number, len(planned) - 1), len(planned))

    def _planned(self) -> list[int]:
        """Return after how many rounds it may be over."""
        return self._looks() if self._request.until_decided else [self._request.rounds]

    def _looks(self) -> list[int]:
        return looks(self._request.rounds, self._request.max_rounds)

    def _is_whole(self, number: int) -> bool:
        wanted = {(trial.block, trial.variant) for trial in trials_of_round(number, list(self._variants))}
        return wanted <= {(trial.turn, trial.variant) for trial in self._trials if trial.round == number}

    def _variant_part(self, variant: Variant) -> VariantPart:
        result, base = self._runs.get(variant.name), self._runs.get(self._request.baseline)
        differs: dict[str, tuple[str, str]] = {}
        if result is not None and base is not None:
            differs = differences(self._broker_of(self._request.baseline, base), self._broker_of(variant.name, result))
        variant = shown_variant(variant)
        return VariantPart(
            name=variant.name,
            overrides=variant.overrides,
            broker=broker_text(variant, result),
            differs=differs,
            effect=shown_effect(self._effects, variant.name, self._request.baseline),
        )

    def _broker_of(self, variant: str, result: RunResult) -> dict[str, Any]:
        """Return what is known of a broker: by a run of it, which does not know what one that others share was told."""
        told = {
            "config": self._configs.get(variant),
            "environment": shown_environment(dict(self._variants[variant].env)),
        }
        return {**result.broker, **{key: value for key, value in told.items() if value}}
