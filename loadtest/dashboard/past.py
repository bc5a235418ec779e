"""
Results that are there already: a line for each, read from the beginning of its document.

A result is megabytes of which the list needs the first kilobytes, and a run may be going on in this very process: so
much is read, and kept for as long as the file stays as it is. Serves nothing; says which files may be served.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from loadtest.report.capacity.capacity_report import CAPACITY
from loadtest.report.compare.comparison_report import COMPARISON
from loadtest.report.json_file import FILE_NAME as RESULT
from loadtest.report.run import run_page
from loadtest.report.run.read import JOURNAL_NAME
from loadtest.report.sweep.sweep_report import SWEEP

MAX_LISTED: Final = 200
READ_BYTES: Final = 1_000_000
"""The verdict of a run stands within so much; of a comparison the document is seldom longer."""

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}")
_SERVED: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}\.(?:html|json|jsonl|csv|md|xml|yaml|hlog|hgrm)")
_FOLDER: Final = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d)(\d\d)(\d\d)Z-(?P<scenario>.+)")
"""As `create_folder` names it."""

_SPACE: Final = re.compile(r"[ \t\r\n]*")
# Documents of several runs together, with what they are called and the pages that show them.
_OF_SEVERAL: Final = (
    (COMPARISON.document, "comparison", COMPARISON.page),
    (CAPACITY.document, "capacity", CAPACITY.page),
    (SWEEP.document, "sweep", SWEEP.page),
)
MAX_DEPTH: Final = 4
"""Runs of a comparison lie in folders of its own."""

_WANTED: Final = ("scenario", "started_at", "measured_s", "verdict", "complete")

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Known:
    stamp: tuple[int, int]
    line: Json


class PastResults:
    """The folders below *root*, each of a run, or of several: a comparison, a capacity, a sweep."""

    def __init__(self, root: Path, pause: Callable[[], None] = lambda: None) -> None:
        """Look at nothing yet; *root* is absolute, and *pause*, called between two files, gives others their turn."""
        self.root = root
        self._pause = pause
        self._known: dict[Path, _Known] = {}

    def lines(self, running: str = "") -> Json:
        """
        Return the newest results, `lines`, newest first, and how many `more` there are.

        Args:
            running: Name of the folder of a run that goes on, which is left out.
        """
        folders = [folder for folder in self._folders() if folder.name != running]
        newest = folders[:MAX_LISTED]
        lines = []
        for folder in newest:
            line = self._line(folder)
            if line is not None:
                lines.append(line)
            self._pause()
        self._known = {path: known for path, known in self._known.items() if path.parent in newest}
        return {"lines": lines, "more": len(folders) - len(newest)}

    def folder(self, name: str) -> Path | None:
        """Return the folder of this name; None where it is not one of the results."""
        if not _NAME.fullmatch(name):
            return None
        folder = self.root / name
        return folder if folder.is_dir() and not folder.is_symlink() else None

    def file(self, folder: str, name: str) -> Path | None:
        """Return a file of a result, or of one that lies in it, that may be handed out; None where there is none."""
        path = self.folder(folder)
        *folders, last = name.split("/")
        if path is None or len(folders) > MAX_DEPTH or not _SERVED.fullmatch(last):
            return None
        for part in folders:
            path /= part
            if not _NAME.fullmatch(part) or path.is_symlink() or not path.is_dir():
                return None
        path /= last
        return path if path.is_file() and not path.is_symlink() else None

    def files(self, folder: str) -> list[str]:
        """Return the names of the files of a result that may be handed out."""
        found = self.folder(folder)
        names = sorted(path.name for path in found.iterdir()) if found is not None else []
        return [name for name in names if self.file(folder, name) is not None]

    def _folders(self) -> list[Path]:
        """Return all folders, the newest first: their names begin with the time."""
        try:
            names = [path.name for path in self.root.iterdir()]
        except OSError:
            return []
        return [folder for name in sorted(names, reverse=True) if (folder := self.folder(name)) is not None]

    def _line(self, folder: Path) -> Json | None:
        for document, read in _READERS:
            path = folder / document
            try:
                status = path.stat()
            except OSError:
                continue
            stamp = (status.st_mtime_ns, status.st_size)
            known = self._known.get(path)
            if known is None or known.stamp != stamp:
                known = self._known[path] = _Known(stamp, {"folder": folder.name, **read(path)})
            return known.line
        return None


def _of_run(path: Path) -> Json:
    """Return what the list has of a run; of a document that cannot be read only that."""
    told = dict(_first_fields(path, _WANTED))
    verdict, scenario = told.get("verdict"), told.get("scenario")
    if not isinstance(verdict, dict) or not isinstance(scenario, dict):
        return {"kind": "unreadable"}
    return {
        "kind": "run",
        "scenario": str(scenario.get("name", "")),
        "started_at": told.get("started_at"),
        "measured_s": told.get("measured_s"),
        "outcome": str(verdict.get("outcome", "")),
        "reason": str(verdict.get("reason", "")),
        "page": run_page.FILE_NAME if (path.parent / run_page.FILE_NAME).is_file() else None,
    }


def _of_several(path: Path, kind: str, shown: str) -> Json:
    told = dict(_first_fields(path, ("scenario", "started_at", "exit_code", "reason")))
    if not isinstance(told.get("scenario"), str):
        return {"kind": "unreadable"}
    return {
        "kind": kind,
        "scenario": told["scenario"],
        "started_at": told.get("started_at"),
        "reason": str(told.get("reason", "")),
        "page": shown if (path.parent / shown).is_file() else None,
    }


def _of_journal(path: Path) -> Json:
    """Return what the name of its folder tells of a run that was cut off: when, and which."""
    told = _FOLDER.fullmatch(path.parent.name)
    if told is None:
        return {"kind": "journal"}
    return {"kind": "journal", "scenario": told["scenario"], "started_at": "{}T{}:{}:{}+00:00".format(*told.groups())}


_READERS: Final[tuple[tuple[str, Callable[[Path], Json]], ...]] = (
    (RESULT, _of_run),
    *((document, partial(_of_several, kind=kind, shown=shown)) for document, kind, shown in _OF_SEVERAL),
    (JOURNAL_NAME, _of_journal),
)


def _first_fields(path: Path, wanted: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Yield fields of a JSON document that are *wanted*, until all came or what is read of it ends."""
    try:
        with path.open("rb") as file:
            text = file.read(READ_BYTES).decode("utf-8", errors="ignore")
    except OSError:
        return
    decoder, left = json.JSONDecoder(), set(wanted)
    at = _skip(text, 0, "{")
    try:
        while left and at > 0:
            name, at = decoder.raw_decode(text, at)
            value, at = decoder.raw_decode(text, _skip(text, at, ":"))
            if name in left:
                left.remove(name)
                yield name, value
            at = _skip(text, at, ",")
    except ValueError:  # it is damaged, or longer than what was read of it
        return


def _skip(text: str, at: int, sign: str) -> int:
    """Return where what follows *sign* begins; a place that does not exist where there is none."""
    space = _SPACE.match(text, at)
    at = space.end() if space is not None else at
    if not text.startswith(sign, at):
        return -1
    after = _SPACE.match(text, at + 1)
    return after.end() if after is not None else at + 1
