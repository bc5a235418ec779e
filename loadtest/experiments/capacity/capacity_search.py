"""
A search carried out: each rate is a run of the scenario at that rate, held for a while, on the same broker.

Knows trials (`compare.trials`) and the search; prints nothing but by `say`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from loadtest.errors import EXIT_BROKER, BrokerError, UsageError
from loadtest.experiments.capacity.capacity_request import CapacityRequest
from loadtest.experiments.capacity.load_step import LoadStep, scenario_rate_per_s
from loadtest.experiments.capacity.search import Search, Step
from loadtest.experiments.compare.compare_request import shown_variant
from loadtest.experiments.compare.rounds import Trial
from loadtest.experiments.compare.trial_kinds import RunTrials
from loadtest.experiments.compare.variants import Variant, broker_text
from loadtest.experiments.experiment import Experiment
from loadtest.experiments.trial_runner import OVERHEAD_S, RUN, PrivateBrokers, TrialKind, TrialRunner
from loadtest.redaction import redacted
from loadtest.report.capacity.capacity_report import CAPACITY
from loadtest.report.capacity.capacity_text import probe_text
from loadtest.result.capacity.capacity_answer import judge, knees_of, limit_of, missed_probe, uncertainty_of
from loadtest.result.capacity.capacity_probe import probe_part
from loadtest.result.capacity.capacity_result import CapacityResult, ProbePart
from loadtest.result.run.document import RunResult
from loadtest.result.units import rate_text, rough_text, share_text
from loadtest.scenario import load_scenario
from loadtest.scenario.grammar.quantity import NS_PER_S

Say = Callable[[str], None]

PROBES: Final = "probes"
USUAL_RAMP: Final = 4
"""Tries until a rate is not held, where nobody knows yet."""

MOST_FAILURES: Final = 2
"""In a row: one may be chance, more is a broker that is gone."""


class CapacitySearch(Experiment[CapacityRequest, CapacityResult]):
    """
    One search in a folder.

    Args:
        say: Takes a line about what goes on.

    Raises:
        LoadTestError: If the scenario cannot be used, or has no capacity, before anything runs.
    """

    report = CAPACITY
    trials_folder = PROBES

    def __init__(self, request: CapacityRequest, folder: Path, say: Say) -> None:
        super().__init__(request, folder, say)
        self._scenario = load_scenario(request.scenario, overrides=request.overrides).scenario
        self._load_step = LoadStep(self._scenario, request.slo, request.hold)
        start_per_s = request.start_per_s or scenario_rate_per_s(self._scenario) or 1_000.0
        self._search = Search(
            start_per_s, request.most_per_s, request.precision, request.repeats, self._load_step.least_per_s
        )
        self._probes: list[ProbePart] = []
        self._broker = ""
        self._failures = 0
        # A fault of the command line is told before anything runs.
        load_scenario(request.scenario, overrides=[*request.overrides, *self._load_step.overrides(start_per_s)])

    def resume(self, before: CapacityResult) -> None:
        """
        Take over what was tried before a pause.

        Raises:
            UsageError: If something else was searched then.
        """
        if before.slo != self._request.slo:
            raise UsageError("another SLO was asked for in that folder")
        self._probes = list(before.probes)
        self._started_at = before.started_at
        self._broker = before.broker
        for probe in self._probes:
            if probe.bound != "failed":
                self._search.tell(probe.rate_per_s, is_held=probe.is_held, is_quick=probe.is_quick)

    def plan(self) -> Iterator[str]:
        """Yield what will be done, and about how long it takes, a line each."""
        request = self._request
        yield f"searching for the capacity of {redacted(request.scenario)} within {', '.join(request.slo)}"
        step = self._search.next_step()
        rate = step.rate_per_s if step is not None else self._search.start_per_s
        quick_s, full_s = (self._load_step.hold_ns(rate, is_quick=is_quick) / NS_PER_S for is_quick in (True, False))
        short = f", {quick_s:.15g} s in the ramp" if quick_s < full_s else ""
        yield (
            f"from {rate_text(rate)}, each rate held for {full_s:.15g} s{short}; to "
            f"{share_text(request.precision)} of the answer, which has to be held {request.repeats} times"
        )
        yield (
            f"about {rough_text(self._left_s() or self.usual_s())}; more where the capacity is far from that rate, or "
            "tries of the same rate do not agree"
        )

    def _on_brokers(self) -> list[Variant]:
        return [self._request.broker]

    def _trial_kind(self) -> TrialKind[RunResult]:
        processes = self._request.processes
        options = ("--processes", str(processes)) if processes not in {0, 1} else ()
        return replace(RUN, options=lambda _: options)

    def _run_trials(self, runner: TrialRunner[RunResult], brokers: PrivateBrokers | None) -> None:
        """Try rates until the search ends; `LoadTestError` if one cannot be run."""
        del brokers
        while (step := self._search.next_step()) is not None:
            self._probe(step, runner)

    def _probe(self, step: Step, runner: TrialRunner[RunResult]) -> None:
        number, rate = len(self._probes) + 1, step.rate_per_s
        is_quick = step.is_quick and self._load_step.is_shorter(rate)
        hold_s = self._load_step.hold_ns(rate, is_quick=step.is_quick) / NS_PER_S
        left_s = self._left_s()
        left = "" if left_s is None else f"; about {rough_text(left_s)} left"
        self._say(f"{step.stage} {number}: {rate_text(rate)} for {hold_s:.15g} s{left}")
        name = f"{rate:.15g}-per-s"
        variant = replace(
            self._request.broker, name=name, overrides=tuple(self._load_step.overrides(rate, is_quick=step.is_quick))
        )
        done = self._run(runner, Trial(number, 0, name), variant)
        others = None if done.result is None else RunTrials().interference_text(done.result)
        probe = probe_part(
            rate, done.result, f"{PROBES}/{done.folder.name}", done.last_words,
            stage=step.stage, is_quick=is_quick, hold_s=hold_s, took_s=round(done.took_s, 3),
            disturbed=(*([others] if others else []), *done.interference),
        )  # fmt: skip
        self._say(f"  {probe_text(probe)}")
        self._take(probe, done.exit_code, done.result)

    def _take(self, probe: ProbePart, exit_code: int, result: RunResult | None) -> None:
        if result is not None and not self._broker:
            self._broker = broker_text(shown_variant(self._request.broker), result)
        if probe.bound == "failed" and not self._probes:
            kind = BrokerError if exit_code == EXIT_BROKER else UsageError
            raise kind(f"{rate_text(probe.rate_per_s)} cannot be run: {probe.why}")
        self._probes.append(probe)
        self._failures = self._failures + 1 if probe.bound == "failed" else 0
        if not self._failures:
            self._search.tell(probe.rate_per_s, is_held=probe.is_held, is_quick=probe.is_quick)
        self._write(complete=False)
        if self._failures == MOST_FAILURES:
            raise BrokerError(
                f"{rate_text(probe.rate_per_s)} could not be run {MOST_FAILURES} times: {probe.why}; "
                f"to go on: loadtest capacity --resume {self._folder}"
            )

    def _left_s(self) -> float | None:
        """Return how long the tries that are left take, by those that were made; None while nobody knows."""
        left = self._search.left()
        if left is None:
            return self._usual_left_s() if self._probes else None
        low = self._search.low or self._search.start_per_s
        return left.quick * self._one_s(low, is_quick=True) + left.full * self._one_s(low, is_quick=False)

    def _one_s(self, rate: float, *, is_quick: bool) -> float:
        took = [probe.took_s for probe in self._probes if probe.is_quick == is_quick and probe.took_s is not None]
        if took:
            return sum(took) / len(took)
        hold_s = self._load_step.hold_ns(rate, is_quick=is_quick) / NS_PER_S
        more = [max(0.0, probe.took_s - probe.hold_s) for probe in self._probes if probe.took_s and probe.hold_s]
        # What a try takes besides its rate is learned from those of the other length.
        return hold_s + (sum(more) / len(more) if more else self._scenario.run.warm_up_ns / NS_PER_S + OVERHEAD_S)

    def usual_s(self) -> float:
        """Return how long a search takes that finds the limit after a few doublings."""
        return self._usual_left_s()

    def _usual_left_s(self) -> float:
        """Return what of that is left after the tries that were made."""
        request = self._request
        likely = Search(1.0, request.most_per_s, request.precision, request.repeats)
        likely.tell(1.0, is_held=True, is_quick=True)
        likely.tell(2.0, is_held=False, is_quick=True)
        left = likely.left()
        full = 0 if left is None else left.full
        rate = self._search.start_per_s
        ramp = max(1, USUAL_RAMP - len(self._probes))
        return ramp * self._one_s(rate, is_quick=True) + full * self._one_s(rate, is_quick=False)

    def document(self, *, complete: bool) -> CapacityResult:
        """Return what the tries so far say; *complete*: the search has come to its end."""
        low, high = self._search.low, self._search.high
        is_settled = self._search.is_settled
        exit_code, reason = judge(self._probes, low, high, complete=complete, is_settled=is_settled)
        missed = missed_probe(self._probes, high)
        bound = None if missed is None else missed.bound
        return CapacityResult(
            scenario=self._scenario.name,
            slo=self._request.slo,
            precision=self._request.precision,
            started_at=self._started_at,
            ended_at=datetime.now(UTC).isoformat(),
            complete=complete and is_settled,
            capacity_per_s=low,
            missed_per_s=high,
            is_lower_bound=low is not None and (high is None or bound == "generator"),
            bound=bound,
            probes=tuple(self._probes),
            exit_code=exit_code,
            reason=reason,
            broker=self._broker,
            uncertainty=uncertainty_of(self._probes, low, high),
            limit=limit_of(self._probes, low, high),
            knees=knees_of(self._probes) if complete else (),
        )
