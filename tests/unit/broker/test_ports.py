"""`ports`: blocks of free ports on the loopback address."""

from __future__ import annotations

import contextlib
import itertools
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from loadtest.broker.private import ports
from loadtest.broker.private.ports import BLOCK_SIZE, LOOPBACK, PortBlock, _bind, _blocks


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


RESERVE = """
import sys
from loadtest.broker.private.ports import PortBlock
blocks = [PortBlock.reserve() for _ in range(30)]
print(*(block.base for block in blocks), flush=True)
sys.stdin.read()
"""


def test_processes_do_not_meet() -> None:
    """Blocks that several processes look for at the same time are apart."""
    command = [sys.executable, "-c", RESERVE]
    with contextlib.ExitStack() as opened:
        processes = [
            opened.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
            for _ in range(4)
        ]
        found = [
            [int(word) for word in told.readline().split()] for told in (each.stdout for each in processes) if told
        ]
        held = [base for base in itertools.chain(*found) if _bind(base) is None]
        for process in processes:
            process.kill()

    assert [len(bases) for bases in found] == [30] * 4
    assert len(set(held)) == 120


def test_nobody_gets_a_reserved_port_by_chance(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Who asks the system for any port gets none of a block: they are apart from the range that it has."""
    told = tmp_path / "ip_local_port_range"
    told.write_text("20000\t60999\n")
    monkeypatch.setattr(ports, "_OUTGOING_FILE", told)

    with PortBlock.reserve() as block:
        assert block.base > 60_999


@pytest.mark.parametrize(
    "outgoing", [range(32_768, 61_000), range(49_152, 65_536), range(20_000, 50_000)], ids=["linux", "iana", "set"]
)
def test_blocks_apart_from_outgoing_ports_come_first(outgoing: range) -> None:
    """No block has a port for outgoing connections before all that have none were tried."""
    meets = [not set(range(base, base + BLOCK_SIZE)).isdisjoint(outgoing) for base in _blocks(outgoing)]

    assert meets == sorted(meets)
    assert meets.count(False) > 250


def test_all_blocks_are_tried_where_every_port_is_outgoing() -> None:
    """A range set to everything leaves nothing apart; a block is reserved all the same."""
    assert set(_blocks(range(1_024, 65_536))) == set(_blocks(range(0)))


def test_a_reservation_refuses_connections() -> None:
    """Its first port is nobody's, so that a test of a broker that is not there meets none."""
    with PortBlock.reserve() as block, pytest.raises(ConnectionRefusedError):
        socket.create_connection((LOOPBACK, block.refusing))


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
