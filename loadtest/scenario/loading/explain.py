"""Explains what pydantic refuses, in the words of the grammar, with paths as in the file."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from loadtest.scenario.grammar.model import Scenario
from loadtest.scenario.grammar.part import Part
from loadtest.scenario.loading.error_detail import DETAIL_TYPE, ErrorDetail, Path, listed, near_miss, shown

UNKNOWN_KEY = "an unknown key"
_SHAPES = {
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dict_type": "a mapping",
    "tuple_type": "a list",
    "list_type": "a list",
}


def explain(error: ValidationError, values: Any) -> list[ErrorDetail]:
    """Return every error of a validation of *values* as a `Scenario`."""
    return [detail for details in error.errors(include_url=False) for detail in _errors(details, values)]


def _path(loc: Path, values: Any) -> Path:
    """
    Return the path of what an error is about.

    Names in angle brackets are the tags of our unions, `[key]` is pydantic's: neither is in the file, unless its
    author has named something so.
    """
    path: list[str | int] = []
    node = values
    for step in loc:
        is_there = isinstance(node, dict) and step in node
        if not is_there and isinstance(step, str) and step.startswith(("<", "[key]")):
            continue
        path.append(step)
        if is_there:
            node = node[step]
        else:
            node = node[step] if isinstance(node, list) and isinstance(step, int) and step < len(node) else None
    return tuple(path)


def _errors(details: ErrorDetails, values: Any) -> Iterator[ErrorDetail]:
    path = _path(details["loc"], values)
    kind = details["type"]
    if kind == DETAIL_TYPE:
        for detail in details["ctx"]["details"]:
            yield ErrorDetail((*path, *detail.path), detail.found, detail.allowed, detail.meant)
    elif kind == "extra_forbidden":
        known = [key for part in _parts(path[:-1]) for key in _fields(part)]
        yield ErrorDetail(path, UNKNOWN_KEY, listed(sorted(known), most=20), near_miss(str(path[-1]), known))
    elif kind == "missing":
        fields = [_fields(part).get(str(path[-1])) for part in _parts(path[:-1])]
        words = next((each.description for each in fields if each is not None and each.description), details["msg"])
        yield ErrorDetail(path, "nothing", words)
    else:
        yield ErrorDetail(path, shown(details["input"]), _SHAPES.get(kind, details["msg"]))


def _fields(part: type[Part]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in part.model_fields.items()}


def _parts(path: Path) -> list[type[Part]]:
    """Return the models that a mapping at *path* may be."""
    options: list[Any] = [Scenario]
    for step in path:
        options = [inner for option in options for inner in _inside(option, step)]
    return [option for option in options if isinstance(option, type) and issubclass(option, Part)]


def _inside(option: Any, step: str | int) -> list[Any]:
    if isinstance(option, type) and issubclass(option, Part):
        field = _fields(option).get(str(step))
        return [] if field is None else _alternatives(field.annotation)
    if get_origin(option) is dict:
        return _alternatives(get_args(option)[1])
    return _alternatives(get_args(option)[0]) if get_origin(option) is tuple else []


def _alternatives(annotation: Any) -> list[Any]:
    """Return the types that an annotation joins, without what pydantic hangs on them."""
    if get_origin(annotation) is Annotated:
        return _alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return [inner for each in get_args(annotation) for inner in _alternatives(each)]
    return [annotation]
