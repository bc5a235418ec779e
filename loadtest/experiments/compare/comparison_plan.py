"""What a comparison says before it begins: what is compared, how many runs that takes, and about how long."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING

from loadtest.experiments.compare.compare_request import shown_variant
from loadtest.experiments.compare.compared_searches import search_s
from loadtest.experiments.trial_runner import run_s
from loadtest.result.compare.compare_result import LAPS_A_ROUND
from loadtest.result.units import rough_text
from loadtest.scenario import load_scenario

if TYPE_CHECKING:
    from loadtest.experiments.compare.compare_request import CompareRequest
    from loadtest.experiments.compare.variants import Variant


def comparison_plan(request: CompareRequest, done: int) -> Iterator[str]:
    """Yield the lines; *done* is the number of runs of before an interruption."""
    yield f"comparing {request.scenario}: {', '.join(_told(variant) for variant in request.variants)}"
    for one, other in combinations(request.variants, 2):
        if request.hashes.get(one.name) == request.hashes.get(other.name) and one.broker == other.broker:
            yield f"{one.name} and {other.name} are the same: what differs between them is noise, and nothing else"
    yield _how_long(request)
    if done:
        yield f"{done} runs are done already"


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
    """Return how many laps are to be run, and how long all take where the scenarios say."""
    laps = 1 + LAPS_A_ROUND * request.rounds
    name = "runs" if request.searching is None else "searches for a capacity"
    text = f"{len(request.variants) * laps} {name}: a warm-up of each, then {request.rounds} rounds there and back"
    most = 1 + LAPS_A_ROUND * request.max_rounds
    if request.until_decided:
        text += f"; at most {len(request.variants) * most} {name} in {request.max_rounds} rounds, until all is decided"
    round_s = _each_once_s(request)
    if round_s is None:
        return text
    text += f"; about {rough_text(laps * round_s)} in all"
    return f"{text}, at most {rough_text(most * round_s)}" if request.until_decided else text


def _each_once_s(request: CompareRequest) -> float | None:
    """Return about how long a run of each variant takes, in s; None where messages decide."""
    if request.searching is not None:
        return len(request.variants) * search_s(request, request.searching)
    total_s = 0.0
    for variant in request.variants:
        each_s = run_s(load_scenario(request.source, overrides=[*request.overrides, *variant.overrides]).scenario)
        if each_s is None:
            return None
        total_s += each_s
    return total_s
