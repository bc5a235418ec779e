"""`loadtest sweep`: a scenario at every combination of values, and how its figures depend on them."""

from __future__ import annotations

import json
import math
import os
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer
from pydantic import ValidationError

from loadtest.broker.endpoint import broker_urls
from loadtest.commands.progress import heed_interrupts, interrupted, say
from loadtest.errors import EXIT_INCOMPLETE, ResultsError, ScenarioError, UsageError
from loadtest.experiments.compare.compare_request import file_of, redacted_urls, variant_again, variant_hash
from loadtest.experiments.compare.variants import Variant
from loadtest.experiments.sweep.axes import Axis, axis_parts, redacted_axis_value
from loadtest.experiments.sweep.parameter_sweep import REQUEST, Sweep, SweepRequest, sweep_metric
from loadtest.experiments.trial_runner import run_s
from loadtest.experiments.variant_check import checked_variant, load_variant
from loadtest.redaction import REDACTED
from loadtest.report.announce_several import announce_sweep
from loadtest.report.folder import create_folder
from loadtest.report.sweep.sweep_files import DOCUMENT, read_sweep, write_sweep
from loadtest.report.sweep.sweep_text import point_label
from loadtest.result.sweep_result import SweepResult, counts
from loadtest.result.units import count_text, rough_text
from loadtest.run.run_options import check_nodes
from loadtest.scenario import Scenario, load_scenario
from loadtest.scenario.grammar.threshold import parse_figure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Of a run whose length messages decide: said as such, and good for proportions.
SHORT_RUN_S: Final = 1.0
MOST_POINTS: Final = 100


@dataclass(frozen=True, slots=True)
class _Plan:
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


def sweep(request: SweepRequest, results: Path, most_points: int = MOST_POINTS) -> int:
    """
    Sweep, print what came of it, and return the exit code.

    Raises:
        LoadTestError: If the scenario, a point of it or the broker cannot be used.
    """
    urls = () if request.restart else broker_urls(request.environ)
    _check_broker(request.broker)
    if not any(request.broker.broker):
        request = replace(request, broker=replace(request.broker, brokers=urls))
    request = replace(request, file=file_of(request.scenario))
    _check_size(request, most_points)
    plan = _checked(request)
    request = replace(request, hashes=plan.hashes)
    folder = create_folder(results, datetime.now(UTC), f"sweep-{Path(request.scenario).stem}")
    return _sweep(request, plan, folder, None)


def resume(folder: Path, brokers: Sequence[str], repeats: int | None = None) -> int:
    """
    Go on with a sweep that was interrupted, make the runs that failed again, or add rounds to it.

    Args:
        folder: Where it was.
        repeats: As many rounds in all; None: as many as were asked for.
        brokers: URLs of the broker, if one has a password, which is not kept.

    Raises:
        UsageError, ResultsError: If it cannot be gone on with.
    """
    try:
        before = SweepResult.model_validate_json((folder / DOCUMENT).read_text(encoding="utf-8"))
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
    plan = _checked(request)
    if plan.hashes != request.hashes:
        raise UsageError(f"{request.source}, or its config, has been changed since that sweep: sweep anew")
    return _sweep(request, plan, folder, before)


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


def _sweep(request: SweepRequest, plan: _Plan, folder: Path, before: SweepResult | None) -> int:
    heed_interrupts()
    for axis in request.axes:
        say(f"{axis.path} = {', '.join(redacted_axis_value(axis.path, value) for value in axis.values)}")
    say(how_long(len(plan.variants), request.repeats, plan.takes_s))
    expected_s = [SHORT_RUN_S if each is None else each for each in plan.takes_s]
    running = Sweep(request, plan.variants, expected_s, folder, say)
    if before is not None:
        running.resume(before)
    try:
        result = running.run()
    except KeyboardInterrupt:
        return interrupted("sweep", folder / DOCUMENT, lambda: write_sweep(folder, read_sweep(folder)))
    return tell_sweep(folder, result, request.environ)


def tell_sweep(folder: Path, result: SweepResult, environ: Mapping[str, str]) -> int:
    """
    Write the files of a sweep, say what came of it, and return the exit code; of one that is not complete, 4.

    Raises:
        ResultsError: If files cannot be written.
    """
    page = write_sweep(folder, result)
    announce_sweep(result, environ)
    typer.echo(f"results   {folder}\npage      {page}")
    return result.exit_code if result.complete else EXIT_INCOMPLETE


def report_sweep(folder: Path, environ: Mapping[str, str]) -> int:
    """
    Make every file of a sweep again, say what came of it, and return the exit code.

    Raises:
        ResultsError: If its document cannot be read, or files cannot be written.
    """
    return tell_sweep(folder, read_sweep(folder), environ)


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
        told = how_long(points, request.repeats, [run_s(scenario)] * points)
        raise UsageError(f"{told}; allowed {count_text(most_points)} points: vary less, or raise --max-points")


def _checked(request: SweepRequest) -> _Plan:
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
    return _Plan(tuple(variants), tuple(hashes), tuple(takes_s))


def _check_broker(broker: Variant) -> None:
    private = broker.config or broker.nodes or broker.server or broker.tls
    if broker.brokers and private:
        raise UsageError("--config, --nodes, --server and --tls are for a private broker, not for --broker")
    if broker.config is not None and not broker.config.is_file():
        raise UsageError(f"--config: there is no file {broker.config}")
    check_nodes(broker.nodes)
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


def how_long(points: int, repeats: int, takes_s: Sequence[float | None]) -> str:
    """Return how many runs are to be made, and how long that takes where the scenario says."""
    runs = points * repeats
    rounds = "one round" if repeats == 1 else f"{repeats} rounds"
    text = f"{count_text(points)} points, {count_text(runs + 1)} runs: a warm-up, then {rounds} of all in random order"
    if any(each is None for each in takes_s):
        return f"{text}; how long its messages decide"
    known = [each for each in takes_s if each is not None]
    return f"{text}; about {rough_text(known[0] + repeats * sum(known))} in all"
