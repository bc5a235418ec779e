"""What the tests of whole processes share: the processes of a test, and the two commands that run a scenario."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.processes import DOORS, Door, Processes


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Start processes in a folder of the test's own; none outlives it or shows a traceback."""
    folder = tmp_path / "work"
    folder.mkdir()
    started = Processes(folder)
    yield started
    started.end()


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest) -> Door:
    """Each of the two commands that run a scenario."""
    chosen: Door = request.param
    return chosen
