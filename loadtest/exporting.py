"""
A run, and where it can be scraped while it goes on; for `locust -f loadtest/main.py` and `loadtest run` alike.

Knows sessions and the exporter; the one tells the other what happens.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from loadtest.request import Request
    from loadtest.session import Session

    Follow = Callable[[Session], None]


@contextmanager
def exporting(request: Request, say: Callable[[str], None]) -> Iterator[Follow]:
    """
    Serve metrics within, if *request* asks for it; gives a function to be called with each session that is prepared.

    Raises:
        UsageError: If nobody can listen at the port.
    """
    if request.prometheus_port is None:
        yield lambda _: None
        return
    # Here, not above: a short run that is not scraped does not wait for it.
    from loadtest.metrics.exporter import Exporter  # noqa: PLC0415

    exporter = Exporter(request.prometheus_host, request.prometheus_port)
    say(f"Prometheus can scrape {exporter.url}")

    def follow(session: Session) -> None:
        session.on_record.append(exporter.tally.take)
        session.on_result.append(lambda result: exporter.tally.close(result.totals.model_dump()))

    try:
        yield follow
    finally:
        exporter.close()
