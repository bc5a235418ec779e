"""Seats handed out to workers: each once, whoever asks, how often and for how many at a time."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from loadtest.run.workers.reassignment import Reassignment
from loadtest.scenario import build_plan, load_scenario
from tests.unit.run.staged import StagedRun

GROUPS = ("in", "out")
TAKEN = """
topology: {{queues: {{q: {{}}}}}}
publishers: {{in: {{users: {in}, routing_key: q, body: {{text: hello}}, messages: 50}}}}
consumers: {{out: {{users: {out}, queue: q}}}}
"""


@given(
    users=st.fixed_dictionaries({group: st.integers(1, 12) for group in GROUPS}),
    asked=st.lists(st.tuples(st.integers(1, 5), st.sampled_from(GROUPS), st.integers(1, 6)), max_size=30),
)
def test_every_seat_is_taken_once(users: dict[str, int], asked: list[tuple[int, str, int]]) -> None:
    """Whoever comes when all are taken gets none; what was handed out is what there is, in all workers together."""
    staged = StagedRun(TAKEN.format(**users))
    reassignment = Reassignment(staged.plan, staged.collector)
    given_out: list[tuple[str, int | None]] = []
    wanted_of: Counter[str] = Counter()
    for worker, group, wanted in asked:
        wanted_of[group] += wanted
        specs = reassignment.assign_specs(f"worker-{worker}", {group: wanted})
        given_out += [(group, spec) for spec in specs[group]]
    staged.pacer.close()

    for group in GROUPS:
        taken = sorted(spec for name, spec in given_out if name == group and spec is not None)
        assert taken == list(range(min(users[group], wanted_of[group])))
    assert len(given_out) == sum(wanted_of.values())


SHARED = """
name: shared
topology: {{queues: {{"q-%d": {{count: {queues}}}}}}}
publishers:
  in:
    users: {users}
    routing_key: "q-%d"
    body: {{text: hello}}
    arrival: {arrival}
    rate: [{{for: 2s, from: 0/s, to: {rate}/s}}, {{for: 1s, rate: {rate}/s}}]
consumers: {{out: {{users: {queues}, queue: "q-%d"}}}}
"""


@given(
    users=st.integers(1, 9),
    queues=st.integers(1, 5),
    rate=st.integers(1, 90),
    arrival=st.sampled_from(["constant", "poisson"]),
    spread=st.randoms(use_true_random=False),
)
def test_shares_make_up_the_whole(users: int, queues: int, rate: int, arrival: str, spread: Any) -> None:
    """However a group's users lie over workers: their arrivals are those of one user who does it all, each once."""

    def instants(text: str) -> list[int]:
        plan = build_plan(load_scenario("test", text=text).scenario)
        workers: dict[int, list[int]] = {}
        for spec in plan.publishers:
            assert spec.arrivals is not None
            total = spec.arrivals.total
            assert total is not None
            own = spec.arrivals.intended_ns_run(0, total).tolist()
            workers.setdefault(spread.randrange(3), []).extend(own)
        assert [spec.publisher_id for spec in plan.publishers] == list(range(len(plan.publishers)))
        return sorted(instant for shares in workers.values() for instant in shares)

    settings = {"queues": queues, "rate": rate, "arrival": arrival}

    assert instants(SHARED.format(users=users, **settings)) == instants(SHARED.format(users=1, **settings))
