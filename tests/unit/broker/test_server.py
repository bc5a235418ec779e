"""`server`: where `rabbitmq-server` is looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.broker.private import server
from loadtest.broker.private.server import find_epmd, find_server
from loadtest.errors import UsageError


def program(path: Path) -> Path:
    """Return *path*, made an executable file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("inside", ["", "sbin", "bin", "lib/rabbitmq/bin"])
def test_named_folder(inside: str, tmp_path: Path) -> None:
    """An installation's folder will do, or its sbin or bin."""
    script = program(tmp_path / inside / "rabbitmq-server")

    assert find_server(tmp_path, {}) == script
    assert find_server(None, {"LOADTEST_RABBITMQ_SERVER": str(tmp_path)}) == script


def test_named_script(tmp_path: Path) -> None:
    """The script itself will do, or a wrapper of any name; the option comes before the variable."""
    wrapper = program(tmp_path / "in-a-chroot")

    assert find_server(wrapper, {"LOADTEST_RABBITMQ_SERVER": "/nowhere"}) == wrapper


@pytest.mark.parametrize("by_option", [True, False])
def test_nothing_there(by_option: bool, tmp_path: Path) -> None:
    """What is named is meant: if it holds none, no other is taken."""
    explicit = tmp_path if by_option else None
    environ = {} if by_option else {"LOADTEST_RABBITMQ_SERVER": str(tmp_path)}

    with pytest.raises(UsageError, match="there is no program rabbitmq-server, neither there nor in its sbin or bin"):
        find_server(explicit, environ)


def test_usual_places_before_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian's script on the PATH refuses other users than its own, so the one it wraps comes first."""
    usual = program(tmp_path / "usual" / "rabbitmq-server")
    on_path = program(tmp_path / "path" / "rabbitmq-server")
    environ = {"PATH": str(on_path.parent)}

    monkeypatch.setattr(server, "_USUAL_FOLDERS", (str(usual.parent),))
    assert find_server(None, environ) == usual

    monkeypatch.setattr(server, "_USUAL_FOLDERS", ())
    assert find_server(None, environ) == on_path
    assert find_server(None, {"PATH": str(tmp_path)}) is None


def test_epmd_on_the_path(tmp_path: Path) -> None:
    """Any port mapper serves any node."""
    epmd = program(tmp_path / "epmd")

    assert find_epmd({"PATH": str(tmp_path)}) == epmd
