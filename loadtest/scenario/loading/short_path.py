"""
Short paths of overrides: `body.size` for `publishers.shop.body.size`, where there is but one place that it can mean.

A path that begins with a key of the scenario's own is whole, and is left as it is. Any other is looked for at the end
of the paths to what the document declares (groups, queues, exchanges, variables) and to `run` and `topology`; with what
the grammar allows there, so that a default can be overridden, too. Knows no values.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Final

from pydantic import BaseModel

from loadtest.scenario.grammar.groups import ConsumerGroup, GetterGroup, PublisherGroup
from loadtest.scenario.grammar.model import Run, Scenario
from loadtest.scenario.grammar.topology import Exchange, Queue, Topology
from loadtest.scenario.loading.error_detail import Path

_VARIABLES: Final = "variables"
_ALONE: Final[dict[Path, type[BaseModel]]] = {("run",): Run, ("topology",): Topology}
_NAMED: Final[dict[Path, type[BaseModel]]] = {
    ("publishers",): PublisherGroup,
    ("consumers",): ConsumerGroup,
    ("getters",): GetterGroup,
    ("topology", "exchanges"): Exchange,
    ("topology", "queues"): Queue,
}


def whole_paths(values: Any, path: Path) -> list[Path]:
    """
    Return the paths that a path may mean, in the order of the document.

    Args:
        values: The scenario's plain values, of whatever shape these are.
        path: As it was written; returned alone where it is whole, or nothing ends with it.
    """
    first = path[0]
    if first in _keys(Scenario) or first == _VARIABLES or (isinstance(values, dict) and first in values):
        return [path]
    found = [whole for place, keys in _places(values) for whole in _ending(place, keys, path)]
    return list(dict.fromkeys(found)) or [path]


def _places(values: Any) -> Iterator[tuple[Path, Collection[str]]]:
    """Yield the path of each thing that an override may change, with the keys that it can have."""
    yield (_VARIABLES,), _mapping(values, (_VARIABLES,))
    for place, model in _ALONE.items():
        yield place, _keys(model)
    for section, model in _NAMED.items():
        for name in _mapping(values, section):
            yield (*section, name), _keys(model)


def _ending(place: Path, keys: Collection[str], path: Path) -> Iterator[Path]:
    """Yield the whole paths by which *path* leads through a place: with all of the place's own steps, some, or none."""
    for cut in range(1, len(place) + 1):
        rest = place[cut:]
        if len(path) > len(rest) and path[: len(rest)] == rest and path[len(rest)] in keys:
            yield place[:cut] + path


def _keys(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def _mapping(values: Any, path: Path) -> dict[str, Any]:
    for step in path:
        values = values.get(step) if isinstance(values, dict) else None
    return values if isinstance(values, dict) else {}
