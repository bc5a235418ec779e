"""
The folder of a run: made once, written whole.

Every file is written beside its final name and renamed, so that a reader sees the old file or the new one and never
half of one. Nothing is written outside the folder: names have no separators, and a link in the place of a file is
replaced, not followed. Knows nothing of what is in the files.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from loadtest.errors import ResultsError

# Longest name of a folder: file systems allow 255 bytes; the time and a suffix need 25, and archives add to it.
MAX_NAME_LENGTH: Final = 100
MAX_COLLISIONS: Final = 1_000

_FILE_MODE: Final = 0o644
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")


def create_folder(root: Path, started_at: datetime, scenario_name: str) -> Path:
    """
    Make the folder of a run, ``<root>/<UTC time>-<scenario>``, and return it.

    Characters of the name that are not letters, digits, ``.``, ``_`` or ``-`` become ``-``. Where the folder exists
    already (two runs in a second) a number is put behind: ``-2``, ``-3``.

    Raises:
        ResultsError: If it cannot be made.
    """
    instant = started_at.astimezone(UTC).strftime("%Y-%m-%dT%H%M%SZ")
    name = f"{instant}-{safe_name(scenario_name)}"
    for number in range(1, MAX_COLLISIONS + 1):
        folder = root / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise ResultsError(f"{folder}: cannot make the results folder: {error.strerror}") from error
        return folder
    raise ResultsError(f"{root / name}: {MAX_COLLISIONS:,} folders of this name exist; give --results another folder")


def write_all(folder: Path, files: Iterable[tuple[str, str]]) -> list[str]:
    """Write all files, by name and content, that can be written as `write_file` does, and return what was wrong."""
    faults: list[str] = []
    for name, content in files:
        try:
            write_file(folder, name, content)
        except ResultsError as error:
            faults.append(str(error))
    return faults


def write_file(folder: Path, name: str, content: str) -> Path:
    """
    Write *content*, UTF-8, as the file *name* of *folder* in one step and return its path.

    Raises:
        ResultsError: If it cannot be written (disk full, no permission); the file is then as it was before.
    """
    if name != Path(name).name or name in {"", ".", ".."}:
        raise ResultsError(f"{name!r}: not the name of a file in {folder}")
    path = folder / name
    temporary: str | None = None
    try:
        descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=f".{name}.", suffix=".part")
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
            file.write(content)
            file.flush()
            # Without it a crash of the machine after the rename could leave an empty file under the final name.
            os.fsync(file.fileno())
        Path(temporary).chmod(_FILE_MODE)
        Path(temporary).replace(path)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                Path(temporary).unlink(missing_ok=True)
        raise ResultsError(f"{path}: cannot be written: {error.strerror}") from error
    return path


def safe_name(name: str) -> str:
    """Return *name* as part of a file name: never empty, never hidden, never a way up."""
    return _UNSAFE.sub("-", name)[:MAX_NAME_LENGTH].strip(".-") or "scenario"
