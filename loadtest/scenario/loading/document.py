"""
A YAML document as plain values, with the place of each of them.

YAML 1.2's core schema, read from ruamel's events: no tags, no merge keys, no duplicate keys, one document, text for
keys, and nothing is ever constructed but mappings, lists, text, numbers, true, false and null. Whatever comes in,
what comes out is a `Document`, with its errors beside it. Knows nothing of the grammar.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from loadtest.scenario.loading.error_detail import ErrorDetail, Path, shown

MAX_CHARACTERS: Final = 1 << 20
MAX_DEPTH: Final = 40
# Values after the aliases are written out; the largest sensible scenario has some thousands.
MAX_VALUES: Final = 50_000
MAX_DIGITS: Final = 400  # more than any float has, and far from int()'s quadratic costs

_INT: Final = re.compile(r"[-+]?[0-9]+", re.ASCII)
_OCTAL: Final = re.compile(r"0o[0-7]+", re.ASCII)
_HEX: Final = re.compile(r"0x[0-9a-fA-F]+", re.ASCII)
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_CONSTANTS: Final[dict[str, object]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}


def resolve(text: str) -> object:
    """Return the value of a plain scalar (YAML 1.2.2, 10.3.2): `10:30`, `yes` and `1_000` are text."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _OCTAL.fullmatch(text):
        return int(text, 8)
    if _HEX.fullmatch(text):
        return int(text, 16)
    return float(text) if _FLOAT.fullmatch(text) else text


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands: a file or the command line, and the line in it (of `--set`: which one), from 1."""

    source: str
    line: int

    def __str__(self) -> str:
        return f"{self.source}:{self.line}"


@dataclass(slots=True)
class Document:
    """
    Values with their places.

    Attributes:
        value: Plain values; None for an empty document, or one that could not be read.
        places: By path: of a mapping's entry the place of its key, of a list's item that of the item.
    """

    source: str
    value: Any = None
    places: dict[Path, Place] = field(default_factory=dict)
    details: list[tuple[Place, ErrorDetail]] = field(default_factory=list)

    def place(self, path: Path) -> Place:
        """Return the place of a path, or of the nearest above it that is known."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, Place(self.source, 1))


@dataclass(slots=True)
class _Node:
    """A node of the document: `items` of a list are nodes, of a mapping (key, line, node); a scalar has neither."""

    line: int
    scalar: object = None
    sequence: list[_Node] | None = None
    mapping: list[tuple[str, int, _Node]] | None = None
    detail: tuple[str, str] | None = None


class _UnreadableError(Exception):
    """The document cannot be read further: (line, what was found, what is allowed)."""


def read_document(text: str, source: str) -> Document:
    """Return the values of a YAML text; whatever is wrong with it is among the document's errors."""
    document = Document(source)
    try:
        root = _Reader(text).root()
        if root is not None:
            _Expansion(document).expand(root)
    except _UnreadableError as error:
        line, found, allowed = error.args
        document.value = None
        document.details.append((Place(source, line), ErrorDetail((), found, allowed)))
    return document


class _Reader:
    """Builds nodes from ruamel's events, which come without recursion."""

    def __init__(self, text: str) -> None:
        if len(text) > MAX_CHARACTERS:
            raise _UnreadableError(1, f"a text of {len(text)} characters", f"at most {MAX_CHARACTERS}")
        self._events = self._guarded(text)
        self._anchors: dict[str, _Node] = {}

    @staticmethod
    def _guarded(text: str) -> Iterator[Any]:
        line = 1
        try:
            for event in YAML(typ="safe", pure=True).parse(text):
                line = event.start_mark.line + 1
                yield event
        except YAMLError as error:
            mark = (error.problem_mark or error.context_mark) if isinstance(error, MarkedYAMLError) else None
            problem = (error.problem if isinstance(error, MarkedYAMLError) else None) or str(error)
            raise _no_yaml(problem, mark.line + 1 if mark else line) from None
        except Exception as error:  # noqa: BLE001 - ruamel on what it did not foresee, such as an escape beyond Unicode
            raise _no_yaml(str(error), line) from None

    def root(self) -> _Node | None:
        found: _Node | None = None
        documents = 0
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise _UnreadableError(event.start_mark.line + 1, "a second document", "one document a file")
            elif isinstance(event, AliasEvent | ScalarEvent | MappingStartEvent | SequenceStartEvent):
                found = self._node(event, 0)
        return found

    def _node(self, event: Any, depth: int) -> _Node:
        line = event.start_mark.line + 1
        if depth > MAX_DEPTH:
            raise _UnreadableError(line, f"values nested more than {MAX_DEPTH} deep", "fewer levels")
        if isinstance(event, AliasEvent):
            if event.anchor not in self._anchors:
                raise _UnreadableError(
                    line, f"the alias *{event.anchor} without an anchor before it", f"&{event.anchor} before"
                )
            return self._anchors[event.anchor]
        if isinstance(event, ScalarEvent):
            node = _scalar(event, line)
        elif isinstance(event, SequenceStartEvent):
            node = _Node(line, sequence=list(self._items(depth)))
        else:
            node = _Node(line, mapping=list(self._entries(depth)))
        if _tag(event) is not None:
            node.detail = (f"the tag {_tag(event)}", "plain YAML 1.2 without tags")
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _items(self, depth: int) -> Iterator[_Node]:
        for event in self._events:
            if isinstance(event, SequenceEndEvent):
                return
            yield self._node(event, depth + 1)

    def _entries(self, depth: int) -> Iterator[tuple[str, int, _Node]]:
        for event in self._events:
            if isinstance(event, MappingEndEvent):
                return
            line = event.start_mark.line + 1
            if not isinstance(event, ScalarEvent):
                raise _UnreadableError(line, "a key that is no text", "text for keys")
            yield event.value, line, self._node(next(self._events), depth + 1)


