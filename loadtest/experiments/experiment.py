"""
The life of an experiment: broker up, trials one after another, the document saved after each, brokers down.

A comparison, a search for a capacity and a sweep differ in which trials they run and in what they make of them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Final, Generic, Protocol, TypeVar

from loadtest.broker.monitor.machine_times import read_times
from loadtest.experiments.compare.rounds import Trial
from loadtest.experiments.compare.variants import Variant
from loadtest.experiments.trial_interference import interference
from loadtest.experiments.trial_runner import PrivateBrokers, TrialKind, TrialRunner
from loadtest.redaction import redacted
from loadtest.report.experiment_report import Document, ExperimentReport
from loadtest.report.folder import write_file

Say = Callable[[str], None]

REQUEST: Final = "request.json"


class ExperimentRequest(Protocol):
    """What every experiment is asked."""

    @property
    def source(self) -> str:
        """The scenario to be run, from whatever folder."""

    @property
    def overrides(self) -> tuple[str, ...]:
        """Of the scenario, that all trials have."""

    @property
    def restart(self) -> bool:
        """Whether each trial has a private broker of its own."""

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment that trials run in."""

    def to_json(self) -> str:
        """Return all but the environment and secrets."""


Request = TypeVar("Request", bound=ExperimentRequest)


@dataclass(frozen=True, slots=True)
class TrialOutcome:
    """
    What a trial came to.

    Attributes:
        folder: Of the trial.
        result: None where it left none.
        took_s: How long it took, in s.
        interference: What the machine did not give it (`trial_interference`).
        last_words: The last line that it printed as an error, without secrets.
    """

    exit_code: int
    folder: Path
    result: Any
    took_s: float
    interference: tuple[str, ...]
    last_words: str


class Experiment(ABC, Generic[Request, Document]):
    """
    An experiment in a folder.

    Args:
        say: Prints a line of progress.
    """

    report: ClassVar[ExperimentReport[Any]]
    trials_folder: ClassVar[str]

    def __init__(self, request: Request, folder: Path, say: Say) -> None:
        self._request = request
        self._folder = folder
        self._say = say
        self._started_at = datetime.now(UTC).isoformat()

    @property
    def folder(self) -> Path:
        """Where its request, its document and its trials are."""
        return self._folder

    @abstractmethod
    def plan(self) -> Iterator[str]:
        """Yield what will be done, and about how long it takes, a line each."""

    @abstractmethod
    def resume(self, before: Document) -> None:
        """Take over what was done before an interruption; `UsageError` if that was something else."""

    @abstractmethod
    def document(self, *, complete: bool) -> Document:
        """Return what the trials so far say."""

    def run(self) -> Document:
        """
        Run all trials that are missing, and return what they say.

        Raises:
            KeyboardInterrupt: What was done has been written, after each trial.
            LoadTestError: If a broker cannot be started or reached, or trials cannot be run.
        """
        request = self._request
        write_file(self._folder, REQUEST, request.to_json())
        with ExitStack() as opened:
            self._prepare(opened)
            brokers = None
            if not request.restart:
                brokers = PrivateBrokers(request.environ, self._say)
                opened.callback(brokers.close)
                brokers.start(self._on_brokers())
            folder = self._folder / self.trials_folder
            kind = self._trial_kind()
            runner = TrialRunner(request.source, request.overrides, folder, brokers, request.environ, kind)
            self._run_trials(runner, brokers)
        return self._write(complete=True)

    def _prepare(self, opened: ExitStack) -> None:
        """Do what comes before brokers are started; *opened* is closed at the end."""

    @abstractmethod
    def _on_brokers(self) -> Sequence[Variant]:
        """Return what runs on private brokers that stay up for all trials."""

    @abstractmethod
    def _trial_kind(self) -> TrialKind[Any]:
        """Return what is run for a trial."""

    @abstractmethod
    def _run_trials(self, runner: TrialRunner[Any], brokers: PrivateBrokers | None) -> None:
        """Run the trials that are missing."""

    def _run(self, runner: TrialRunner[Any], trial: Trial, variant: Variant) -> TrialOutcome:
        """Run one trial."""
        before = read_times()
        exit_code, folder, result = runner.run(trial, variant)
        after = read_times()
        return TrialOutcome(
            exit_code=exit_code,
            folder=folder,
            result=result,
            took_s=after.at_s - before.at_s,
            interference=interference(before, after),
            last_words=redacted(runner.last_words(folder)) if result is None else "",
        )

    def _write(self, *, complete: bool) -> Document:
        document = self.document(complete=complete)
        self.report.save(self._folder, document)
        return document
