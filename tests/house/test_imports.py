"""
The directions of imports: docs/architecture.md, and the layers that follow from it.

Read from the source by AST, so that an import inside a function counts too.
"""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.house.sources import MODULES, PACKAGE, ROOT, nodes_of, short, tree_of

EARLIEST = {"errors", "clock", "counters", "stamp", "fields", "timerfd", "redaction", "signals", "streams"}
PURE_ROOMS = {"scenario", "measure", "result", "report"}
# What each room may import, besides itself. The doors, which may import anything, are not here.
ROOMS: dict[str, set[str]] = {
    "errors": set(),
    "clock": set(),
    "counters": set(),
    "stamp": set(),
    "fields": set(),
    "pika_codec": {"fields"},
    "timerfd": {"clock"},
    "redaction": set(),
    "signals": set(),
    "streams": set(),
    "scenario": EARLIEST,
    "measure": EARLIEST | {"scenario"},
    "result": EARLIEST | {"scenario", "measure"},
    "report": EARLIEST | {"scenario", "measure", "result"},
    "broker": EARLIEST | {"scenario", "pika_codec"},
    "wire": EARLIEST | {"scenario", "broker", "pika_codec"},
    "clients": EARLIEST | {"scenario", "broker", "wire", "measure"},
    "calibration": EARLIEST | {"broker", "wire"},
    "metrics": EARLIEST | {"measure"},
    "run": EARLIEST | PURE_ROOMS | {"broker", "wire", "clients", "calibration", "metrics"},
    "experiments": EARLIEST | PURE_ROOMS | {"broker"},
    "dashboard": EARLIEST | PURE_ROOMS | {"broker", "run", "metrics"},
    "locust_app": EARLIEST | PURE_ROOMS | {"broker", "wire", "clients", "run", "dashboard"},
}
DOORS = {"__init__", "__main__", "main", "cli", "commands"}

# Packages that are kept to the rooms that need them.
KEPT: dict[str, set[str]] = {
    "pika": {"pika_codec", "broker", "wire", "clients", "run", "calibration", "locust_app"},
    "locust": {"dashboard", "locust_app"},
    "gevent": {"broker", "wire", "clients", "run", "metrics", "dashboard", "locust_app"},
    "prometheus_client": {"metrics"},
    "requests": {"broker", "dashboard"},
    "hdrh": {"measure"},
    "ruamel": {"scenario"},
}
# What a requirement is called when it is imported, where that differs.
IMPORTED_AS = {
    "flask-login": {"flask_login"},
    "hdrhistogram": {"hdrh"},
    "prometheus-client": {"prometheus_client"},
    "pydantic": {"pydantic", "pydantic_core"},
    "ruamel.yaml": {"ruamel"},
}


def room_of(path: Path) -> str:
    """Return the room that a file of the package belongs to: its folder, or its own name at the top."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> Iterator[tuple[int, str, ast.stmt]]:
    """Yield line, dotted name and statement of every import in a file."""
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, node
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or ""), node


def test_rooms_are_known() -> None:
    """Every folder and file at the top of the package has its place in the order of the rooms."""
    found = {room_of(path) for path in MODULES}

    assert found <= ROOMS.keys() | DOORS, "give the new room a line in ROOMS"


def test_imports_point_to_earlier_rooms() -> None:
    """A room imports itself and the rooms before it, by absolute names, and keeps to the packages that it may know."""
    assert [fault for path in MODULES for fault in faults_of_imports(path)] == []


def faults_of_imports(path: Path) -> Iterator[str]:
    """Yield what is wrong with a file's imports, each with where it stands."""
    room = room_of(path)
    for line, name, node in imports_of(path):
        where = f"{short(path)}:{line}"
        top, _, rest = name.partition(".")
        if isinstance(node, ast.ImportFrom) and name == "loadtest":
            targets = {alias.name for alias in node.names}
        else:
            targets = {rest.partition(".")[0]} if top == "loadtest" and rest else set()
        if name.startswith("."):
            yield f"{where}: relative import; write it from loadtest"
        if room in DOORS:
            continue
        for target in targets - ROOMS.get(room, set()) - {room}:
            yield f"{where}: {room} must not import loadtest.{target}"
        if room not in KEPT.get(top, {room}):
            yield f"{where}: {room} must not import {top}, which is kept to {sorted(KEPT[top])}"


def test_every_package_imported_is_declared() -> None:
    """What the code imports stands in pyproject.toml, not only in what some dependency happens to bring."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = [requirement.partition(">")[0] for requirement in project["dependencies"]]
    declared = set().union(*(IMPORTED_AS.get(name, {name}) for name in names))
    imported = {name.partition(".")[0] for path in MODULES for _, name, _ in imports_of(path)}

    assert imported - sys.stdlib_module_names - {"loadtest", ""} <= declared


def module_name(path: Path) -> str:
    """Return the dotted name of a file: ``loadtest.wire.frames.reader``, and the package's own for an ``__init__``."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def names_of_modules() -> frozenset[str]:
    """Return the dotted names of all files of the package."""
    return frozenset(module_name(path) for path in MODULES)


def top_level_imports(path: Path) -> set[str]:
    """Return the modules of ours that a file imports as it loads; `from package import module` means the module."""
    names = names_of_modules()
    found = set()
    for node in tree_of(path).body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (inner & names) or {node.module or ""}
    return (found & names) - {module_name(path)}


# Rooms that have circles by annotation still.
CIRCULAR = {"loadtest.wire", "loadtest.measure"}


def annotated_imports(path: Path) -> set[str]:
    """Return the modules of ours that a file names in annotations, too."""
    names = {module_name(other) for other in MODULES}
    found = set()
    for node in nodes_of(path):
        if isinstance(node, ast.ImportFrom):
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (inner & names) or {node.module or ""}
    return {
        name
        for name in (found & names) - {module_name(path)}
        if not any(name.startswith(room) and module_name(path).startswith(room) for room in CIRCULAR)
    }


@pytest.mark.parametrize("imports", [top_level_imports, annotated_imports], ids=["as modules load", "by annotation"])
def test_no_cycles(imports: Callable[[Path], set[str]]) -> None:
    """No chain of imports leads back to its beginning, neither of those made while modules load nor of annotations."""
    graph = {module_name(path): imports(path) for path in MODULES}
    done: set[str] = set()

    def visit(name: str, chain: tuple[str, ...]) -> None:
        assert name not in chain, " -> ".join([*chain[chain.index(name) :], name])

        if name not in done:
            for target in sorted(graph.get(name, set())):
                visit(target, (*chain, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_pure_rooms_load_without_the_network() -> None:
    """The pure rooms can be imported with no gevent, Locust or pika in the process, so they are tested without."""
    pure = [module_name(path) for path in MODULES if room_of(path) in PURE_ROOMS]
    program = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)\nprint(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", program, *pure], cwd=ROOT, check=False, capture_output=True, text=True)

    assert run.returncode == 0, run.stderr
    assert {"gevent", "locust", "pika", "requests"} & set(run.stdout.split()) == set()


def test_the_proxy_is_a_program_of_its_own() -> None:
    """The proxy starts without third-party packages (`python -S`), so it imports itself and the earliest rooms only."""
    allowed = {f"loadtest.{room}" for room in EARLIEST} | {"loadtest"}
    found = {
        name
        for path in (PACKAGE / "broker" / "proxy").glob("*.py")
        for name in (
            *top_level_imports(path),
            *(name for _, name, _ in imports_of(path) if name.startswith("loadtest")),
        )
        if not name.startswith("loadtest.broker.proxy")
    }

    assert found <= allowed
