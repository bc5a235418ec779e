"""What a search found: how surely, what limits it, and where latency begins to rise."""

from __future__ import annotations

import math

import numpy as np
import pytest

from loadtest.result.capacity.capacity_answer import judge, knees_of, limit_of, uncertainty_of, used_text
from loadtest.result.capacity.capacity_result import Bound, CoresPart, LimitPart, ProbePart, UncertaintyPart
from loadtest.result.capacity.knee import knee_of
from tests.unit.report.staged_capacity import SERVICE_PER_S, capacity

FULL = CoresPart(generator=0.4, broker=1.5, machine=1.95, cores=2, limit="broker")
IDLE = CoresPart(generator=0.4, broker=0.5, machine=1.0, cores=2, limit=None)
ELSEWHERE = CoresPart(generator=0.4, broker=None, machine=1.0, cores=2, limit=None)


def probe(
    rate: float,
    *,
    is_held: bool,
    is_quick: bool = False,
    bound: Bound = "slo",
    cores: CoresPart | None = None,
    flow: float | None = None,
) -> ProbePart:
    """Return a try."""
    return ProbePart(
        rate_per_s=rate, published_per_s=rate, is_held=is_held, bound=None if is_held else bound,
        why="" if is_held else "p99 came to 2 ms", latency={}, checks={}, folder="", is_quick=is_quick, cores=cores,
        flow=flow,
    )  # fmt: skip


def tries(*told: tuple[float, bool]) -> list[ProbePart]:
    """Return full tries by rate, and whether each was held."""
    return [probe(rate, is_held=is_held) for rate, is_held in told]


@pytest.mark.parametrize(
    "told, low, high, interval, counts",
    [
        ([(100, True), (104, False), (100, True), (104, False)], 100, 104, (100, 104), (2, 2, 2, 2, 0)),
        ([(100, True), (104, False), (100, False), (90, True), (95, True), (100, True), (100, True), (104, False)],
         100, 104, (95, 104), (3, 4, 2, 2, 1)),
        ([(90, False), (100, True), (104, True), (90, True), (100, True), (110, False)], 104, 110, (None, 110),
         (1, 1, 1, 1, 1)),
        ([(100, True), (110, True), (104, False), (104, False), (100, True), (120, False)], 100, 104, (100, 120),
         (2, 2, 2, 2, 2)),
        ([(100, True), (100, True)], 100, None, (100, None), (2, 2, 0, 0, 0)),
    ],
    ids=["agreed", "missed once", "missed below all that was held", "held above a miss", "never missed"],
)  # fmt: skip
def test_the_interval_holds_all_that_contradicts(
    told: list[tuple[float, bool]],
    low: float,
    high: float | None,
    interval: tuple[float | None, float | None],
    counts: tuple[int, int, int, int, int],
) -> None:
    """Below it all was held, above it all was missed, whatever the search made of it."""
    found = uncertainty_of([*tries(*told), probe(500, is_held=True, is_quick=True)], low, high)

    assert found == UncertaintyPart(
        low_per_s=interval[0], high_per_s=interval[1], held=counts[0], tries=counts[1], missed=counts[2],
        missed_tries=counts[3], contradictions=counts[4],
    )  # fmt: skip


def test_the_generator_bounds_nothing_from_above() -> None:
    """Where it was the limit the capacity has no upper end."""
    missed = probe(110, is_held=False, bound="generator")
    found = uncertainty_of([probe(100, is_held=True), missed], 100, 110)

    assert found is not None
    assert (found.low_per_s, found.high_per_s) == (100, None)
    assert uncertainty_of([], None, None) is None


@pytest.mark.parametrize(
    "missed, words",
    [
        (probe(110, is_held=False, cores=FULL), "the broker took most of it (broker 1.50, generator 0.40, machine"),
        (probe(110, is_held=False, cores=IDLE), "a queue's one process"),
        (probe(110, is_held=False, cores=ELSEWHERE), "the broker's processor time is not known"),
        (probe(110, is_held=False, flow=0.5), "in flow control in 50% of the seconds"),
        (probe(110, is_held=False, flow=0.05), "p99 came to 2 ms"),
    ],
    ids=["processor time", "nobody's", "not known", "flow control", "hardly any flow control"],
)
def test_the_limit_is_told_with_what_is_known(missed: ProbePart, words: str) -> None:
    """What was missed, then whose processor time was used up, and flow control."""
    found = limit_of([probe(100, is_held=True), missed], 100, 110)

    assert found is not None
    assert found.by == "slo"
    assert found.text.startswith("p99 came to 2 ms")
    assert words in found.text
    assert ("flow" in found.text) == (missed.flow == 0.5)


