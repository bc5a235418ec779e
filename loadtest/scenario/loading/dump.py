"""
A scenario as YAML: the same text for the same scenario, whatever the file it came from looked like.

Everything that counts is written, defaults too, so that the text says what was run even where a later version has other
defaults. Reading it gives the same scenario.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from loadtest.scenario.grammar.model import Scenario
from loadtest.scenario.loading.document import resolve
from loadtest.scenario.loading.variables import escape

_PLAIN: Final = re.compile(r"[A-Za-z0-9_/.][A-Za-z0-9_/. %<>=+-]*", re.ASCII)
_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}
# A key that is longer must be written with `? ` (YAML 1.2.2, 7.4.2: 1024 characters).
_MAX_SIMPLE_KEY: Final = 1000
_WIDTH: Final = 120
_EMPTY: Final[tuple[object, ...]] = ({}, [], ())


def dump_scenario(scenario: Scenario) -> str:
    """Return a scenario as YAML text that loads as the same scenario."""
    values = scenario.model_dump(by_alias=True, exclude_none=True)
    return "\n".join(_mapping(_pruned(values), 0)) + "\n"


def flow_text(value: Any) -> str:
    """Return a plain value of YAML on one line, as it stands: it loads as the same value, variables and all."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_text(key)}: {flow_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(flow_text(item) for item in value) + "]"
    if isinstance(value, float) and value - value != 0:  # infinite, or not a number
        return {"inf": ".inf", "-inf": "-.inf"}.get(str(value), ".nan")
    return _scalar(value)


def _without_empty(part: Any) -> Any:
    """Leave out the empty mappings and lists of a part of the grammar: they say what their absence says."""
    return {key: value for key, value in part.items() if value not in _EMPTY} if isinstance(part, dict) else part


def _pruned(values: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = _without_empty(values)
    if "topology" in found:
        topology = found["topology"] = _without_empty(found["topology"])
        for section in ("exchanges", "queues"):
            if section in topology:
                topology[section] = {name: _without_empty(each) for name, each in topology[section].items()}
        if "bindings" in topology:
            topology["bindings"] = [_without_empty(each) for each in topology["bindings"]]
    for section in ("publishers", "consumers", "getters"):
        if section in found:
            found[section] = {name: _without_empty(group) for name, group in found[section].items()}
    return found


def _mapping(values: dict[str, Any], indent: int) -> Iterator[str]:
    pad = " " * indent
    for key, value in values.items():
        name = _text(key)
        if len(name) > _MAX_SIMPLE_KEY:
            yield f"{pad}? {name}"
            name = ""
        flow = _flow(value) if indent else None
        if flow is not None and len(pad + name + flow) <= _WIDTH:
            yield f"{pad}{name}: {flow}"
        elif isinstance(value, dict) and value:
            yield f"{pad}{name}:"
            yield from _mapping(value, indent + 2)
        elif isinstance(value, list | tuple) and value:
            yield f"{pad}{name}:"
            yield from _sequence(value, indent + 2)
        else:
            yield f"{pad}{name}: {_scalar(value)}"


def _sequence(values: list[Any] | tuple[Any, ...], indent: int) -> Iterator[str]:
    pad = " " * indent
    for value in values:
        flow = _flow(value)
        if flow is not None and len(pad + flow) <= _WIDTH:
            yield f"{pad}- {flow}"
        elif isinstance(value, dict | list | tuple) and value:
            lines = _mapping(value, indent + 2) if isinstance(value, dict) else _sequence(value, indent + 2)
            first = next(iter(lines))
            yield f"{pad}- {first[indent + 2 :]}"
            yield from lines
        else:
            yield f"{pad}- {_scalar(value)}"


def _flow(value: object) -> str | None:
    """Return a mapping or list of single values on one line; None of anything else."""
    if (
        isinstance(value, dict)
        and value
        and not any(isinstance(item, dict | list | tuple) and item for item in value.values())
    ):
        return "{" + ", ".join(f"{_text(key)}: {_scalar(item)}" for key, item in value.items()) + "}"
    if (
        isinstance(value, list | tuple)
        and value
        and not any(isinstance(item, dict | list | tuple) and item for item in value)
    ):
        return "[" + ", ".join(_scalar(item) for item in value) + "]"
    return None


def _scalar(value: object) -> str:
    if isinstance(value, str):
        return _text(escape(value))
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{}"
    if isinstance(value, list | tuple):
        return "[]"
    return repr(value)


def _text(text: str) -> str:
    is_plain = (
        _PLAIN.fullmatch(text)
        and not text.endswith(" ")
        and not text.startswith(("---", "..."))
        and resolve(text) == text
    )
    return text if is_plain else _quoted(text)


def _quoted(text: str) -> str:
    return '"' + "".join(_ESCAPES.get(sign) or (sign if sign.isprintable() else _escaped(sign)) for sign in text) + '"'


def _escaped(sign: str) -> str:
    code = ord(sign)
    if code <= 0xFF:  # noqa: PLR2004 - the forms of YAML 1.2.2, 5.7
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004
