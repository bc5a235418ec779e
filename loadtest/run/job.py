"""
A process's share of a run: what it has to know, and the worker that it makes of that.

The process that leads a run is one of those that may work in it. Another, on this host or any, gets the scenario's text
and body files and makes the same plan of them; that it has become the same scenario, of the same version of this tool,
is checked.
"""

from __future__ import annotations

import secrets
from contextlib import ExitStack
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from loadtest.broker.endpoint import Endpoint
from loadtest.broker.monitor.fingerprint import process_facts
from loadtest.broker.processes.descriptors import allow_share
from loadtest.clients.worker_run import WorkerRun, specs_of
from loadtest.errors import UsageError
from loadtest.measure.recorder.recorder import Recorder
from loadtest.measure.records import publisher_entry
from loadtest.run.workers.gauges import Gauges
from loadtest.run.workers.local_worker import LocalWorker
from loadtest.scenario import build_plan, load_scenario
from loadtest.scenario.checks.arithmetic import most_of
from loadtest.scenario.grammar.body import read_body_file
from loadtest.scenario.grammar.work import service_time
from loadtest.scenario.schedule.stages import stages_of_groups
from loadtest.stamp import run_words
from loadtest.wire.pacer import Pacer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pika

    from loadtest.measure.records import Record
    from loadtest.run.run_options import RunOptions
    from loadtest.scenario import LoadedScenario, Plan, PublisherSpec

VERSION: Final = metadata.version("loadtest")
_NAME_ONE: Final = "name a broker (--broker) by an address that all hosts reach"


def groups_of(plan: Plan) -> dict[str, dict[str, Any]]:
    """Return what the run record has of each group: kind, model, users, stages, its begin, the most it can take."""
    open_groups = {spec.group for spec in specs_of(plan) if spec.arrivals is not None}
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
            "most": None if (most := most_of(plan, name)) is None else asdict(most),
            "stages": [list(stage) for stage in stages.get(name, ())],
            "after": plan.scenario.groups[name].after,
            "start_at_ns": plan.scenario.groups[name].start_at_ns,
        }
        for name, kind in plan.scenario.kinds.items()
    }


def entry_of(spec: PublisherSpec) -> Record:
    """Return what the run record has of a publisher."""
    return publisher_entry(
        spec.publisher_id,
        spec.group,
        confirms=bool(spec.confirm_window),
        routes=spec.routes,
        is_stamped=spec.stamp != "none",
    )


def sinks_of(plan: Plan) -> dict[str, Any]:
    """Return what the run record has of the sinks of a plan."""
    return {
        "sinks": plan.consumed_sinks,
        "may_drop": plan.may_drop,
        "untaken": list(plan.untaken),
        "streams": {
            sink: {
                "queue": queue,
                "first": spec.arguments.get("x-stream-offset") == "first",
                "filtered": "x-stream-filter" in spec.arguments,
            }
            for spec in plan.consumers
            for queue, sink in zip(spec.queues, spec.sinks, strict=True)
            if sink in plan.streams
        },
    }


def _paces_itself(plan: Plan, name: str) -> bool:
    """Return whether a group pauses by itself: a pause of it says nothing of the broker."""
    scenario = plan.scenario
    if name in scenario.consumers:
        return bool(service_time(scenario.consumers[name].processing_time))
    return name in scenario.getters


