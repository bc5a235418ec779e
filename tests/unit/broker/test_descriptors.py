"""File descriptors: what a run needs is allowed, or refused before it begins."""

from __future__ import annotations

import resource

import pytest

from loadtest.broker.processes import descriptors
from loadtest.errors import UsageError
from loadtest.scenario import Plan, build_plan, load_scenario

SCENARIO = """
name: descriptors
topology: {queues: {q: {}}}
publishers: {in: {users: 1000, routing_key: q, body: {size: 9B}, CLIENT}}
run: {duration: 1s}
faults: [FAULTS]
"""
SLOW = "{at: 0s, do: slow-network, latency: 1ms, for: 500ms}"


def plan_of(client: str = "", faults: str = "") -> Plan:
    """Return the plan of a thousand publishers."""
    return build_plan(
        load_scenario("descriptors", text=SCENARIO.replace("CLIENT", client).replace("FAULTS", faults)).scenario
    )


class Limits:
    """The limits of a process, which are raised as the system does."""

    def __init__(self, soft: int, hard: int) -> None:
        self.now = (soft, hard)

    def get(self, _: int) -> tuple[int, int]:
        """Return both."""
        return self.now

    def set(self, _: int, limits: tuple[int, int]) -> None:
        """Set both; the hard one is not raised."""
        assert limits[0] <= limits[1] == self.now[1]
        self.now = limits


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Limits:
    """Limits as they are given."""
    found = Limits(*request.param)
    monkeypatch.setattr(resource, "getrlimit", found.get)
    monkeypatch.setattr(resource, "setrlimit", found.set)
    monkeypatch.setattr(descriptors, "_open_now", lambda: 10)
    return found


@pytest.mark.parametrize("limits", [(256, 4096)], indirect=True)
def test_a_soft_limit_is_raised_to_what_is_needed(limits: Limits) -> None:
    """As far as the hard one lets it, and no further than that."""
    descriptors.allow_run(plan_of(), 1, 1)

    assert limits.now == (1234, 4096)  # those of the node, of which RabbitMQ takes 100 and a tenth for itself


@pytest.mark.parametrize("limits", [(4096, 4096), (1024, resource.RLIM_INFINITY)], indirect=True)
def test_what_is_enough_is_left_alone(limits: Limits) -> None:
    """A limit is never lowered, and an endless one is no number."""
    soft = limits.now[0]
    descriptors.allow_run(plan_of(), 2, 0)

    assert limits.now[0] == soft


@pytest.mark.parametrize("limits", [(512, 1024)], indirect=True)
@pytest.mark.parametrize(
    "client, processes, nodes, proxied, said",
    [
        ("", 1, 0, False, "the process of the generator needs about 1,074 file descriptors"),
        ("client: blocking, confirm_window: 1", 2, 0, False, "each process of the generator of 2 needs about 2,074"),
        ("", 2, 1, False, "the private node needs about 1,234"),
        ("", 2, 0, True, "the proxy of the network's faults needs about 2,064"),
    ],
    ids=["the generator", "blocking clients", "the node", "the proxy"],
)
def test_a_hard_limit_that_is_too_low_is_said_with_the_number_needed(
    limits: Limits, client: str, processes: int, nodes: int, proxied: bool, said: str
) -> None:
    """Whoever would run out first, before anything is started."""
    del limits
    with pytest.raises(UsageError) as caught:
        descriptors.allow_run(plan_of(client, SLOW if proxied else ""), processes, nodes)

    assert said in str(caught.value)
    assert "may have 1,024 (ulimit -Hn)" in str(caught.value)


@pytest.mark.parametrize("limits", [(512, 1024)], indirect=True)
def test_users_spread_over_processes_and_nodes_fit(limits: Limits) -> None:
    """Each process needs its share, and each node."""
    descriptors.allow_run(plan_of(), 2, 3)

    assert limits.now == (574, 1024)


@pytest.mark.parametrize("limits", [(512, 1024)], indirect=True)
def test_a_worker_among_no_known_number_is_allowed_all_it_may_have(limits: Limits) -> None:
    """How many users it gets is not known when it joins."""
    descriptors.allow_share(plan_of(), None)

    assert limits.now == (1024, 1024)
