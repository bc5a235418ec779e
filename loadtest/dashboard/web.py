"""
The web page of `locust -f loadtest/main.py`: Locust's own, with our start form, our tab and our pages beside it.

Puts the parts together; knows what each needs, and the work of none.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadtest.clock import NS_PER_S
from loadtest.dashboard.guard import guard
from loadtest.dashboard.live import Asked, Live
from loadtest.dashboard.pages import breathe, install_pages
from loadtest.dashboard.past import PastResults
from loadtest.dashboard.start_form import install_start_form

if TYPE_CHECKING:
    from collections.abc import Callable

    from locust.web import WebUI

    from loadtest.dashboard.start_form import Arm
    from loadtest.run.session import Session
    from loadtest.scenario import Plan


class Dashboard:
    """The page of this process, which shows one run after the other."""

    def __init__(self) -> None:
        self._live = Live(pause=breathe)

    def install(self, web_ui: WebUI, arm: Arm, say: Callable[[str], None]) -> None:
        """
        Make Locust's page ours, before it is served.

        Args:
            web_ui: Of Locust.
            arm: See `install_start_form`.
            say: Prints a line.
        """
        assert web_ui.app is not None, "the init event comes after the app is made"
        options: Any = web_ui.environment.parsed_options
        base = (options.web_base_path or "").rstrip("/")
        broker = str(web_ui.environment.host)
        guard(web_ui.app, web_ui.host)

        def form() -> dict[str, Any]:
            return {
                "scenario": options.scenario,
                "overrides": "\n".join(filter(None, map(str.strip, options.overrides.split(";")))),
                "broker": broker,
                "users": options.num_users,
                "rate": options.spawn_rate,
                "run_time": options.run_time,
            }

        asked = form()
        pages = install_pages(web_ui, self._live, PastResults(Path(options.results).absolute(), breathe), lambda: asked)
        if web_ui.web_login:
            from loadtest.dashboard.login import install_login  # noqa: PLC0415  # flask-login is loaded by who needs it

            install_login(web_ui, pages, f"{base}/loadtest", os.environ, say)
        web_ui.app.register_blueprint(pages, url_prefix=f"{base}/loadtest")
        install_start_form(web_ui, arm)

    def follow(self, session: Session) -> None:
        """Show *session* from now on; it has just been prepared."""
        self._live.follow(session.collector, asked_of(session.plan, session.folder.name, session.planned_s))
        session.on_record.append(self._live.take)
        session.on_result.append(self._live.close)


def asked_of(plan: Plan, folder: str, planned_s: float | None) -> Asked:
    """Return what a page has to know of a run that its records do not tell."""
    scenario = plan.scenario
    counts = [publisher.messages for publisher in plan.publishers]
    known = [count for count in counts if count is not None]
    faults = [
        (fault.at_ns / NS_PER_S, f"{fault.do}{'' if fault.node is None else f' {fault.node}'}")
        for fault in scenario.faults
        if fault.at_ns is not None
    ]
    return Asked(
        folder=folder,
        planned_s=planned_s,
        drain_s=scenario.run.drain_ns / NS_PER_S,
        messages=sum(known) if known and len(known) == len(counts) else None,
        thresholds=tuple(scenario.thresholds),
        faults=tuple(faults),
    )
