"""What a comparison needs before it runs: a request that was checked, new or taken from a folder."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from loadtest.broker.endpoint import broker_urls
from loadtest.errors import ResultsError, UsageError
from loadtest.experiments.compare.blocks import marked_blocks
from loadtest.experiments.compare.compare_options import shared_brokers, with_brokers
from loadtest.experiments.compare.compare_request import CompareRequest, request_again, variant_hash
from loadtest.experiments.compare.compared_searches import search_s
from loadtest.experiments.compare.comparison import Comparison
from loadtest.experiments.compare.effect_reader import read_effects
from loadtest.experiments.compare.trial_kinds import metric_part
from loadtest.experiments.compare.variants import VariantOptions
from loadtest.experiments.experiment import REQUEST
from loadtest.experiments.life_cycle import experiment_folder
from loadtest.experiments.variant_check import checked_variant, load_variant
from loadtest.report.compare.comparison_report import COMPARISON
from loadtest.result.compare.compare_result import CompareResult, counts, failed_laps
from loadtest.scenario.grammar.compare_block import MOST_REPEATS
from loadtest.streams import log_progress

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def new_comparison(request: CompareRequest, results: Path) -> Comparison:
    """
    Return a comparison that can be run, in a folder of its own below *results*.

    Raises:
        LoadTestError: If the scenario or a variant cannot be used.
    """
    request = checked_request(_on_named_brokers(request))
    if request.searching is not None:
        search_s(request, request.searching)
    folder = experiment_folder(results, COMPARISON.command, request.scenario)
    return Comparison(request, folder, log_progress, read_back=read_effects)


def _on_named_brokers(request: CompareRequest) -> CompareRequest:
    """Return the request with the broker that the environment names, for variants that ask for none of their own."""
    urls = () if request.restart else broker_urls(request.environ)
    return replace(
        request,
        variants=tuple(
            variant if any(variant.broker) else replace(variant, brokers=urls) for variant in request.variants
        ),
    )


def resumed_comparison(
    folder: Path | None, brokers: Sequence[str], repeat_marked: int | None
) -> tuple[Comparison, CompareResult]:
    """
    Return a comparison that was interrupted, or has trials to be run again, and its document.

    Args:
        folder: Where it was; None, where neither that nor a scenario was named, is an error.
        brokers: `NAME=URL` of variants that have a broker of their own, where that had a password.
        repeat_marked: How often a block with a mark is run again at most; None: as often as was asked before.

    Raises:
        UsageError, ResultsError: If it cannot be gone on with.
    """
    if folder is None:
        raise UsageError("name a scenario, or go on with a comparison by --resume FOLDER")
    try:
        before = CompareResult.model_validate_json((folder / COMPARISON.document).read_text(encoding="utf-8"))
        shared = shared_brokers(VariantOptions(brokers=brokers))
        environ = with_brokers(os.environ, shared) if shared else dict(os.environ)
        named = [text for text in brokers if text not in shared]
        request = request_again((folder / REQUEST).read_text(encoding="utf-8"), named, environ)
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        raise ResultsError(f"{folder} holds no comparison that can be gone on with: {error}") from error
    if repeat_marked is not None:
        request = replace(request, repeat_marked=repeat_marked)
    _refuse_complete(folder, before, request)
    checked = checked_request(request)
    _refuse_changed(request.hashes, checked.hashes)
    return Comparison(checked, folder, log_progress, read_back=read_effects), before


def _refuse_complete(folder: Path, before: CompareResult, request: CompareRequest) -> None:
    """
    Refuse to go on with a comparison in which nothing is to be done.

    Raises:
        UsageError: If it is complete, and has nothing that failed or is to be run again.
    """
    names = [variant.name for variant in before.variants]
    if not before.complete or failed_laps(before.laps) or marked_blocks(before.laps, names, request.repeat_marked):
        return
    could = len(marked_blocks(before.laps, names, MOST_REPEATS))
    more = f"; {could} blocks have marks: --repeat-marked N runs them again, at most N times each" if could else ""
    if not could and any(lap.marks and counts(lap) for lap in before.laps):
        more = "; its marks are of most runs of a variant, or were run again often enough"
    raise UsageError(f"{folder}: that comparison is complete, and no run of it failed{more}")


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


def checked_request(request: CompareRequest) -> CompareRequest:
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
    loaded = [load_variant(variant, request.source, request.overrides) for variant in request.variants]
    variants = tuple(
        checked_variant(variant, each.scenario, is_restarted=request.restart)
        for variant, each in zip(request.variants, loaded, strict=True)
    )
    hashes = {variant.name: variant_hash(each, variant) for variant, each in zip(variants, loaded, strict=True)}
    return replace(request, variants=variants, hashes=hashes)
