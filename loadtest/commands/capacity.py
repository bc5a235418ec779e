"""`loadtest capacity`: the highest rate that a broker sustains within what is asked of it."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic_core import PydanticCustomError

from loadtest.broker.endpoint import broker_urls
from loadtest.commands.progress import heed_interrupts, interrupted, say
from loadtest.commands.results import tell_capacity
from loadtest.errors import ResultsError, UsageError
from loadtest.experiments.capacity.capacity_request import REQUEST, CapacityRequest, request_again
from loadtest.experiments.capacity.capacity_search import CapacitySearch
from loadtest.report.capacity.capacity_files import DOCUMENT, read_capacity, write_capacity
from loadtest.report.folder import create_folder
from loadtest.report.run.announce import STANDARD_OUTPUT
from loadtest.scenario import load_scenario, parse_threshold
from loadtest.scenario.grammar.quantity import NS_PER_S, QuantityError, parse_duration, parse_rate
from loadtest.scenario.loading.error_detail import words_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadtest.experiments.compare.variants import Variant
    from loadtest.result.capacity.capacity_result import CapacityResult


MOST_HOLD_NS: Final = 24 * 3600 * NS_PER_S


def capacity(request: CapacityRequest, results: Path, json_file: Path | None) -> int:
    """
    Search, print what was found, and return the exit code.

    Raises:
        LoadTestError: If the scenario, an SLO or the broker cannot be used.
    """
    check_slo(request.slo)
    request = replace(request, broker=_broker_of(request), hash=_hash_of(request))
    # What is wrong with the request is told before a folder is made for it.
    CapacitySearch(request, results, say)
    folder = create_folder(results, datetime.now(UTC), f"capacity-{Path(request.scenario).stem}")
    return _search(request, folder, None, json_file)


def _broker_of(request: CapacityRequest) -> Variant:
    """Return where to search: as was asked, or as the environment names it, or as many nodes as the scenario has."""
    broker = request.broker
    if not any(broker.broker):
        broker = replace(broker, brokers=broker_urls(request.environ))
    if broker.brokers or broker.nodes:
        return broker
    return replace(broker, nodes=load_scenario(request.scenario, overrides=request.overrides).scenario.run.nodes)


def resume(folder: Path, brokers: Sequence[str], json_file: Path | None) -> int:
    """
    Go on with a search that was interrupted.

    Args:
        folder: Where it was.
        brokers: URLs of its broker: addresses are not kept, for their passwords.
        json_file: As for `capacity`.

    Raises:
        UsageError, ResultsError: If it cannot be gone on with.
    """
    try:
        text = (folder / REQUEST).read_text(encoding="utf-8")
        request = replace(request_again(text, brokers, broker_urls(os.environ)), environ=dict(os.environ))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResultsError(f"{folder} holds no search that can be gone on with: {error}") from error
    before = read_capacity(folder)
    if before.complete:
        raise UsageError(f"{folder}: that search is complete")
    if request.hash and request.hash != _hash_of(request):
        raise UsageError(
            f"{request.scenario} is not what it was (or loadtest is another version), so that tries from now on would "
            "not go with those before: search anew"
        )
    return _search(request, folder, before, json_file)


def _hash_of(request: CapacityRequest) -> str:
    return load_scenario(request.scenario, overrides=request.overrides).hash


def _search(request: CapacityRequest, folder: Path, before: CapacityResult | None, json_file: Path | None) -> int:
    heed_interrupts()
    search = CapacitySearch(request, folder, say)
    if before is not None:
        search.resume(before)
    for line in search.plan():
        say(line)
    try:
        result = search.run()
    except KeyboardInterrupt:
        return interrupted(
            "capacity",
            folder / DOCUMENT,
            lambda: write_capacity(folder, read_capacity(folder)),
            err=json_file == STANDARD_OUTPUT,
        )
    return tell_capacity(folder, result, json_file, request.environ)


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