def test_the_limit_of_a_search_that_went_no_higher() -> None:
    """It is --most; where no rate is held there is none."""
    assert limit_of([probe(100, is_held=True, cores=FULL)], 100, None) == LimitPart(
        by="most", text="nothing above it was tried", cores=FULL
    )
    assert limit_of(tries((100, False)), None, 100) is None
    assert used_text(ELSEWHERE) == "generator 0.40, machine 1.00 of 2 cores"


def test_what_was_found_is_judged() -> None:
    """Nothing held fails; a limit of the generator is said to be one; what is not settled is inconclusive."""
    held, missed = probe(100, is_held=True), probe(110, is_held=False, bound="generator")

    assert judge([], None, None, complete=True) == (1, "no rate was held for the full time")
    assert judge(tries((100, False)), None, 100, complete=True) == (1, "no rate was held: p99 came to 2 ms")
    assert judge([held], 100, None, complete=True) == (
        0,
        "100/s is held, and nothing above it was tried: the broker may do more",
    )
    exit_code, reason = judge([held, missed], 100, 110, complete=True)
    assert exit_code == 0
    assert "the broker may do more (--processes)" in reason
    assert judge([held], 100, None, complete=False)[0] == 130
    assert judge([held], 100, None, complete=True, is_settled=False)[0] == 5


def test_the_knee_of_a_queue_is_at_half_its_limit() -> None:
    """Of M/M/1 power, rate / latency, is highest at half the service rate; scale and noise of a tenth do not matter."""
    chance = np.random.default_rng(7)
    rates = np.linspace(0.05, 0.97, 24) * SERVICE_PER_S
    exact = [(rate, 4.6 / (SERVICE_PER_S - rate) * 1e9) for rate in rates]
    noisy = [(rate, latency * math.exp(chance.normal(0, 0.1))) for rate, latency in exact]

    assert knee_of(exact) is not None
    assert knee_of(exact)[0] == pytest.approx(SERVICE_PER_S / 2, rel=0.05)  # type: ignore[index]  # seen above
    assert knee_of([(rate, 1e-6 * latency) for rate, latency in exact])[0] == knee_of(exact)[0]  # type: ignore[index]
    assert knee_of(noisy) is not None
    assert knee_of(noisy)[0] == pytest.approx(SERVICE_PER_S / 2, rel=0.3)  # type: ignore[index]


def test_the_knee_of_a_hard_limit_is_before_it() -> None:
    """Latency is level, then a thousand times as long: the knee is the last rate before that, in any order."""
    points = [(1_000.0, 2e6), (2_000.0, 2e6), (3_000.0, 2.1e6), (4_000.0, 2e6), (4_100.0, 2e9), (4_100.0, 3e9)]

    knee = knee_of(points[::-1])

    assert knee is not None
    assert knee[0] == 4_000
    assert knee[1] == pytest.approx(2.03e6, rel=0.01)


@pytest.mark.parametrize(
    "points",
    [
        [],
        [(1.0, 1.0), (2.0, 1.0), (3.0, 9.0)],
        [(1.0, 1.0), (2.0, 1.0), (3.0, 1.1), (4.0, 1.0)],
        [(1.0, 1.0), (2.0, 9.0), (3.0, 90.0), (4.0, 900.0)],
        [(1.0, 1.0), (2.0, 1.0), (3.0, 1.0), (4.0, 2.5)],
    ],
    ids=["nothing", "too few", "level to the end", "rises from the first", "rises no more than noise"],
)
def test_where_there_is_no_knee_none_is_told(points: list[tuple[float, float]]) -> None:
    """Of too few rates, where latency is level or rises from the first on, and of a rise that may be noise."""
    assert knee_of(points) is None


def test_knees_are_of_the_p99_of_each_latency() -> None:
    """A latency without a value, and a try that published nothing, are passed over."""
    probes = capacity().probes
    nothing = probes[0].model_copy(update={"published_per_s": None})
    empty = probes[0].model_copy(update={"latency": {"in.confirm": {"p50_ns": None, "p99_ns": None, "max_ns": None}}})
    knees = knees_of([*probes, nothing, empty])

    assert [knee.latency for knee in knees] == ["in.confirm", "out.end_to_end"]
    # Of the rates that a search tries the one next to half of what the queue does: those of the ramp.
    assert {knee.rate_per_s for knee in knees} == {4_000}
