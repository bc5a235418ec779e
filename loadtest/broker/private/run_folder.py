"""
The folders in which private nodes live, and who owns each.

A folder belongs to whoever holds the lock on its file `lock`: the tool that started the node, or, for a detached
node, the server itself. A lock ends with its last holder, however that ended, so a folder whose lock is free is a
leftover: what still runs for it is killed, and it is removed. Nothing is decided by pid.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from loadtest.broker.processes.marked_process import kill_marked
from loadtest.errors import BrokerError

# The value is the folder. Erlang, the shells around it and epmd all inherit it.
MARKER: Final = "LOADTEST_NODE_FOLDER"
STATE_ENVIRONMENT_NAME: Final = "LOADTEST_STATE_DIR"
DETACHED_MARK: Final = "detached"

_PRIVATE: Final = 0o700
_PRIVATE_FILE: Final = 0o600
_POLL_S: Final = 0.02
_NO_LOCK: Final = -1


def state_folder(environ: Mapping[str, str]) -> Path:
    """
    Return the folder for private nodes, made if need be and readable by its user only.

    `LOADTEST_STATE_DIR`, else `loadtest` in the user's cache folder, else in the folder for temporary files. The
    cache comes before the latter, which on some systems is memory: a broker measured on it would have no disk.

    Raises:
        BrokerError: If none can be used.
    """
    named = environ.get(STATE_ENVIRONMENT_NAME)
    cache = Path(environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME") or "/nonexistent", ".cache"), "loadtest")
    candidates = [Path(named)] if named else [cache, Path(tempfile.gettempdir(), f"loadtest-{os.getuid()}")]
    faults = []
    for folder in candidates:
        try:
            nodes = folder.resolve() / "nodes"
            _make_folders(nodes)
            _make_private(nodes)
        except OSError as error:
            faults.append(f"{folder}: {error.strerror or error}")
        else:
            return nodes
    raise BrokerError(f"no folder for private nodes ({'; '.join(faults)}); name one with {STATE_ENVIRONMENT_NAME}")


class RunFolder:
    """One node's folder, locked by this process until `release` or `remove`."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self.lock = lock

    @classmethod
    def create(cls, nodes: Path, name: str, *, detached: bool) -> RunFolder:
        """
        Make the folder *name* under *nodes* and take its lock, after the leftovers of earlier runs are swept.

        Raises:
            BrokerError: If a node of that name lives.
        """
        with _exclusive(nodes):
            _sweep(nodes, name)
            path = nodes / name
            try:
                path.mkdir(mode=_PRIVATE)
            except FileExistsError as error:
                raise BrokerError(f"a private node named {name} runs already ({path})") from error
            if detached:
                (path / DETACHED_MARK).touch(mode=_PRIVATE_FILE)
            return cls(path, _lock(path))

    @classmethod
    def found(cls, path: Path) -> RunFolder:
        """Return a folder that is there, without its lock: somebody else's."""
        return cls(path, _NO_LOCK)

    def hold(self, timeout_s: float) -> None:
        """
        Take the lock again, if it was given up; a server that was killed keeps it for an instant.

        Raises:
            BrokerError: If somebody else keeps it.
        """
        deadline = time.monotonic() + timeout_s
        while self.lock == _NO_LOCK:
            try:
                self.lock = _lock(self.path)
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise BrokerError(f"another process holds the private node of {self.path}") from error
                time.sleep(_POLL_S)
            except FileNotFoundError as error:
                raise BrokerError(f"the private node of {self.path} was stopped and removed meanwhile") from error

    def release(self) -> None:
        """Give up this process's hold, if it still has it; the folder stays."""
        lock, self.lock = self.lock, _NO_LOCK
        if lock != _NO_LOCK:
            os.close(lock)

    def remove(self) -> None:
        """Kill what still runs for the folder, remove it and give up the lock."""
        _remove(self.path)
        self.release()


def write_private(path: Path, text: str) -> None:
    """Write a file that only its user may read, whatever the umask is; in one step, over what was there."""
    partial = path.with_name(f"{path.name}.new")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_FILE), "w") as stream:
        stream.write(text)
    partial.replace(path)


def is_held(folder: Path) -> bool:
    """Return whether somebody holds the lock of *folder*, which is to say that its node lives."""
    try:
        lock = _lock(folder)
    except (BlockingIOError, FileNotFoundError):
        return folder.is_dir()
    os.close(lock)
    return False


def remove_leftover(nodes: Path, name: str) -> None:
    """Remove the folder *name* and what runs for it, whoever holds it."""
    with _exclusive(nodes):
        _remove(nodes / name)


def sweep(nodes: Path) -> None:
    """Remove what earlier runs left: processes and folders. Detached nodes that have ended stay, for their logs."""
    with _exclusive(nodes):
        _sweep(nodes, None)


def _sweep(nodes: Path, wanted: str | None) -> None:
    for folder in nodes.iterdir():
        kept = (folder / DETACHED_MARK).exists() and folder.name != wanted
        if folder.is_dir() and not kept and not is_held(folder):
            _remove(folder)


def _remove(folder: Path) -> None:
    kill_marked(MARKER, str(folder))
    shutil.rmtree(folder, ignore_errors=True)


def _lock(folder: Path) -> int:
    """Return a descriptor that holds the lock; it is closed in programs that are started, unless handed to them."""
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _PRIVATE_FILE)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise
    return lock


@contextlib.contextmanager
def _exclusive(nodes: Path) -> Iterator[None]:
    """Keep other processes from making and sweeping folders, which for a moment have no lock, meanwhile."""
    lock = os.open(nodes / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _PRIVATE_FILE)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _make_folders(folder: Path) -> None:
    """Make what of a path is missing, for its user alone; `parents=True` would leave the way there to the umask."""
    for each in (*reversed(folder.parents), folder):
        if not each.is_dir():
            each.mkdir(mode=_PRIVATE, exist_ok=True)


def _make_private(nodes: Path) -> None:
    """Refuse a folder that somebody else could exchange, and close ours to others: cookies and logs are in there."""
    for folder, owners in ((nodes.parent, {os.getuid(), 0}), (nodes, {os.getuid()})):
        owner = folder.stat().st_uid
        if owner not in owners:
            raise PermissionError(0, f"{folder} belongs to user {owner}")
    if nodes.parent.stat().st_mode & (stat.S_IWOTH | stat.S_ISVTX) == stat.S_IWOTH:
        raise PermissionError(0, f"everybody may exchange what is in {nodes.parent}")
    if stat.S_IMODE(nodes.stat().st_mode) & 0o077:
        nodes.chmod(_PRIVATE)
