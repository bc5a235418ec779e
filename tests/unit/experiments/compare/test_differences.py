"""In what two brokers differ, by their fingerprints."""

from __future__ import annotations

from typing import Any, Final

import pytest

from loadtest.experiments.compare.differences import differences

BASE: Final[dict[str, Any]] = {
    "product": "RabbitMQ",
    "version": "3.10.8",
    "nodes": [{"name": "a"}],
    "config": "# a comment\nheartbeat = 60\nlisteners.tcp.1 = 127.0.0.1:1\nmanagement.tcp.port = 2\n",
    "environment": None,
}
ADVANCED: Final = "heartbeat = 60\n[{rabbit, [\n  {credit_flow_default_credit, {0, 0}}\n]}].\n"


@pytest.mark.parametrize(
    "change, told",
    [
        pytest.param({}, {}, id="nothing"),
        pytest.param({"version": "4.0.5"}, {"version": ("3.10.8", "4.0.5")}, id="version"),
        pytest.param({"nodes": [{}, {}, {}]}, {"nodes": ("1", "3")}, id="nodes"),
        pytest.param({"config": None}, {"config heartbeat": ("60", "not set")}, id="no config"),
        pytest.param(
            {"config": "heartbeat=30\nlisteners.tcp.1 = 127.0.0.1:9\nmanagement.tcp.port = 9\n"},
            {"config heartbeat": ("60", "30")},
            id="a setting; ports differ always",
        ),
        pytest.param(
            {"config": ADVANCED},
            {"advanced.config": ("not set", "[{rabbit, [ {credit_flow_default_credit, {0, 0}} ]}].")},
            id="terms of an advanced.config",
        ),
        pytest.param({"environment": {"A": "1"}}, {"environment A": ("not set", "1")}, id="environment"),
    ],
)
def test_differences(change: dict[str, Any], told: dict[str, tuple[str, str]]) -> None:
    """The baseline's value, and the other's."""
    assert differences(BASE, {**BASE, **change}) == told
