"""What the documents tell people to type exists, and what exists is told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

ROOT = Path(__file__).parents[3]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
CODE = re.compile(r"```.*?```|`[^`\n]+`|^ {4}\S.*$", re.DOTALL | re.MULTILINE)


def typed(program: str) -> set[tuple[str, str]]:
    """Return the words that follow *program* in the documents' code, each with its document."""
    word = re.compile(rf"(?:^|[\s`$])(?<!from )(?<!import ){program} ([a-z][a-z-]*\d?[a-z]*)(?=[\s`]|$)", re.MULTILINE)
    return {
        (path.name, found)
        for path in DOCUMENTS
        for code in CODE.findall(path.read_text(encoding="utf-8"))
        for found in word.findall(code)
    }


def targets() -> dict[str, bool]:
    """Return the targets of the Makefile; true for those that `make help` shows."""
    lines = re.findall(r"^([a-z][a-z0-9-]*):(.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    return {name: "##" in rest for name, rest in lines}


def commands() -> set[str]:
    """Return the commands of `loadtest`."""
    from loadtest.cli import app

    return set(typer.main.get_group(app).commands)


def test_make_targets_in_documents_exist() -> None:
    """Every `make …` that a document tells people to type is a target that `make help` shows."""
    shown = {name for name, is_shown in targets().items() if is_shown}

    assert {(document, word) for document, word in typed("make") if word not in shown} == set()


def test_loadtest_commands_in_documents_exist() -> None:
    """Every `loadtest …` that a document tells people to type is a command."""
    assert {(document, word) for document, word in typed("loadtest") if word not in commands()} == set()


def test_every_command_is_documented() -> None:
    """Every command of `loadtest` is in the README or in docs/."""
    documented = {word for document, word in typed("loadtest") if document != "CHANGELOG.md"}

    assert commands() - documented == set()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    """Every link of a document to a file of the repository leads to one."""
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text(encoding="utf-8"))
    broken = [link for link in links if "://" not in link and not (path.parent / link).exists()]

    assert broken == []
