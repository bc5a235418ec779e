"""The names and sizes that CONTRIBUTING.md asks for, read from the source by AST."""

from __future__ import annotations

import ast
import sys
from collections import Counter
from pathlib import Path

from tests.house.sources import MODULES, PACKAGE, SOURCES, nodes_of, short, text_of, tree_of

MOST_FUNCTION_LINES = 50
MOST_MODULE_LINES = 300
MOST_MODULES_IN_A_FOLDER = 15
# Say nothing of what is in them.
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "misc", "base"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def lines_of_code(path: Path) -> set[int]:
    """Return the numbers of a file's lines (from 1) that hold code: no docstring, no comment, not blank."""
    lines = enumerate(text_of(path).splitlines(), start=1)
    code = {number for number, line in lines if line.strip() and not line.lstrip().startswith("#")}
    for node in nodes_of(path):
        if isinstance(node, ast.Module | ast.ClassDef | Function) and ast.get_docstring(node, clean=False) is not None:
            text = node.body[0]
            code -= set(range(text.lineno, (text.end_lineno or text.lineno) + 1))
    return code


def function_sizes(path: Path) -> dict[str, int]:
    """Return the lines of code of each function of a file, by where it stands."""
    code = lines_of_code(path)
    return {
        f"{short(path)}:{node.lineno}: {node.name}": len(code & set(range(node.lineno, (node.end_lineno or 0) + 1)))
        for node in nodes_of(path)
        if isinstance(node, Function)
    }


def test_functions_are_short() -> None:
    """A function has at most 50 lines of code."""
    sizes = {name: size for path in SOURCES for name, size in function_sizes(path).items()}

    assert len(sizes) > len(SOURCES)
    assert {name: size for name, size in sizes.items() if size > MOST_FUNCTION_LINES} == {}


def test_modules_are_short() -> None:
    """A module has at most 300 lines of code; one that grows past becomes a package of the same noun."""
    sizes = {short(path): len(lines_of_code(path)) for path in MODULES}

    assert {name: size for name, size in sizes.items() if size > MOST_MODULE_LINES} == {}


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


def test_tests_are_unique_in_their_file() -> None:
    """No test is hidden by a later one of the same name."""
    names = Counter(
        f"{short(path)}: {node.name}"
        for path in SOURCES
        if path.name.startswith("test_")
        for node in tree_of(path).body
        if isinstance(node, Function)
    )

    assert [name for name, count in names.items() if count > 1] == []


def test_folders_are_small() -> None:
    """A folder has at most 15 modules; one that grows past gets sub-packages, each for a noun."""
    sizes = Counter(short(path.parent) for path in MODULES if not path.name.startswith("__"))

    assert {name: size for name, size in sizes.items() if size > MOST_MODULES_IN_A_FOLDER} == {}
