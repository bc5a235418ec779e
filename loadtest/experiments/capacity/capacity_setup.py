"""What a search for a capacity needs before it runs: a request that was checked, new or taken from a folder."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic_core import PydanticCustomError

from loadtest.broker.endpoint import broker_urls
from loadtest.errors import ResultsError, UsageError
from loadtest.experiments.capacity.capacity_request import CapacityRequest, request_again
from loadtest.experiments.capacity.capacity_search import CapacitySearch
from loadtest.experiments.experiment import REQUEST
from loadtest.experiments.life_cycle import experiment_folder
from loadtest.report.capacity.capacity_report import CAPACITY
from loadtest.scenario import load_scenario, parse_threshold
from loadtest.scenario.grammar.quantity import NS_PER_S, QuantityError, parse_duration, parse_rate
from loadtest.scenario.loading.error_detail import words_of
from loadtest.streams import log_progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadtest.experiments.compare.variants import Variant
    from loadtest.result.capacity.capacity_result import CapacityResult


MOST_HOLD_NS: Final = 24 * 3600 * NS_PER_S


def new_search(request: CapacityRequest, results: Path) -> CapacitySearch:
    """
    Return a search that can be run, in a folder of its own below *results*.

    Raises:
        LoadTestError: If the scenario, an SLO or the broker cannot be used.
    """
    check_slo(request.slo)
    request = replace(request, broker=_broker_of(request), hash=_hash_of(request))
    # Errors in the request are reported before a folder is made for it.
    CapacitySearch(request, results, log_progress)
    return CapacitySearch(request, experiment_folder(results, CAPACITY.command, request.scenario), log_progress)


def _broker_of(request: CapacityRequest) -> Variant:
    """Return where to search: as was asked, or as the environment names it, or as many nodes as the scenario has."""
    broker = request.broker
    if not any(broker.broker):
        broker = replace(broker, brokers=broker_urls(request.environ))
    if broker.brokers or broker.nodes:
        return broker
    return replace(broker, nodes=load_scenario(request.scenario, overrides=request.overrides).scenario.run.nodes)


def resumed_search(folder: Path, brokers: Sequence[str]) -> tuple[CapacitySearch, CapacityResult]:
    """
    Return a search that was interrupted, and its document.

    Args:
        folder: Where it was.
        brokers: URLs of its broker: addresses are not kept, for their passwords.

    Raises:
        UsageError, ResultsError: If it cannot be gone on with.
    """
    try:
        text = (folder / REQUEST).read_text(encoding="utf-8")
        request = replace(request_again(text, brokers, broker_urls(os.environ)), environ=dict(os.environ))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResultsError(f"{folder} holds no search that can be gone on with: {error}") from error
    before = CAPACITY.read(folder)
    if before.complete:
        raise UsageError(f"{folder}: that search is complete")
    if request.hash and request.hash != _hash_of(request):
        raise UsageError(
            f"{request.scenario} is not what it was (or loadtest is another version), so that tries from now on would "
            "not go with those before: search anew"
        )
    return CapacitySearch(request, folder, log_progress), before


def _hash_of(request: CapacityRequest) -> str:
    return load_scenario(request.scenario, overrides=request.overrides).hash


def check_slo(slo: Sequence[str]) -> None:
    """
    Refuse what cannot be judged.

    Raises:
        UsageError: If there is nothing, or something is no threshold.
    """
    if not slo:
        raise UsageError("--slo is needed: what has to hold, such as --slo 'in.confirm.p99 < 20ms'")
    for text in slo:
        try:
            parse_threshold(text)
        except PydanticCustomError as error:
            raise UsageError(f"--slo: {words_of(error)}") from error


def rate_of(option: str, text: str | None) -> float | None:
    """
    Return a rate per second as an option has it; None where it is not given.

    Raises:
        UsageError: If it is no rate.
    """
    if text is None:
        return None
    try:
        rate = float(parse_rate(text))
    except QuantityError as error:
        raise UsageError(f"{option}: found {text!r}; allowed {error}") from error
    if not rate:
        raise UsageError(f"{option}: found {text!r}; allowed a rate above 0/s")
    return rate


def hold_of(text: str) -> str:
    """
    Return how long a rate is held, as `--hold` has it.

    Raises:
        UsageError: If it is no time.
    """
    try:
        hold_ns = parse_duration(text)
    except QuantityError as error:
        raise UsageError(f"--hold: found {text!r}; allowed {error}") from error
    if not NS_PER_S // 10 <= hold_ns <= MOST_HOLD_NS:
        raise UsageError(f"--hold: found {text!r}; allowed 100ms to 24h")
    return text
