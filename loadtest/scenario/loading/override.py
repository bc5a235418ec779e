"""
Overrides: `--set PATH=VALUE`, put into the values of a document before anything else is done with them.

A path is written as errors name it: `publishers.shop.rate`, `topology.bindings[0].queue`,
`topology.queues."a.b".type`; or shorter, where only one place ends so: `body.size`. A value is YAML; null takes an
option away. What is not there can be added, but a thing of the author's naming (a group, a queue, a variable) is not
made up by a path that goes through it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from loadtest.scenario.loading.document import Document, Place, read_document
from loadtest.scenario.loading.error_detail import ErrorDetail, Path, listed, near_miss, path_text, shown
from loadtest.scenario.loading.short_path import whole_paths

SET: Final = "--set"
THRESHOLD: Final = "--threshold"
_STEP: Final = re.compile(r'\.?(?:([A-Za-z0-9_%*#/-]+)|("(?:[^"\\]|\\.)*")|\[([0-9]{1,6})\])')
_ALLOWED: Final = "PATH=VALUE, such as run.duration=10s"
_NAMED: Final[tuple[Path, ...]] = (
    ("publishers",),
    ("consumers",),
    ("getters",),
    ("topology", "exchanges"),
    ("topology", "queues"),
    ("variables",),
)


def apply_overrides(document: Document, overrides: Sequence[str]) -> list[tuple[Place, ErrorDetail]]:
    """Put overrides into a document, in their order; return what cannot be put in, each with its place."""
    details: list[tuple[Place, ErrorDetail]] = []
    for number, text in enumerate(overrides, start=1):
        place = Place(SET, number)
        try:
            _apply(document, text, place)
        except _RefusedError as refused:
            details += [(place, detail) for detail in refused.details]
    return details


def add_thresholds(document: Document, texts: Sequence[str]) -> list[tuple[Place, ErrorDetail]]:
    """
    Put thresholds behind those of a document, in their order; return what cannot be read, each with its place.

    A text is a comparison, or a mapping in YAML: `{check: …, abort: true}`.
    """
    if not texts:
        return []
    values = document.value = {} if document.value is None else document.value
    known = values.get("thresholds") if isinstance(values, dict) else None
    if not isinstance(values, dict) or not isinstance(known, list | None):
        return []  # which is said where the grammar is checked
    entries = list(known or ())
    details: list[tuple[Place, ErrorDetail]] = []
    for number, text in enumerate(texts, start=1):
        place, path = Place(THRESHOLD, number), ("thresholds", len(entries))
        entry = read_document(text, THRESHOLD) if text.lstrip().startswith("{") else Document(THRESHOLD, text)
        if entry.details:
            details += [(place, ErrorDetail(path, detail.found, detail.allowed)) for _, detail in entry.details]
            continue
        document.places[path] = place
        entries.append(entry.value)
    values["thresholds"] = entries
    return details


def put_override(document: Document, path: str, value: Any, place: Place) -> list[tuple[Place, ErrorDetail]]:
    """Put a value into a document at a path as `--set` has it; return what keeps it from that, at *place*."""
    steps = parse_path(path.strip())
    if steps is None:
        return [(place, ErrorDetail((), shown(path), "a path, such as run.duration"))]
    try:
        _place(document, _whole(document, steps), value, place)
    except _RefusedError as refused:
        return [(place, detail) for detail in refused.details]
    return []


class _RefusedError(Exception):
    def __init__(self, *details: ErrorDetail) -> None:
        super().__init__(details)
        self.details = details


def _apply(document: Document, text: str, place: Place) -> None:
    raw_path, equals, raw_value = split_override(text)
    path = parse_path(raw_path) if equals else None
    if path is None:
        raise _RefusedError(ErrorDetail((), shown(text), _ALLOWED))
    path = _whole(document, path)
    new = read_document(raw_value, SET)
    if new.details:
        raise _RefusedError(
            *(ErrorDetail((*path, *detail.path), detail.found, detail.allowed) for _, detail in new.details)
        )
    _place(document, path, new.value, place)


def _whole(document: Document, path: Path) -> Path:
    """Return the one path that a path, or the end of one, means."""
    whole = whole_paths(document.value, path)
    if len(whole) > 1:
        meant = listed(path_text(each) for each in whole)
        raise _RefusedError(
            ErrorDetail(path, f"{len(whole)} places that end so", f"one of them by its whole path: {meant}")
        )
    return whole[0]


def _place(document: Document, path: Path, value: Any, place: Place) -> None:
    if document.value is None:
        document.value = {}
    _put(document.value, path, value)
    for known in [known for known in document.places if known[: len(path)] == path]:
        del document.places[known]
    document.places[path] = place


def split_override(text: str) -> tuple[str, str, str]:
    """Return path, equals sign and value of `PATH=VALUE`; an equals sign in a quoted key does not count."""
    match = re.match(r'((?:[^"=]|"(?:[^"\\]|\\.)*")*)(=)(.*)', text, re.DOTALL)
    return (match.group(1).strip(), "=", match.group(3)) if match else (text, "", "")


def parse_path(text: str) -> Path | None:
    """Return a path, or the end of one, as `--set` has it; None if it is none."""
    steps: list[str | int] = []
    at = 0
    while at < len(text):
        match = _STEP.match(text, at)
        if match is None or (text[at] == ".") != (at > 0 and match.group(3) is None):
            return None
        plain, quoted, index = match.groups()
        try:
            steps.append(int(index) if index is not None else plain if plain is not None else json.loads(quoted))
        except ValueError:
            return None
        at = match.end()
    return tuple(steps) or None


def _put(root: Any, path: Path, value: Any) -> None:
    node = root
    for depth, step in enumerate(path):
        is_last = depth == len(path) - 1
        if isinstance(node, list):
            node = _put_into_list(node, path[: depth + 1], value, is_last=is_last)
        elif isinstance(node, dict):
            node = _put_into_mapping(node, path[: depth + 1], value, is_last=is_last)
        else:
            raise _RefusedError(ErrorDetail(path[:depth], shown(node), f"a mapping, to have {step} in it"))


def _put_into_list(items: list[Any], path: Path, value: Any, *, is_last: bool) -> Any:
    step = path[-1]
    index = step if isinstance(step, int) else int(step) if step.isdecimal() and len(step) < 6 else -1  # noqa: PLR2004
    if not 0 <= index < len(items):
        raise _RefusedError(
            ErrorDetail(
                path, "no such item", f"a position from 0 to {len(items) - 1}" if items else "none: it is empty"
            )
        )
    if is_last:
        items[index] = value
    return items[index]


def _put_into_mapping(node: dict[str, Any], path: Path, value: Any, *, is_last: bool) -> Any:
    step = path[-1]
    if not isinstance(step, str):
        raise _RefusedError(ErrorDetail(path, "a position in a mapping", f"a key: {listed(node) or 'nothing'}"))
    is_made_up = path[:-1] in _NAMED and step not in node and not (is_last and isinstance(value, dict | None))
    if is_made_up:
        raise _RefusedError(ErrorDetail(path, "nothing of that name", listed(node) or "nothing", near_miss(step, node)))
    if is_last:
        node[step] = value
    elif node.get(step) is None:
        node[step] = {}
    return node[step]
