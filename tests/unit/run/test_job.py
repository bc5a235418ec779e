"""A process's share of a run: all that it needs, and nothing of the leading process's files."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgpack  # type: ignore[import-untyped]  # what Locust's messages are made with; it has no stubs
import pytest

from loadtest.clients.worker_run import specs_of
from loadtest.errors import LoadTestError
from loadtest.run import job as sharing
from loadtest.run.job import VERSION, job_for, worker_for_job
from loadtest.run.run_options import RunOptions

TEXT = """
name: shared
variables: {rate: 700/s}
topology: {vhost: other, queues: {"q-%d": {count: 3}}}
publishers:
  filed: {users: 7, routing_key: "q-%d", body: {file: bodies/b.txt}, rate: "${rate}", arrival: poisson}
  drawn: {users: 2, routing_key: "q-%d", body: {random: 40B}, messages: 5}
consumers: {out: {users: 3, queue: "q-%d"}}
run: {duration: 4s}
"""
URLS = ["amqp://guest:secret@10.1.2.3:5672/%2F"]


def shared(folder: Path, urls: list[str] | None = None, flag: str | None = None) -> tuple[RunOptions, dict[str, Any]]:
    """Return what was asked for, and the share of it as it comes out of the message that carries it."""
    (folder / "bodies").mkdir(exist_ok=True)
    (folder / "bodies" / "b.txt").write_bytes(b"\x00body\xff")
    (folder / "shared.yaml").write_text(TEXT)
    request = RunOptions(
        str(folder / "shared.yaml"),
        overrides=("publishers.filed.rate=900/s",),
        thresholds=("lost == 0",),
        users=24,
        connect_rate_per_s=50,
        run_time_s=2,
    )
    share = job_for(request, request.load()[0], urls or URLS, 9, **{flag: True} if flag else {})
    carried: dict[str, Any] = msgpack.unpackb(msgpack.packb(share))
    return request, carried


def crew_of(share: dict[str, Any], brokers: tuple[str, ...] = ()) -> Any:
    """Return the crew that a process makes of its share."""
    with ExitStack() as opened:
        return worker_for_job(share, "worker", brokers, opened)


def test_a_worker_makes_the_same_plan_of_it(tmp_path: Path) -> None:
    """Users, seats, schedules and bodies are equal, though the scenario and its files are gone."""
    request, share = shared(tmp_path)
    plan = request.load()[1]
    (tmp_path / "bodies" / "b.txt").unlink()
    (tmp_path / "shared.yaml").unlink()

    theirs = crew_of(share).run.plan

    assert theirs.users == plan.users
    assert sum(theirs.users.values()) == 24
    for ours, other in zip(specs_of(plan), specs_of(theirs), strict=True):
        assert getattr(ours, "bodies", None) == getattr(other, "bodies", None)
        assert (ours.group, ours.user, ours.messages) == (other.group, other.user, other.messages)
    times = [[spec.arrivals.intended_ns(5) for spec in each.publishers if spec.arrivals] for each in (plan, theirs)]
    assert times[0] == times[1]
    assert theirs.scenario.run == plan.scenario.run
    assert [threshold.text for threshold in theirs.scenario.thresholds] == ["lost == 0"]


def test_nothing_is_left_of_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Body files lie somewhere only while they are read."""
    share = shared(tmp_path)[1]
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))

    crew_of(share)

    assert list(temporary.iterdir()) == []


def test_a_file_cannot_lead_out_of_its_folder(tmp_path: Path) -> None:
    """A master that sends another path than one below the scenario's folder is refused."""
    share = shared(tmp_path)[1]
    share["files"]["../../escaped"] = b"x"

    with pytest.raises(LoadTestError, match="not below the scenario's folder"):
        crew_of(share)


@pytest.mark.parametrize("version", [None, "0.0.1"], ids=["none", "other"])
def test_another_version_is_refused(version: str | None, tmp_path: Path) -> None:
    """The error names both."""
    share = shared(tmp_path)[1] | {"version": version}

    with pytest.raises(LoadTestError, match=f"it is loadtest {VERSION}, and the master {version or 'an older one'}"):
        crew_of(share)


def test_another_scenario_is_refused(tmp_path: Path) -> None:
    """Of one text two versions of the grammar may make two scenarios."""
    share = shared(tmp_path)[1] | {"hash": "0" * 64}

    with pytest.raises(LoadTestError, match=r"another scenario of .*shared\.yaml than the master"):
        crew_of(share)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this process believe that it is on another host than the master, once it takes its share."""
    monkeypatch.setattr(sharing, "local_worker", lambda plan, nodes, *_: nodes)

    def move() -> dict[str, Any]:
        return {"network": "another"}

    monkeypatch.setattr(sharing, "process_facts", move)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.0.1.1"])
def test_a_loopback_address_of_another_host_is_refused(host: str, tmp_path: Path, elsewhere: None) -> None:
    """It would be this host's own; the error says what to name, and never a password."""
    share = shared(tmp_path, [f"amqp://guest:secret@{host}:5672/%2F"])[1] | {"network": "the master's"}

    with pytest.raises(LoadTestError, match="of the master's host, and this is another: name a broker") as found:
        crew_of(share)
    assert "secret" not in str(found.value)


@pytest.mark.parametrize(
    "flag, words",
    [("is_private", "private broker, which only the master's host reaches"), ("is_proxied", "run all workers there")],
)
def test_what_only_the_master_reaches_is_refused(flag: str, words: str, tmp_path: Path, elsewhere: None) -> None:
    """Private brokers and the proxy for faults of the network listen on the master's loopback interface."""
    share = shared(tmp_path, flag=flag)[1] | {"network": "the master's"}

    with pytest.raises(LoadTestError, match=words):
        crew_of(share, ("amqp://broker.lab",))


def test_a_named_address_is_taken(tmp_path: Path, elsewhere: None) -> None:
    """Where all hosts reach the broker by one name, nothing has to be said on the worker."""
    share = shared(tmp_path)[1] | {"network": "the master's"}

    (node,) = crew_of(share)

    assert (node.host, node.port, node.credentials.password) == ("10.1.2.3", 5672, "secret")


def test_a_worker_may_have_a_way_of_its_own(tmp_path: Path, elsewhere: None) -> None:
    """What is typed on the worker counts there, with the virtual host of the scenario."""
    share = shared(tmp_path)[1] | {"network": None}

    (node,) = crew_of(share, ("amqp://me:mine@nearer:5673",))

    assert (node.host, node.port, node.virtual_host, node.credentials.username) == ("nearer", 5673, "other", "me")
