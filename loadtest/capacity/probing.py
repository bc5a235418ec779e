"""
A search carried out: each rate is a run of the scenario at that rate, held for a while, on the same broker.

Knows laps (`compare.laps`) and the search; prints nothing but by `say`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Final

from loadtest.capacity.search import Search
from loadtest.compare.laps import Brokers, LapRunner
from loadtest.compare.schedule import Lap
from loadtest.compare.variants import Variant
from loadtest.errors import UsageError
from loadtest.report.folder import write_file
from loadtest.result.capacity import CapacityResult, ProbePart, judge, probe_part
from loadtest.result.samples import needed_values
from loadtest.result.units import rate_text
from loadtest.scenario import Scenario, load_scenario, parse_threshold
from loadtest.scenario.quantity import MAX_RATE_PER_S, NS_PER_S, format_duration, parse_duration

Say = Callable[[str], None]

DOCUMENT: Final = "capacity.json"
PROBES: Final = "probes"
LONGEST_HOLD_NS: Final = 300 * NS_PER_S
SOME_MORE: Final = 1.2
"""Of the values that a percentile needs: a group of several may get fewer."""


@dataclass(frozen=True, slots=True)
class CapacityRequest:
    """
    What is asked.

    Attributes:
        scenario: Name or file; its publishers' rates are kept in proportion.
        slo: What has to hold, as thresholds.
        broker: Where it runs, as a variant of a comparison.
        start_per_s: The first rate; None: the scenario's own.
        hold: How long each rate is held, as the scenario writes a time.
    """

    scenario: str
    slo: tuple[str, ...]
    broker: Variant
    overrides: tuple[str, ...] = ()
    start_per_s: float | None = None
    most_per_s: float = float(MAX_RATE_PER_S)
    hold: str = "10s"
    precision: float = 0.05
    repeats: int = 2
    environ: Mapping[str, str] = field(default_factory=dict)


class CapacitySearch:
    """One search in a folder."""

    def __init__(self, request: CapacityRequest, folder: Path, say: Say) -> None:
        self._request = request
        self._folder = folder
        self._say = say
        self._scenario = load_scenario(request.scenario, overrides=request.overrides).scenario
        self._shares = rate_shares(self._scenario)
        start_per_s = request.start_per_s or scenario_rate_per_s(self._scenario) or 1_000.0
        self._search = Search(start_per_s, request.most_per_s, request.precision, request.repeats)
        self._probes: list[ProbePart] = []
        self._started_at = datetime.now(UTC).isoformat()
        # A fault of the command line is told before anything runs.
        load_scenario(request.scenario, overrides=[*request.overrides, *self._overrides(start_per_s)])

    def run(self) -> CapacityResult:
        """
        Search, and return what was found.

        Raises:
            KeyboardInterrupt: After what was found so far has been written.
            LoadTestError: If the broker cannot be started.
        """
        request = self._request
        brokers = Brokers(request.environ, self._say)
        runner = LapRunner(request.scenario, request.overrides, self._folder / PROBES, brokers, request.environ)
        try:
            brokers.start([request.broker])
            while (rate := self._search.next_rate()) is not None:
                self._probe(rate, runner)
        except KeyboardInterrupt:
            self._write(complete=False)
            raise
        finally:
            brokers.close()
        return self._write(complete=True)

    def _probe(self, rate: float, runner: LapRunner) -> None:
        number = len(self._probes) + 1
        name = f"{rate:g}-per-s"
        self._say(f"{self._search.stage} {number}: {rate_text(rate)}")
        variant = replace(self._request.broker, name=name, overrides=tuple(self._overrides(rate)))
        _, folder, result = runner.run(Lap(number, 0, name), variant)
        words = "" if result is not None else runner.last_words(folder)
        probe = probe_part(rate, result, f"{PROBES}/{folder.name}", words)
        if probe.bound == "failed" and number == 1:
            raise UsageError(f"{rate_text(rate)} cannot be run: {probe.why}")
        self._say(f"  {'held' if probe.is_held else f'not held: {probe.why}'}")
        self._probes.append(probe)
        self._search.tell(rate, is_held=probe.is_held)
        self._write(complete=False)

    def _overrides(self, rate: float) -> list[str]:
        """Return what makes the scenario one at a rate, held for a while, judged by what is asked alone."""
        texts = [f"publishers.{group}.rate={_rate(rate * share)}/s" for group, share in self._shares.items()]
        texts += [f"publishers.{group}.messages=null" for group in self._shares]
        hold = format_duration(max(parse_duration(self._request.hold), self._enough_ns(rate)))
        return [*texts, f"run.duration={hold}", f"thresholds={json.dumps(list(self._request.slo))}"]

    def _enough_ns(self, rate: float) -> int:
        """Return how long a rate takes to give as many values as the percentiles that are asked for need."""
        percents = [parse_threshold(text).metric.percentile for text in self._request.slo]
        needed = max((needed_values(percent) for percent in percents if percent is not None), default=0)
        return min(LONGEST_HOLD_NS, int(SOME_MORE * needed / rate) * NS_PER_S)

    def _write(self, *, complete: bool) -> CapacityResult:
        low, high = self._search.low, self._search.high
        exit_code, reason = judge(self._probes, low, high, complete=complete)
        missed = [probe for probe in self._probes if probe.rate_per_s == high and not probe.is_held]
        bound = missed[0].bound if missed else None
        result = CapacityResult(
            scenario=self._scenario.name,
            slo=self._request.slo,
            precision=self._request.precision,
            started_at=self._started_at,
            ended_at=datetime.now(UTC).isoformat(),
            complete=complete,
            capacity_per_s=low,
            missed_per_s=high,
            is_lower_bound=low is not None and (high is None or bound == "generator"),
            bound=bound,
            probes=tuple(self._probes),
            exit_code=exit_code,
            reason=reason,
        )
        write_file(self._folder, DOCUMENT, result.model_dump_json(by_alias=True, indent=2) + "\n")
        return result


def rate_shares(scenario: Scenario) -> dict[str, float]:
    """
    Return each publisher group's share of the rate: that of the scenario's own rates, or even ones.

    Raises:
        UsageError: If there is no publisher, or a rate in stages.
    """
    if not scenario.publishers:
        raise UsageError("a capacity is the rate of publishers, and this scenario has none")
    rates = {name: group.rate for name, group in scenario.publishers.items()}
    if any(isinstance(rate, tuple) for rate in rates.values()):
        raise UsageError("a rate in stages has no capacity: --set the publishers' rate to a single one")
    told = {name: float(rate) for name, rate in rates.items() if isinstance(rate, Fraction | int | float)}
    if len(told) < len(rates):
        return dict.fromkeys(rates, 1 / len(rates))
    return {name: rate / sum(told.values()) for name, rate in told.items()}


def scenario_rate_per_s(scenario: Scenario) -> float | None:
    """Return the rate of all publishers together; None where one has none."""
    rates = [group.rate for group in scenario.publishers.values()]
    return None if any(rate is None or isinstance(rate, tuple) for rate in rates) else float(sum(rates))  # type: ignore[arg-type]


def _rate(per_s: float) -> str:
    return f"{per_s:.3f}".rstrip("0").rstrip(".")
