"""Runs a scenario whose clients are blocking, in a process of its own: see `patched`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from loadtest.broker.endpoint import Endpoint

ROOT = Path(__file__).parents[3]


def perform_patched(endpoint: Endpoint, text: str, *delete: str, users: Endpoint | None = None) -> dict[str, Any]:
    """Run a scenario in a patched process, its users at *users* where that is given, and return what it reports."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.broker.clients.patched", endpoint.url, *delete],
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "USERS_URL": (users or endpoint).url},
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report
