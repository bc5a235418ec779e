"""The files of the repository, each read and parsed once for all the rules of `tests/house`."""

from __future__ import annotations

import ast
import functools
import gc
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = ROOT / "loadtest"
MODULES: Final = sorted(PACKAGE.rglob("*.py"))
SOURCES: Final = MODULES + sorted((ROOT / "tests").rglob("*.py"))


def short(path: Path) -> str:
    """Return a path as people write it, from the root of the repository."""
    return path.relative_to(ROOT).as_posix()


@functools.cache
def text_of(path: Path) -> str:
    """Return what stands in a file."""
    return path.read_text(encoding="utf-8")


@functools.cache
def tree_of(path: Path) -> ast.Module:
    """Return a file of Python as its syntax tree."""
    tree = ast.parse(path.read_bytes())
    # It is kept to the end: without this, collections that go through all trees take longer than parsing.
    gc.freeze()
    return tree


@functools.cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    """Return all nodes of a file's syntax tree."""
    return tuple(ast.walk(tree_of(path)))
