"""What a CI takes of a run: annotations, the step's summary, JUnit, JSON on standard output; the example workflows."""

from __future__ import annotations

import json
import shlex
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.e2e.processes import LOADTEST, ROOT, Door, Processes, run_command

pytestmark = pytest.mark.e2e

EXAMPLES = ROOT / "docs" / "examples"
SETS = ["publishers.flood.messages=200", "thresholds=[lost == 0, published == 201]"]
GITHUB = {"GITHUB_ACTIONS": "true"}


def cases(folder: Path) -> dict[str, list[str]]:
    """Return the test cases of a run's junit.xml, by name, with the kinds of what is wrong with each."""
    root = ET.parse(folder / "junit.xml").getroot()  # noqa: S314  # this tool wrote it
    return {
        case.attrib["name"]: [part.tag for part in case if part.tag != "system-out"] for case in root.iter("testcase")
    }


@pytest.mark.parametrize("door", ["loadtest", pytest.param("locust", marks=pytest.mark.long)])
def test_github_is_told(door: Door, processes: Processes, vhost_url: str) -> None:
    """A failed threshold is an annotation, the summary is the step's, and junit.xml has it as a failed case."""
    summary = processes.folder / "step.md"
    command = run_command(door, "flood-1000-direct", "--broker", vhost_url, sets=SETS)
    run = processes.start(command, **GITHUB, GITHUB_STEP_SUMMARY=str(summary)).wait()
    errors = [line for line in run.stdout.splitlines() if line.startswith("::error")]
    found = cases(run.results_folder)

    assert run.exit_code == 1, run.printed
    assert errors == ["::error title=flood-1000-direct%3A threshold failed::published == 201 came to 200"]
    assert summary.read_text(encoding="utf-8") == (run.results_folder / "summary.md").read_text(encoding="utf-8") + "\n"
    assert found["published == 201"] == ["failure"]
    assert found["lost == 0"] == []


def test_others_are_not_told(processes: Processes, vhost_url: str) -> None:
    """Without GITHUB_ACTIONS there is no annotation."""
    run = processes.run(run_command("loadtest", "flood-1000-direct", "--broker", vhost_url, sets=SETS))

    assert "::" not in run.stdout.replace("loadtest::", "")


@pytest.mark.parametrize("door", ["loadtest", pytest.param("locust", marks=pytest.mark.long)])
def test_standard_output_can_be_the_result(door: Door, processes: Processes, vhost_url: str) -> None:
    """`--json -` prints the document and nothing else; people read the summary on standard error."""
    flag = "--json" if door == "loadtest" else "--result-json"
    command = run_command(door, "flood-1000-direct", "--broker", vhost_url, flag, "-", sets=SETS)
    run = processes.start(command, **GITHUB).wait()

    assert run.exit_code == 1, run.printed
    assert json.loads(run.stdout) == run.result
    assert "1 of 2 thresholds failed" in run.stderr


@pytest.mark.long
def test_a_report_says_the_same_again(processes: Processes, vhost_url: str) -> None:
    """`loadtest report` prints the document too, and writes it to a file that is named."""
    run = processes.run(run_command("loadtest", "flood-1000-direct", "--broker", vhost_url, sets=SETS))
    printed = processes.run([*LOADTEST, "report", str(run.results_folder), "--json", "-"])
    written = processes.run([*LOADTEST, "report", str(run.results_folder), "--json", "copy.json"])
    nowhere = processes.run([*LOADTEST, "report", str(run.results_folder), "--json", "no/such/folder.json"])

    assert json.loads(printed.stdout) == run.result
    assert (processes.folder / "copy.json").read_bytes() == (run.results_folder / "result.json").read_bytes()
    assert (written.exit_code, nowhere.exit_code) == (1, 2)
    assert nowhere.stderr.count("\n") == 1


def test_a_run_that_measured_nothing_is_no_green_case(processes: Processes, vhost_url: str) -> None:
    """An empty queue gives exit code 4, and an error in junit.xml."""
    run = processes.run(run_command("loadtest", "get-one-by-one", "--broker", vhost_url))

    assert run.exit_code == 4, run.printed
    assert ["error"] in cases(run.results_folder).values()


def parts(value: Any) -> Iterator[Any]:
    """Yield a value of a YAML document and all that is in it."""
    yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from parts(item)


def commands_of(path: Path) -> list[str]:
    """Return the lines of a workflow's scripts that run this tool."""
    document = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    scripts = [part["run"] for part in parts(document) if isinstance(part, dict) and isinstance(part.get("run"), str)]
    scripts += [line for part in parts(document) if isinstance(part, dict) for line in part.get("script", ())]
    return [line for script in scripts for line in script.splitlines() if line.startswith("loadtest ")]


@pytest.mark.first
@pytest.mark.parametrize("name", ["github-workflow.yml", pytest.param("gitlab-ci.yml", marks=pytest.mark.long)])
def test_example_workflows_work(name: str, processes: Processes, vhost_url: str) -> None:
    """Their scripts run this tool as it is, find the broker by their variable, and leave what they publish."""
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    commands = commands_of(EXAMPLES / name)

    assert len(commands) == 1
    assert "LOADTEST_BROKER:" in text
    for command in commands:
        run = processes.start([*LOADTEST, *shlex.split(command)[1:]], LOADTEST_BROKER=vhost_url).wait()
        failed = [check["check"] for check in run.result["verdict"]["checks"] if not check["ok"]]
        # A machine that is busy with other tests may be slow; all else has to hold.
        assert (run.exit_code, [check for check in failed if ".p99 <" not in check]) == (int(bool(failed)), [])
    for published in ("results/*/junit.xml", "results/*/summary.md"):
        if published in text:
            assert len(list(processes.folder.glob(published))) == 1
