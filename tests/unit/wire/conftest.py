from __future__ import annotations

from collections.abc import Iterator

import gevent
import pytest


@pytest.fixture(autouse=True)
def time_limit() -> Iterator[None]:
    """Nothing here may hang; a test that computes is not stopped by this."""
    with gevent.Timeout(30):
        yield
