"""
Secrets in a scenario's text, replaced where they stand: values alone, so that the text still loads.

A key that the author gives to a thing (a queue, a group) names no secret, whatever it is called. All else stays as it
is to the byte: comments, layout, order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import (
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from loadtest.redaction import REDACTED, redacted, redacted_value
from loadtest.scenario.loading.dump import flow_text
from loadtest.scenario.loading.error_detail import DATA, Path, is_secret
from loadtest.scenario.loading.override import parse_path, split_override

_SUSPECT: Final = re.compile(r"://|pass|pwd|secret|token|api|authorization|credential", re.IGNORECASE)


def redacted_scenario(text: str) -> str:
    """
    Return a scenario's YAML without secrets.

    What is no YAML is redacted as a text, as far as that can be done.
    """
    return _redacted_yaml(text, ()) if _SUSPECT.search(text) else text


def redacted_override(text: str) -> str:
    """Return `PATH=VALUE` with secrets in the value replaced; all of it where the path leads to a secret."""
    path_text, equals, value = split_override(text)
    path = parse_path(path_text) if equals else None
    if path is None:
        return redacted_value(text)
    begin = text[: len(text) - len(value)]
    if is_secret(path):
        return f"{redacted(begin)}{REDACTED}"
    return redacted(begin) + (_redacted_yaml(value, path) if _SUSPECT.search(value) else value)


def _redacted_yaml(text: str, path: Path) -> str:
    parts, last = [], 0
    try:
        for begin, end, new in _replacements(text, path):
            parts += [text[last:begin], new]
            last = end
    except (YAMLError, ValueError, IndexError):
        return redacted_value(text)
    return "".join([*parts, text[last:]])


@dataclass(slots=True)
class _Frame:
    """A mapping or list that is being read; `step` is the key or position of its next value."""

    is_mapping: bool
    path: Path
    step: str | int | None = field(default=None)


def _replacements(text: str, path: Path) -> Iterator[tuple[int, int, str]]:
    """Yield begin, end and new text of what is to be replaced, in order."""
    frames: list[_Frame] = []
    for event in YAML(typ="safe", pure=True).parse(text):
        if isinstance(event, MappingEndEvent | SequenceEndEvent):
            frames.pop()
            continue
        if not isinstance(event, NodeEvent):
            continue
        frame = frames[-1] if frames else None
        is_key = frame is not None and frame.is_mapping and frame.step is None
        if frame is not None and is_key:
            frame.step = event.value if isinstance(event, ScalarEvent) else ""
        here = path if frame is None else frame.path if is_key else _taken(frame)
        if isinstance(event, ScalarEvent):
            new = _new_scalar(event, here, is_key=is_key)
            if new is not None:
                anchor = f"&{event.anchor} " if event.anchor else ""
                newline = "\n" if event.style in {"|", ">"} and text[event.end_mark.index - 1] == "\n" else ""
                yield event.start_mark.index, event.end_mark.index, f"{anchor}{new}{newline}"
        elif isinstance(event, MappingStartEvent | SequenceStartEvent):
            is_mapping = isinstance(event, MappingStartEvent)
            frames.append(_Frame(is_mapping, here, None if is_mapping else 0))


def _taken(frame: _Frame) -> Path:
    """Return the path of the value that comes now."""
    step = frame.step
    frame.step = None if frame.is_mapping else int(step or 0) + 1
    return (*frame.path, "" if step is None else step)


def _new_scalar(event: Any, path: Path, *, is_key: bool) -> str | None:
    """Return what a scalar is replaced by; None where it stays."""
    value: str = event.value
    if not is_key and is_secret(path):
        return None if value == REDACTED else flow_text(REDACTED)
    is_data = not is_key and any(step in DATA for step in path)
    safe = redacted_value(value) if is_data else redacted(value)
    return None if safe == value else flow_text(safe)
