"""
The stages of a run: when each stage of a rate begins and ends, for those who look at one of them alone.

Knows the grammar of rates; nothing of arrivals.
"""

from __future__ import annotations

from typing import TypeAlias

from loadtest.scenario.grammar.groups import GetterGroup, Group, PublisherGroup
from loadtest.scenario.grammar.model import Scenario

Stages: TypeAlias = tuple[tuple[int, int], ...]
"""Begin and end of each stage, in ns after the run's begin, in order."""


def stages_of_groups(scenario: Scenario) -> dict[str, Stages]:
    """
    Return the stages of each group that has some.

    A group without stages of its own has those of the others, if these all agree: a consumer is looked at in the stages
    of its publishers. A group that waits for another (`after`) has none, because nobody knows when it will begin.
    """
    own = {name: stages for name, group in scenario.groups.items() if (stages := _stages(group))}
    shared = common_stages(own)
    return {name: stages for name in scenario.groups if (stages := own.get(name, shared))}


def common_stages(stages: dict[str, Stages]) -> Stages:
    """Return the stages that all of *stages* are; empty where they differ, or there are none."""
    different = set(stages.values())
    return different.pop() if len(different) == 1 else ()


def _stages(group: Group) -> Stages:
    if not isinstance(group, PublisherGroup | GetterGroup) or not isinstance(group.rate, tuple) or group.after:
        return ()
    found, begin_ns = [], group.start_at_ns
    for stage in group.rate:
        found.append((begin_ns, begin_ns + stage.for_ns))
        begin_ns += stage.for_ns
    return tuple(found)
