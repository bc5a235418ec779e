"""`run_folder`: who owns a node's folder, and what is swept."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtest.broker.private.run_folder import (
    MARKER,
    RunFolder,
    is_held,
    remove_leftover,
    state_folder,
    sweep,
    write_private,
)
from loadtest.broker.processes.marked_process import find_marked
from loadtest.errors import BrokerError


@pytest.fixture
def nodes(tmp_path: Path) -> Path:
    """The folder of all nodes."""
    return state_folder({"LOADTEST_STATE_DIR": str(tmp_path / "state")})


@pytest.fixture
def sleeper(nodes: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that was started for the node `old`."""
    process = subprocess.Popen(["sleep", "60"], env=os.environ | {MARKER: str(nodes / "old")})
    yield process
    process.kill()
    process.wait()


def test_state_folder_is_private(nodes: Path) -> None:
    """Cookies and logs are for their owner's eyes only."""
    assert stat.S_IMODE(nodes.stat().st_mode) == 0o700


PLACES = {
    "named": ({"LOADTEST_STATE_DIR": "{}/a", "XDG_CACHE_HOME": "{}/b"}, "a/nodes"),
    "cache": ({"XDG_CACHE_HOME": "{}/b", "HOME": "{}/c"}, "b/loadtest/nodes"),
    "home": ({"HOME": "{}/c"}, "c/.cache/loadtest/nodes"),
}


@pytest.mark.parametrize("environ, place", PLACES.values(), ids=PLACES.keys())
def test_state_folder_places(environ: dict[str, str], place: str, tmp_path: Path) -> None:
    """The variable comes before the user's cache folder."""
    filled = {name: value.format(tmp_path) for name, value in environ.items()}

    assert state_folder(filled) == (tmp_path / place).resolve()


def test_no_state_folder(tmp_path: Path) -> None:
    """A folder that cannot be made is named, with the variable that names another."""
    (tmp_path / "file").touch()

    with pytest.raises(BrokerError, match=r"no folder for private nodes .*file.*LOADTEST_STATE_DIR"):
        state_folder({"LOADTEST_STATE_DIR": str(tmp_path / "file")})


def test_the_way_to_the_state_folder_is_private(tmp_path: Path) -> None:
    """Folders that are made on the way are for their user alone, whatever the umask is."""
    umask = os.umask(0)
    try:
        state_folder({"LOADTEST_STATE_DIR": str(tmp_path / "a" / "b" / "state")})
    finally:
        os.umask(umask)

    modes = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "a", *(tmp_path / "a").rglob("*"))]
    assert modes == [0o700] * 4


def test_a_state_folder_of_everybody_is_refused(tmp_path: Path) -> None:
    """Where all may write, only a sticky folder, as for temporary files, keeps them from exchanging what is in it."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(0o777)
    with pytest.raises(BrokerError, match="everybody may exchange what is in"):
        state_folder({"LOADTEST_STATE_DIR": str(tmp_path / "state")})

    (tmp_path / "state").chmod(0o1777)

    assert state_folder({"LOADTEST_STATE_DIR": str(tmp_path / "state")}).is_dir()


def test_a_folder_is_held_until_released(nodes: Path) -> None:
    """The folder belongs to whoever holds its lock, and to nobody afterwards."""
    folder = RunFolder.create(nodes, "one", detached=False)

    assert is_held(folder.path)

    folder.release()

    assert not is_held(folder.path)


def test_a_held_name_is_refused(nodes: Path) -> None:
    """Two nodes of one name cannot live at once."""
    folder = RunFolder.create(nodes, "one", detached=False)

    with pytest.raises(BrokerError, match="a private node named one runs already"):
        RunFolder.create(nodes, "one", detached=False)
    folder.remove()


def test_leftovers_are_swept_by_the_next_start(nodes: Path, sleeper: subprocess.Popen[bytes]) -> None:
    """The folder of a run that is gone, and what still runs for it, go when the next node starts."""
    RunFolder.create(nodes, "old", detached=False).release()

    new = RunFolder.create(nodes, "new", detached=False)

    assert not (nodes / "old").exists()
    assert sleeper.wait(5) == -9
    new.remove()


def test_what_is_held_is_not_swept(nodes: Path, sleeper: subprocess.Popen[bytes]) -> None:
    """A node that lives is left alone, folder and processes."""
    old = RunFolder.create(nodes, "old", detached=False)

    sweep(nodes)

    assert old.path.is_dir()
    assert find_marked(MARKER, str(old.path)) == [sleeper.pid]
    old.remove()
    assert sleeper.wait(5) == -9


def test_a_detached_node_that_has_ended_stays_for_its_logs(nodes: Path) -> None:
    """It goes when it is stopped, or when one of its name is started."""
    RunFolder.create(nodes, "kept", detached=True).release()
    RunFolder.create(nodes, "again", detached=True).release()

    sweep(nodes)

    assert (nodes / "kept").is_dir()
    remove_leftover(nodes, "kept")
    assert not (nodes / "kept").exists()
    RunFolder.create(nodes, "again", detached=False).remove()
    assert not (nodes / "again").exists()


def test_a_program_that_is_started_does_not_hold_the_lock(nodes: Path) -> None:
    """The lock ends with the tool, not with whatever it has started meanwhile."""
    folder = RunFolder.create(nodes, "one", detached=False)
    with subprocess.Popen(["sleep", "60"]) as started:
        folder.release()
        held = is_held(folder.path)
        started.kill()

    assert not held


def test_a_detached_server_holds_the_lock(nodes: Path) -> None:
    """Handed to the server, the lock is held as long as that lives."""
    folder = RunFolder.create(nodes, "one", detached=True)
    with subprocess.Popen(["sleep", "60"], pass_fds=[folder.lock]) as server:
        folder.release()
        held = is_held(folder.path)
        server.kill()
        server.wait()

    assert held
    assert not is_held(folder.path)


def test_files_are_private_whatever_the_umask(tmp_path: Path) -> None:
    """A file is for its user alone, replaced in one step, and nothing else is left beside it."""
    path = tmp_path / "a.conf"
    umask = os.umask(0)
    try:
        write_private(path, "one")
        write_private(path, "two")
    finally:
        os.umask(umask)

    assert path.read_text() == "two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_lock_is_taken_again(nodes: Path) -> None:
    """A folder that was given up can be held again, unless somebody else holds it, or it is gone."""
    owner = RunFolder.create(nodes, "one", detached=True)
    found = RunFolder.found(owner.path)
    with pytest.raises(BrokerError, match="another process holds the private node"):
        found.hold(0.0)
    owner.release()
    found.hold(0.0)
    held = is_held(owner.path)
    found.remove()

    assert held
    with pytest.raises(BrokerError, match="was stopped and removed meanwhile"):
        RunFolder.found(owner.path).hold(0.0)
