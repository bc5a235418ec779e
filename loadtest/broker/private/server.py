"""
The RabbitMQ installation of this machine: where `rabbitmq-server` is.

Starts nothing.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from loadtest.errors import UsageError

SERVER_ENVIRONMENT_NAME: Final = "LOADTEST_RABBITMQ_SERVER"
SCRIPT: Final = "rabbitmq-server"
NO_SERVER: Final = (
    "no broker is named and no rabbitmq-server is installed here: "
    "name a broker with --broker amqp://… or LOADTEST_BROKER, "
    "start one with `docker compose up -d --wait`, install RabbitMQ (Debian, Ubuntu: apt-get install rabbitmq-server), "
    f"or name an installation with --server DIR or {SERVER_ENVIRONMENT_NAME}"
)

# Debian's, the generic package's under /opt and /usr/local, Homebrew's. The script in /usr/sbin of Debian comes last,
# by PATH: it changes to the user rabbitmq and refuses every other one; what it wraps is in /usr/lib.
_USUAL_FOLDERS: Final = (
    "/usr/lib/rabbitmq/bin",
    "/opt/rabbitmq/sbin",
    "/usr/local/lib/rabbitmq/sbin",
    "/opt/homebrew/opt/rabbitmq/sbin",
    "/usr/local/opt/rabbitmq/sbin",
)


def find_server(explicit: Path | None, environ: Mapping[str, str]) -> Path | None:
    """
    Return the `rabbitmq-server` to start, or None where the machine has none (`NO_SERVER` says what then can be done).

    Args:
        explicit: `--server`: an installation's folder, its `sbin` or `bin`, or the script (or a wrapper of it) itself.
        environ: Where `LOADTEST_RABBITMQ_SERVER` may say the same.

    Raises:
        UsageError: If what is named holds no `rabbitmq-server`.
    """
    if explicit is not None:
        return _named(explicit, "--server")
    if environ.get(SERVER_ENVIRONMENT_NAME):
        return _named(Path(environ[SERVER_ENVIRONMENT_NAME]), SERVER_ENVIRONMENT_NAME)
    usual = [Path(folder, SCRIPT) for folder in _USUAL_FOLDERS]
    on_path = shutil.which(SCRIPT, path=environ.get("PATH"))
    return next((script for script in usual if _is_program(script)), Path(on_path) if on_path else None)


def find_epmd(environ: Mapping[str, str]) -> Path | None:
    """Return an Erlang port mapper, of any version; None if there is none, and the node will start its own."""
    on_path = shutil.which("epmd", path=environ.get("PATH"))
    return Path(on_path) if on_path else next(iter(sorted(Path("/usr/lib/erlang").glob("erts-*/bin/epmd"))), None)


def _named(path: Path, by: str) -> Path:
    places = [
        path,
        *(path / folder / SCRIPT for folder in ("", "sbin", "bin", "lib/rabbitmq/bin")),
    ]
    found = next((place for place in places if _is_program(place)), None)
    if found is None:
        raise UsageError(f"{by} {path}: there is no program {SCRIPT}, neither there nor in its sbin or bin")
    return found.absolute()


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
