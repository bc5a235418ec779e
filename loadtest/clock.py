"""
The one clock of the project.

CLOCK_MONOTONIC is shared by all processes of a host, so instants taken in different processes can be subtracted.
"""

from __future__ import annotations

import time
from typing import Final

NS_PER_S: Final = 1_000_000_000
NS_PER_MS: Final = 1_000_000
NS_PER_US: Final = 1_000

# Bound once: the hot path calls it a hundred thousand times a second.
monotonic_ns = time.monotonic_ns
