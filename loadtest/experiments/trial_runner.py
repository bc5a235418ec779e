"""
One trial: a variant run once, as a process of its own, on the broker that is its.

Each is a process, so that every trial begins with the same heap and the same connections, and one that goes wrong
takes nothing with it.
"""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from loadtest.broker.endpoint import ENVIRONMENT_NAMES, broker_urls
from loadtest.broker.private.node_config import told_environment
from loadtest.broker.private.private_cluster import PrivateCluster
from loadtest.broker.processes.child_process import bound_command
from loadtest.clock import NS_PER_S
from loadtest.errors import ResultsError
from loadtest.report import json_file
from loadtest.report.run.read import read_result
from loadtest.result.run.document import RunResult
from loadtest.scenario.grammar.node_environment import VARIABLE as NODE_ENVIRONMENT
from loadtest.signals import LAST

if TYPE_CHECKING:
    from loadtest.experiments.compare.rounds import Trial
    from loadtest.experiments.compare.variants import Variant
    from loadtest.scenario import Scenario

    Say = Callable[[str], None]

OVERHEAD_S: Final = 3.0
"""Of a trial besides what the scenario says: the process, connecting, draining, the files."""

_OUT: Final = "stdout.txt"
_ERR: Final = "stderr.txt"
_MANAGEMENT: Final = "LOADTEST_MANAGEMENT_URL"


def run_s(scenario: Scenario) -> float | None:
    """Return about how long a run takes as a trial, in s; None where its messages decide."""
    if scenario.run.duration_ns is None:
        return None
    return (scenario.run.duration_ns + scenario.run.warm_up_ns) / NS_PER_S + OVERHEAD_S


def with_config_file(variant: Variant, folder: Path) -> Variant:
    """Return a variant whose settings are a file below *folder*; those with the same settings share one."""
    if not variant.settings:
        return variant
    text = "".join(f"{line}\n" for line in variant.settings)
    inner = folder / hashlib.sha256(text.encode()).hexdigest()[:12]
    inner.mkdir(mode=0o700, exist_ok=True)
    config = inner / "rabbitmq.conf"
    config.touch(mode=0o600)
    config.write_text(text, encoding="utf-8")
    return replace(variant, config=config, settings=())


def _told_to_nodes(variant: Variant, environ: Mapping[str, str]) -> dict[str, str]:
    """Return what says in the environment of this tool what the nodes of a variant are told in theirs."""
    told = {**told_environment(environ), **dict(variant.env)}
    return {NODE_ENVIRONMENT: json.dumps(told)} if told else {}


class PrivateBrokers:
    """
    The private brokers of a comparison, one for each that variants ask for, up until it is over.

    Variants with the same broker share it: each trial declares its topology anew.
    """

    def __init__(self, environ: Mapping[str, str], say: Say) -> None:
        self._environ = environ
        self._say = say
        self._opened = ExitStack()
        self._private: dict[tuple[object, ...], PrivateCluster] = {}

    def start(self, variants: Sequence[Variant]) -> None:
        """Start those that *variants* need and that are not up yet."""
        for variant in variants:
            if not variant.brokers and variant.broker not in self._private:
                said_of = f"{variant.name}: " if len(variants) > 1 else ""
                cluster = PrivateCluster.start(
                    nodes=variant.nodes or 1,
                    config=variant.config,
                    server=variant.server,
                    tls=variant.tls,
                    environ={**self._environ, **_told_to_nodes(variant, self._environ)},
                    progress=partial(self._say_of, said_of),
                )
                self._opened.callback(cluster.stop)
                self._private[variant.broker] = cluster

    def _say_of(self, said_of: str, text: str) -> None:
        self._say(f"{said_of}{text}")

    def environ(self, variant: Variant) -> dict[str, str]:
        """Return what the environment tells a trial of *variant* of its private broker; nothing if it has none."""
        cluster = self._private.get(variant.broker)
        if cluster is None:
            return {}
        found = {ENVIRONMENT_NAMES[0]: ",".join(endpoint.url for endpoint in cluster.endpoints)}
        url = cluster.nodes[0].management_url
        return found | ({_MANAGEMENT: url} if url is not None else {})

    def cluster(self, variant: Variant) -> PrivateCluster | None:
        """Return a variant's private broker; None if it has none."""
        return self._private.get(variant.broker)

    def config(self, variant: Variant) -> str | None:
        """Return the configuration of a variant's private broker; None if it has none."""
        cluster = self.cluster(variant)
        return None if cluster is None else cluster.config

    def close(self) -> None:
        """Stop them."""
        self._opened.close()


T = TypeVar("T")


def _no_options(_: Trial) -> Sequence[str]:
    return ()


