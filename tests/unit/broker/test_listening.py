"""`listening`: where a process listens, as the kernel tells it."""

from __future__ import annotations

import os
import socket

import pytest

from loadtest.broker.processes.listening import _address, foreign_listeners, listening_addresses

ADDRESSES = {
    "loopback": ("0100007F:1F90", ("127.0.0.1", 8080)),
    "any": ("00000000:1628", ("0.0.0.0", 5672)),  # noqa: S104 - read, not bound
    "loopback6": ("00000000000000000000000001000000:1628", ("::1", 5672)),
    "any6": ("00000000000000000000000000000000:1628", ("::", 5672)),
    "mapped": ("0000000000000000FFFF00000100007F:1628", ("127.0.0.1", 5672)),
}


@pytest.mark.parametrize("text, address", ADDRESSES.values(), ids=ADDRESSES.keys())
def test_address(text: str, address: tuple[str, int]) -> None:
    """The kernel's notation is read for both versions of IP."""
    assert _address(text) == address


def test_own_listeners() -> None:
    """A socket that listens is found, one that is only bound is not; one beyond loopback is told apart."""
    with (
        socket.create_server(("127.0.0.1", 0)) as inside,
        socket.create_server(("0.0.0.0", 0)) as outside,  # noqa: S104 - what is to be found
        socket.socket() as bound,
    ):
        bound.bind(("127.0.0.1", 0))
        found = listening_addresses(os.getpid())
        foreign = foreign_listeners(os.getpid())
        outer_port = outside.getsockname()[1]

        assert inside.getsockname() in found
        assert bound.getsockname() not in found
        assert f"0.0.0.0:{outer_port}" in foreign
        assert all(not address.startswith("127.") for address in foreign)


def test_process_that_is_gone() -> None:
    """A process that has ended listens nowhere."""
    assert listening_addresses(2**22 + 1) == []
