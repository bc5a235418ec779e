"""
How a comparison, a capacity or a sweep reads: its document, the files made of it, and what is printed of it.

One class for the three; what differs is given to it (`comparison_report`, `capacity_report`, `sweep_report`). Reads and
writes below the folder of the experiment only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TextIO, TypeVar
from urllib.parse import quote

from pydantic import ValidationError

from loadtest.errors import EXIT_INCOMPLETE, EXIT_INTERRUPTED, ResultsError
from loadtest.report.folder import write_all, write_file
from loadtest.report.run import run_page
from loadtest.report.run.announce import STANDARD_OUTPUT, exit_code_of, tell_github
from loadtest.report.run.markdown import FILE_NAME as SUMMARY
from loadtest.result.capacity.capacity_result import CapacityResult
from loadtest.result.compare.compare_result import CompareResult
from loadtest.result.sweep_result import SweepResult

Document = TypeVar("Document", CompareResult, CapacityResult, SweepResult)


@dataclass(frozen=True)
class ExperimentReport(Generic[Document]):
    """
    The report of one kind of experiment.

    Attributes:
        command: Of `loadtest`; names the document, too.
        what: A document of this kind, in words: ``a sweep``.
        model: Of the document.
        page: Name of the page.
        files: Returns name and content of each file besides `summary.md`, from the folder and the document.
        print_text: Prints it for a terminal.
        markdown: Returns it for `summary.md` and the summaries of CI.
        annotations: Returns it as lines for GitHub Actions.
        interrupted_exit_code: Of the process that prints the report of an experiment that was interrupted.
    """

    command: str
    what: str
    model: type[Document]
    page: str
    files: Callable[[Path, Document], Iterable[tuple[str, str]]]
    print_text: Callable[[Document, TextIO], None]
    markdown: Callable[[Document], str]
    annotations: Callable[[Document], list[str]]
    interrupted_exit_code: int = EXIT_INCOMPLETE

    @property
    def document(self) -> str:
        """Name of the document's file."""
        return f"{self.command}.json"

    def is_in(self, folder: Path) -> bool:
        """Return whether *folder* holds an experiment of this kind, and not a run."""
        return (folder / self.document).is_file()

    def read(self, folder: Path) -> Document:
        """
        Return the document in *folder*.

        Raises:
            ResultsError: If there is none, or it is of another version.
        """
        path = folder / self.document
        try:
            return self.model.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise ResultsError(f"{path}: cannot be read: {error}") from error
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the document"
            raise ResultsError(f"{path}: not {self.what} of this version: {where}: {first['msg']}") from error

    def save(self, folder: Path, result: Document) -> None:
        """
        Write the document into *folder*, whole or not at all.

        Raises:
            ResultsError: If it cannot be written.
        """
        write_file(folder, self.document, to_json(result))

    def write(self, folder: Path, result: Document) -> Path:
        """
        Write every file but the document into *folder*, and return the path of the page.

        Raises:
            ResultsError: If files could not be written; all that could be written is there then.
        """
        errors = write_all(folder, (*self.files(folder, result), (SUMMARY, self.markdown(result))))
        if errors:
            raise ResultsError("\n".join(errors))
        return folder / self.page

    def publish_summary(self, result: Document, environ: Mapping[str, str], json_file: Path | None = None) -> int:
        """
        Print the summary, on GitHub Actions with annotations, and return the exit code of the process.

        Args:
            result: The document.
            environ: As for `announce`.
            json_file: Where the document is written as well; `-` is standard output, and the summary goes to standard
                error then.
        """
        file = _summary_file(json_file)
        self.print_text(result, file)
        tell_github(self.annotations(result), self.markdown(result), environ, file)
        exit_code = self.interrupted_exit_code if result.exit_code == EXIT_INTERRUPTED else result.exit_code
        return exit_code_of(exit_code, to_json(result), json_file)

    def publish(self, folder: Path, result: Document, environ: Mapping[str, str], json_file: Path | None = None) -> int:
        """
        Write the files, print the summary and where they are, and return the exit code of the process.

        Raises:
            ResultsError: If files cannot be written.
        """
        written = self.write(folder, result)
        exit_code = self.publish_summary(result, environ, json_file)
        file = _summary_file(json_file)
        file.write(f"results   {folder}\npage      {written}\n")
        file.flush()
        return exit_code


def _summary_file(json_file: Path | None) -> TextIO:
    return sys.stderr if json_file == STANDARD_OUTPUT else sys.stdout


def to_json(result: CompareResult | CapacityResult | SweepResult) -> str:
    """Return a document as text."""
    return result.model_dump_json(by_alias=True, indent=2) + "\n"


def file_of_run(folder: Path, run: str, name: str) -> Path | None:
    """Return a file of the last try of a run; a run is below *folder*, or nowhere, whatever the document says."""
    named = Path(run)
    if named.is_absolute() or ".." in named.parts:
        return None
    found = sorted((folder / named).glob(f"*/{name}"))
    return found[-1] if found else None


def pages_of_runs(folder: Path, runs: Iterable[str], name: str = run_page.FILE_NAME) -> dict[str, str]:
    """Return by the folder of each run the path of its page from *folder*, as a link has it; of those that have one."""
    found = {run: file_of_run(folder, run, name) for run in runs}
    return {run: quote(path.relative_to(folder).as_posix()) for run, path in found.items() if path is not None}
