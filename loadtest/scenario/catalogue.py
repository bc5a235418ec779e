"""
The catalogue: the scenarios and comparisons that come with the tool, each with the question it answers.

A comparison is a scenario that says between which variants of it, or of its broker, `loadtest compare` is to decide.
They are at the top of a checkout and inside of an installed package; either way they are plain files.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Final

import loadtest
from loadtest.errors import ScenarioError
from loadtest.scenario.loading.error_detail import listed, near_miss, shown

SCENARIOS: Final = "scenarios"
COMPARISONS: Final = "configs"
_MOST_LISTED: Final = 40
_SUFFIXES: Final = (".yaml", ".yml")
_EDITOR_COMMENT: Final = "yaml-language-server:"


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """A scenario, or comparison, of the catalogue; `question` is its opening comment on one line."""

    name: str
    question: str
    path: FilePath


def catalogue_folder() -> FilePath:
    """Return the folder of the scenarios that come with the tool."""
    return _folder(SCENARIOS)


def catalogue() -> list[CatalogueEntry]:
    """Return all scenarios that come with the tool, by name."""
    return _entries(SCENARIOS)


def comparisons() -> list[CatalogueEntry]:
    """Return all comparisons that come with the tool, by name."""
    return _entries(COMPARISONS)


def find_scenario(source: str | FilePath) -> FilePath:
    """
    Return the file that a name of the catalogue, or a path, means; a file of that path comes first.

    Raises:
        ScenarioError: If there is neither.
    """
    path = FilePath(source)
    try:
        if path.is_file():
            return path
    except (OSError, ValueError) as error:  # a name too long, or a NUL in it
        raise ScenarioError(f"scenario: found {shown(str(source))}; allowed a path or a name") from error
    if path.suffix in _SUFFIXES or len(path.parts) != 1:
        raise ScenarioError(
            f"scenario: found no file {shown(str(source))}; allowed a path to a YAML file, or a name of the catalogue"
        )
    paths = {entry.name: entry.path for entry in (*catalogue(), *comparisons())}
    if str(source) not in paths:
        meant = near_miss(str(source), list(paths))
        hint = f"; did you mean {meant}?" if meant is not None else ""
        known = listed(list(paths), most=_MOST_LISTED)
        raise ScenarioError(f"scenario: found {shown(str(source))}; allowed a file, or {known}{hint}")
    return paths[str(source)]


def _folder(name: str) -> FilePath:
    """Return a folder as pyproject.toml puts it into the wheel, or as it is in a checkout."""
    package = FilePath(loadtest.__file__).parent
    packaged = package / f"_{name}"
    return packaged if packaged.is_dir() else package.parent / name


def _entries(name: str) -> list[CatalogueEntry]:
    paths = sorted(path for path in _folder(name).glob("*.yaml") if path.is_file())
    return [CatalogueEntry(path.stem, _question(path.read_text(encoding="utf-8")), path) for path in paths]


def _question(text: str) -> str:
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("#").strip())
    return " ".join(line for line in lines if line and not line.startswith(_EDITOR_COMMENT))
