"""
A run beside an older one: is a figure worse than it was, by more than is allowed, and may the two be compared at all.

One run against one other: it finds what is plainly worse, such as a latency that has doubled, and cannot tell a small
difference from chance. Knows no files.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from pydantic_core import PydanticCustomError

from loadtest.errors import ScenarioError, UsageError
from loadtest.result.run.document import CheckPart, RunResult
from loadtest.result.run.evidence import evidence_of
from loadtest.result.run.metric_figures import DocumentFigures, NoFigureError
from loadtest.result.run.thresholds import figure_of, quantity_text
from loadtest.result.units import share_text
from loadtest.scenario import dump_scenario, load_scenario
from loadtest.scenario.grammar.metric import Metric
from loadtest.scenario.grammar.threshold import MEASURED, parse_figure
from loadtest.scenario.loading.error_detail import shown, words_of

DIFFERENCES: Final = ("scenario", "broker", "host")
"""What must be alike in two runs, unless told."""

ALLOWED: Final = "METRIC SHARE, such as 'shop.confirm.p99 10%' or 'published_rate 5%'"
_SHAPE: Final = re.compile(r"(\S+) +([0-9]{1,6}(?:\.[0-9]{1,6})?) ?%( +in +.+)?", re.ASCII)
_MORE_IS_BETTER: Final = frozenset({"broker.disk_free"})


@dataclass(frozen=True, slots=True)
class Regression:
    """
    How much worse a figure may be than in the older run.

    Attributes:
        text: As written.
        metric: Of a rate less is worse, of anything else more.
        limit: Share of the older value.
        part: As of a threshold.
    """

    text: str
    metric: Metric
    limit: Fraction
    part: str = MEASURED

    @property
    def is_more_better(self) -> bool:
        """Whether a greater value is a better one."""
        return self.metric.kind == "rate" or self.metric.name in _MORE_IS_BETTER


def parse_regression(text: str) -> Regression:
    """
    Return what a `--max-regression` means.

    Raises:
        UsageError: If it cannot be read, or its metric has no worse.
    """
    match = _SHAPE.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"--max-regression: found {shown(text)}; allowed {ALLOWED}")
    name, share, part = match.groups()
    try:
        metric, where = parse_figure(f"{name}{part or ''}")
    except PydanticCustomError as error:
        raise UsageError(f"--max-regression: {words_of(error)}") from error
    if metric.kind == "total" or metric.stat == "count":
        raise UsageError(f"--max-regression: found the count {name}; allowed a --threshold, such as '{name} == 0'")
    return Regression(text.strip(), metric, Fraction(share) / 100, where)


def differences(result: RunResult, baseline: RunResult, accepted: Collection[str] = ()) -> dict[str, list[str]]:
    """Return in what two runs are not alike, by the kinds of `DIFFERENCES` that are not *accepted*, in sentences."""
    found = {"scenario": _other_scenario, "broker": _other_broker, "host": _other_host}
    texts = {kind: list(look(result, baseline)) for kind, look in found.items() if kind not in accepted}
    return {kind: sentences for kind, sentences in texts.items() if sentences}


def _other_scenario(result: RunResult, baseline: RunResult) -> Iterator[str]:
    if result.scenario.name != baseline.scenario.name:
        yield f"scenario: {result.scenario.name}, and {baseline.scenario.name} in the baseline"
    elif _without_thresholds(result) != _without_thresholds(baseline):
        yield f"scenario: {result.scenario.name} was run with other settings than in the baseline (see scenario.yaml)"


def _without_thresholds(result: RunResult) -> str:
    """Return what was run: thresholds judge a run and change nothing of it."""
    try:
        scenario = load_scenario("scenario.yaml", text=result.scenario.text, reads_files=False).scenario
    except ScenarioError:
        return result.scenario.text  # of another version
    return dump_scenario(scenario.model_copy(update={"thresholds": (), "description": ""}))


def _other_broker(result: RunResult, baseline: RunResult) -> Iterator[str]:
    for key in ("product", "version"):
        now, before = result.broker.get(key), baseline.broker.get(key)
        if now != before:
            yield f"broker {key}: {now}, and {before} in the baseline"


def _other_host(result: RunResult, baseline: RunResult) -> Iterator[str]:
    for key in ("host", "cpu", "cores"):
        now, before = result.generator.get(key), baseline.generator.get(key)
        if now != before:
            yield f"generator {key}: {now}, and {before} in the baseline"


def check_regressions(
    regressions: Iterable[Regression], result: RunResult, baseline: RunResult
) -> tuple[CheckPart, ...]:
    """Return a check for each of *regressions*, in their order; one without a value in either run has failed."""
    now, before = DocumentFigures(evidence_of(result)), DocumentFigures(evidence_of(baseline))
    return tuple(_checked(regression, now, before) for regression in regressions)


def _checked(regression: Regression, now: DocumentFigures, before: DocumentFigures) -> CheckPart:
    metric, part = regression.metric, regression.part
    check = f"{regression.text} over the baseline"
    limit = f"at most {share_text(float(regression.limit))} {'less' if regression.is_more_better else 'more'}"
    values = []
    for figures, which in ((now, "this run"), (before, "the baseline")):
        try:
            values.append(figure_of(metric, figures, part))
        except NoFigureError as error:
            note = f"cannot be evaluated, so it counts as failed: {error} ({which})"
            return CheckPart(check=check, value=None, limit=limit, ok=False, note=note)
    value, old = values
    worse = (old.value - value.value) if regression.is_more_better else (value.value - old.value)
    weak = value.weakness or old.weakness
    shown = f"{quantity_text(value.value, metric.unit)} after {quantity_text(old.value, metric.unit)}"
    return CheckPart(
        check=check,
        value=f"{shown} ({_change(value.value, old.value)})",
        limit=limit,
        ok=Fraction(worse) <= regression.limit * Fraction(old.value) and weak is None,
        note=None if weak is None else f"{weak}, so it counts as failed",
    )


def _change(value: float, old: float) -> str:
    """Return how a value has changed, with its sign: ``+12.3%``."""
    if value == old:
        return "no change"
    if not old:
        return "from nothing"
    change = value / old - 1
    return f"{'+' if change > 0 else '−'}{share_text(abs(change))}"
