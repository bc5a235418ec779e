"""
An experiment as a command: its plan printed, its trials run, its files written, and the exit code.

On Ctrl-C, SIGTERM or SIGHUP, and on an error, the files of what was done are written, and how to go on is printed.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from loadtest.errors import EXIT_INTERRUPTED, BrokerError, LoadTestError, ResultsError
from loadtest.experiments.experiment import Experiment
from loadtest.report.folder import create_folder
from loadtest.report.run.announce import STANDARD_OUTPUT
from loadtest.signals import ending_signals, heed_interrupts
from loadtest.streams import log_progress


def experiment_folder(results: Path, command: str, scenario: str) -> Path:
    """Return a new folder below *results* for an experiment; errors as `create_folder`."""
    return create_folder(results, datetime.now(UTC), f"{command}-{Path(scenario).stem}")


def carry_out(
    experiment: Experiment[Any, Any], before: Any, environ: Mapping[str, str], json_file: Path | None = None
) -> int:
    """
    Run an experiment to its end, print what it found, and return the exit code.

    Args:
        experiment: What is to be run.
        before: The document of before an interruption; None for a new experiment.
        environ: As for `announce`.
        json_file: Where the document is written as well; `-` is standard output.

    Raises:
        LoadTestError: If a broker cannot be started or reached, or trials cannot be run.
    """
    heed_interrupts()
    if before is not None:
        experiment.resume(before)
    for text in experiment.plan():
        log_progress(text)
    try:
        result = experiment.run()
    except KeyboardInterrupt:
        return _interrupted(experiment, sys.stderr if json_file == STANDARD_OUTPUT else sys.stdout)
    except LoadTestError as error:
        _keep_page(experiment, error)
        raise
    return experiment.report.publish(experiment.folder, result, environ, json_file)


def _interrupted(experiment: Experiment[Any, Any], file: TextIO) -> int:
    """Print how to go on, write the page of what was done, and return the exit code."""
    for number in ending_signals():
        signal.signal(number, signal.SIG_IGN)  # all that is left takes a moment
    report, folder = experiment.report, experiment.folder
    if not report.is_in(folder):
        log_progress("interrupted")
        return EXIT_INTERRUPTED
    log_progress(f"interrupted; to go on: loadtest {report.command} --resume {folder}")
    file.write(f"page      {report.write(folder, report.read(folder))}\n")
    file.flush()
    return EXIT_INTERRUPTED


def _keep_page(experiment: Experiment[Any, Any], error: LoadTestError) -> None:
    """Write the page of what was done before an error, if that can be done, and print how to go on."""
    report, folder = experiment.report, experiment.folder
    if not report.is_in(folder):
        return
    with suppress(ResultsError):
        log_progress(f"page      {report.write(folder, report.read(folder))}")
    if isinstance(error, BrokerError | ResultsError) and "--resume" not in str(error):
        log_progress(f"what was done is kept; to go on once it is mended: loadtest {report.command} --resume {folder}")
