"""The comparisons that come with the tool, shortened, on private brokers: each lap runs, and has what is looked at."""

from __future__ import annotations

import json

import pytest

from loadtest.scenario import CatalogueEntry, comparisons, load_scenario
from tests.e2e.processes import LOADTEST, Processes

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.timeout(400)]

BROKERS_OF_THEIR_OWN = {"credit-flow": "environment", "schedulers": "environment"}


def shortened(name: str) -> list[str]:
    """Return what shortens a comparison, but not so far that the broker, looked at once a second, is missed."""
    is_timed = load_scenario(name).scenario.run.duration_ns is not None
    return ["run.duration=3s", "run.warm_up=500ms"] if is_timed else []


@pytest.mark.parametrize("entry", comparisons(), ids=lambda entry: entry.name)
def test_each_runs(entry: CatalogueEntry, processes: Processes, rabbitmq_server: object) -> None:
    """Every variant runs in each turn, every figure that is looked at has values, and brokers differ as they should."""
    sets = [word for override in shortened(entry.name) for word in ("--set", override)]
    run = processes.start([*LOADTEST, "compare", entry.name, "--rounds", "2", *sets]).wait(300.0)
    found = json.loads((run.results_folder / "compare.json").read_text())

    assert run.exit_code in {0, 5}, run.printed
    assert len(found["laps"]) == 5 * len(found["variants"])
    counted = [lap for lap in found["laps"] if lap["round"]]  # a node tells its memory some seconds after its start
    assert [lap for lap in counted if lap["exit_code"] not in {0, 1} or None in lap["values"].values()] == []
    for variant in found["variants"][1:]:
        differing = " ".join(variant["differs"])
        assert BROKERS_OF_THEIR_OWN.get(entry.name, "") in differing
