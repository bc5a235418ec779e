"""Who may write an object's attributes: its constructor first, and no other module at all where an object is shared."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from tests.house.sources import MODULES, PACKAGE, nodes_of, short

CONSTRUCTORS = {"__init__", "__post_init__", "__new__", "__enter__"}
# What a run's parts share, by the names under which other modules of these rooms hold it.
SHARED = {"run", "_run", "session", "_session", "workers", "_workers", "_broker"}
SHARING_ROOMS = {"clients", "run", "locust_app", "commands", "dashboard", "experiments", "metrics"}
# Made when the broker is dialled: nothing goes either way before.
LATER = {"ProxiedConnection": {"up", "down"}}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def written(nodes: Iterable[ast.AST]) -> Iterator[ast.Attribute]:
    """Yield the attributes that *nodes* assign themselves."""
    for inner in nodes:
        targets: list[ast.expr] = []
        if isinstance(inner, ast.Assign):
            targets = inner.targets
        elif isinstance(inner, ast.AugAssign | ast.AnnAssign):
            targets = [inner.target]
        for target in targets:
            parts = target.elts if isinstance(target, ast.Tuple) else [target]
            yield from (part for part in parts if isinstance(part, ast.Attribute))


def own(node: ast.AST) -> set[str]:
    """Return the names of the attributes of `self` that *node* assigns."""
    return {
        each.attr for each in written(ast.walk(node)) if isinstance(each.value, ast.Name) and each.value.id == "self"
    }


def classes() -> dict[str, list[ast.ClassDef]]:
    """Return the classes of the package, by name."""
    found: dict[str, list[ast.ClassDef]] = {}
    for path in MODULES:
        for node in nodes_of(path):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, []).append(node)
    return found


CLASSES = classes()
# pika's, which the connection of a run extends.
FOREIGN_BASES = {"PikaAdapter": {"bytes_sent", "bytes_received"}}


def made(node: ast.ClassDef) -> set[str]:
    """Return the attributes that a class has from its constructor on: its fields, its own, and those of its bases."""
    methods = {each.name: each for each in node.body if isinstance(each, Function)}
    found = FOREIGN_BASES.get(node.name, set()) | LATER.get(node.name, set())
    for statement in node.body:
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        found |= {target.id for target in targets if isinstance(target, ast.Name)}
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            found.add(statement.target.id)
    reached = [name for name in CONSTRUCTORS if name in methods]
    for name in reached:  # and what a constructor calls of its own object
        found |= own(methods[name])
        for call in ast.walk(methods[name]):
            called = call.func if isinstance(call, ast.Call) else None
            if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and called.value.id == "self":
                reached += [called.attr] if called.attr in methods and called.attr not in reached else []
    for base in node.bases:
        named = base.value if isinstance(base, ast.Subscript) else base
        for parent in CLASSES.get(named.id, ()) if isinstance(named, ast.Name) and named.id != node.name else ():
            found |= made(parent)
    return found


def test_attributes_are_made_in_the_constructor() -> None:
    """An object has all its attributes when it is made: nobody has to know which method came first."""
    late = {
        f"{short(path)}:{node.lineno}: {node.name}": sorted(own(node) - made(node))
        for path in MODULES
        for node in nodes_of(path)
        if isinstance(node, ast.ClassDef)
    }

    assert len(late) > len(MODULES)
    assert {name: attributes for name, attributes in late.items() if attributes} == {}


def test_shared_objects_are_written_by_their_own_methods() -> None:
    """What a run's parts share has methods; no other module assigns its attributes."""
    sharing = [path for path in MODULES if path.relative_to(PACKAGE).parts[0] in SHARING_ROOMS]
    assert {path.relative_to(PACKAGE).parts[0] for path in sharing} == SHARING_ROOMS

    assert [
        f"{short(path)}:{each.lineno}: {ast.unparse(each)}: give the object a method"
        for path in sharing
        for each in written(nodes_of(path))
        if holder(each) in SHARED
    ] == []


def holder(written_to: ast.Attribute) -> str:
    """Return the name under which the object is held whose attribute is written; "" where it has none."""
    held = written_to.value
    return held.attr if isinstance(held, ast.Attribute) else held.id if isinstance(held, ast.Name) else ""
