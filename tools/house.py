#!/usr/bin/env python3
"""
Prints what the house counts: modules, lines, large folders, splinters, circles, and names that occur twice.

    tools/house.py [FOLDER]

FOLDER is a checkout of this repository; the one that this script lies in if it is not given.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

MOST_MODULES_IN_A_FOLDER = 15
SPLINTER_LINES = 60


class Module:
    """A file of the package: its name, its syntax tree, and its lines of code and of docstrings."""

    def __init__(self, root: Path, path: Path) -> None:
        parts = path.relative_to(root).with_suffix("").parts
        self.path = path
        self.is_package = path.name == "__init__.py"
        self.name = ".".join(parts[:-1] if self.is_package else parts)
        source = path.read_text(encoding="utf-8")
        self.tree = ast.parse(source)
        self.lines = source.count("\n")
        self.text_lines = sum(len(set(lines)) for lines in docstring_lines(self.tree))
        blank = sum(1 for line in source.splitlines() if not line.strip() or line.lstrip().startswith("#"))
        self.code_lines = self.lines - self.text_lines - blank

    @property
    def room(self) -> str:
        """The first folder, or the file at the top of the package."""
        parts = self.name.split(".")
        return parts[1] if len(parts) > 1 else parts[0]

    def imports(self, names: frozenset[str], *, annotations: bool) -> set[str]:
        """Return the modules of the package that this one imports; with *annotations* also those for types alone."""
        found: set[str] = set()
        for node in statements(self.tree, annotations=annotations):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    found.add(inner if inner in names else node.module)
        return (found & names) - {self.name}


def docstring_lines(tree: ast.AST) -> Iterator[range]:
    """Yield the lines of each docstring that are not blank, as far as their number goes."""
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    for node in ast.walk(tree):
        if isinstance(node, kinds) and ast.get_docstring(node) is not None:
            text = node.body[0]
            yield range(text.lineno, (text.end_lineno or text.lineno) + 1)


def statements(tree: ast.Module, *, annotations: bool) -> Iterator[ast.stmt]:
    """Yield the statements at the top of a module; those below `if TYPE_CHECKING` with *annotations* only."""
    for node in tree.body:
        yield node
        if annotations and isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from node.body


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules of which each imports each other, directly or by way of others (Tarjan, 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for target in graph[name]:
            if target not in index:
                visit(target)
                low[name] = min(low[name], low[target])
            elif target in stack:
                low[name] = min(low[name], index[target])
        if low[name] == index[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(group) > 1:
                found.append(sorted(group))

    for name in graph:
        if name not in index:
            visit(name)
    return found


def twice(names: Iterable[str]) -> list[str]:
    """Return the names that occur more than once, sorted."""
    return sorted(name for name, count in Counter(names).items() if count > 1)


def longest_function(modules: Iterable[Module]) -> tuple[int, str]:
    """Return the lines of code of the longest function, docstring and comments left out, and where it is."""
    longest = (0, "")
    for module in modules:
        source = module.path.read_text(encoding="utf-8").splitlines()
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                text = {line for lines in docstring_lines(node) for line in lines}
                numbers = range(node.lineno, (node.end_lineno or node.lineno) + 1)
                code = [source[number - 1].strip() for number in numbers if number not in text]
                size = sum(1 for line in code if line and not line.startswith("#"))
                longest = max(longest, (size, f"{module.name}.{node.name}"))
    return longest


def print_names(what: str, names: Iterable[str]) -> None:
    """Print how many there are, and which."""
    listed = list(names)
    print(f"{what}: {len(listed)}" + "".join(f"\n  {name}" for name in listed))


def main() -> None:
    """Print the counts of the checkout that the command line names."""
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1]
    modules = [Module(root, path) for path in sorted((root / "loadtest").rglob("*.py"))]
    names = frozenset(module.name for module in modules)
    rooms: dict[str, list[Module]] = defaultdict(list)
    for module in modules:
        rooms[module.room].append(module)
    print(f"{'room':16} {'modules':>8} {'lines':>8} {'code':>8} {'docstrings':>11}")
    for room, inside in [*sorted(rooms.items()), ("all", modules)]:
        columns = (sum(1 for module in inside if not module.is_package), sum(module.lines for module in inside))
        code, text = sum(module.code_lines for module in inside), sum(module.text_lines for module in inside)
        print(f"{room:16} {columns[0]:8,} {columns[1]:8,} {code:8,} {text:11,}")
    folders = Counter(module.path.parent for module in modules if not module.path.name.startswith("__"))
    large = {folder: count for folder, count in folders.items() if count > MOST_MODULES_IN_A_FOLDER}
    print_names(
        f"folders of more than {MOST_MODULES_IN_A_FOLDER} modules",
        (f"{folder.relative_to(root)}: {count}" for folder, count in large.items()),
    )
    graph = {module.name: module.imports(names, annotations=True) for module in modules}
    importers = Counter(target for targets in graph.values() for target in targets)
    print_names(
        f"modules of under {SPLINTER_LINES} lines with one importer",
        (f"{module.name}: {module.lines}" for module in modules
         if not module.is_package and module.lines < SPLINTER_LINES and importers[module.name] == 1),
    )  # fmt: skip
    print_names("circles of imports, annotations included", (" ".join(group) for group in circles(graph)))
    print_names("basenames that occur twice", twice(m.path.stem for m in modules if not m.path.name.startswith("__")))
    classes = [node.name for m in modules for node in ast.walk(m.tree) if isinstance(node, ast.ClassDef)]
    print_names("class names that occur twice", twice(name for name in classes if not name.startswith("_")))
    size, name = longest_function(modules)
    print(f"longest function: {size} lines of code, {name}")


if __name__ == "__main__":
    main()
