"""What the documents tell people to type exists, and what exists is told."""

from __future__ import annotations

import re
from pathlib import Path

import typer

ROOT = Path(__file__).parents[2]
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


def test_links_lead_somewhere() -> None:
    """Every link of a document to a file of the repository leads to one."""
    link_target = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
    links = [(path, link) for path in DOCUMENTS for link in link_target.findall(path.read_text(encoding="utf-8"))]

    assert [(path.name, link) for path, link in links if "://" not in link and not (path.parent / link).exists()] == []


def sections(path: Path) -> dict[str, str]:
    """Return the text under each heading of second level, by the heading without its code marks."""
    parts = re.split(r"^## (.+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {title.replace("`", ""): text for title, text in zip(parts[1::2], parts[2::2], strict=True)}


def options() -> dict[str, set[str]]:
    """Return the flags of each command of `loadtest`, those of its groups included."""
    from loadtest.cli import app

    found = {}
    for name, command in typer.main.get_group(app).commands.items():
        inner = getattr(command, "commands", None) or {"": command}
        for second, each in inner.items():
            found[f"loadtest {name} {second}".rstrip()] = {
                flag for option in each.params for flag in option.opts if flag[0] == "-"
            }
    return found


def test_every_option_is_documented() -> None:
    """docs/commands.md has a section for each command, and in it each of its options."""
    documented = sections(ROOT / "docs" / "commands.md")

    assert {command for command in options() if command not in documented} == set()
    assert {
        (command, flag)
        for command, flags in options().items()
        for flag in flags
        if f"`{flag}" not in documented[command]
    } == set()


def test_every_argument_for_locust_is_documented() -> None:
    """docs/commands.md has each argument that `locust -f loadtest/main.py` takes besides Locust's, and its variable."""
    from loadtest.run.option_table import OPTIONS, OVERRIDES

    documented = sections(ROOT / "docs" / "commands.md")["locust -f loadtest/main.py"]
    ours = [(option.flag, option.argument) for option in OPTIONS if option.argument is not None]
    variables = {argument["env_var"] for _, argument in ours if "env_var" in argument}

    assert {
        name for name in {OVERRIDES, *variables, *(flag for flag, _ in ours)} if f"`{name}" not in documented
    } == set()


def test_readme_has_the_catalogue() -> None:
    """The README lists the scenarios and comparisons of the catalogue with their questions, as `loadtest list` does."""
    from loadtest.scenario import catalogue, comparisons

    rows = re.findall(r"^\| `([^`]+)` \| (.+\?) \|$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert [(entry.name, entry.question) for entry in (*catalogue(), *comparisons())] == rows


def test_example_of_the_readme_is_the_file() -> None:
    """The scenario in the README is docs/examples/orders.yaml, which can be run."""
    (shown,) = re.findall(
        r"^```yaml\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )

    assert shown in (ROOT / "docs" / "examples" / "orders.yaml").read_text(encoding="utf-8")
