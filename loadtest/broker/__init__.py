"""
Where a run goes: endpoints, private nodes, topology, the management API and what a broker says about itself.

Carries no message of a run; that is `wire`'s. See docs/broker.md.
"""

from __future__ import annotations

from loadtest.broker.endpoint import Endpoint, resolve_endpoints
from loadtest.broker.fingerprint import broker_fingerprint, generator_fingerprint
from loadtest.broker.management import ManagementApi, find_management
from loadtest.broker.node_config import DEFAULT_PLUGINS
from loadtest.broker.private_cluster import PrivateCluster
from loadtest.broker.private_node import PrivateNode
from loadtest.broker.reach import ServerInfo, probe
from loadtest.broker.server import find_server
from loadtest.broker.topology import Declared, Topology, queue_depths

__all__ = [
    "DEFAULT_PLUGINS",
    "Declared",
    "Endpoint",
    "ManagementApi",
    "PrivateCluster",
    "PrivateNode",
    "ServerInfo",
    "Topology",
    "broker_fingerprint",
    "find_management",
    "find_server",
    "generator_fingerprint",
    "probe",
    "queue_depths",
    "resolve_endpoints",
]
