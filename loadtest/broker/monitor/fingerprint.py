"""
What a result says about the two machines it came from: the broker's and the generator's.

Observed, never guessed: what cannot be known is None. No passwords: a configuration comes with its secrets replaced.
"""

from __future__ import annotations

import contextlib
import os
import platform
import socket
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from loadtest.errors import BrokerError

if TYPE_CHECKING:
    # A worker asks for `process_facts` alone, and needs none of these.
    from loadtest.broker.admin.reach import ServerInfo
    from loadtest.broker.monitor.management import Json, ManagementApi
    from loadtest.broker.private.private_cluster import PrivateBroker

DISTRIBUTIONS: Final = ("gevent", "hdrhistogram", "locust", "numpy", "pika", "pydantic", "pyroaring")

Answer = TypeVar("Answer")


def broker_fingerprint(
    server_info: ServerInfo, management: ManagementApi | None = None, private: PrivateBroker | None = None
) -> Json:
    """
    Return what is known of the broker: from AMQP always, from the management API and a private node's files if there.

    Keys: product, version, erlang, cluster_name, nodes, plugins, policies, rates_mode, config, environment, private.
        `plugins` and `policies` are None where the API does not tell (a node tells its plugins some seconds after its
        start);
        `config` is a private node's rabbitmq.conf; of a cluster that of its first node, as the others differ in their
        ports only; `environment` is what its nodes were told besides, None if nothing.
    """
    overview = _survive(management.overview) if management is not None else None
    nodes = _survive(management.nodes) if management is not None else None
    return {
        "product": server_info.product,
        "version": server_info.version,
        "erlang": (server_info.platform or "").removeprefix("Erlang/OTP ") or (overview or {}).get("erlang_version"),
        "cluster_name": server_info.cluster_name,
        "nodes": _nodes(nodes, private),
        "plugins": _plugins(nodes, private),
        "policies": _survive(management.policies) if management is not None else None,
        "rates_mode": (overview or {}).get("rates_mode"),
        "config": private.nodes[0].config if private is not None else None,
        "environment": (private.nodes[0].environment or None) if private is not None else None,
        "private": private is not None,
    }


def boot_id() -> str | None:
    """Return what tells this boot of this host from others: processes of one share a monotonic clock."""
    return _first_line(Path("/proc/sys/kernel/random/boot_id"))


def process_facts() -> Json:
    """
    Return what tells this process's place from others'.

    Keys: host; cores (that it may use); clock (processes with the same one share a monotonic clock: the same boot and
        time namespace); network (those with the same one share a loopback interface: a network namespace). Null where
        it is not known.
    """
    boot = boot_id()
    return {
        "host": socket.gethostname(),
        "cores": _cores(),
        "clock": None if boot is None else f"{boot}/{_namespace('time')}",
        "network": None if boot is None else f"{boot}/{_namespace('net')}",
    }


def _namespace(kind: str) -> str:
    """Return the name of a namespace of this process; empty where the system has none of the kind."""
    with contextlib.suppress(OSError):
        return str(Path(f"/proc/self/ns/{kind}").readlink())
    return ""


def _cores() -> int | None:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def generator_fingerprint() -> Json:
    """
    Return what is known of this machine.

    Keys: host, boot_id (processes of the same boot share a monotonic clock), cores (that this process may use), cpu,
        memory_bytes, kernel, python, versions.
    """
    return {
        "host": socket.gethostname(),
        "boot_id": boot_id(),
        "cores": _cores(),
        "cpu": _proc_value(Path("/proc/cpuinfo"), "model name") or platform.processor() or platform.machine(),
        "memory_bytes": _memory_bytes(),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": sys.version.split()[0],
        "versions": {name: _version(name) for name in ("loadtest", *DISTRIBUTIONS)},
    }


def _nodes(told: list[Json] | None, private: PrivateBroker | None) -> list[Json] | None:
    """Return the nodes as the API tells them; where there is none, what is known of private ones."""
    if told is None and private is not None:
        told = [{"name": node.erlang_name, "running": node.is_alive} for node in private.nodes]
    return [_node(each) for each in told] if told is not None else None


def _node(said: Json) -> Json:
    """Return the part of a node's state that a run does not change."""
    return {key: said.get(key) for key in ("name", "type", "running", "processors", "mem_limit", "disk_free_limit")}


def _plugins(nodes: list[Json] | None, private: PrivateBroker | None) -> list[str] | None:
    enabled = {plugin for each in nodes or () for plugin in each.get("enabled_plugins") or ()}
    return sorted(enabled or (private.plugins if private is not None else ())) or None


def _survive(ask: Callable[[], Answer]) -> Answer | None:
    with contextlib.suppress(BrokerError):
        return ask()
    return None


def _first_line(path: Path) -> str | None:
    with contextlib.suppress(OSError):
        return path.read_text().strip()
    return None


def _proc_value(path: Path, key: str) -> str | None:
    """Return the value of the first line `key : value`."""
    with contextlib.suppress(OSError):
        for line in path.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == key:
                return value.strip()
    return None


def _memory_bytes() -> int | None:
    total = _proc_value(Path("/proc/meminfo"), "MemTotal")
    return int(total.split()[0]) * 1024 if total is not None else None


def _version(distribution: str) -> str | None:
    with contextlib.suppress(metadata.PackageNotFoundError):
        return metadata.version(distribution)
    return None
