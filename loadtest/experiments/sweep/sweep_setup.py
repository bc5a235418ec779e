"""What a sweep needs before it runs: a request that was checked, new or taken from a folder, and its points."""

from __future__ import annotations

import json
import math
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from loadtest.broker.endpoint import broker_urls
from loadtest.errors import ResultsError, ScenarioError, UsageError
from loadtest.experiments.compare.compare_request import file_of, redacted_urls, variant_again, variant_hash
from loadtest.experiments.compare.variants import Variant
from loadtest.experiments.experiment import REQUEST
from loadtest.experiments.life_cycle import experiment_folder
from loadtest.experiments.sweep.axes import Axis, axis_parts
from loadtest.experiments.sweep.parameter_sweep import Sweep, SweepRequest, sweep_duration_text, sweep_metric
from loadtest.experiments.trial_runner import run_s
from loadtest.experiments.variant_check import checked_variant, load_variant
from loadtest.redaction import REDACTED
from loadtest.report.sweep.sweep_report import SWEEP
from loadtest.report.sweep.sweep_text import point_label
from loadtest.result.sweep_result import SweepResult, counts
from loadtest.result.units import count_text
from loadtest.scenario import Scenario, load_scenario
from loadtest.scenario.grammar.threshold import parse_figure
from loadtest.streams import log_progress

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_POINTS: Final = 100


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """
    What is to be run.

    Attributes:
        variants: By point, where and how.
        hashes: By point, of all that its files say.
        takes_s: By point, about how long a run takes; None where messages decide.
    """

    variants: tuple[Variant, ...]
    hashes: tuple[str, ...]
    takes_s: tuple[float | None, ...]


def new_sweep(request: SweepRequest, results: Path, most_points: int = MOST_POINTS) -> Sweep:
    """
    Return a sweep that can be run, in a folder of its own below *results*.

    Raises:
        LoadTestError: If the scenario, a point of it or the broker cannot be used.
    """
    urls = () if request.restart else broker_urls(request.environ)
    _check_broker(request.broker)
    if not any(request.broker.broker):
        request = replace(request, broker=replace(request.broker, brokers=urls))
    request = replace(request, file=file_of(request.scenario))
    _check_size(request, most_points)
    plan = checked_plan(request)
    request = replace(request, hashes=plan.hashes)
    folder = experiment_folder(results, SWEEP.command, request.scenario)
    return Sweep(request, plan.variants, plan.takes_s, folder, log_progress)


def resumed_sweep(folder: Path, brokers: Sequence[str], repeats: int | None = None) -> tuple[Sweep, SweepResult]:
    """
    Return a sweep that was interrupted, has runs that failed, or gets more rounds, and its document.

    Args:
        folder: Where it was.
        repeats: As many rounds in all; None: as many as were asked for.
        brokers: URLs of the broker, if one has a password, which is not kept.

    Raises:
        UsageError, ResultsError: If it cannot be gone on with.
    """
    try:
        before = SweepResult.model_validate_json((folder / SWEEP.document).read_text(encoding="utf-8"))
        asked = json.loads((folder / REQUEST).read_text(encoding="utf-8"))
        request = _request_again(asked, brokers)
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        raise ResultsError(f"{folder} holds no sweep that can be gone on with: {error}") from error
    if repeats is not None and repeats < request.repeats:
        raise UsageError(f"--repeats: found {repeats}; allowed {request.repeats}, as it was asked for before, or more")
    is_more = repeats is not None and repeats > request.repeats
    request = replace(request, repeats=repeats or request.repeats)
    if before.complete and not is_more and all(counts(run) for point in before.points for run in point.runs):
        raise UsageError(f"{folder}: that sweep is complete, and no run of it failed; --repeats N adds rounds")
    plan = checked_plan(request)
    if plan.hashes != request.hashes:
        raise UsageError(f"{request.source}, or its config, has been changed since that sweep: sweep anew")
    return Sweep(request, plan.variants, plan.takes_s, folder, log_progress), before


