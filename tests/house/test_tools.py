"""What the scripts behind `make` do where something is missing: their functions, with fakes first on the path."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DENIES = "#!/bin/sh\nexit 101\n"
ALLOWS = "#!/bin/sh\nexit 0\n"


class Shell:
    """A bash that has read one of the scripts, with a folder of fake programs before all others."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.path = f"{self.bin}:/usr/bin:/bin"

    def fake(self, name: str, body: str) -> None:
        """Put a program *name* on the path, of which *body* is the shell script."""
        program = self.bin / name
        program.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        program.chmod(0o755)

    def only(self, *names: str) -> None:
        """Leave nothing on the path but the fakes and the named programs of the machine."""
        for name in names:
            (self.bin / name).symlink_to(shutil.which(name) or name)
        self.path = str(self.bin)

    def run(self, script: str, commands: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Read *script*, then run *commands*; $FOLDER is the test's own."""
        environment = {"PATH": self.path, "HOME": str(self.folder), "FOLDER": str(self.folder), **variables}
        return subprocess.run(
            [shutil.which("bash") or "bash", "-c", f"source {ROOT}/tools/{script}\n{commands}"],
            env=environment,
            check=False,
            capture_output=True,
            text=True,
            timeout=20,
        )


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A shell whose package manager and service manager do nothing."""
    shell = Shell(tmp_path)
    for name in ("apt-get", "systemctl", "update-rc.d", "sudo"):
        shell.fake(name, "exit 0")
    return shell


POLICY_HERE = "policy=$FOLDER/policy-rc.d\nkept_policy=$policy.kept\n"
NO_SERVER = "find_server() { return 1; }\n"


def asks_the_policy(result: int = 0) -> str:
    """Return the body of an apt-get that notes what the policy says to starting a service, and exits with *result*."""
    return f'sh "$FOLDER/policy-rc.d" rabbitmq-server start; echo $? >"$FOLDER/answer"; exit {result}'


@pytest.mark.parametrize("name", ["LOADTEST_BROKER", "AMQP_URL"])
def test_named_broker_needs_no_server(shell: Shell, name: str) -> None:
    """Where a variable names a broker, nothing is looked for or installed."""
    run = shell.run("broker.sh", NO_SERVER + "main LOADTEST_BROKER AMQP_URL", **{name: "amqp://example/"})

    assert (0, "") == (run.returncode, run.stderr)


def test_servers_folder_can_be_named(shell: Shell) -> None:
    """Where LOADTEST_RABBITMQ_SERVER names an installation, none is looked for."""
    run = shell.run("broker.sh", "main LOADTEST_BROKER", LOADTEST_RABBITMQ_SERVER="/opt/rabbitmq")

    assert (0, "") == (run.returncode, run.stderr)


def test_no_apt_get_is_explained(shell: Shell) -> None:
    """Without apt-get, one line says what to do, and the exit code is that of a broker that is not there."""
    (shell.bin / "apt-get").unlink()
    shell.only("dirname", "id")
    run = shell.run("broker.sh", NO_SERVER + "main LOADTEST_BROKER")

    expected = (
        "loadtest: no broker and no rabbitmq-server here: "
        "name a broker (make run BROKER=amqp://user:password@host:5672/) or install RabbitMQ's server\n"
    )
    assert (3, expected) == (run.returncode, run.stderr)


def test_no_right_to_install_is_explained(shell: Shell) -> None:
    """Neither root nor able to become it without a password: one line says so, and nothing is asked."""
    shell.fake("id", "echo 1000")
    shell.fake("sudo", "exit 1")
    run = shell.run("broker.sh", NO_SERVER + "main LOADTEST_BROKER")

    assert run.returncode == 3
    assert run.stderr.count("\n") == 1
    assert "no right to install it" in run.stderr


def test_sudo_installs(shell: Shell) -> None:
    """One who may become root without a password installs through sudo."""
    shell.fake("id", "echo 1000")
    shell.fake("sudo", 'echo "$@" >>"$FOLDER/sudo.log"')
    run = shell.run("broker.sh", "find_server() { [ -e $FOLDER/sudo.log.2 ]; }\nmain LOADTEST_BROKER")

    assert "--install" in (shell.folder / "sudo.log").read_text(encoding="utf-8")
    assert "installed rabbitmq-server, but it is not where it should be" in run.stderr


def test_no_service_starts_while_installing(shell: Shell) -> None:
    """While apt-get works the policy forbids services; afterwards there is none again."""
    shell.fake("apt-get", asks_the_policy())
    run = shell.run("broker.sh", POLICY_HERE + "install_server")

    assert run.returncode == 0
    assert (shell.folder / "answer").read_text() == "101\n"
    assert list(shell.folder.glob("policy*")) == []


@pytest.mark.parametrize("exit_code", [0, 100], ids=["apt-get works", "apt-get fails"])
@pytest.mark.parametrize("policy", [ALLOWS, DENIES], ids=["policy allows", "policy denies"])
def test_own_policy_is_put_back(shell: Shell, policy: str, exit_code: int) -> None:
    """A policy of the machine's own forbids, or is made to for the while, and is the same file afterwards."""
    own = shell.folder / "policy-rc.d"
    own.write_text(policy)
    own.chmod(0o755)
    shell.fake("apt-get", asks_the_policy(exit_code))
    run = shell.run("broker.sh", POLICY_HERE + "install_server")

    assert (run.returncode == 0) == (exit_code == 0)
    assert (shell.folder / "answer").read_text() == "101\n"
    assert own.read_text() == policy
    assert os.access(own, os.X_OK)
    assert [own] == list(shell.folder.glob("policy*"))


def test_interrupted_install_puts_the_policy_back(shell: Shell) -> None:
    """A run ended by a signal while apt-get works leaves no policy behind."""
    shell.fake("apt-get", "kill -TERM $PPID")
    run = shell.run("broker.sh", POLICY_HERE + "apt_get() { apt-get; }\ninstall_server")

    assert run.returncode == 130
    assert list(shell.folder.glob("policy*")) == []


def test_policy_of_a_killed_run_is_cleared_away(shell: Shell) -> None:
    """What a run that was killed could not put back, the next one does."""
    shell.run("broker.sh", POLICY_HERE + f"printf '{ALLOWS}' >$policy; chmod 755 $policy; forbid_services")
    assert (shell.folder / "policy-rc.d.kept").exists()

    shell.run("broker.sh", POLICY_HERE + "install_server")

    assert (shell.folder / "policy-rc.d").read_text() == ALLOWS
    assert not (shell.folder / "policy-rc.d.kept").exists()


def test_failing_apt_get_shows_its_reason(shell: Shell) -> None:
    """Where apt-get fails, its own last words are printed, then one line says what to do."""
    fails = "as_root() { echo 'E: Unable to locate package rabbitmq-server' >&2; return 100; }\n"
    run = shell.run("broker.sh", NO_SERVER + fails + "main LOADTEST_BROKER")

    assert run.returncode == 3
    assert "E: Unable to locate package rabbitmq-server" in run.stderr
    assert run.stderr.splitlines()[-1].startswith("loadtest: apt-get could not install rabbitmq-server")


def test_no_python_is_explained(shell: Shell) -> None:
    """Without any python3, one line says what is needed."""
    shell.only("dirname", "grep")
    run = shell.run("venv.sh", "find_python")

    expected = (
        "loadtest: needs Python 3.11 or newer, and there is no python3; "
        "on Debian and Ubuntu: apt-get install python3 python3-venv\n"
    )
    assert (1, expected) == (run.returncode, run.stderr)


def test_old_python_is_explained(shell: Shell) -> None:
    """Where python3 is too old and no newer one is beside it, one line says which it is."""
    shell.fake("python3", '[ "$1" = -V ] && echo Python 3.9.2; exit 1')
    shell.only("dirname", "grep")
    run = shell.run("venv.sh", "find_python")

    assert run.returncode == 1
    assert "python3 is Python 3.9.2" in run.stderr


def test_newer_python_is_found_beside_an_old_one(shell: Shell) -> None:
    """Where python3 is too old, a python3.12 beside it is taken."""
    shell.fake("python3", "exit 1")
    shell.fake("python3.12", "exit 0")
    shell.only("dirname", "grep")
    run = shell.run("venv.sh", "find_python")

    assert (0, "python3.12\n") == (run.returncode, run.stdout)


def test_missing_venv_module_is_explained(shell: Shell) -> None:
    """Debian's python3 without python3-venv, and no uv: one line says what to install."""
    shell.fake("python3", 'case "$3" in *ensurepip*) exit 1 ;; esac')
    shell.only("dirname", "grep", "rm")
    run = shell.run("venv.sh", "cd $FOLDER\npython=python3\nmake_venv")

    assert run.returncode == 1
    assert "apt-get install python3-venv" in run.stderr


@pytest.mark.parametrize("argument", ["", "long"], ids=["make test", "make test-long"])
def test_tests_run_in_stages_and_all_that_failed_are_named(shell: Shell, argument: str) -> None:
    """The long tests go through the same stages; none ends the rest by failing, and an empty one is no failure."""
    folder = shell.folder / "copy"
    (folder / "tools").mkdir(parents=True)
    shutil.copy(ROOT / "tools" / "test.sh", folder / "tools")
    (folder / ".venv" / "bin").mkdir(parents=True)
    python = folder / ".venv" / "bin" / "python"
    answers = 'case "$*" in *tests/house*) exit 5 ;; *"-m alone"*) exit 1 ;; esac'
    python.write_text(f'#!/bin/sh\necho "$@" >>calls\n{answers}\n', encoding="utf-8")
    python.chmod(0o755)
    script = ["bash", str(folder / "tools" / "test.sh"), *argument.split()]
    environ = {name: value for name, value in os.environ.items() if name not in {"PYTEST_ARGS", "TEST_WORKERS"}}
    ended = subprocess.run(script, check=False, capture_output=True, text=True, timeout=20, env=environ)

    calls = (folder / "calls").read_text(encoding="utf-8").splitlines()
    alone = [call for call in calls if "-m alone" in call]
    among = "long" if argument else "not long"
    assert len(alone) == 1 < len(calls)
    assert all(call.endswith((f"-m {among}", f"alone and {among}")) for call in calls)
    assert " -n " not in alone[0], "other tests ran beside those that measure"
    assert {f"tests/{folder}" for folder in ("house", "unit", "broker", "e2e")} <= set(" ".join(calls).split())
    assert (ended.returncode, ended.stderr) == (1, "loadtest: failed: alone\n")
