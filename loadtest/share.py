"""
A process's share of a run: what it has to know, and the crew that it makes of that.

The process that leads a run is one of those that may work in it. Another gets the request and loads the scenario
itself, as its files are there too; that it has become the same scenario, and that the clocks are the same, is checked.
"""

from __future__ import annotations

import secrets
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadtest.broker.endpoint import Endpoint
from loadtest.broker.fingerprint import boot_id
from loadtest.errors import UsageError
from loadtest.measure.recorder import Recorder
from loadtest.request import Request
from loadtest.scenario.stages import stages_of_groups
from loadtest.scenario.work import service_time
from loadtest.stamp import run_words
from loadtest.traffic.crew import OwnCrew
from loadtest.traffic.gauges import Gauges
from loadtest.traffic.run import Run, seats_of
from loadtest.wire.pacing import Pacer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pika

    from loadtest.scenario import LoadedScenario, Plan


def groups_of(plan: Plan) -> dict[str, dict[str, Any]]:
    """Return kind, model, number of users and stages of each group, as the run record has them."""
    open_groups = {seat.group for seat in seats_of(plan) if getattr(seat, "arrivals", None) is not None}
    published = {publisher.group for publisher in plan.publishers}
    # A consumer's latencies count from what the publishers intended, so they are as open as those are.
    if published and published <= open_groups:
        open_groups |= set(plan.users)
    stages = stages_of_groups(plan.scenario)
    return {
        name: {
            "kind": kind,
            "model": "open" if name in open_groups else "closed",
            "users": plan.users[name],
            "paces_itself": _paces_itself(plan, name),
            "stages": [list(stage) for stage in stages.get(name, ())],
        }
        for name, kind in plan.scenario.kinds.items()
    }


def _paces_itself(plan: Plan, name: str) -> bool:
    """Return whether a group pauses by itself: a pause of it says nothing of the broker."""
    scenario = plan.scenario
    if name in scenario.consumers:
        return bool(service_time(scenario.consumers[name].processing_time))
    return name in scenario.getters


def crew_here(
    plan: Plan, nodes: Sequence[pika.ConnectionParameters], run_tag: int, worker: str, opened: ExitStack
) -> OwnCrew:
    """
    Return the crew of this process.

    Args:
        plan: All users of the run, of which this process has all or, as one of several, some.
        nodes: Where they connect to.
        run_tag: By which the run's messages are told from others.
        worker: The name of this process, unique in the run.
        opened: Gets what is to be closed when the run is over.
    """
    groups = groups_of(plan)
    kinds = {name: group["kind"] for name, group in groups.items()}
    closed = [name for name, group in groups.items() if group["model"] == "closed"]
    recorder = Recorder(worker, kinds, closed_groups=closed, ours=run_words(run_tag, len(plan.publishers)))
    pacer = Pacer()
    opened.callback(pacer.close)
    run = Run(plan, nodes, recorder, pacer, run_tag=run_tag)
    gauges = Gauges(run)
    opened.callback(gauges.stop)
    return OwnCrew(run, gauges)


def share_of(request: Request, loaded: LoadedScenario, urls: Sequence[str], run_tag: int) -> dict[str, Any]:
    """
    Return what `crew_there` needs, as msgpack and JSON can carry it; with the credentials of the broker.

    `run` is a name by which orders of this run are told from those of the one before.
    """
    path = Path(request.scenario)
    return {
        "scenario": str(path.absolute()) if path.exists() else request.scenario,
        "overrides": list(request.overrides),
        "thresholds": list(request.thresholds),
        "users": request.users,
        "connect_rate_per_s": request.connect_rate_per_s,
        "run_time_s": request.run_time_s,
        "hash": loaded.hash,
        "nodes": list(urls),
        "run_tag": run_tag,
        "run": secrets.token_hex(8),
        "boot_id": boot_id(),
    }


def crew_there(share: Mapping[str, Any], worker: str, opened: ExitStack) -> OwnCrew:
    """
    Return the crew of a process that is not the leading one.

    Raises:
        LoadTestError: If it is on another host, or has another scenario.
    """
    if share["boot_id"] != boot_id():
        raise UsageError("it is on another host than the master: runs over several hosts are not supported yet")
    request = Request(
        scenario=share["scenario"],
        overrides=tuple(share["overrides"]),
        thresholds=tuple(share["thresholds"]),
        users=share["users"],
        connect_rate_per_s=share["connect_rate_per_s"],
        run_time_s=share["run_time_s"],
    )
    loaded, plan = request.load()
    if loaded.hash != share["hash"]:
        raise UsageError(f"it has another scenario {share['scenario']} than the master")
    nodes = [Endpoint.parse(url).pika_parameters() for url in share["nodes"]]
    return crew_here(plan, nodes, share["run_tag"], worker, opened)
