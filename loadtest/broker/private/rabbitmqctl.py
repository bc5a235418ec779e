"""
`rabbitmqctl` on a private node: for what the management API does not do, or does not answer while a node stands still.

A call costs 0.3 to 0.5 s and most of a core, so it is for faults, and for nothing that is asked regularly.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from loadtest.broker.private.node_server import NodeServer
from loadtest.broker.processes.child_process import start_child
from loadtest.errors import BrokerError

TIMEOUT_S: Final = 20.0

_POLL_S: Final = 0.01
_SHOWN_CHARACTERS: Final = 300


def control(server: NodeServer, *words: str, timeout_s: float = TIMEOUT_S) -> str:
    """
    Return what `rabbitmqctl` prints for *words*, as the owner of the node; other greenlets run meanwhile.

    Raises:
        BrokerError: If the node does not run or is paused, there is no `rabbitmqctl`, it fails (in its own words), or
            does not end in time.
    """
    if not server.is_running or server.is_paused:
        raise BrokerError(f"{server.order.called} is {'paused' if server.is_paused else 'down'}: it takes no orders")
    program = server.order.script.with_name("rabbitmqctl")
    if not program.is_file():
        raise BrokerError(f"there is no rabbitmqctl beside {server.order.script}")
    command: list[str | Path] = [program, "--quiet", "--timeout", f"{timeout_s:.0f}", *words]
    with _output(server.folder) as output:
        child = start_child(command, environ=server.environ, folder=server.folder, output=output, bound=True)
        try:
            deadline = time.monotonic() + timeout_s
            while child.poll() is None:
                if time.monotonic() > deadline:
                    raise BrokerError(f"rabbitmqctl {words[0]} does not end within {timeout_s:.0f} s")
                time.sleep(_POLL_S)
        finally:
            child.kill()
            child.wait()
        said = output.read_text(errors="replace").strip()
    if child.returncode != 0:
        shown = " ".join(said.split())[:_SHOWN_CHARACTERS]
        raise BrokerError(f"rabbitmqctl {words[0]} on {server.order.called}: {shown or 'it failed without a word'}")
    return said


def evaluate(server: NodeServer, expression: str, timeout_s: float = TIMEOUT_S) -> str:
    """Return the value of an Erlang expression, with its full stop, as the node prints it; errors as `control`."""
    return control(server, "eval", expression, timeout_s=timeout_s)


def erlang_binary(text: str) -> str:
    """Return *text* as an Erlang binary of numbers, so that nothing in it can be taken for Erlang."""
    return f"<<{','.join(map(str, text.encode()))}>>"


@contextlib.contextmanager
def _output(folder: Path) -> Iterator[Path]:
    """Yield a file that no other call writes to, gone afterwards."""
    path = folder / f"rabbitmqctl-{secrets.token_hex(4)}.output"
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
