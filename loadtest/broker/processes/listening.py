"""
Where a process listens, as the kernel tells it.

Linux only: where there is no /proc, nothing is known and nothing found.
"""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_LISTEN: Final = "0A"


def listening_addresses(pid: int) -> list[tuple[str, int]]:
    """Return the (address, port) pairs on which process *pid* accepts TCP connections, sorted. Source: proc(5)."""
    proc = Path("/proc", str(pid))
    sockets = set(_socket_inodes(proc))
    return sorted({address for inode, address in _listeners(proc) if inode in sockets})


def foreign_listeners(pid: int) -> list[str]:
    """Return the addresses, as text, on which *pid* listens and that are not loopback."""
    found = listening_addresses(pid)
    return [f"{address}:{port}" for address, port in found if not ipaddress.ip_address(address).is_loopback]


def _socket_inodes(proc: Path) -> Iterator[str]:
    with contextlib.suppress(FileNotFoundError, PermissionError, ProcessLookupError):
        for descriptor in (proc / "fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                target = str(descriptor.readlink())
                if target.startswith("socket:["):
                    yield target.removeprefix("socket:[").removesuffix("]")


def _listeners(proc: Path) -> Iterator[tuple[str, tuple[str, int]]]:
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for line in (proc / "net" / table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTEN:
                    yield fields[9], _address(fields[1])


def _address(text: str) -> tuple[str, int]:
    """Return the address and port of `0100007F:1F90`: hexadecimal, the address in little-endian words of 32 bits."""
    words, _, port = text.partition(":")
    raw = b"".join(bytes.fromhex(words[at : at + 8])[::-1] for at in range(0, len(words), 8))
    address = ipaddress.ip_address(raw)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address), int(port, 16)
