"""The limits of a scenario as a whole, and what goes beyond them would need, in words for errors."""

from __future__ import annotations

from typing import Final

MAX_USERS: Final = 100_000
"""In all. Each is a connection of its own; an address has some 28,000 to 64,000 ports for those to one address."""

MAX_ARRIVALS: Final = 100_000_000_000
"""Of a schedule of stages: a million a second for a day."""

DAY_NS: Final = 24 * 3600 * 1_000_000_000
MAX_FAULT_STEPS: Final = 200_000
"""Of faults that are repeated: twice a second for a day."""

_USER_KB: Final = 50
"""Measured: 103, 151 and 354 MB with 1, 1,000 and 5,000 idle consumers (docs/decisions.md)."""

_USERS_A_CORE: Final = 5_000
"""An estimate, for users that do little: 1,000 idle consumers took 0.03 cores, and what users do costs most."""


def users_need(users: int) -> str:
    """Return what users would need, about: a connection is a descriptor, and costs memory and time on this host."""
    memory_gb = max(1, round(users * _USER_KB / 1_000_000))
    cores = max(1, round(users / _USERS_A_CORE))
    return (
        f"{users:,} would need as many file descriptors and ports, about {memory_gb:,} GB of memory and {cores:,} cores"
    )
