"""
The processor time that the broker's nodes on this machine use, and that all of this machine uses, from /proc.

Linux only: elsewhere, and for a broker elsewhere, nothing is known. A node is known by the port on which it listens, so
it is found again after a restart. Its helpers (erl_child_setup, inet_gethost) use next to nothing and are left out.
Source: proc(5).
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from loadtest.broker.endpoint import Endpoint
from loadtest.broker.processes.listening import listening_addresses
from loadtest.clock import NS_PER_S, monotonic_ns

PROC: Final = Path("/proc")
ERLANG: Final = "beam"
# Time is counted in ticks of 10 ms: over less than this the error is more than 2 %.
SHORTEST_NS: Final = NS_PER_S // 2

_UTIME: Final = 11  # utime and stime, counted after the command, which is in brackets and may hold anything
_USED: Final = (0, 1, 2, 5, 6)  # user (guests included), nice, system, irq, softirq; not idle, iowait, steal


class CpuTime:
    """
    Reads the cores in use since it last read: `broker.cpu`, `machine.cpu`.

    Reading takes 0.05 ms. Looking for a node, once and then as long as one is missing, takes as many µs as the machine
    has processes times ten.
    """

    def __init__(self, endpoints: Sequence[Endpoint], proc: Path = PROC) -> None:
        self._proc = proc
        self._ports = {endpoint.port for endpoint in endpoints if is_here(endpoint.host)}
        self._pids: dict[int, int] = {}  # by port
        self._last_ns = 0
        self._last: dict[str, float] = {}
        self.read()

    def read(self) -> dict[str, float]:
        """Return the gauges that can be told; a node that came or went meanwhile is left out until the next time."""
        now_ns = monotonic_ns()
        passed_ns = now_ns - self._last_ns
        if self._last and passed_ns < SHORTEST_NS:
            return {}
        now = self._seconds()
        spent_s = {key: now[key] - self._last[key] for key in now if key in self._last}
        self._last, self._last_ns = now, now_ns
        cores = {key: max(0.0, used_s * NS_PER_S / passed_ns) for key, used_s in spent_s.items()}
        gauges = {"machine.cpu": cores.pop("machine")} if "machine" in cores else {}
        return gauges | ({"broker.cpu": sum(cores.values())} if cores else {})

    def _seconds(self) -> dict[str, float]:
        """Return the processor time used so far, in s, by node (pid and start, as pids come again) and `machine`."""
        found: dict[str, float] = {}
        for port in self._ports:
            said = self._node(self._pids.get(port))
            if said is None and (pid := self._find(port)) is not None:
                self._pids[port] = pid
                said = self._node(pid)
            found |= said or {}
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = (self._proc / "stat").read_text().partition("\n")[0].split()[1:]
            found["machine"] = sum(int(fields[place]) for place in _USED) / os.sysconf("SC_CLK_TCK")
        return found

    def _node(self, pid: int | None) -> dict[str, float] | None:
        if pid is None:
            return None
        try:
            command, _, rest = (self._proc / str(pid) / "stat").read_text().rpartition(")")
            fields = rest.split()
            if f"({ERLANG}" not in command or fields[0] in "ZX":
                return None
            used = int(fields[_UTIME]) + int(fields[_UTIME + 1])
            return {f"{pid} {fields[19]}": used / os.sysconf("SC_CLK_TCK")}
        except (OSError, ValueError, IndexError):
            return None

    def _find(self, port: int) -> int | None:
        """Return the Erlang process that listens on *port*; a proxy of Docker's is none, and says nothing of it."""
        with contextlib.suppress(OSError):
            for folder in self._proc.iterdir():
                if folder.name.isdigit() and _name(folder).startswith(ERLANG):
                    pid = int(folder.name)
                    if any(port == known for _, known in listening_addresses(pid)):
                        return pid
        return None


def is_here(host: str) -> bool:
    """Return whether *host* is this machine's loopback address."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _name(folder: Path) -> str:
    with contextlib.suppress(OSError):
        return (folder / "comm").read_text()
    return ""
