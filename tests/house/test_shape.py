"""The names and sizes that CONTRIBUTING.md asks for, read from the source by AST."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "loadtest"
MODULES = sorted(PACKAGE.rglob("*.py"))
SOURCES = MODULES + sorted((ROOT / "tests").rglob("*.py"))

MOST_FUNCTION_LINES = 50
MOST_MODULE_LINES = 300
# Say nothing of what is in them.
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "misc", "base"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def short(path: Path) -> str:
    """Return a path as people write it, from the root of the repository."""
    return path.relative_to(ROOT).as_posix()


def lines_of_text(node: ast.AST) -> set[int]:
    """Return the lines that docstrings take in *node* and in all that it holds."""
    lines: set[int] = set()
    for inner in ast.walk(node):
        if isinstance(inner, ast.Module | ast.ClassDef | Function) and ast.get_docstring(inner) is not None:
            text = inner.body[0]
            lines |= set(range(text.lineno, (text.end_lineno or text.lineno) + 1))
    return lines


def count_lines(source: list[str], node: ast.AST, first: int, last: int) -> int:
    """Return how many of the lines *first* to *last* (from 1) hold code: no docstring, no comment, not blank."""
    text = lines_of_text(node)
    numbers = (number for number in range(first, last + 1) if number not in text)
    return sum(
        1 for number in numbers if source[number - 1].strip() and not source[number - 1].lstrip().startswith("#")
    )


@pytest.mark.parametrize("path", SOURCES, ids=short)
def test_functions_are_short(path: Path) -> None:
    """A function has at most 50 lines of code."""
    source = path.read_text(encoding="utf-8").splitlines()
    sizes = {
        f"{node.name}, line {node.lineno}": count_lines(source, node, node.lineno, node.end_lineno or node.lineno)
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, Function)
    }

    assert {name: size for name, size in sizes.items() if size > MOST_FUNCTION_LINES} == {}


@pytest.mark.parametrize("path", MODULES, ids=short)
def test_modules_are_short(path: Path) -> None:
    """A module has at most 300 lines of code; one that grows past becomes a package of the same noun."""
    source = path.read_text(encoding="utf-8").splitlines()

    assert count_lines(source, ast.parse(path.read_bytes()), 1, len(source)) <= MOST_MODULE_LINES


def test_no_module_hides_another() -> None:
    """
    No module or folder has the name of a top-level module of the standard library.

    Locust puts the locustfile's folder first on the path, so `loadtest/profile.py` would be everybody's `profile`.
    """
    names = {path.stem for path in MODULES} | {path.parent.name for path in MODULES}

    assert names & set(sys.stdlib_module_names) == set()


def test_no_top_level_module_hides_a_package() -> None:
    """Nothing directly in `loadtest/`, which Locust puts first on the path, is named like a package in use."""
    names = {path.stem for path in PACKAGE.glob("*.py")} | {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    packages = {"click", "flask", "gevent", "hdrh", "locust", "numpy", "pika", "psutil", "pydantic", "requests", "rich"}

    assert names & packages == set()


def test_module_names_say_what_is_in_them() -> None:
    """No module is a drawer for odds and ends."""
    assert [short(path) for path in MODULES if path.stem.strip("_") in EMPTY_NAMES] == []


@pytest.mark.parametrize("path", [path for path in SOURCES if path.name.startswith("test_")], ids=short)
def test_tests_are_unique_in_their_file(path: Path) -> None:
    """No test is hidden by a later one of the same name."""
    names = [node.name for node in ast.parse(path.read_bytes()).body if isinstance(node, Function)]

    assert sorted(set(names)) == sorted(names)


FOLDERS = sorted({path.parent for path in MODULES})
MOST_MODULES_IN_A_FOLDER = 15


@pytest.mark.parametrize("folder", FOLDERS, ids=short)
def test_folders_are_small(folder: Path) -> None:
    """A folder has at most 15 modules; one that grows past gets sub-packages, each for a noun."""
    modules = [path.name for path in folder.glob("*.py") if not path.name.startswith("__")]

    assert len(modules) <= MOST_MODULES_IN_A_FOLDER
