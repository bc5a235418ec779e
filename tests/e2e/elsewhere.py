"""
Other hosts, as far as one machine can play them: another clock by a time namespace, a slow way by a forwarder.

A time namespace needs root, or the right to make a user namespace.
"""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Final

UNSHARE: Final = ("unshare", *(() if os.geteuid() == 0 else ("--user", "--map-root-user")))
# Killed with `unshare`, which waits for it.
CHILD: Final = ("--fork", "--kill-child")


def with_clock(ahead_s: int, command: Sequence[str]) -> list[str]:
    """Return the command that runs *command* with a monotonic clock so far ahead of this one's."""
    return [*UNSHARE, "--time", "--monotonic", str(ahead_s), *CHILD, *command]


def can(command: Sequence[str]) -> bool:
    """Return whether this machine lets us."""
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@contextmanager
def slow_way(port: int, there_s: float, back_s: float) -> Iterator[int]:
    """Give a port of the loopback interface that leads to *port*, with a delay on each way; ends with the block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=(listener, port, there_s, back_s), daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, port: int, there_s: float, back_s: float) -> None:
    while True:
        try:
            inner, _ = listener.accept()
        except OSError:
            return
        outer = _reached(port)
        for source, target, delay_s in ((inner, outer, there_s), (outer, inner, back_s)):
            threading.Thread(target=_carry, args=(source, target, delay_s), daemon=True).start()


def _reached(port: int) -> socket.socket:
    """Return a connection to *port*, whoever comes to listen there; a worker may be there before its master."""
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            time.sleep(0.05)


def _carry(source: socket.socket, target: socket.socket, delay_s: float) -> None:
    with closing(source), closing(target):
        try:
            while data := source.recv(1 << 16):
                time.sleep(delay_s)
                target.sendall(data)
        except OSError:
            return
