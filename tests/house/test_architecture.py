"""docs/architecture.md names what there is: every room, and no file or function that does not exist."""

from __future__ import annotations

import ast
import re

import pytest

from tests.house.sources import PACKAGE, ROOT, nodes_of

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


def test_named_files_exist() -> None:
    """A file that is named is a file of the package, or of the repository."""
    assert [name for name in FILES if not (PACKAGE / name).is_file() and not (ROOT / name).is_file()] == []


def test_named_functions_exist() -> None:
    """A function that is named beside its file is defined there."""
    assert [
        (name, function)
        for name, function in FUNCTIONS
        if not re.search(rf"^ *def {function}\(", (PACKAGE / name).read_text(encoding="utf-8"), re.MULTILINE)
    ] == []


GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
NAMED_ROOMS = ("clients", "run", "locust_app")
# Words of English and of Python that mean the same here.
PLAIN_WORDS = {"body", "bytes", "classes", "consume", "counts", "found", "gauges", "group", "local", "locust", "loop"}
PLAIN_WORDS |= {"lost", "monitor", "option", "publish", "remote", "running", "stopped", "tag", "taken", "taking"}
PLAIN_WORDS |= {"unknown", "up", "user", "wake"}


def words_of_classes(room: str) -> dict[str, str]:
    """Return the words that the class names of a room are made of, each with a class."""
    return {
        word.lower(): node.name
        for path in sorted((PACKAGE / room).rglob("*.py"))
        for node in nodes_of(path)
        if isinstance(node, ast.ClassDef)
        for word in re.findall(r"[A-Z][a-z]+", node.name)
    }


@pytest.mark.parametrize("room", NAMED_ROOMS)
def test_words_of_class_names_are_in_the_glossary(room: str) -> None:
    """A reader finds each word that a class is named by, singular or plural, as a word of the glossary."""
    terms = " ".join(line.split("|")[1].lower() for line in GLOSSARY.splitlines() if line.startswith("| "))
    known = set(re.findall(r"[a-z]+", terms)) | PLAIN_WORDS

    words = words_of_classes(room)
    assert {word: name for word, name in words.items() if not {word, word.removesuffix("s")} & known} == {}
