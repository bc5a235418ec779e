"""Whether what is to be compared can be run: each variant is a valid scenario, its files and its figures are there."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path as FilePath
from typing import Any, Final

from loadtest.scenario.checks.check_thresholds import threshold_faults
from loadtest.scenario.grammar.model import Scenario
from loadtest.scenario.grammar.threshold import Threshold, parse_figure
from loadtest.scenario.loading.document import Document, Place
from loadtest.scenario.loading.fault import Fault, Path, path_text, shown
from loadtest.scenario.loading.names import Names
from loadtest.scenario.loading.override import put_override

PlacedFaults = list[tuple[Place, Fault]]
BLOCK: Final = "compare"


def metric_faults(scenario: Scenario, names: Names) -> Iterator[Fault]:
    """Yield which figures are to be looked at that no run of the scenario will have."""
    if scenario.compare is None:
        return
    figures = [(text, *parse_figure(text)) for text in scenario.compare.metrics]
    asked = tuple(Threshold(text, metric, ">=", Fraction(0), part=part) for text, metric, part in figures)
    for fault in threshold_faults(scenario.model_copy(update={"thresholds": asked}), names):
        yield replace(fault, path=(BLOCK, "metrics", *fault.path[1:]))


def variant_faults(
    document: Document, check: Callable[[Document], PlacedFaults], known: PlacedFaults, folder: FilePath | None
) -> PlacedFaults:
    """
    Return what is wrong with the variants of a document, each with its place in the file.

    Args:
        document: With whatever is overridden for all variants.
        check: Returns the faults of a scenario's document.
        known: Faults of the scenario as it is, which are not told of each variant again.
        folder: What paths of files are relative to; None leaves these alone.
    """
    told = {(fault.path, fault.words) for _, fault in known}
    faults: PlacedFaults = []
    for name, variant in _variants(document.value).items():
        at: Path = (BLOCK, "variants", name)
        faults += [(document.place(fault.path), fault) for fault in _file_faults(variant, at, folder)]
        overrides = variant.get("set")
        if isinstance(overrides, dict) and overrides:
            found = [*_put(document, copied := _without_block(document), at, overrides), *check(copied)]
            faults += [
                (place, replace(fault, of=path_text(at)))
                for place, fault in found
                if (fault.path, fault.words) not in told
            ]
    return faults


def _variants(values: Any) -> dict[str, dict[str, Any]]:
    """Return the variants of plain values, of whatever shape these are."""
    block = values.get(BLOCK) if isinstance(values, dict) else None
    variants = block.get("variants") if isinstance(block, dict) else None
    return (
        {name: each for name, each in variants.items() if isinstance(each, dict)} if isinstance(variants, dict) else {}
    )


def _without_block(document: Document) -> Document:
    values = {key: value for key, value in document.value.items() if key != BLOCK}
    return Document(document.source, copy.deepcopy(values), dict(document.places))


def _put(document: Document, copied: Document, at: Path, overrides: Mapping[str, Any]) -> PlacedFaults:
    faults: PlacedFaults = []
    for path, value in overrides.items():
        faults += put_override(copied, path, copy.deepcopy(value), document.place((*at, "set", path)))
    return faults


def _file_faults(variant: Mapping[str, Any], at: Path, folder: FilePath | None) -> Iterator[Fault]:
    config, server = variant.get("config"), variant.get("server")
    if folder is None:
        return
    if isinstance(config, str) and config and not (folder / config).is_file():
        yield Fault((*at, "config"), f"no file {shown(config)}", "the path of a file, from the scenario's folder")
    if isinstance(server, str) and not (folder / server).exists():
        yield Fault((*at, "server"), f"no {shown(server)}", "the folder of a RabbitMQ installation")
