"""What may not be in a file that is committed: addresses of package hosts, paths of one machine, secrets."""

from __future__ import annotations

import functools
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock")
SET_UP = ("pyproject.toml", "Makefile", ".ci/run", "tools/venv.sh", "tools/broker.sh", "tools/lock.sh", "tools/test.sh")

# Written in parts, as this file is committed too.
PACKAGE_HOSTS = re.compile(
    r"\b(?:pypi|pythonhosted|npmjs|yarnpkg|crates|proxy\.golang|maven(?:\.apache)?|debian|ubuntu|anaconda)\.(?:org|io|com|net)\b"
)
MACHINE_PATHS = re.compile(r"(?<![\w.~$}])/(?:work|root|Users)/\w|(?<![\w.])/tmp/(?:v|c)/")
SECRETS = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----|\b(?:ghp|gho|github_pat|sk|xox[bp])[_-][A-Za-z0-9]{20,}")


@functools.cache
def committed_lines() -> list[tuple[str, int, str]]:
    """Return every line of them: the file's name, the line's number and what stands there."""
    return [
        (path.relative_to(ROOT).as_posix(), number, line)
        for path in committed_files()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
    ]


def committed_files() -> list[Path]:
    """Return the files that are, or would be, committed and that hold text."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    files = (ROOT / name for name in listed.split("\0") if name)
    return [path for path in files if path.is_file() and b"\0" not in path.read_bytes()[:1024]]


FORBIDDEN = {"package-host": PACKAGE_HOSTS, "machine-path": MACHINE_PATHS, "secret": SECRETS}


@pytest.mark.parametrize("pattern", FORBIDDEN.values(), ids=FORBIDDEN.keys())
def test_nothing_forbidden_is_committed(pattern: re.Pattern[str]) -> None:
    """No committed file names a package host or a path of one machine, or holds a secret."""
    found = [
        f"{name}:{number}: {match.group()}"
        for name, number, line in committed_lines()
        if (match := pattern.search(line))
    ]

    assert found == []


@pytest.mark.parametrize("name", SET_UP)
def test_set_up_files_have_no_addresses(name: str) -> None:
    """What installs things takes them from wherever the user's own package client is set to."""
    addresses = re.findall(r"https?://\S+", (ROOT / name).read_text(encoding="utf-8"))

    assert addresses == []


@pytest.mark.parametrize("name", LOCKS)
def test_lock_is_exact(name: str) -> None:
    """Every package of a lock has one exact version, for its platforms, and at least one hash."""
    entries = re.split(r"\n(?=\S)", (ROOT / name).read_text(encoding="utf-8").strip())
    shape = re.compile(r"[a-z0-9-]+==[\w.]+(?: ; [^\\\n]+)?(?: \\\n    --hash=sha256:[0-9a-f]{64})+")

    assert [entry for entry in entries if not shape.fullmatch(entry)] == []


@pytest.mark.parametrize("name", LOCKS)
def test_lock_has_no_address(name: str) -> None:
    """A lock says what, never from where."""
    text = (ROOT / name).read_text(encoding="utf-8")

    assert re.findall(r"://|@|--\w*(?:index|find-links|trusted-host)\S*", text) == []


def test_both_locks_agree() -> None:
    """What is tested is what is run: the lock of the developers has every version of the other."""
    runtime, developers = (set(re.findall(r"^\S+==\S+", (ROOT / name).read_text(), re.MULTILINE)) for name in LOCKS)

    assert runtime
    assert runtime <= developers
