"""`docker-compose.yml`: what it promises to those who have Docker."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[3]
FILE = ROOT / "docker-compose.yml"
COMPOSE: dict[str, Any] = YAML(typ="safe").load(FILE)
SERVICES: dict[str, dict[str, Any]] = {
    name: service for name, service in COMPOSE["services"].items() if name.startswith("rabbit-")
}
LOAD: dict[str, dict[str, Any]] = {
    name: service for name, service in COMPOSE["services"].items() if name not in SERVICES
}


@pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES.keys())
def test_image_is_pinned(service: dict[str, Any]) -> None:
    """Every node is the same exact release of RabbitMQ 4, with the management plugin."""
    assert re.fullmatch(r"rabbitmq:4\.\d+\.\d+-management", service["image"])
    assert service["image"] == SERVICES["rabbit-1"]["image"]


@pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES.keys())
def test_ports_are_on_loopback(service: dict[str, Any]) -> None:
    """AMQP and the management API are published on the loopback address only."""
    published = [port.rsplit(":", maxsplit=1) for port in service["ports"]]

    assert [inner for _, inner in published] == ["5672", "15672"]
    assert all(outer.startswith("127.0.0.1:") for outer, _ in published)


def test_ports_do_not_clash() -> None:
    """No two nodes publish the same port."""
    published = [port for service in SERVICES.values() for port in service["ports"]]

    assert len(published) == len({port.rsplit(":", maxsplit=1)[0] for port in published})


@pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES.keys())
def test_health_is_checked(service: dict[str, Any]) -> None:
    """`up --wait` returns when the node takes connections, not when its container runs."""
    check = service["healthcheck"]

    assert check["test"] == ["CMD", "rabbitmq-diagnostics", "--quiet", "check_port_connectivity"]
    assert {"interval", "timeout", "retries", "start_period"} <= check.keys()


def test_one_node_by_default() -> None:
    """Without a profile there is one node, on the usual ports."""
    default = [name for name, service in SERVICES.items() if "profiles" not in service]

    assert default == ["rabbit-1"]
    assert SERVICES["rabbit-1"]["ports"] == ["127.0.0.1:5672:5672", "127.0.0.1:15672:15672"]


def test_cluster_profile_forms_a_cluster() -> None:
    """The profile adds two nodes that join the first, once it is up, with the same cookie and by a name that it has."""
    peers = {name: service for name, service in SERVICES.items() if service.get("profiles") == ["cluster"]}
    config = COMPOSE["configs"]["peers"]["content"]

    assert list(peers) == ["rabbit-2", "rabbit-3"]
    assert "cluster_formation.peer_discovery_backend = classic_config" in config
    assert f"cluster_formation.classic_config.nodes.1 = rabbit@{SERVICES['rabbit-1']['hostname']}" in config
    for name, peer in peers.items():
        assert peer["hostname"] == name
        assert peer["environment"] == SERVICES["rabbit-1"]["environment"]
        assert peer["depends_on"] == {"rabbit-1": {"condition": "service_healthy"}}
        assert peer["configs"] == [{"source": "peers", "target": "/etc/rabbitmq/conf.d/20-peers.conf"}]


def test_the_generator_is_there_only_when_asked_for() -> None:
    """A master and workers of the image of the Dockerfile, of no other user than the one who reads the results."""
    assert list(LOAD) == ["master", "worker"]
    for service in LOAD.values():
        assert service["build"] == "."
        assert service["profiles"] == ["load"]
        assert service["user"] == "${LOADTEST_UID:-1000}"
        assert "ports" not in service


def test_workers_find_their_master() -> None:
    """As many as the master waits for; it listens within the containers' network, and writes where the host reads."""
    master, worker = LOAD["master"], LOAD["worker"]
    workers = "${LOADTEST_WORKERS:-2}"

    assert {"--headless", "--master", "--master-bind-host=0.0.0.0", f"--expect-workers={workers}"} <= {
        *master["command"]
    }
    assert worker["command"] == ["--worker", "--master-host=master"]
    assert worker["deploy"]["replicas"] == workers
    assert master["volumes"] == ["./results:/load/results"]
    assert "environment" not in worker
    assert "@rabbit-1:5672/" in master["environment"]["LOADTEST_BROKER"]


@pytest.mark.parametrize("service", LOAD.values(), ids=LOAD.keys())
def test_commands_of_the_generator_are_locusts(service: dict[str, Any]) -> None:
    """Locust's parser takes them, with ours."""
    words = [re.sub(r"\$\{\w+:-(.*)\}", r"\1", word) for word in service["command"]]
    program = [str(Path(sys.executable).with_name("locust")), "-f", str(ROOT / "loadtest" / "main.py")]
    run = subprocess.run([*program, *words, "--version"], capture_output=True, text=True, check=False)

    assert (run.returncode, run.stdout[:7]) == (0, "locust ")


def test_docker_compose_accepts_it() -> None:
    """Docker Compose, where it is installed, finds the file valid; it needs no engine for that."""
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("Docker Compose is not installed")
    checked = subprocess.run(
        [docker, "compose", "-f", str(FILE), "--profile", "cluster", "--profile", "load", "config", "--quiet"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert checked.stderr == ""
    assert checked.returncode == 0