def _request_again(asked: dict[str, Any], brokers: Sequence[str]) -> SweepRequest:
    """
    Return what was asked before the pause.

    Raises:
        UsageError: If it held a password, which was not kept, or the scenario's file is gone.
    """
    axes, broker = asked.pop("axes"), asked.pop("broker")
    if REDACTED in str([asked["overrides"], *(axis["values"] for axis in axes)]):
        raise UsageError("an override held a password, which was not kept: sweep anew")
    urls = tuple(brokers) or tuple(broker["brokers"])
    if REDACTED in str(urls):
        urls = broker_urls(os.environ)
        if list(redacted_urls(urls)) != broker["brokers"]:
            raise UsageError("--broker URL is needed: its password was not kept")
    variant = replace(variant_again(broker), brokers=urls)
    for name in ("overrides", "metrics", "hashes"):
        asked[name] = tuple(asked[name])
    asked["file"] = Path(asked["file"]) if asked["file"] else None
    if asked["file"] is not None and not asked["file"].is_file():
        raise UsageError(f"the scenario {asked['file']} is not there any more: sweep anew")
    found = (Axis(each["path"], tuple(each["values"]), each["unit"], tuple(each["numbers"])) for each in axes)
    return SweepRequest(axes=tuple(found), broker=variant, environ=dict(os.environ), **asked)


def _check_size(request: SweepRequest, most_points: int) -> None:
    """
    Refuse what would run for days, before every point is looked at.

    Raises:
        UsageError: If there are more points than are allowed.
    """
    points = math.prod(len(axis.values) for axis in request.axes)
    if points > most_points:
        first = [f"{axis.path}={axis.values[0]}" for axis in request.axes]
        scenario = load_scenario(request.scenario, overrides=[*request.overrides, *first]).scenario
        told = sweep_duration_text(points, request.repeats, [run_s(scenario)] * points)
        raise UsageError(f"{told}; allowed {count_text(most_points)} points: vary less, or raise --max-points")


def checked_plan(request: SweepRequest) -> SweepPlan:
    """
    Return every point with what its scenario says of private brokers, and how long it takes.

    Raises:
        LoadTestError: If a point's scenario is faulty, or a metric is none; before anything is run.
    """
    for name in request.metrics:
        sweep_metric(name)
    axes = axis_parts(request.axes)
    variants, hashes, takes_s = [], [], []
    for point in request.points:
        variant = replace(request.broker, name=point_label(axes, point.at), overrides=point.overrides)
        try:
            loaded = load_variant(variant, request.source, request.overrides)
        except ScenarioError as error:
            raise ScenarioError(_by_vary(str(error), len(request.overrides))) from None
        variants.append(checked_variant(variant, loaded.scenario, is_restarted=request.restart))
        takes_s.append(run_s(loaded.scenario))
        hashes.append(variant_hash(loaded, variant))
        _check_groups(request.metrics, loaded.scenario)
    return SweepPlan(tuple(variants), tuple(hashes), tuple(takes_s))


def _check_broker(broker: Variant) -> None:
    private = broker.config or broker.nodes or broker.server or broker.tls
    if broker.brokers and private:
        raise UsageError("--config, --nodes, --server and --tls are for a private broker, not for --broker")
    if broker.config is not None and not broker.config.is_file():
        raise UsageError(f"--config: there is no file {broker.config}")
    if broker.server is not None and not broker.server.exists():
        raise UsageError(f"--server: there is no {broker.server}")


def _by_vary(text: str, overrides: int) -> str:
    """Return the faults of a point's scenario with its own values said to be of `--vary`, as they were typed."""
    return re.sub(r"--set:(\d+)", lambda found: "--vary" if int(found[1]) > overrides else found[0], text)


def _check_groups(metrics: Sequence[str], scenario: Scenario) -> None:
    groups = [*scenario.publishers, *scenario.consumers, *scenario.getters]
    for name in metrics:
        metric, _ = parse_figure(name)
        if metric.group is not None and metric.group not in groups:
            raise UsageError(f"--metric {name}: the scenario has no group {metric.group}; it has {', '.join(groups)}")
