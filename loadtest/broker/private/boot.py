"""
The boot of a private node: whether it is up, and what it said if it did not come up.

Reads what the node prints and asks its port; starts nothing.
"""

from __future__ import annotations

import contextlib
import re
import socket
from pathlib import Path
from typing import Final

from loadtest.broker.private.ports import LOOPBACK

PROTOCOL_HEADER: Final = b"AMQP\x00\x00\x09\x01"
_METHOD_FRAME: Final = b"\x01"
_ANSWER_TIMEOUT_S: Final = 2.0

_STAMP: Final = re.compile(r"^\d{4}-\d\d-\d\d [\d:.+]+ \[(\w+)\] <[\d.]+> ?")
_PLUGIN: Final = re.compile(r"^(?:\S+ \S+ \[\w+\] <[\d.]+>)? +\* (\w+)\s*$", re.MULTILINE)
_FAILED: Final = "BOOT FAILED"
_WORDS_LENGTH: Final = 400


def answers_amqp(port: int) -> bool:
    """Return whether a broker on *port* answers the protocol header; the pid file is there seconds before."""
    with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), _ANSWER_TIMEOUT_S) as connection:
        connection.settimeout(_ANSWER_TIMEOUT_S)
        connection.sendall(PROTOCOL_HEADER)
        return connection.recv(1) == _METHOD_FRAME
    return False


def has_started(output: str) -> bool:
    """Return whether the node says that its boot is complete, all plugins started; a little after AMQP answers."""
    return "completed with" in output


def has_failed(output: str) -> bool:
    """Return whether the node says that its boot has failed."""
    return _FAILED in output


def started_plugins(log: str) -> list[str] | None:
    """Return the plugins that a node's log says were started; None if it does not say (its level may be raised)."""
    begin = log.rfind("Server startup complete")
    return None if begin < 0 else _PLUGIN.findall(log[begin:])


def broker_version(output: str) -> str | None:
    """Return the version in the banner."""
    found = re.search(r"##\s+RabbitMQ (\S+)", output)
    return found[1] if found else None


def refusal(output: str, folder: Path, config: Path | None) -> str:
    """
    Return why the node refused to start, in its own words and in one line.

    These are its error lines before `BOOT FAILED`; where there is none, what follows `Error during startup`, an
    Erlang term; else the last lines.

    Args:
        output: All it printed.
        folder: Its run folder, whose copy of the configuration it names.
        config: The user's file, named instead.
    """
    before = output.partition(_FAILED)[0]
    errors = [_STAMP.sub("", line).strip() for line in before.splitlines() if "[error]" in line]
    words = "; ".join(dict.fromkeys(line.removeprefix("- ") for line in errors if line))
    if not words:
        begin = output.find("Error during startup:")
        words = " ".join((output[begin:] if begin >= 0 else output[-_WORDS_LENGTH:]).split())
    if config is not None:
        words = words.replace(str(folder / "rabbitmq.conf"), str(config))
    return words if len(words) <= _WORDS_LENGTH else f"{words[:_WORDS_LENGTH]}…"
