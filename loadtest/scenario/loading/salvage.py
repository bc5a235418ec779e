"""
What is left of a scenario when its wrong parts are taken out, so that the rest can be checked too.

A part is a group, an exchange, a queue, a binding, a threshold or a setting of the run; an unknown key goes alone.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from pydantic import ValidationError

from loadtest.scenario.grammar.model import Scenario
from loadtest.scenario.loading.error_detail import ErrorDetail, Path
from loadtest.scenario.loading.explain import UNKNOWN_KEY, explain

_LISTS: Final[tuple[Path, ...]] = (("topology", "bindings"), ("thresholds",), ("faults",))
_PLACEHOLDER: Final = "unnamed"
_ROUNDS: Final = 3


class Salvage:
    """Takes wrong parts out of a copy of plain values, and remembers which list items are gone."""

    def __init__(self, values: dict[str, Any], context: dict[str, Any]) -> None:
        self._values = copy.deepcopy(values)
        self._context = context
        self._positions: dict[Path, list[int]] = {}

    def scenario(self, known: Sequence[ErrorDetail]) -> tuple[Scenario | None, list[ErrorDetail]]:
        """
        Return the scenario without its wrong parts, None where nothing can be made of it, and what is wrong with them.

        Args:
            known: Errors that are reported already, of values that are no longer there.
        """
        self._take_out(known)
        scenario, found = self._validate()
        # pydantic looks at a part as a whole only when each of its keys is right. An unknown one need not hide that.
        unknown = [detail for detail in found if detail.found == UNKNOWN_KEY]
        if unknown:
            self._take_out(unknown)
            scenario, found = self._validate()
            found = [detail for detail in found if not any(_follows(detail, key) for key in unknown)]
        details = [*unknown, *found]
        for _ in range(_ROUNDS):
            if scenario is not None:
                break
            self._take_out(found)
            scenario, found = self._validate()
        return scenario, details

    def _validate(self) -> tuple[Scenario | None, list[ErrorDetail]]:
        try:
            return Scenario.model_validate(self._values, context=self._context), []
        except ValidationError as error:
            return None, [self.placed(detail) for detail in explain(error, self._values)]

    def placed(self, detail: ErrorDetail) -> ErrorDetail:
        """Return an error of the salvaged scenario with the list positions that the file has."""
        for prefix, positions in self._positions.items():
            depth = len(prefix)
            at = detail.path[depth] if detail.path[:depth] == prefix and len(detail.path) > depth else None
            if isinstance(at, int):
                return replace(detail, path=(*prefix, positions[at], *detail.path[depth + 1 :]))
        return detail

    def _take_out(self, details: Sequence[ErrorDetail]) -> None:
        gone: dict[Path, set[int]] = {}
        for detail in details:
            path = detail.path if detail.found == UNKNOWN_KEY else _part(detail.path)
            if path[:-1] in _LISTS and isinstance(path[-1], int):
                gone.setdefault(path[:-1], set()).add(path[-1])
            elif path == ("name",):
                self._values["name"] = _PLACEHOLDER
            else:
                self._remove(path)
        for prefix, positions in gone.items():
            self._shorten(prefix, positions)

    def _remove(self, path: Path) -> None:
        node: Any = self._values
        for depth, step in enumerate(path[:-1]):
            positions = self._positions.get(path[:depth])
            at = positions.index(step) if positions is not None and step in positions else step
            node = _inside(node, at)
        if path and isinstance(node, dict):
            node.pop(path[-1], None)

    def _shorten(self, prefix: Path, gone: set[int]) -> None:
        items: Any = self._values
        for step in prefix:
            items = _inside(items, step)
        positions = self._positions.get(prefix, list(range(len(items))))
        kept = [(position, item) for position, item in zip(positions, items, strict=True) if position not in gone]
        self._positions[prefix] = [position for position, _ in kept]
        items[:] = [item for _, item in kept]


def _inside(node: Any, step: str | int) -> Any:
    if isinstance(node, dict):
        return node.get(step)
    return node[step] if isinstance(node, list) and isinstance(step, int) and step < len(node) else None


def _follows(detail: ErrorDetail, unknown: ErrorDetail) -> bool:
    """Return whether an error is but what an unknown key leaves behind: of a part that has the key somewhere in it."""
    return unknown.path[:-1][: len(detail.path)] == detail.path


def _part(path: Path) -> Path:
    if path[:1] == ("compare",):
        return path[: 3 if path[1:2] == ("variants",) else 2]
    if path[:1] == ("topology",):
        return path[: 3 if path[1:2] in (("exchanges",), ("queues",), ("bindings",)) else 2]
    return path[:2]
