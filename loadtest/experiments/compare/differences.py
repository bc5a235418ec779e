"""
In what two brokers differ: their versions, nodes, effective configs, and what their nodes were told besides.

Knows fingerprints as results have them; no brokers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_COMPARED: Final = ("product", "version", "nodes", "config", "environment")


def differences(base: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Return in which lines of the effective config two brokers differ, and in what else."""
    found: dict[str, tuple[str, str]] = {}
    for key in _COMPARED:
        before, after = _flat(base.get(key), key), _flat(other.get(key), key)
        for name in sorted(before.keys() | after.keys()):
            values = (before.get(name, "not set"), after.get(name, "not set"))
            if values[0] != values[1] and "listeners" not in name and ".port" not in name:
                found[name] = values
    return found


def _flat(value: Any, name: str) -> dict[str, str]:
    if isinstance(value, list):
        return {name: str(len(value))}
    if isinstance(value, dict):
        return {key: text for part, item in value.items() for key, text in _flat(item, f"{name} {part}").items()}
    if isinstance(value, str) and "\n" in value:
        return _settings(value, name)
    return {} if value is None else {name: str(value)}


def _settings(config: str, name: str) -> dict[str, str]:
    """Return the lines of a rabbitmq.conf by their keys, and the terms of an advanced.config after it as one."""
    lines = [line.strip() for line in config.splitlines()]
    told = [line for line in lines if line and not line.startswith(("#", "%"))]
    pairs = [line.partition("=") for line in told if "=" in line]
    terms = " ".join(line for line in told if "=" not in line)
    found = {f"{name} {key.strip()}": text.strip() for key, _, text in pairs}
    return found | ({f"advanced.{name}": terms} if terms else {})
