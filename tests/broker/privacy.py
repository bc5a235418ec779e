"""
What of a node others on its machine could read or reach, found without the product's own eyes.

Modes by lstat; sockets by the kernel's tables of the processes' network, and the inodes that their descriptors name.
"""

from __future__ import annotations

import contextlib
import ipaddress
import stat
import time
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Final

_LISTENS: Final = {
    "tcp": "0A",
    "tcp6": "0A",
    "udp": "07",
    "udp6": "07",
}  # TCP_LISTEN, and TCP_CLOSE of one without a peer
_ACCEPTS: Final = 0x10000  # __SO_ACCEPTCON of /proc/net/unix
_UNIX_PATH: Final = 7
LOOKS: Final = 4
LOOK_S: Final = 0.1
RESOLVER_S: Final = 6.0
"""A resolver that gets no answer asks for 5 s (resolv.conf(5), timeout)."""


def open_paths(folder: Path) -> dict[str, str]:
    """Return, with their modes, a folder and what is below it that its user does not have alone; links are nobody's."""
    found = {}
    for path in (folder, *folder.rglob("*")):
        with contextlib.suppress(FileNotFoundError):  # a node at work removes some
            mode = path.lstat().st_mode
            if mode & 0o7077 and not stat.S_ISLNK(mode):
                found[str(path)] = stat.filemode(mode)
    return found


def open_sockets(pids: Iterable[int], folders: Iterable[Path]) -> list[str]:
    """
    Return by what processes can be reached from elsewhere: IP beyond loopback, Unix sockets beyond *folders*.

    TCP as it is found at any look. UDP that stays over all looks, as long as a resolver may: it has one to ask, and not
    to be asked. An abstract Unix socket has no folder, and is open to everybody.
    """
    found: set[tuple[str, str]] = set()
    lasting: set[tuple[str, str]] | None = None
    deadline = time.monotonic() + RESOLVER_S
    for look in count():
        now = set(_sockets(list(pids)))
        found |= now
        lasting = now if lasting is None else lasting & now
        is_udp_left = any(kind.startswith("udp") and not _is_private(kind, at, list(folders)) for kind, at in lasting)
        if look >= LOOKS and not (is_udp_left and time.monotonic() < deadline):
            break
        time.sleep(LOOK_S)
    assert lasting is not None, "looked at least once"
    return sorted(
        f"{kind} {address}"
        for kind, address in found
        if not _is_private(kind, address, list(folders)) and (not kind.startswith("udp") or (kind, address) in lasting)
    )


def _is_private(kind: str, address: str, folders: list[Path]) -> bool:
    if kind == "unix":
        return any(Path(address).is_relative_to(folder) for folder in folders)
    return ipaddress.ip_address(address.rpartition(":")[0]).is_loopback


def _sockets(pids: list[int]) -> Iterator[tuple[str, str]]:
    inodes = {inode for pid in pids for inode in _inodes(pid)}
    for pid in pids:
        for kind, listens in _LISTENS.items():
            for fields in _table(pid, kind):
                if fields[3] == listens and fields[9] in inodes:
                    yield kind, _address(fields[1])
        for fields in _table(pid, "unix"):
            if fields[6] in inodes and int(fields[3], 16) & _ACCEPTS:
                yield "unix", fields[7] if len(fields) > _UNIX_PATH else "@"


def _inodes(pid: int) -> Iterator[str]:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            target = _target(descriptor)
            if target.startswith("socket:["):
                yield target[8:-1]


def _target(descriptor: Path) -> str:
    try:
        return str(descriptor.readlink())
    except FileNotFoundError:  # closed meanwhile
        return ""


def _table(pid: int, kind: str) -> list[list[str]]:
    try:
        return [line.split() for line in Path(f"/proc/{pid}/net/{kind}").read_text().splitlines()[1:]]
    except OSError:  # it has ended
        return []


def _address(text: str) -> str:
    words, _, port = text.partition(":")
    raw = b"".join(bytes.fromhex(words[at : at + 8])[::-1] for at in range(0, len(words), 8))
    address = ipaddress.ip_address(raw)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return f"{mapped or address}:{int(port, 16)}"
