"""A scenario held at a rate: which overrides make it so, for how long, and what a search may ask of it. Pure."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from loadtest.errors import UsageError
from loadtest.result.samples import needed_values
from loadtest.scenario import parse_threshold
from loadtest.scenario.grammar.quantity import NS_PER_S, format_duration, parse_duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadtest.scenario import Scenario

LONGEST_HOLD_NS: Final = 300 * NS_PER_S
SOME_MORE: Final = 1.2
"""Of the values that a percentile needs: a group of several may get fewer."""

QUICK_SHARE: Final = 0.3
LEAST_QUICK_NS: Final = 3 * NS_PER_S
"""A short try has three seconds at least: in fewer, a queue that grows is not told from one that does not."""

LEAST_PER_S: Final = 1.0


class LoadStep:
    """
    How a scenario is held at a rate.

    Args:
        scenario: Whose publishers' rates are kept in proportion.
        slo: What has to hold, as thresholds.
        hold: How long, as the scenario writes a time.

    Raises:
        UsageError: If it has no publisher, or a rate in stages.
    """

    def __init__(self, scenario: Scenario, slo: Sequence[str], hold: str) -> None:
        self._shares = rate_shares(scenario)
        self._slo = tuple(slo)
        self._hold_ns = parse_duration(hold)
        percents = [parse_threshold(text).metric.percentile for text in slo]
        self._needed = max((needed_values(percent) for percent in percents if percent is not None), default=0)

    @property
    def least_per_s(self) -> float:
        """The lowest rate that gives as many values as the percentiles need while it is held at the longest."""
        return max(LEAST_PER_S, SOME_MORE * self._needed / (LONGEST_HOLD_NS / NS_PER_S))

    def hold_ns(self, rate_per_s: float, *, is_quick: bool) -> int:
        """Return how long a rate is held: as was asked, or a part of it, and never too short for the percentiles."""
        enough_ns = min(LONGEST_HOLD_NS, int(SOME_MORE * self._needed / rate_per_s) * NS_PER_S)
        full_ns = max(self._hold_ns, enough_ns)
        if not is_quick:
            return full_ns
        part_ns = round(QUICK_SHARE * self._hold_ns / NS_PER_S) * NS_PER_S
        return min(full_ns, max(LEAST_QUICK_NS, part_ns, enough_ns))

    def is_shorter(self, rate_per_s: float) -> bool:
        """Return whether a short try of a rate is any shorter than a full one."""
        return self.hold_ns(rate_per_s, is_quick=True) < self.hold_ns(rate_per_s, is_quick=False)

    def overrides(self, rate_per_s: float, *, is_quick: bool = False) -> list[str]:
        """Return what makes the scenario one at a rate, held for a while, judged by what is asked alone."""
        texts = [f"publishers.{group}.rate={_rate(rate_per_s * share)}/s" for group, share in self._shares.items()]
        texts += [f"publishers.{group}.messages=null" for group in self._shares]
        hold = format_duration(self.hold_ns(rate_per_s, is_quick=is_quick))
        return [*texts, f"run.duration={hold}", f"thresholds={json.dumps(list(self._slo))}"]


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
