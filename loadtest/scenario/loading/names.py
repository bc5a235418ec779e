"""The names that a scenario's file declares, right or wrong in all else."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from loadtest.scenario.grammar.topology import BUILTIN_EXCHANGES, MAX_COUNT
from loadtest.scenario.sequence import NUMBER, is_member

KINDS = {"publishers": "publisher", "consumers": "consumer", "getters": "getter"}


@dataclass(frozen=True)
class Names:
    """
    Declared names.

    Attributes:
        exchanges: Declared ones and the broker's own, sorted.
        queues: As written, `%d` and all, with the count of each sequence.
        groups: By name, the sections that declare it.
    """

    exchanges: tuple[str, ...]
    queues: dict[str, int | None]
    groups: dict[str, tuple[str, ...]]

    @classmethod
    def of(cls, values: Any) -> Self:
        """Return the names in a scenario's plain values, of whatever shape these are."""
        topology = _mapping(values, "topology")
        queues = _mapping(topology, "queues")
        groups: dict[str, tuple[str, ...]] = {}
        for section in KINDS:
            for name in _mapping(values, section):
                groups[name] = (*groups.get(name, ()), section)
        return cls(
            exchanges=tuple(sorted({*BUILTIN_EXCHANGES, *_mapping(topology, "exchanges")})),
            queues={name: _count(name, queue) for name, queue in queues.items()},
            groups=groups,
        )

    def has_queue(self, name: str) -> bool:
        """Return whether a queue of that name is declared, as written or as one of a sequence."""
        return name in self.queues or any(is_member(name, key, count) for key, count in self._sequences)

    @cached_property
    def _sequences(self) -> list[tuple[str, int]]:
        return [(key, count) for key, count in self.queues.items() if count is not None]


def _mapping(values: Any, key: str) -> dict[str, Any]:
    found = values.get(key) if isinstance(values, dict) else None
    return found if isinstance(found, dict) else {}


def _count(name: str, queue: Any) -> int | None:
    count = queue.get("count") if isinstance(queue, dict) else None
    is_sequence = NUMBER in name and isinstance(count, int) and 0 < count <= MAX_COUNT
    return count if is_sequence else None
