"""docs/architecture.md names what there is: every room, and no file or function that does not exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "loadtest"
TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")

# A file of the package, and the functions that are named in the parentheses behind it.
FILES = sorted(set(re.findall(r"`((?:[a-z_]+/)*[a-z_]+\.py)`", TEXT)))
FUNCTIONS = sorted(set(re.findall(r"`((?:[a-z_]+/)*[a-z_]+\.py)`(?: \(|, )`([a-z_]+)`", TEXT)))


def rooms_named() -> set[str]:
    """Return the first column of the table of rooms."""
    table = TEXT.partition("## Rooms")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def rooms_found() -> set[str]:
    """Return the folders and files at the top of the package."""
    folders = {f"{path.parent.name}/" for path in PACKAGE.glob("*/__init__.py")}
    return folders | {path.name for path in PACKAGE.glob("*.py") if not path.name.startswith("__")}


def test_every_room_is_named() -> None:
    """The table of rooms and the package have the same rooms."""
    assert rooms_named() == rooms_found()


@pytest.mark.parametrize("name", FILES)
def test_named_files_exist(name: str) -> None:
    """A file that is named is a file of the package, or of the repository."""
    assert (PACKAGE / name).is_file() or (ROOT / name).is_file()


@pytest.mark.parametrize("name, function", FUNCTIONS)
def test_named_functions_exist(name: str, function: str) -> None:
    """A function that is named beside its file is defined there."""
    assert re.search(rf"^ *def {function}\(", (PACKAGE / name).read_text(encoding="utf-8"), re.MULTILINE)
