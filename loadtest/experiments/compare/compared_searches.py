"""`loadtest compare --capacity`: what is asked of the searches, and whether it can be, before any of them runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from loadtest.errors import ScenarioError, UsageError
from loadtest.experiments.capacity.capacity_request import CapacityRequest
from loadtest.experiments.capacity.capacity_search import CapacitySearch
from loadtest.experiments.capacity.capacity_setup import check_slo, hold_of
from loadtest.experiments.capacity.load_step import scenario_rate_per_s
from loadtest.experiments.compare.trial_kinds import CapacityTrials
from loadtest.scenario import load_scenario
from loadtest.streams import log_progress

if TYPE_CHECKING:
    from loadtest.experiments.compare.compare_request import CompareRequest
    from loadtest.experiments.compare.variants import Variant

DEFAULT_START_PER_S: Final = 1_000.0
DEFAULT_HOLD: Final = "10s"
DEFAULT_PRECISION_PERCENT: Final = 5.0
DEFAULT_REPEATS: Final = 2


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """The options of searches, as they are typed; None is one that was not given."""

    is_asked: bool
    slo: Sequence[str] = ()
    hold: str | None = None
    precision_percent: float | None = None
    repeats: int | None = None


def searches_of(scenario: str, overrides: Sequence[str], asked: SearchOptions) -> CapacityTrials | None:
    """
    Return the searches that laps are; None where they are runs.

    Raises:
        UsageError: If options cannot be read, or are of searches where none was asked for.
        ScenarioError: If the scenario is faulty.
    """
    if not asked.is_asked:
        if asked.slo or (asked.hold, asked.precision_percent, asked.repeats) != (None, None, None):
            raise UsageError("--slo, --hold, --precision and --repeats are of searches: give --capacity")
        return None
    check_slo(asked.slo)
    rate = scenario_rate_per_s(load_scenario(scenario, overrides=overrides, checks_variants=False).scenario)
    precision = DEFAULT_PRECISION_PERCENT if asked.precision_percent is None else asked.precision_percent
    options = ("--hold", hold_of(asked.hold or DEFAULT_HOLD), "--precision", f"{precision:g}")
    repeats = DEFAULT_REPEATS if asked.repeats is None else asked.repeats
    return CapacityTrials(rate or DEFAULT_START_PER_S, tuple(asked.slo), (*options, "--repeats", str(repeats)))


def search_s(request: CompareRequest, searching: CapacityTrials) -> float:
    """
    Return about how long a search takes, after a look at whether those of all variants can be made.

    Raises:
        LoadTestError: If what is asked cannot be judged for a variant, or it has no capacity.
    """
    return max(_search_s(request, searching, variant) for variant in request.variants)


def _search_s(request: CompareRequest, searching: CapacityTrials, variant: Variant) -> float:
    hold, precision, repeats = searching.options[1::2]
    asked = CapacityRequest(
        scenario=request.source,
        slo=searching.slo,
        broker=variant,
        overrides=(*request.overrides, *variant.overrides),
        start_per_s=searching.start_per_s,
        hold=hold,
        precision=float(precision) / 100,
        repeats=int(repeats),
    )
    try:
        return CapacitySearch(asked, Path(), log_progress).usual_s()
    except (ScenarioError, UsageError) as error:
        raise type(error)(f"{variant.name}: {error}") from None
