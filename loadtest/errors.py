"""
The errors that `loadtest` shows to people, arranged by who can act on them.

Knows nothing of any room. `locust` headless and `loadtest` use the same exit codes (docs/commands.md).
"""

from __future__ import annotations

from typing import ClassVar, Final

EXIT_PASSED: Final = 0
EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_BROKER: Final = 3
EXIT_INCOMPLETE: Final = 4
EXIT_INCONCLUSIVE: Final = 5
EXIT_INTERRUPTED: Final = 130


class LoadTestError(Exception):
    """An error whose text is meant for the user: what, where and what to do, in a line."""

    exit_code: ClassVar[int] = EXIT_USAGE


class UsageError(LoadTestError):
    """The command line asks for something that cannot be done."""


class ScenarioError(LoadTestError):
    """
    The scenario cannot be used; its author can mend it.

    The text holds every fault of the file, one a line, each with file, line, path, what was found and what is allowed.
    """


class BrokerError(LoadTestError):
    """The broker cannot be reached, refuses, or is gone; its operator can mend it. The text never holds a password."""

    exit_code: ClassVar[int] = EXIT_BROKER


class ResultsError(LoadTestError):
    """A results folder cannot be read or written."""

    exit_code: ClassVar[int] = EXIT_INCOMPLETE
