"""Whether a variant can be run: its scenario, its broker and its faults, looked at before anything is started."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from loadtest.errors import ScenarioError, UsageError
from loadtest.experiments.compare.variants import Variant
from loadtest.scenario import LoadedScenario, Scenario, load_scenario
from loadtest.scenario.grammar.faults import PRIVATE_ONLY


def load_variant(variant: Variant, scenario: str, overrides: Sequence[str]) -> LoadedScenario:
    """
    Return the scenario, a name or a file, with the overrides that all variants have and those of one.

    Raises:
        ScenarioError: If it is faulty; the variant is named.
    """
    try:
        return load_scenario(scenario, overrides=[*overrides, *variant.overrides])
    except ScenarioError as error:
        raise ScenarioError(f"{variant.name}: {error}") from None


def checked_variant(variant: Variant, scenario: Scenario, *, is_restarted: bool) -> Variant:
    """
    Return a variant with all that its scenario says of private brokers.

    Args:
        variant: What is to be run.
        scenario: As its overrides have made it.
        is_restarted: Whether each of its runs has a private broker of its own.

    Raises:
        UsageError: If its broker cannot be what is asked for, or would be harmed though others use it.
    """
    if is_restarted and variant.brokers:
        raise UsageError(f"--restart each is for private brokers, and that of {variant.name} is named")
    if is_restarted or variant.brokers:
        return variant
    for number, fault in enumerate(scenario.faults):
        if fault.do in PRIVATE_ONLY or fault.leader_of is not None:
            raise UsageError(
                f"{variant.name}: faults[{number}]: {fault.do} harms a node, "
                "which is for a run whose broker is its own: give --restart each"
            )
    return replace(variant, nodes=variant.nodes or scenario.run.nodes)