def local_worker(
    plan: Plan, nodes: Sequence[pika.ConnectionParameters], run_tag: int, worker: str, opened: ExitStack
) -> LocalWorker:
    """
    Return the worker of this process.

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
    run = WorkerRun(plan, nodes, recorder, pacer, run_tag=run_tag)
    gauges = Gauges(run)
    opened.callback(gauges.stop)
    made = LocalWorker(run, gauges)
    opened.callback(made.stop_reports)
    return made


def job_for(
    request: RunOptions,
    loaded: LoadedScenario,
    urls: Sequence[str],
    run_tag: int,
    *,
    processes: int | None = None,
    is_private: bool = False,
    is_proxied: bool = False,
) -> dict[str, Any]:
    """
    Return what `worker_for_job` needs, as msgpack can carry it; with the credentials of the broker.

    `run` is a name by which orders of this run are told from those of the one before. The scenario goes as it was
    loaded, with its body files, so that a worker needs no file of the run.

    Args:
        request: What was asked for.
        loaded: Its scenario.
        urls: Where users connect to.
        run_tag: By which the run's messages are told from others.
        processes: That the users are spread over; None where that is not known.
        is_private: Whether the broker is a private one, which nobody else can reach.
        is_proxied: Whether users connect through a proxy of the leading process.
    """
    named = {group.body.file for group in loaded.scenario.publishers.values() if group.body.file is not None}
    return {
        "version": VERSION,
        "source": loaded.source,
        "text": loaded.text,
        "files": {name: read_body_file(loaded.folder, name)[1] for name in sorted(named)},
        "users": request.users,
        "groups": list(loaded.scenario.kinds),
        "hash": loaded.hash,
        "nodes": list(urls),
        "run_tag": run_tag,
        "processes": processes,
        "run": secrets.token_hex(8),
        "network": process_facts()["network"],
        "is_private": is_private,
        "is_proxied": is_proxied,
    }


def worker_for_job(share: Mapping[str, Any], worker: str, brokers: Sequence[str], opened: ExitStack) -> LocalWorker:
    """
    Return the worker of a process that is not the leading one.

    Args:
        share: From `job_for`, elsewhere.
        worker: The name of this process, unique in the run.
        brokers: URLs by which this process reaches the broker, where they are other than the leading one's.
        opened: Gets what is to be closed when the run is over.

    Raises:
        LoadTestError: If it is of another version, cannot make the same scenario, or cannot reach the broker.
    """
    version = share.get("version")
    if version != VERSION:
        raise UsageError(f"it is loadtest {VERSION}, and the master {version or 'an older one'}: install the same")
    loaded, plan = _scenario_of(share)
    if loaded.hash != share["hash"]:
        raise UsageError(f"it makes another scenario of {share['source']} than the master: install the same loadtest")
    allow_share(plan, share["processes"])
    nodes = _nodes(share, brokers, plan.topology.vhost)
    return local_worker(plan, [node.pika_parameters() for node in nodes], share["run_tag"], worker, opened)


def _scenario_of(share: Mapping[str, Any]) -> tuple[LoadedScenario, Plan]:
    """Return the scenario and its plan; body files lie in a folder of their own until they are read."""
    with TemporaryDirectory(prefix="loadtest-") as name:
        folder = Path(name).resolve()
        for file, content in share["files"].items():
            path = (folder / file).resolve()
            if not path.is_relative_to(folder):
                raise UsageError(f"the master sent a body file {file!r}, which is not below the scenario's folder")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        loaded = load_scenario(folder / "scenario.yaml", text=share["text"])
        return loaded, build_plan(loaded.scenario, users=share["users"], folder=folder)


def _nodes(share: Mapping[str, Any], brokers: Sequence[str], vhost: str | None) -> list[Endpoint]:
    """Return where the users of this process connect to; refuses what is on the loopback interface of another host."""
    is_far = share["network"] is None or share["network"] != process_facts()["network"]
    if is_far and share["is_private"]:
        raise UsageError(f"the run has a private broker, which only the master's host reaches: {_NAME_ONE}")
    if is_far and share["is_proxied"]:
        raise UsageError("faults of the network go through a proxy on the master's host: run all workers there")
    if brokers and not share["is_private"] and not share["is_proxied"]:
        named = [Endpoint.parse(url) for url in brokers]
        return [each.with_vhost(vhost) if vhost is not None else each for each in named]
    nodes = [Endpoint.parse(url) for url in share["nodes"]]
    local = next((node for node in nodes if node.is_loopback), None) if is_far else None
    if local is not None:
        raise UsageError(f"the broker is at {local.address} of the master's host, and this is another: {_NAME_ONE}")
    return nodes
