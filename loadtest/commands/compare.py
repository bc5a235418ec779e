"""`loadtest compare`: variants of a scenario or a broker, run in turns, and which of them is better."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer
from pydantic import ValidationError

from loadtest.commands.results import tell_comparison
from loadtest.compare.comparing import DOCUMENT, REQUEST, CompareRequest, Comparison, metric_part
from loadtest.compare.variants import Variant
from loadtest.errors import EXIT_INTERRUPTED, ResultsError, UsageError
from loadtest.redaction import redacted
from loadtest.report.comparison_files import read_comparison, write_comparison
from loadtest.report.folder import create_folder
from loadtest.result.comparison import LAPS_A_ROUND, CompareResult
from loadtest.result.units import span_text
from loadtest.scenario import load_scenario

if TYPE_CHECKING:
    from collections.abc import Sequence

NS_PER_S: Final = 1_000_000_000
# Of a lap besides its measured part: the process, connecting, draining, the files.
OVERHEAD_S: Final = 3.0


def compare(request: CompareRequest, results: Path) -> int:
    """
    Compare, print what came of it, and return the exit code.

    Raises:
        LoadTestError: If the scenario, a variant or a broker cannot be used.
    """
    folder = create_folder(results, datetime.now(UTC), f"compare-{Path(request.scenario).stem}")
    return _compare(request, folder, None)


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
        asked = json.loads((folder / REQUEST).read_text(encoding="utf-8"))
        request = _request_again(asked, brokers)
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        raise ResultsError(f"{folder} holds no comparison that can be gone on with: {error}") from error
    if before.complete:
        raise UsageError(f"{folder}: that comparison is complete")
    return _compare(request, folder, before)


def _request_again(asked: dict[str, object], brokers: Sequence[str]) -> CompareRequest:
    given: dict[str, list[str]] = {}
    for text in brokers:
        name, _, url = text.partition("=")
        given.setdefault(name, []).append(url)
    variants = []
    for each in asked.pop("variants"):  # type: ignore[attr-defined]
        if each["brokers"] and each["name"] not in given:
            raise UsageError(f"--broker {each['name']}=URL is needed: addresses are not kept, for their passwords")
        variants.append(
            Variant(
                name=each["name"],
                overrides=tuple(each["overrides"]),
                brokers=tuple(given.get(each["name"], ())),
                config=Path(each["config"]) if each["config"] else None,
                nodes=each["nodes"],
                server=Path(each["server"]) if each["server"] else None,
            )
        )
    for name in ("overrides", "metrics"):
        asked[name] = tuple(asked[name])  # type: ignore[arg-type]
    return CompareRequest(variants=tuple(variants), environ=dict(os.environ), **asked)  # type: ignore[arg-type]


def _compare(request: CompareRequest, folder: Path, before: CompareResult | None) -> int:
    _check(request)
    _say(f"comparing {request.scenario}: {', '.join(_told(variant) for variant in request.variants)}")
    _say(_how_long(request))
    comparison = Comparison(request, folder, _say)
    if before is not None:
        comparison.resume(before)
    try:
        result = comparison.run()
    except KeyboardInterrupt:
        _say(f"interrupted; to go on: loadtest compare --resume {folder}")
        typer.echo(f"page      {write_comparison(folder, read_comparison(folder))}")
        return EXIT_INTERRUPTED
    return tell_comparison(folder, result, request.environ)


def _check(request: CompareRequest) -> None:
    """Refuse, before anything is run, a variant whose scenario is faulty, or a metric that there is not."""
    for variant in request.variants:
        load_scenario(request.scenario, overrides=[*request.overrides, *variant.overrides])
    for name in request.metrics:
        metric_part(name)
    if request.baseline not in {variant.name for variant in request.variants}:
        names = ", ".join(variant.name for variant in request.variants)
        raise UsageError(f"--baseline: found {request.baseline!r}; allowed {names}")


def _told(variant: Variant) -> str:
    what = [*variant.overrides, *(redacted(url) for url in variant.brokers)]
    what += [f"{variant.nodes} nodes"] if variant.nodes else []
    what += [variant.config.name] if variant.config else []
    what += [str(variant.server)] if variant.server else []
    return f"{variant.name} ({', '.join(what)})" if what else variant.name


def _how_long(request: CompareRequest) -> str:
    """Return how many laps are to be run, and how long that takes where the scenario says."""
    laps = len(request.variants) * (1 + LAPS_A_ROUND * request.rounds)
    settings = load_scenario(request.scenario, overrides=request.overrides).scenario.run
    text = f"{laps} runs: a warm-up of each, then {request.rounds} rounds there and back"
    if settings.duration_ns is None:
        return text
    lap_s = (settings.duration_ns + settings.warm_up_ns) / NS_PER_S + OVERHEAD_S
    return f"{text}; about {span_text(laps * lap_s)} in all"


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
