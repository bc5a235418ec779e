"""What somebody asks for who starts a run: the scenario, its overrides, the broker, the users. Knows no session."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final

from loadtest.errors import UsageError
from loadtest.scenario import build_plan, load_scenario
from loadtest.scenario.checks.limits import MAX_USERS, users_need
from loadtest.scenario.grammar.model import CLUSTER_SIZES
from loadtest.scenario.grammar.quantity import MAX_RATE_PER_S, RATE_DECIMALS

if TYPE_CHECKING:
    from loadtest.scenario import LoadedScenario, Plan

RESULTS: Final = Path("results")
MAX_PORT: Final = 65_535
PROCESS_MB: Final = 100
"""Memory of a process of several, about: Python, gevent, Locust, pika and numpy, and some hundred users."""


@dataclass(frozen=True, slots=True)
class RunOptions:
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

    def check(self) -> None:
        """
        Refuse numbers that nothing can be done with, before anything is made of them.

        Raises:
            UsageError: In one line, with what is allowed.
        """
        if self.users is not None and not 1 <= self.users <= MAX_USERS:
            needs = f": {users_need(self.users)}" if self.users > MAX_USERS else ""
            raise UsageError(f"-u: found {self.users}; allowed 1 to {MAX_USERS} users{needs}")
        rate = self.connect_rate_per_s
        if rate is not None and not 10**-RATE_DECIMALS <= rate <= MAX_RATE_PER_S:
            raise UsageError(
                f"-r: found {rate}; allowed a connect_rate of more than 0, at most {MAX_RATE_PER_S} in a second"
            )
        check_nodes(self.nodes)
        if self.prometheus_port is not None and not 0 <= self.prometheus_port <= MAX_PORT:
            raise UsageError(
                f"--prometheus-port: found {self.prometheus_port}; allowed a port, 1 to {MAX_PORT}, or 0: any free one"
            )

    def refuse_private_options(self) -> None:
        """
        Refuse what is for a private broker only, where another is named.

        Raises:
            UsageError: If any of it is asked for.
        """
        if any((self.config, self.plugins, self.server, self.nodes is not None, self.tls)):
            raise UsageError(
                "--server, --config, --plugin, --nodes and --tls are for a private node, "
                "but a broker is named by --broker, LOADTEST_BROKER or AMQP_URL"
            )

    def load(self) -> tuple[LoadedScenario, Plan]:
        """
        Return the scenario as this request changes it, and its plan.

        Raises:
            UsageError: If a number is none that a run can have.
            ScenarioError: If the scenario, an override or the number of users cannot be used.
        """
        self.check()
        overrides = list(self.overrides)
        if self.connect_rate_per_s is not None:
            overrides.append(f"run.connect_rate={decimal_text(self.connect_rate_per_s)}/s")
        loaded = load_scenario(self.scenario, overrides=overrides, thresholds=self.thresholds)
        if self.run_time_s is not None:
            longest_s = self.run_time_s
            duration_ns = loaded.scenario.run.duration_ns
            if duration_ns is None or duration_ns > longest_s * 1e9:
                overrides.append(f"run.duration={decimal_text(longest_s)}s")
                loaded = load_scenario(self.scenario, overrides=overrides, thresholds=self.thresholds)
        return loaded, build_plan(loaded.scenario, users=self.users, folder=loaded.folder)


def decimal_text(number: float) -> str:
    """Return a number as a scenario writes it: in decimals, never as 1e+06, none of them but those that are needed."""
    text = f"{Decimal(repr(number)):.{RATE_DECIMALS}f}"
    return text.rstrip("0").rstrip(".")


def check_nodes(nodes: int | None) -> None:
    """
    Refuse a number of nodes that no private broker has; None is one, or what the scenario says.

    Raises:
        UsageError: In one line, with what is allowed.
    """
    if nodes not in {None, *CLUSTER_SIZES}:
        raise UsageError(f"--nodes: found {nodes}; allowed 1, 3 or 5")


def most_processes() -> int:
    """Return how many processes a run may be spread over here: with a few a core none of them lacks what it needs."""
    return max(16, 4 * (os.cpu_count() or 1))


def check_processes(number: int) -> int:
    """
    Return a number of processes that may be asked for; -1 is one a core, 0 none besides the leading one.

    Raises:
        UsageError: If it is none, with what it would need.
    """
    most = most_processes()
    if not -1 <= number <= most:
        needs = f": {number:,} would need about {number * PROCESS_MB / 1000:,.0f} GB of memory, and a core each" * (
            number > most
        )
        raise UsageError(
            f"--processes: found {number}; allowed 1 to {most}, as here are {os.cpu_count()} cores, or -1: one a "
            f"core{needs}"
        )
    return number