class _Expansion:
    """Writes nodes out as values; aliases become copies, as many as the limit allows."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._values = 0

    def expand(self, root: _Node) -> None:
        self._document.places[()] = Place(self._document.source, root.line)
        self._document.value = self._value(root, ())

    def _value(self, node: _Node, path: Path) -> Any:
        self._values += 1
        if self._values > MAX_VALUES or len(path) > MAX_DEPTH:
            raise _UnreadableError(
                node.line, f"more than {MAX_VALUES} values or {MAX_DEPTH} levels", "fewer, each alias counted"
            )
        if node.detail is not None:
            self._document.details.append((Place(self._document.source, node.line), ErrorDetail(path, *node.detail)))
        if node.sequence is not None:
            return [self._item(item, (*path, at)) for at, item in enumerate(node.sequence)]
        if node.mapping is not None:
            return self._mapping(node.mapping, path)
        return node.scalar

    def _item(self, node: _Node, path: Path) -> Any:
        self._document.places[path] = Place(self._document.source, node.line)
        return self._value(node, path)

    def _mapping(self, entries: list[tuple[str, int, _Node]], path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        first_lines: dict[str, int] = {}
        for key, line, node in entries:
            place = Place(self._document.source, line)
            if not _encodable(key):
                raise _UnreadableError(line, f"the key {shown(key)}, which is no Unicode text", "text")
            if key == "<<":
                raise _UnreadableError(line, "the merge key <<", "YAML 1.2, which has none")
            if key in found:
                found_again = f"the key again (first in line {first_lines[key]})"
                self._document.details.append((place, ErrorDetail((*path, key), found_again, "each key once")))
                continue
            first_lines[key] = line
            self._document.places[*path, key] = place
            found[key] = self._value(node, (*path, key))
        return found


def _scalar(event: Any, line: int) -> _Node:
    text = event.value
    is_plain = event.style in (None, "") and _tag(event) is None
    if not _encodable(text):
        return _Node(line, "", detail=("a text with half a surrogate pair", "Unicode text"))
    if is_plain and len(text) > MAX_DIGITS and text.lstrip("+-")[:2].isalnum() and _is_number(text):
        return _Node(line, 0, detail=(f"a number of {len(text)} digits", f"at most {MAX_DIGITS} digits"))
    return _Node(line, resolve(text) if is_plain else text)


def _is_number(text: str) -> bool:
    return any(shape.fullmatch(text) for shape in (_INT, _OCTAL, _HEX, _FLOAT))


def _tag(event: Any) -> str | None:
    tag = getattr(event, "ctag", None)
    return None if tag is None or (tag.handle is None and not tag.suffix) else str(tag)


def _encodable(text: str) -> bool:
    return not any("\ud800" <= sign <= "\udfff" for sign in text)


def _no_yaml(problem: str, line: int) -> _UnreadableError:
    first = problem.strip().splitlines()[0] if problem.strip() else "an error"
    return _UnreadableError(line, f"no YAML ({first.encode('ascii', 'backslashreplace').decode()[:200]})", "YAML 1.2")
