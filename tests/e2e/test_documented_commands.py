"""The commands of the README and of docs/, typed in their order: what a reader types works."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest

from loadtest.broker.private.run_folder import STATE_ENVIRONMENT_NAME
from loadtest.broker.private.server import find_server
from tests.e2e.processes import LOADTEST, LOCUST, ROOT, Processes

pytestmark = pytest.mark.e2e

PROGRAMS = {"loadtest": LOADTEST, "locust": (LOCUST,)}
# The rest of what a reader has in the folder in which the commands are typed.
CHECKOUT = ("loadtest", "scenarios", "docs")


def commands_of(document: Path) -> list[str]:
    """Return the commands for `loadtest` and `locust` in the blocks that are marked `sh`, or `console` after a `$`."""
    blocks = re.findall(r"^```(sh|console)\n(.*?)^```", document.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    lines = [
        line.removeprefix("$ ")
        for kind, text in blocks
        for line in text.splitlines()
        if kind == "sh" or line.startswith("$ ")
    ]
    return [line for line in lines if line.partition(" ")[0] in PROGRAMS]


DOCUMENTED = {
    path: commands
    for path in sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
    if (commands := commands_of(path))
}


def is_of_a_cluster(command: str) -> bool:
    """Return whether a command runs a scenario on a cluster of its own, which takes half a minute."""
    return " run " in command and "--nodes" in command


@pytest.mark.first
@pytest.mark.parametrize("document", DOCUMENTED, ids=lambda path: path.stem)
def test_commands_of_a_document_work(document: Path, processes: Processes, vhost_url: str) -> None:
    """Each command ends with exit code 0, without a traceback."""
    run_all([command for command in DOCUMENTED[document] if not is_of_a_cluster(command)], processes, vhost_url)


@pytest.mark.long
def test_commands_that_run_on_a_cluster_work(processes: Processes, vhost_url: str) -> None:
    """As above, of those that start a cluster for their run."""
    commands = [command for document in DOCUMENTED.values() for command in document if is_of_a_cluster(command)]

    assert commands
    run_all(commands, processes, vhost_url)


def run_all(commands: list[str], processes: Processes, vhost_url: str) -> None:
    """Run commands one after the other in a folder with what a checkout has; each has to succeed."""
    for name in CHECKOUT:
        (processes.folder / name).symlink_to(ROOT / name)
    settings = {STATE_ENVIRONMENT_NAME: str(processes.folder / "state")}
    has_server = find_server(None, os.environ) is not None
    for command in commands:
        program, *arguments = shlex.split(command)
        starts_nodes = arguments[0] == "broker" or "--nodes" in arguments
        if starts_nodes and not has_server:
            continue  # the tests go to a broker elsewhere, and this machine has none to start
        broker = {} if starts_nodes else {"LOADTEST_BROKER": vhost_url}
        run = processes.start([*PROGRAMS[program], *arguments], **settings, **broker).wait()

        assert run.exit_code == 0, f"{command}\n{run.printed}"


def test_documents_have_commands() -> None:
    """The README, the reference of commands and the page on locustfiles are among the documents that are run."""
    assert {"README", "commands", "locustfiles"} <= {path.stem for path in DOCUMENTED}
