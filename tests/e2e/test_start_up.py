"""
What each kind of process imports: a list of packages and a bound on the number of modules; each run pays for them.

Held against a process that imports Locust and nothing else, so that what Locust itself needs is not in the lists.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.processes import LOCUSTFILE, ROOT, Finished, Processes

pytestmark = pytest.mark.e2e

RECORDER: Final = Path(__file__).with_name("import_recorder.py")
Chains = dict[str, list[str]]

GRAMMAR: Final = {
    "annotated_types",
    "numpy",
    "pydantic",
    "pydantic_core",
    "ruamel",
    "typing_extensions",
    "typing_inspection",
}
# The program, and what Python's start-up and pip leave in every process.
NO_PACKAGES: Final = {"loadtest", "main", "sitecustomize"}
COMMAND_LINE: Final = {"annotated_doc", "shellingham", "typer"}
TRAFFIC: Final = GRAMMAR | {"hdrh", "pika", "pyhdrh", "pyroaring"}
# Of ours, what is of no use to one run: how several are led and what comes of them, and the web page.
OF_SEVERAL: Final = (
    *("experiments", "dashboard", "metrics", "calibration.measure", "calibration.null_broker"),
    *("result.capacity", "result.compare", "result.sweep_result"),
    *("report.experiment_report", "report.side_by_side", "report.side_by_side_page"),
    *("report.capacity", "report.compare", "report.sweep"),
)
MASTER_ONLY: Final = (
    *("run.session", "report.run.announce", "report.run.write", "result.run.build"),
    *("broker.private.private_cluster", "broker.proxy"),
)


@dataclass(frozen=True)
class Limits:
    """
    What a process may import.

    Attributes:
        packages: Of others, besides those of Locust where the process is Locust's.
        own: How many modules of ours.
        beyond_locust: How many modules in all that `import locust` does not load.
        absent: Modules of ours, or folders of them, that it has no use for.
    """

    packages: AbstractSet[str]
    own: int
    beyond_locust: int
    absent: Sequence[str] = OF_SEVERAL
    is_locust: bool = True


RUN: Final = Limits(TRAFFIC | {"rich"}, own=306, beyond_locust=640)
LOADTEST_RUN: Final = Limits(TRAFFIC | COMMAND_LINE | {"rich"}, own=312, beyond_locust=680)
WORKER: Final = Limits(TRAFFIC, own=185, beyond_locust=460, absent=(*OF_SEVERAL, *MASTER_ONLY))
LIST: Final = Limits(
    GRAMMAR | COMMAND_LINE | {"rich"},
    own=70,
    beyond_locust=355,
    absent=("broker", "measure", "report", "result", "clients", "run", "wire"),
    is_locust=False,
)
HELP: Final = Limits(COMMAND_LINE, own=20, beyond_locust=60, absent=("scenario",), is_locust=False)


def recorded(file: Path, *command: str) -> list[str]:
    """Return the command that runs a module and writes what it imports to *file*."""
    return [sys.executable, str(RECORDER), str(file), *command]


def locust(file: Path, *arguments: str) -> list[str]:
    """Return the command of Locust, headless or a worker."""
    return recorded(file, "locust", "-f", str(LOCUSTFILE), *arguments)


@pytest.fixture(scope="module")
def of_locust() -> set[str]:
    """Return the modules that a process has which imports Locust and its command line, and nothing of ours."""
    program = "import sys, locust.main; print(*sys.modules)"
    return set(
        subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    )


def check(file: Path, limits: Limits, of_locust: set[str]) -> None:
    """Fail with the chain of imports of each module that *limits* do not allow; with the numbers where they exceed."""
    chains: Chains = json.loads(file.read_text())
    theirs = of_locust if limits.is_locust else set()
    known = {name.partition(".")[0] for name in theirs} | sys.stdlib_module_names | limits.packages | NO_PACKAGES
    packages = [name for name in chains if "." not in name and not name.startswith("_") and name not in known]
    unused = [name for name in chains if any(f"{name}.".startswith(f"loadtest.{absent}.") for absent in limits.absent)]
    not_allowed = [f"{name}: {' -> '.join(chains[name])}" for name in (*packages, *unused)]

    assert not not_allowed, "import it where it is used, or give it a line here:\n" + "\n".join(not_allowed)
    own = [name for name in chains if name.partition(".")[0] == "loadtest"]
    beyond = [name for name in chains if name not in of_locust]

    assert len(own) <= limits.own, f"modules of ours: {own}"
    assert len(beyond) <= limits.beyond_locust, f"modules: {beyond}"


def passed(finished: Finished) -> None:
    """Fail unless the process did what it was started for."""
    assert finished.exit_code == 0, finished.printed


def test_a_run_loads_what_a_run_needs(
    processes: Processes, vhost_url: str, tmp_path: Path, of_locust: set[str]
) -> None:
    """`locust -f loadtest/main.py --headless`: no scipy, no documents of several runs, no page."""
    run = ("--headless", "--scenario", "flood-1000-direct", "--broker", vhost_url)

    passed(processes.run(locust(tmp_path / "run.json", *run)))

    check(tmp_path / "run.json", RUN, of_locust)


def test_a_run_of_the_command_loads_what_a_run_needs(
    processes: Processes, vhost_url: str, tmp_path: Path, of_locust: set[str]
) -> None:
    """`loadtest run` adds the command line to that."""
    run = ("run", "flood-1000-direct", "--broker", vhost_url)

    passed(processes.run(recorded(tmp_path / "run.json", "loadtest", *run)))

    check(tmp_path / "run.json", LOADTEST_RUN, of_locust)


def test_a_worker_loads_less_than_its_master(
    processes: Processes, vhost_url: str, tmp_path: Path, free_port: int, of_locust: set[str]
) -> None:
    """A worker has the users, and nothing of the broker's set-up, the result and what is printed of it."""
    worker = processes.in_folder("elsewhere").start(
        locust(tmp_path / "worker.json", "--worker", "--master-port", str(free_port))
    )
    run = ("--headless", "--scenario", "flood-1000-direct", "--broker", vhost_url)
    master = ("--master", "--expect-workers=1", "--master-bind-port", str(free_port))

    passed(processes.run(locust(tmp_path / "master.json", *run, *master)))
    passed(worker.wait())

    check(tmp_path / "master.json", RUN, of_locust)
    check(tmp_path / "worker.json", WORKER, of_locust)