@dataclass(frozen=True, slots=True)
class TrialKind(Generic[T]):
    """
    What is run for a trial.

    Attributes:
        command: Of `loadtest`.
        document: What it leaves in a folder of its own.
        read: Reads that from the folder; `ResultsError` if it cannot.
        options: Of the command, for a trial.
    """

    command: str
    document: str
    read: Callable[[Path], T]
    options: Callable[[Trial], Sequence[str]] = _no_options


RUN: Final[TrialKind[RunResult]] = TrialKind("run", json_file.FILE_NAME, read_result)


class TrialRunner(Generic[T]):
    """
    Runs trials of one scenario.

    Args:
        kind: What a trial is.
        overrides: That all variants have.
        folder: Where the results of all trials go.
        fresh: Whether each trial starts its own private broker.
    """

    def __init__(
        self,
        scenario: str,
        overrides: Sequence[str],
        folder: Path,
        brokers: PrivateBrokers | None,
        environ: Mapping[str, str],
        kind: TrialKind[T],
    ) -> None:
        self._kind = kind
        self._scenario = scenario
        self._overrides = tuple(overrides)
        self._folder = folder
        self._brokers = brokers
        self._environ = environ

    def run(self, trial: Trial, variant: Variant) -> tuple[int, Path, T | None]:
        """
        Run a trial to its end, and return its exit code, its folder and its result; None where it has none.

        What it prints goes to files in its folder, where an earlier try of the trial may have left its own.
        """
        again = f".{trial.attempt}" if trial.attempt > 1 else ""
        folder = self._folder / f"{trial.round:02}-{trial.block + 1}{again}-{variant.name}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for name in (_OUT, _ERR):
                (folder / name).write_bytes(b"")
        except OSError as error:
            raise ResultsError(f"{folder}: cannot be written: {error.strerror}") from error
        earlier = set(folder.glob(f"*/{self._kind.document}"))
        with (folder / _OUT).open("wb") as out, (folder / _ERR).open("wb") as err:
            # In a session of its own: Ctrl-C reaches this process alone, which hands it on, once.
            process = subprocess.Popen(  # noqa: S603  # this Python, with the caller's own options
                bound_command(self._command(trial, variant, folder)),
                env=self._env(variant),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
            exit_code = _wait(process)
        results = sorted(set(folder.glob(f"*/{self._kind.document}")) - earlier)
        if not results:
            return exit_code, folder, None
        try:
            return exit_code, folder, self._kind.read(results[-1].parent)
        except ResultsError:
            return exit_code, folder, None

    def last_words(self, folder: Path) -> str:
        """Return the last line that a trial printed as an error."""
        lines = (folder / _ERR).read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def _command(self, trial: Trial, variant: Variant, folder: Path) -> list[str]:
        sets = [word for override in (*self._overrides, *variant.overrides) for word in ("--set", override)]
        private: list[tuple[str, object]] = []
        if self._brokers is None and not variant.brokers:
            private = [("--config", variant.config), ("--nodes", variant.nodes), ("--server", variant.server)]
        words = [str(word) for flag, value in private if value is not None for word in (flag, value)]
        words += ["--tls"] if self._brokers is None and variant.tls else []
        command = [sys.executable, "-m", "loadtest", self._kind.command, self._scenario, "--results", str(folder)]
        return [*command, *self._kind.options(trial), *sets, *words]

    def _env(self, variant: Variant) -> dict[str, str]:
        kept = {name: value for name, value in self._environ.items() if name not in {*ENVIRONMENT_NAMES, _MANAGEMENT}}
        if not variant.brokers:
            if self._brokers is not None:
                return kept | self._brokers.environ(variant)
            return kept | _told_to_nodes(variant, self._environ)
        if _MANAGEMENT in self._environ and variant.brokers == broker_urls(self._environ):
            kept[_MANAGEMENT] = self._environ[_MANAGEMENT]
        return kept | {ENVIRONMENT_NAMES[0]: ",".join(variant.brokers)}


def _wait(process: subprocess.Popen[bytes]) -> int:
    """Wait for a trial; the first two signals are handed on, so that it ends in order; a third ends it at once."""
    came = 0
    while process.returncode is None:
        try:
            process.wait()
        except KeyboardInterrupt:
            came += 1
            process.send_signal(signal.SIGINT if came < LAST else signal.SIGKILL)
    if came:
        raise KeyboardInterrupt
    return process.returncode


def brokers_of(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the URLs that the environment names, as all commands that need a broker find them; none if it has none."""
    for name in ENVIRONMENT_NAMES:
        urls = tuple(environ.get(name, "").replace(",", " ").split())
        if urls:
            return urls
    return ()
