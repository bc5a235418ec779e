"""`loadtest compare`: variants of a scenario or a broker, run in turns, and which of them is better."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer
from pydantic import ValidationError

from loadtest.clock import NS_PER_S
from loadtest.commands.compare_capacity import search_s
from loadtest.commands.results import tell_comparison
from loadtest.commands.saying import say
from loadtest.compare.checking import checked_variant
from loadtest.compare.comparing import Comparison
from loadtest.compare.kinds import FAILED, metric_part
from loadtest.compare.laps import brokers_of
from loadtest.compare.request import REQUEST, CompareRequest, request_again, shown_variant, variant_hash
from loadtest.compare.variants import Variant
from loadtest.errors import EXIT_INTERRUPTED, ResultsError, UsageError
from loadtest.report.comparison_files import DOCUMENT, read_comparison, write_comparison
from loadtest.report.folder import create_folder
from loadtest.result.comparison import LAPS_A_ROUND, CompareResult
from loadtest.result.units import span_text
from loadtest.scenario import load_scenario

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Of a lap besides its measured part: the process, connecting, draining, the files.
OVERHEAD_S: Final = 3.0


def compare(request: CompareRequest, results: Path) -> int:
    """
    Compare, print what came of it, and return the exit code.

    Raises:
        LoadTestError: If the scenario, a variant or a broker cannot be used.
    """
    request = _checked(_on_named_brokers(request))
    if request.searching is not None:
        search_s(request, request.searching)
    folder = create_folder(results, datetime.now(UTC), f"compare-{Path(request.scenario).stem}")
    return _compare(request, folder, None)


def _on_named_brokers(request: CompareRequest) -> CompareRequest:
    """Return the request with the broker that the environment names, for variants that ask for none of their own."""
    urls = () if request.restart else brokers_of(request.environ)
    return replace(
        request,
        variants=tuple(
            variant if any(variant.broker) else replace(variant, brokers=urls) for variant in request.variants
        ),
    )


def resume(folder: Path, brokers: Sequence[str]) -> int:
    """
    Go on with a comparison that was interrupted.

    Args:
        folder: Where it was.
        brokers: `NAME=URL` of variants that have a broker of their own: addresses are not kept, for their passwords.

    Raises:
        UsageError, ResultsError: If it cannot be gone on with.
    """
    try:
        before = CompareResult.model_validate_json((folder / DOCUMENT).read_text(encoding="utf-8"))
        request = request_again((folder / REQUEST).read_text(encoding="utf-8"), brokers, dict(os.environ))
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        raise ResultsError(f"{folder} holds no comparison that can be gone on with: {error}") from error
    if before.complete and not any(FAILED in lap.marks for lap in before.laps):
        raise UsageError(f"{folder}: that comparison is complete, and no run of it failed")
    checked = _checked(request)
    _refuse_changed(request.hashes, checked.hashes)
    return _compare(checked, folder, before)


def _refuse_changed(before: Mapping[str, str], now: Mapping[str, str]) -> None:
    """
    Refuse to put runs of something else beside those that were done.

    Raises:
        UsageError: If what a variant is has been changed meanwhile.
    """
    changed = [name for name, digest in before.items() if now.get(name) != digest]
    if changed:
        raise UsageError(
            f"{', '.join(changed)}: the scenario, or a file that it names, is not what it was (or loadtest is another "
            "version), so that runs from now on would not compare with those before: compare anew"
        )


def _compare(request: CompareRequest, folder: Path, before: CompareResult | None) -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    say(f"comparing {request.scenario}: {', '.join(_told(variant) for variant in request.variants)}")
    say(_how_long(request))
    comparison = Comparison(request, folder, say)
    if before is not None:
        comparison.resume(before)
    try:
        result = comparison.run()
    except KeyboardInterrupt:
        if not (folder / DOCUMENT).exists():  # no run has ended: there is nothing to go on with
            say("interrupted")
            return EXIT_INTERRUPTED
        say(f"interrupted; to go on: loadtest compare --resume {folder}")
        typer.echo(f"page      {write_comparison(folder, read_comparison(folder))}")
        return EXIT_INTERRUPTED
    return tell_comparison(folder, result, request.environ)


def _checked(request: CompareRequest) -> CompareRequest:
    """
    Return the request with all that the scenarios say of private brokers.

    Raises:
        LoadTestError: If a variant's scenario is faulty, or a metric is none; before anything is run.
    """
    for name in request.metrics:
        metric_part(name)
    if request.baseline not in {variant.name for variant in request.variants}:
        names = ", ".join(variant.name for variant in request.variants)
        raise UsageError(f"--baseline: found {request.baseline!r}; allowed {names}")
    if request.until_decided and request.max_rounds < request.rounds:
        raise UsageError(f"--max-rounds: found {request.max_rounds}; allowed {request.rounds} (--rounds) or more")
    variants = tuple(
        checked_variant(variant, request.source, request.overrides, is_restarted=request.restart)
        for variant in request.variants
    )
    hashes = {
        variant.name: variant_hash(
            load_scenario(request.source, overrides=[*request.overrides, *variant.overrides]), variant
        )
        for variant in variants
    }
    return replace(request, variants=variants, hashes=hashes)


def _told(variant: Variant) -> str:
    variant = shown_variant(variant)
    what = [*variant.overrides, *variant.brokers]
    what += [f"{variant.nodes} nodes"] if variant.nodes else []
    what += [variant.config.name] if variant.config else []
    what += [*variant.settings, *(f"{name}={value}" for name, value in variant.env)]
    what += [str(variant.server)] if variant.server else []
    what += ["TLS"] if variant.tls else []
    return f"{variant.name} ({', '.join(what)})" if what else variant.name


def _how_long(request: CompareRequest) -> str:
    """Return how many laps are to be run, and how long that takes where the scenario says."""
    laps = len(request.variants) * (1 + LAPS_A_ROUND * request.rounds)
    settings = load_scenario(request.source, overrides=request.overrides).scenario.run
    name = "runs" if request.searching is None else "searches for a capacity"
    text = f"{laps} {name}: a warm-up of each, then {request.rounds} rounds there and back"
    if request.searching is not None:
        return f"{text}; about {span_text(laps * search_s(request, request.searching))} in all"
    if settings.duration_ns is None:
        return text
    lap_s = (settings.duration_ns + settings.warm_up_ns) / NS_PER_S + OVERHEAD_S
    return f"{text}; about {span_text(laps * lap_s)} in all"
