"""
Checks a value against a JSON Schema, as far as the schemas of this project go; a keyword that is not known is an error.

Source: JSON Schema 2020-12, "Core" and "Validation".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

TYPES: Final = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
SILENT: Final = {"$schema", "$defs", "title", "description", "default", "discriminator"}


def is_valid(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    """Return whether *value* is what *schema*, a part of *root*, describes."""
    return all(
        _KEYWORDS[keyword](value, argument, schema, root)
        for keyword, argument in schema.items()
        if keyword not in SILENT
    )


def _ref(value: Any, argument: str, _: Any, root: Any) -> bool:
    return is_valid(value, root["$defs"][argument.removeprefix("#/$defs/")], root)


def _type(value: Any, argument: str, *_: Any) -> bool:
    if argument in {"integer", "number"}:
        return isinstance(value, int if argument == "integer" else int | float) and not isinstance(value, bool)
    return isinstance(value, TYPES[argument])


def _properties(value: Any, argument: dict[str, Any], _: Any, root: Any) -> bool:
    return not isinstance(value, dict) or all(
        is_valid(value[name], part, root) for name, part in argument.items() if name in value
    )


def _additional(value: Any, argument: bool | dict[str, Any], schema: Any, root: Any) -> bool:  # as it stands there
    if not isinstance(value, dict) or argument is True:
        return True
    others = [part for name, part in value.items() if name not in schema.get("properties", {})]
    return not others if argument is False else all(is_valid(part, argument, root) for part in others)


def _prefix(value: Any, argument: list[Any], _: Any, root: Any) -> bool:
    return not isinstance(value, list) or all(map(is_valid, value, argument, [root] * len(argument)))


_KEYWORDS: Final[dict[str, Callable[..., bool]]] = {
    "$ref": _ref,
    "type": _type,
    "const": lambda value, argument, *_: value == argument,
    "enum": lambda value, argument, *_: value in argument,
    "minimum": lambda value, argument, *_: not _type(value, "number") or value >= argument,
    "maximum": lambda value, argument, *_: not _type(value, "number") or value <= argument,
    "properties": _properties,
    "required": lambda value, argument, *_: not isinstance(value, dict) or set(argument) <= value.keys(),
    "additionalProperties": _additional,
    "items": lambda value, argument, _, root: (
        not isinstance(value, list) or all(is_valid(part, argument, root) for part in value)
    ),
    "prefixItems": _prefix,
    "minItems": lambda value, argument, *_: not isinstance(value, list) or len(value) >= argument,
    "maxItems": lambda value, argument, *_: not isinstance(value, list) or len(value) <= argument,
    "anyOf": lambda value, argument, _, root: any(is_valid(value, part, root) for part in argument),
    "oneOf": lambda value, argument, _, root: sum(is_valid(value, part, root) for part in argument) == 1,
}
