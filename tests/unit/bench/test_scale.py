"""The bench of the master: simulated windows add up to sound books, and figures are worked out as they say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.scale import (
    Trial,
    cores_of,
    fault_of,
    figures_of,
    growth_bytes_per_min,
    journal_bytes_of,
    spread,
    verdict_of,
)
from bench.scale_traffic import (
    CONSUMERS,
    PROFILES,
    PUBLISHERS,
    Profile,
    Traffic,
    read_recorded,
    recording_of,
    scenario_of,
)
from loadtest.measure import Collector
from loadtest.measure.record_models import is_record
from loadtest.measure.records import publisher_entry, run_record
from loadtest.scenario import build_plan, load_scenario

WORKERS = 20
TURNS = 8
profiles = pytest.mark.parametrize("profile", PROFILES.values(), ids=list(PROFILES))


def _traffic(profile: Profile) -> Traffic:
    return Traffic(read_recorded()[recording_of(profile)], WORKERS, profile.workers_a_queue)


def _windows(profile: Profile) -> list[dict[str, object]]:
    """Return the windows of a run of all workers, the last ones with what was on its way."""
    traffic = _traffic(profile)
    return [
        traffic.window(
            f"w{worker}",
            worker,
            turn,
            is_over=turn == TURNS,
            index=turn,
            start_ns=turn,
            end_ns=turn + 1,
            phase="measured" if turn < TURNS else "drain",
        )
        for turn in range(TURNS + 1)
        for worker in range(WORKERS)
    ]


@profiles
def test_simulated_windows_add_up_to_sound_books(profile: Profile, tmp_path: Path) -> None:
    """All that is published is confirmed and taken once, where the scenario says that it must go."""
    path = tmp_path / "scenario.yaml"
    path.write_text(scenario_of(profile, WORKERS, 10))
    plan = build_plan(load_scenario(str(path)).scenario, users=None, folder=tmp_path)
    collector = Collector()
    collector.take(
        run_record(
            start_ns=0,
            started_at="2026-01-01T00:00:00+00:00",
            scenario={},
            groups={
                PUBLISHERS: {"kind": "publisher", "model": "open"},
                CONSUMERS: {"kind": "consumer", "model": "open"},
            },
            publishers=[
                publisher_entry(spec.publisher_id, spec.group, confirms=True, routes=spec.routes)
                for spec in plan.publishers
            ],
            sinks=plan.consumed_sinks,
        )
    )
    for window in _windows(profile):
        collector.take(window)
    totals, losses = collector.ledger.totals(), collector.losses()

    assert totals.published > 1_000 * WORKERS
    assert totals.published == totals.confirmed == totals.taken == totals.received
    assert (totals.imbalance, totals.unexpected, totals.unpublished, totals.foreign) == (0, 0, 0, 0)
    assert (losses.lost, losses.undelivered, losses.vanished) == (0, 0, 0)
    assert collector.groups[CONSUMERS].totals["delivered"] == totals.taken


@profiles
def test_simulated_windows_are_records(profile: Profile) -> None:
    """They are what a journal may hold."""
    assert all(is_record(json.dumps(window).encode()) for window in _windows(profile))


def test_what_a_worker_publishes_another_one_takes() -> None:
    """Deliveries cross between workers, and some come in the window after."""
    delta = _traffic(PROFILES["paced"]).delta(3, 1)

    assert set(delta.delivered.key.tolist()).isdisjoint(delta.published.key.tolist())
    assert delta.delivered.first[0] < delta.published.first[0]


def test_shared_queues_deal_each_message_to_one_of_their_workers() -> None:
    """A worker of a shared queue has messages of all its publishers, and about a tenth of each one's."""
    delta = _traffic(PROFILES["shared"]).delta(0, 2)
    keys, _ = delta.delivered.values()

    assert len(set(keys.tolist())) == PROFILES["shared"].workers_a_queue
    assert 700 < len(keys) < 1_300


def test_workers_are_a_multiple_of_those_of_a_queue() -> None:
    """Queues have as many workers each."""
    with pytest.raises(ValueError, match="15 workers"):
        Traffic(read_recorded()["paced"], 15, 10)


def _sample(second: int, **changes: object) -> dict[str, object]:
    return {
        "at_ns": second * 10**9,
        "process_ns": second * 400_000_000,
        "main_ns": second * 300_000_000,
        "resident_bytes": 100 + 10 * second,
        "windows": 7 * second,
        "answers": 7 * second,
        "answer_bytes": 700 * second,
        "received_bytes": 1000 * second,
        "parts_ns": {"journal": second * 100_000_000},
        "calls": {},
        **changes,
    }


def test_parts_and_what_is_left() -> None:
    """Processor time is that between the samples; what no part has is Locust's."""
    cores = cores_of([_sample(1, parts_ns={}), _sample(2), _sample(5)])

    assert cores == pytest.approx(
        {"in all": 0.4, "journal": 0.125, "Locust and event loop": 0.175, "other threads": 0.1}
    )


def test_figures_of_a_master() -> None:
    """Rates and sizes are those between the samples; memory grows as the line through them."""
    told = {
        "samples": [_sample(1), _sample(2), _sample(3)],
        "intake_ns": [3_000_000, 1_000_000, 9_000_000],
        "window_ns": [10**9] * 3,
    }
    figures = figures_of(told)

    assert (figures["wire_bytes"], figures["received_bytes_per_s"], figures["windows_per_s"]) == (100, 1000, 7)
    assert (figures["intake_p50_ms"], figures["intake_max_ms"], figures["window_s"]) == (3, 9, 1)
    assert growth_bytes_per_min([_sample(1), _sample(2), _sample(3)]) == pytest.approx(600)


def test_journal_size_is_that_of_windows_with_traffic() -> None:
    """Windows of the time before, and other records, do not count."""
    lines = [b'{"type":"window","histograms"', b'{"type":"window"}', b'{"type":"event"}']

    assert len(lines[0]) == journal_bytes_of(lines)


@pytest.mark.parametrize(
    "changes,expected",
    [({}, None), ({"lost": 1}, "books"), ({"confirmed": 4}, "books")],
    ids=["sound", "lost", "unconfirmed"],
)
def test_fault_of_a_result(changes: dict[str, int], expected: str | None) -> None:
    """A trial whose books do not close is none."""
    totals = {"lost": 0, "duplicates": 0, "published": 5, "confirmed": 5, "delivered": 5, **changes}
    fault = fault_of({"complete": True, "totals": totals})

    assert (fault is None) if expected is None else (fault is not None and expected in fault)
    assert fault_of({"complete": False, "totals": totals}) == "the run is not complete"


def test_verdict_is_of_a_hundred_workers() -> None:
    """The goal is in cores at one window a second a worker: of the worst round."""
    trials = [
        Trial("paced", workers, 0, {"in all": cores}, {"windows_per_s": rate})
        for workers, cores, rate in ((10, 0.9, 10), (100, 0.2, 100), (100, 0.3, 50))
    ]

    assert verdict_of(trials) == ["paced, 100 workers: 0.20 to 0.60 cores, goal 0.5: missed"]


def test_spread_says_once_what_is_the_same() -> None:
    """A range of values that look the same is one value."""
    assert (spread([1.01, 1.04], ".1f"), spread([1, 2], ".0f")) == ("1.0", "1 to 2")
