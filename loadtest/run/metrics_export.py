"""
A run, and where it can be scraped while it goes on; for `locust -f loadtest/main.py` and `loadtest run` alike.

Knows sessions and the exporter; the one tells the other what happens.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from loadtest.errors import EXIT_INTERRUPTED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from loadtest.metrics.exporter import Exporter
    from loadtest.run.run_options import RunOptions
    from loadtest.run.session import Session


class MetricsExport:
    """What is served of the runs of this process; without an exporter: nothing."""

    def __init__(self, exporter: Exporter | None, linger_s: float, say: Callable[[str], None]) -> None:
        self._exporter = exporter
        self._linger_s = linger_s
        self._say = say

    def follow(self, session: Session) -> None:
        """Serve what comes of *session* from now on; it has just been prepared."""
        if self._exporter is None:
            return
        standing = self._exporter.standing
        standing.follow(session.collector)
        session.on_record.append(standing.take)
        session.on_result.append(lambda result: standing.close(result.totals.model_dump()))

    def linger(self, exit_code: int) -> None:
        """Wait, if that was asked for, until the end of the run was scraped; not where somebody interrupted it."""
        if self._exporter is None or not self._linger_s or exit_code == EXIT_INTERRUPTED:
            return
        self._say(f"waiting up to {self._linger_s:.15g} s for Prometheus to scrape the end of the run")
        try:
            if not self._exporter.wait_scraped(self._linger_s):
                self._say("it was not scraped")
        except KeyboardInterrupt:
            self._say("it was not scraped")


@contextmanager
def metrics_export(request: RunOptions, say: Callable[[str], None]) -> Iterator[MetricsExport]:
    """
    Serve metrics within, if *request* asks for it.

    Raises:
        UsageError: If nobody can listen at the port.
    """
    if request.prometheus_port is None:
        yield MetricsExport(None, 0, say)
        return
    # Here, not above: a short run that is not scraped does not wait for it.
    from loadtest.metrics.exporter import Exporter  # noqa: PLC0415

    exporter = Exporter(request.prometheus_host, request.prometheus_port)
    say(f"Prometheus can scrape {exporter.url}")
    try:
        yield MetricsExport(exporter, request.prometheus_linger_s, say)
    finally:
        exporter.close()
