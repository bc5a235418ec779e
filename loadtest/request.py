"""What somebody asks for who starts a run: the scenario, its overrides, the broker, the users. Knows no session."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from loadtest.scenario import build_plan, load_scenario

if TYPE_CHECKING:
    from loadtest.scenario import LoadedScenario, Plan

RESULTS: Final = Path("results")


@dataclass(frozen=True, slots=True)
class Request:
    """
    What the command line, or the start form, asks for.

    `thresholds` are further ones than the scenario's.
    `users`, `connect_rate_per_s` and `run_time_s` are Locust's `-u`, `-r` and `-t`; None leaves it to the scenario.
    `prometheus_port` is where the run can be scraped; None: nowhere; 0: at any free port of `prometheus_host`.
    `server`, `config`, `plugins`, `nodes` and `tls` are of the private broker; `nodes` None is one.
    `prometheus_linger_s` is how long to wait, at most, for the end of the run to be scraped.
    `on_worker_lost` is what is done when a process of several is gone: fail or continue.
    `json_file` is where the result goes besides its folder; `-` is standard output.
    """

    scenario: str
    overrides: tuple[str, ...] = ()
    thresholds: tuple[str, ...] = ()
    brokers: tuple[str, ...] = ()
    users: int | None = None
    connect_rate_per_s: float | None = None
    run_time_s: float | None = None
    results: Path = RESULTS
    server: Path | None = None
    config: Path | None = None
    plugins: tuple[str, ...] = ()
    nodes: int | None = None
    tls: bool = False
    on_worker_lost: str = "fail"
    json_file: Path | None = None
    prometheus_host: str = "127.0.0.1"
    prometheus_port: int | None = None
    prometheus_linger_s: float = 0
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    def load(self) -> tuple[LoadedScenario, Plan]:
        """
        Return the scenario as this request changes it, and its plan.

        Raises:
            ScenarioError: If the scenario, an override or the number of users cannot be used.
        """
        overrides = list(self.overrides)
        if self.connect_rate_per_s is not None:
            overrides.append(f"run.connect_rate={self.connect_rate_per_s:g}/s")
        loaded = load_scenario(self.scenario, overrides=overrides, thresholds=self.thresholds)
        if self.run_time_s is not None:
            longest_s = self.run_time_s
            duration_ns = loaded.scenario.run.duration_ns
            if duration_ns is None or duration_ns > longest_s * 1e9:
                overrides.append(f"run.duration={longest_s:g}s")
                loaded = load_scenario(self.scenario, overrides=overrides, thresholds=self.thresholds)
        return loaded, build_plan(loaded.scenario, users=self.users, folder=loaded.folder)
