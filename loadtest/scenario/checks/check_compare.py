"""Whether what is to be compared can be run: each variant is a valid scenario, its files and its figures are there."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path as FilePath
from typing import Any, Final

from loadtest.scenario.checks.check_thresholds import threshold_errors
from loadtest.scenario.grammar.model import Scenario
from loadtest.scenario.grammar.threshold import Threshold, parse_figure
from loadtest.scenario.loading.document import Document, Place
from loadtest.scenario.loading.error_detail import ErrorDetail, Path, path_text, shown
from loadtest.scenario.loading.names import Names
from loadtest.scenario.loading.override import put_override

PlacedDetails = list[tuple[Place, ErrorDetail]]
BLOCK: Final = "compare"


def metric_errors(scenario: Scenario, names: Names) -> Iterator[ErrorDetail]:
    """Yield which figures are to be looked at that no run of the scenario will have."""
    if scenario.compare is None:
        return
    figures = [(text, *parse_figure(text)) for text in scenario.compare.metrics]
    asked = tuple(Threshold(text, metric, ">=", Fraction(0), part=part) for text, metric, part in figures)
    for detail in threshold_errors(scenario.model_copy(update={"thresholds": asked}), names):
        yield replace(detail, path=(BLOCK, "metrics", *detail.path[1:]))


def variant_errors(
    document: Document, check: Callable[[Document], PlacedDetails], known: PlacedDetails, folder: FilePath | None
) -> PlacedDetails:
    """
    Return what is wrong with the variants of a document, each with its place in the file.

    Args:
        document: With whatever is overridden for all variants.
        check: Returns the errors of a scenario's document.
        known: Errors of the scenario as it is, which are not told of each variant again.
        folder: What paths of files are relative to; None leaves these alone.
    """
    told = {(detail.path, detail.words) for _, detail in known}
    details: PlacedDetails = []
    for name, variant in _variants(document.value).items():
        at: Path = (BLOCK, "variants", name)
        details += [(document.place(detail.path), detail) for detail in _file_errors(variant, at, folder)]
        overrides = variant.get("set")
        if isinstance(overrides, dict) and overrides:
            found = [*_put(document, copied := _without_block(document), at, overrides), *check(copied)]
            details += [
                (place, replace(detail, of=path_text(at)))
                for place, detail in found
                if (detail.path, detail.words) not in told
            ]
    return details


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


def _put(document: Document, copied: Document, at: Path, overrides: Mapping[str, Any]) -> PlacedDetails:
    details: PlacedDetails = []
    for path, value in overrides.items():
        details += put_override(copied, path, copy.deepcopy(value), document.place((*at, "set", path)))
    return details


def _file_errors(variant: Mapping[str, Any], at: Path, folder: FilePath | None) -> Iterator[ErrorDetail]:
    config, server = variant.get("config"), variant.get("server")
    if folder is None:
        return
    if isinstance(config, str) and config and not (folder / config).is_file():
        yield ErrorDetail((*at, "config"), f"no file {shown(config)}", "the path of a file, from the scenario's folder")
    if isinstance(server, str) and not (folder / server).exists():
        yield ErrorDetail((*at, "server"), f"no {shown(server)}", "the folder of a RabbitMQ installation")
