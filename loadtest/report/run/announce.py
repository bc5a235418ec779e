"""
What is printed of a run when its result is there: the summary, the JSON document, and what GitHub Actions takes.

The one way in which every command that has the result of a run prints it; those of several runs: `experiment_report`.
Standard output is either the summary or, for ``--json -``, the document and nothing else: then all that people read
goes to standard error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, TextIO

from loadtest.errors import EXIT_INCOMPLETE, UsageError
from loadtest.redaction import redacted
from loadtest.report.json_file import result_json
from loadtest.report.run.annotations import command, github_annotations
from loadtest.report.run.markdown import summary_md
from loadtest.report.run.terminal import print_summary
from loadtest.report.text.plain import ascii_only
from loadtest.result.run.document import RunResult
from loadtest.streams import output_is_cut

STANDARD_OUTPUT: Final = Path("-")
GITHUB_ACTIONS: Final = "GITHUB_ACTIONS"
GITHUB_STEP_SUMMARY: Final = "GITHUB_STEP_SUMMARY"


def announce(
    result: RunResult,
    folder: Path | None,
    *,
    json_file: Path | None,
    environ: Mapping[str, str],
    is_output_taken: bool = False,
) -> int:
    """
    Say what came of a run, whose files are in *folder*, and return the exit code of the process.

    That is the verdict's; but a run that passed, and whose document could not be written to *json_file*, has not done
    what was asked, which is 4.

    Args:
        result: What is said.
        folder: Shown in the summary.
        json_file: Where `result.json` goes besides; `-` is standard output.
        environ: `GITHUB_ACTIONS=true` has annotations printed, `GITHUB_STEP_SUMMARY` names a file that summary.md is
            put at the end of.
        is_output_taken: Whether standard output is for another document.
    """
    page = sys.stderr if is_output_taken or json_file == STANDARD_OUTPUT else sys.stdout
    print_summary(result, folder=folder, file=page)
    tell_github(github_annotations(result), summary_md(result), environ, page)
    return exit_code_of(result.verdict.exit_code, result_json(result), json_file)


def tell_github(annotations: Iterable[str], summary: str, environ: Mapping[str, str], page: TextIO) -> None:
    """Print annotations on *page*, if this is GitHub Actions, and add the summary to the step's, if it has one."""
    if _is_on_github(environ):
        for line in annotations:
            _print(line, page)
    fault = _append_step_summary(summary, environ)
    if fault is not None:
        _print(f"loadtest: {fault}", sys.stderr)


def exit_code_of(exit_code: int, document: str, json_file: Path | None) -> int:
    """Write the document where it was asked for, and return the exit code; it cannot be 0 if that failed."""
    fault = _write_json(document, json_file)
    if fault is None:
        return exit_code
    _print(f"loadtest: {fault}", sys.stderr)
    return exit_code or EXIT_INCOMPLETE


def complain(error: Exception, environ: Mapping[str, str]) -> None:
    """Say on standard error why there is no result; on GitHub Actions as an annotation, too."""
    text = redacted(str(error))
    _print(f"loadtest: {text}", sys.stderr)
    if _is_on_github(environ):
        _print(command("error", "loadtest", text), sys.stderr)


def check_json_file(json_file: Path | None) -> None:
    """
    Refuse, before anything is measured, a file that could not be written afterwards.

    Raises:
        UsageError: If it is a folder, or in none, or may not be written.
    """
    if json_file is None or json_file == STANDARD_OUTPUT:
        return
    if json_file.is_dir():
        raise UsageError(f"{json_file}: the result cannot go there: it is a folder")
    if not json_file.parent.is_dir():
        raise UsageError(f"{json_file}: the result cannot go there: there is no folder {json_file.parent}")
    if not os.access(json_file if json_file.exists() else json_file.parent, os.W_OK):
        raise UsageError(f"{json_file}: the result cannot go there: it may not be written")


def _is_on_github(environ: Mapping[str, str]) -> bool:
    return environ.get(GITHUB_ACTIONS) == "true"


def _append_step_summary(summary: str, environ: Mapping[str, str]) -> str | None:
    """Put a summary at the end of the step's summary, which may hold that of another run; return what went wrong."""
    path = environ.get(GITHUB_STEP_SUMMARY)
    if not path or not _is_on_github(environ):
        return None
    try:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(f"{summary}\n")
    except OSError as error:
        return f"{path}: the step's summary cannot be written: {error.strerror}"
    return None


def _write_json(text: str, json_file: Path | None) -> str | None:
    """Write the document and return what went wrong; JSON is UTF-8 (RFC 8259), whatever the terminal is set to."""
    if json_file is None:
        return None
    content = text.encode()
    try:
        if json_file == STANDARD_OUTPUT:
            sys.stdout.flush()
            sys.stdout.buffer.write(content)
            sys.stdout.flush()
            cut = output_is_cut()
            if cut is not None:
                return f"the document on standard output is cut: {cut}"
        else:
            json_file.write_bytes(content)
    except OSError as error:
        return f"{json_file}: cannot be written: {error.strerror}"
    return None


def _print(line: str, file: TextIO) -> None:
    text = line if (file.encoding or "").lower().startswith("utf") else ascii_only(line)
    file.write(f"{text}\n")
    file.flush()
