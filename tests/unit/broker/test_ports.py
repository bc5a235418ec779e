"""`ports`: blocks of free ports on the loopback address."""

from __future__ import annotations

import socket
from contextlib import closing

from loadtest.broker.ports import BLOCK_SIZE, LOOPBACK, PortBlock, _bind


def test_blocks_do_not_overlap() -> None:
    """Blocks that are reserved at the same time share no port."""
    blocks = [PortBlock.reserve() for _ in range(5)]
    try:
        assert len({block.base // BLOCK_SIZE for block in blocks}) == len(blocks)
    finally:
        for block in blocks:
            block.release()


def test_a_reservation_excludes_others_until_released() -> None:
    """The first port of a block stays bound while it is reserved: no other process can reserve it."""
    block = PortBlock.reserve()

    assert _bind(block.base) is None

    block.release()
    again = _bind(block.base)

    assert again is not None
    again.close()


def test_reserved_ports_are_free() -> None:
    """Every port of a block can be listened on."""
    block = PortBlock.reserve()
    try:
        for port in range(block.base + 1, block.base + BLOCK_SIZE):
            with closing(socket.create_server((LOOPBACK, port))):
                pass
    finally:
        block.release()


def test_roles_have_ports_of_their_own() -> None:
    """No two roles share a port, and all are in the block."""
    block = PortBlock.reserve()
    block.release()
    ctl = range(block.ctl[0], block.ctl[1] + 1)
    roles = [
        block.base,
        block.amqp,
        block.amqps,
        block.epmd,
        block.distribution,
        *ctl,
        *map(block.of_plugin, range(10)),
    ]

    assert len(roles) == len(set(roles))
    assert set(roles) == set(range(block.base, block.base + BLOCK_SIZE))
