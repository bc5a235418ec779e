"""What the scenario itself did is the first suspect of a finding that lies over it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from loadtest.clock import NS_PER_MS, NS_PER_S
from loadtest.result.run.build import build_result
from loadtest.result.run.document import FindingPart
from tests.unit.result.staged_run import StagedRun
from tests.unit.result.test_findings import growing, interrupted_by_the_broker, late, short_of_offered, slowing

SLOW = "slow-network all links: +20.0 ms (it took 0.01 s)"
RESTORED = "restore-network all links (it took 0.00 s)"


def findings(run: StagedRun, *faults: tuple[float, str], code: str = "fault") -> dict[str, FindingPart]:
    """Return the findings of a run by their codes, with events of faults at so many seconds after the start."""
    end = run.records.pop()
    for at_s, text in faults:
        run.event(round(at_s * NS_PER_S), code, text)
    run.records.append(end)
    return {found.code: found for found in build_result(run.collector()).verdict.findings}


@pytest.mark.parametrize(
    "run, code, at_s",
    [
        (growing, "backlog-growing", 3),
        (late, "lateness-high", 0.5),
        (short_of_offered, "offered-not-achieved", 1),
        (slowing, "unstable-over-time", 25),
        (interrupted_by_the_broker, "outage", 2),
    ],
    ids=["backlog", "lateness", "rate", "steadiness", "outage"],
)
def test_a_fault_in_effect_is_named_as_the_likely_cause(run: Callable[[], StagedRun], code: str, at_s: float) -> None:
    """Findings about latency, backlog, steadiness, rate and outages name it, and do not advise what would not help."""
    without, found = (findings(run(), *faults)[code] for faults in ((), ((at_s, SLOW), (at_s + 0.4, RESTORED))))

    assert "slow-network" not in without.text
    assert "the likely cause is the scenario's own fault slow-network at " in found.text
    assert "ower the rate" not in found.next_step
    assert found.value == without.value


@pytest.mark.parametrize(
    "faults, named",
    [
        ([(3.0, SLOW), (5.5, RESTORED)], "fault slow-network from 2.99 s to 5.50 s after"),
        ([(3.0, SLOW)], "fault slow-network from 2.99 s to 6.00 s after"),
        (
            [(at_s, "cut-network all links: reset (it took 0.00 s)") for at_s in (2.5, 3.5, 4.5)],
            "faults cut-network 3 times from 2.50 s to 4.50 s after",
        ),
        (
            [(2.0, "kill-node a@localhost (it took 0.10 s)"), (5.0, "start-node a@localhost (it took 2.00 s)")],
            "fault kill-node from 1.90 s to 5.00 s after",
        ),
        ([(3.0, "delete-queue q, with 3 messages ready (it took 0.01 s)")], "fault delete-queue at 2.99 s after"),
        ([(0.5, SLOW), (1.0, RESTORED)], None),
        ([(9.0, SLOW)], None),
        ([(3.0, "purge-queue q, with 3 messages ready (it took 0.01 s)")], None),
        ([(3.0, "memory-alarm a@localhost (it took 0.50 s)")], None),
    ],
    ids=["lasting", "not undone", "resets", "a node", "a queue", "over before", "later", "purged", "blocked nobody"],
)
def test_a_backlog_is_blamed_on_what_lay_over_it(faults: list[tuple[float, str]], named: str | None) -> None:
    """What was over before it grew, came later, or slows nobody down is no cause of it."""
    found = findings(growing(), *faults)["backlog-growing"]

    if named is None:
        assert "scenario's own" not in found.text
    else:
        assert named in found.text


@pytest.mark.parametrize("resource, is_its_own", [("memory", True), ("disk", False)])
def test_an_alarm_is_the_scenarios_own_if_it_blocked_for_that(resource: str, is_its_own: bool) -> None:
    """A broker that is low on disk by itself is not so for the memory alarm of the scenario."""
    run = short_of_offered()
    run.event(NS_PER_S + NS_PER_MS, "connection-blocked", f"in/1: low on {resource}")
    run.records[-2:] = reversed(run.records[-2:])
    found = findings(run, (1.0, "memory-alarm a@localhost (it took 0.50 s)"))

    blocked = found["broker-blocked-publishers"]
    assert ("the scenario's own fault memory-alarm" in blocked.text) is is_its_own
    assert ("See its memory and disk alarms" in blocked.next_step) is not is_its_own
    assert ("memory-alarm" in found["offered-not-achieved"].text) is is_its_own