@pytest.mark.parametrize("argument, limits", [("list", LIST), ("--help", HELP)], ids=["list", "help"])
def test_a_command_loads_what_it_needs(
    processes: Processes, tmp_path: Path, of_locust: set[str], argument: str, limits: Limits
) -> None:
    """`loadtest list` reads scenarios and loads neither Locust nor pika; `loadtest --help` loads the command line."""
    passed(processes.run(recorded(tmp_path / "imports.json", "loadtest", argument)))

    check(tmp_path / "imports.json", limits, of_locust)


def test_what_is_not_allowed_is_named_with_its_chain(processes: Processes, tmp_path: Path, of_locust: set[str]) -> None:
    """A package, and a module of ours, that a process has no use for fail with the chain of what imported them."""
    program = tmp_path / "program.py"
    program.write_text(
        "def late():\n    import loadtest.scenario.schedule.curve\n    import scipy.special\n\n\nlate()\n"
    )
    nothing = Limits(set(), own=20, beyond_locust=10_000, absent=("scenario",), is_locust=False)
    passed(processes.run(recorded(tmp_path / "imports.json", "program"), PYTHONPATH=f"{tmp_path}:{ROOT}"))

    with pytest.raises(AssertionError) as failure:
        check(tmp_path / "imports.json", nothing, of_locust)

    text = str(failure.value)
    assert "scipy: __main__ -> __main__:late" in text
    assert "numpy: __main__ -> __main__:late -> loadtest.scenario -> loadtest.scenario." in text
    assert "loadtest.scenario.schedule.curve: __main__ -> __main__:late" in text
