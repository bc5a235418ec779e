"""The scenarios of the catalogue that harm their broker, as they are written, each on nodes that the run starts."""

from __future__ import annotations

import pytest

from tests.e2e.processes import Processes, assert_closed, run_command

pytestmark = [pytest.mark.e2e, pytest.mark.long]

# How often something was done to the broker, and the longest time, in s, that nobody may be able to publish.
# The latter is what was seen on two cores, doubled and more.
CASES = {
    "kill-node-quorum-3": (2, 10),
    "kill-node-classic": (2, 20),
    "restart-durable": (1, None),
    "memory-alarm": (2, 10),
}


@pytest.mark.usefixtures("rabbitmq_server")
@pytest.mark.parametrize("scenario", CASES)
def test_scenario_passes_on_nodes_of_its_own(scenario: str, processes: Processes) -> None:
    """Its faults were done, what was confirmed arrived, and its thresholds hold."""
    run = processes.run(run_command("loadtest", scenario))
    done, longest_s = CASES[scenario]
    outages = [outage["end_s"] - outage["start_s"] for outage in next(iter(run.result["groups"].values()))["outages"]]

    assert run.exit_code == 0, run.printed
    assert_closed(run.result)
    assert [event["code"] for event in run.result["events"]].count("fault") == done
    if longest_s is not None:
        assert 0 < max(outages) < longest_s
