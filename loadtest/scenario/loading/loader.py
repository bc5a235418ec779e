"""
The loader: from a file, or a name of the catalogue, to a checked scenario, or to all that is wrong with it at once.

The order: YAML, `--set`, variables, the grammar part by part, and how the parts fit together. A later step looks at
whatever the earlier ones could make sense of, so that the user sees every error in one go, sorted by line.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, Final

from loadtest.errors import ScenarioError
from loadtest.scenario.catalogue import find_scenario
from loadtest.scenario.checks.check_compare import PlacedDetails, metric_errors, variant_errors
from loadtest.scenario.checks.check_groups import end_errors, group_errors
from loadtest.scenario.checks.check_thresholds import threshold_errors
from loadtest.scenario.checks.check_topology import topology_errors
from loadtest.scenario.grammar.model import Scenario
from loadtest.scenario.loading.document import MAX_CHARACTERS, Document, Place, read_document
from loadtest.scenario.loading.dump import dump_scenario
from loadtest.scenario.loading.error_detail import ErrorDetail, shown
from loadtest.scenario.loading.names import Names
from loadtest.scenario.loading.override import SET, THRESHOLD, add_thresholds, apply_overrides
from loadtest.scenario.loading.salvage import Salvage
from loadtest.scenario.loading.variables import Substitution

_MAX_BYTES: Final = 4 * MAX_CHARACTERS  # UTF-8 takes four bytes a character at most


@dataclass(frozen=True, slots=True)
class LoadedScenario:
    """
    A scenario and where it came from.

    Attributes:
        text: As resolved: YAML with overrides and variables put in and every default written out; it loads as
            `scenario`.
        source: As it was asked for: a name of the catalogue or a path.
        folder: Where its body files are, and what is below it.
        hash: SHA-256 of `text`, in hex: alike for scenarios that do the same, whatever their files look like.
    """

    scenario: Scenario
    text: str
    source: str
    overrides: tuple[str, ...]
    hash: str
    folder: FilePath


def load_scenario(
    source: str | FilePath,
    *,
    overrides: Sequence[str] = (),
    thresholds: Sequence[str] = (),
    text: str | None = None,
    reads_files: bool = True,
    checks_variants: bool = False,
) -> LoadedScenario:
    """
    Return the scenario of a file, or of the catalogue.

    Args:
        source: A path, or a name of the catalogue. With *text*, only its name in errors and the place that body files
            are relative to.
        overrides: As given to `--set`, each `PATH=VALUE`; later ones win.
        thresholds: As given to `--threshold`, besides those of the scenario.
        text: The YAML, where it has been read already.
        reads_files: False leaves body files as they are named, unread: of a scenario whose run is over.
        checks_variants: Whether what `compare` makes of the scenario has to be valid, too.

    Raises:
        ScenarioError: With every error, one a line.
    """
    path = FilePath(source) if text is not None else find_scenario(source)
    content = _read(path) if text is None else text
    label = path.name if text is None and str(path) != str(source) else str(source)
    document, details = _read_values(content, label, overrides, thresholds)
    folder = path.parent if reads_files else None
    scenario, found = _check(document, folder)
    if checks_variants:
        found += variant_errors(document, lambda variant: _check(variant, folder)[1], found, folder)
    if scenario is None or details or found:
        raise _error([*details, *found])
    resolved = dump_scenario(scenario)
    digest = hashlib.sha256(resolved.encode()).hexdigest()
    return LoadedScenario(scenario, resolved, str(source), tuple(overrides), digest, path.parent)


def _read(path: FilePath) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise ScenarioError(f"{path}:1: scenario: found more than {_MAX_BYTES} bytes; allowed fewer")
        return content.decode("utf-8-sig")
    except OSError as error:
        raise ScenarioError(
            f"{path}:1: scenario: found no readable file ({error.strerror}); allowed a YAML file"
        ) from error
    except UnicodeDecodeError as error:
        raise ScenarioError(
            f"{path}:1: scenario: found no UTF-8 (at byte {error.start}); allowed a text in UTF-8"
        ) from error


def _read_values(
    content: str, label: str, overrides: Sequence[str], thresholds: Sequence[str]
) -> tuple[Document, PlacedDetails]:
    """Return a document whose value is a mapping, with what is put in from outside, and what could not be."""
    document = read_document(content, label)
    details = list(document.details)
    if document.value is None and details:
        raise _error(details)
    details += apply_overrides(document, overrides)
    details += add_thresholds(document, thresholds)
    if document.value is None:
        document.value = {}
    if not isinstance(document.value, dict):
        allowed = "a mapping: name, topology, publishers, …"
        raise _error([*details, (document.place(()), ErrorDetail((), shown(document.value), allowed))])
    return document, details


def _check(document: Document, folder: FilePath | None) -> tuple[Scenario | None, PlacedDetails]:
    """Return the scenario of a document, which stays as it is, as far as there is one, and what is wrong with it."""
    values = dict(document.value)
    substitution = Substitution(values.pop("variables", None))
    values = substitution.resolve(values)
    scenario, found = _validate(values, folder, substitution.details)
    return scenario, [(document.place(detail.path), detail) for detail in (*substitution.details, *found)]


def _validate(
    values: dict[str, Any], folder: FilePath | None, known: Sequence[ErrorDetail]
) -> tuple[Scenario | None, list[ErrorDetail]]:
    """
    Return the scenario, as far as there is one, and every error of its parts and of how they fit.

    Args:
        values: With variables put in.
        folder: What paths of body files are relative to; None leaves these unread.
        known: Errors that are reported already; what follows from them is not.
    """
    context = {"folder": folder}
    salvage = Salvage(values, context)
    scenario, details = salvage.scenario(known)
    if scenario is None:
        return None, details
    names = Names.of(values)
    crossed = [
        *topology_errors(scenario.topology, names),
        *group_errors(scenario, names),
        *threshold_errors(scenario, names),
        *metric_errors(scenario, names),
    ]
    if not details and not known:
        crossed += end_errors(scenario)
    return scenario, [*details, *(salvage.placed(detail) for detail in crossed)]


def _error(details: Iterable[tuple[Place, ErrorDetail]]) -> ScenarioError:
    def in_file_order(entry: tuple[Place, ErrorDetail]) -> tuple[bool, int, str]:
        place, detail = entry
        return place.source in {SET, THRESHOLD}, place.line, str(detail.path)

    lines = [detail.line(str(place)) for place, detail in sorted(details, key=in_file_order)]
    return ScenarioError("\n".join(dict.fromkeys(lines)))
