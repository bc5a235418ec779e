"""
Two ways to see the bytes of a connection: a proxy that keeps them, and tshark.

The proxy is plain threads and sockets, none of the tool's own; it can stand still, which to a client looks like a
broker that answers nothing. tshark reads the loopback interface where it is installed and may.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Self

from tests.e2e.broken.wire_frames import Piece, Stream

_READ_BYTES = 1 << 16
_START_S = 20.0


class Tap:
    """
    Forwards to a broker, and keeps what goes by with when it did.

    Attributes:
        port: Where it listens, on loopback.
        streams: One for each connection so far.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._flows = threading.Event()
        self._flows.set()
        self.port: int = self._listener.getsockname()[1]
        self.streams: list[Stream] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def hold(self, for_s: float) -> None:
        """Let nothing through for so long."""
        self._flows.clear()
        time.sleep(for_s)
        self._flows.set()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stream = Stream([], [], self.port)
            self.streams.append(stream)
            for source, target, pieces in ((client, server, stream.to_broker), (server, client, stream.from_broker)):
                threading.Thread(target=self._copy, args=(source, target, pieces), daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket, pieces: list[Piece]) -> None:
        with contextlib.suppress(OSError):
            while content := source.recv(_READ_BYTES):
                self._flows.wait()
                pieces.append((time.monotonic(), content))
                target.sendall(content)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        target.close()


def has_tshark() -> bool:
    """Return whether tshark is installed and may read the loopback interface."""
    if shutil.which("tshark") is None:
        return False
    tried = subprocess.run(
        ["tshark", "-i", "lo", "-a", "duration:0", "-w", "/dev/null"], capture_output=True, check=False, timeout=30
    )
    return tried.returncode == 0


class Capture:
    """What tshark sees of some ports of the loopback interface, while the context is open; `streams` after it."""

    def __init__(self, folder: Path, ports: list[int]) -> None:
        self._file = folder / "wire.pcapng"
        self._filter = " or ".join(f"tcp port {port}" for port in ports)
        self._ports = set(ports)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            ["tshark", "-q", "-i", "lo", "-B", "64", "-f", self._filter, "-w", str(self._file)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + _START_S
        while not self._file.exists() or not self._file.stat().st_size:
            assert time.monotonic() < deadline, "tshark does not begin"
            time.sleep(0.05)
        time.sleep(0.5)  # the file is there some moments before the filter is
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        time.sleep(0.5)  # what was seen is handed on in blocks
        self._process.send_signal(signal.SIGINT)
        self._process.wait(30)

    def streams(self) -> list[Stream]:
        """Return the connections, put together from their segments."""
        ahead_s = time.time() - time.monotonic()
        fields = ("tcp.stream", "tcp.dstport", "frame.time_epoch", "tcp.seq", "tcp.payload")
        done = subprocess.run(
            ["tshark", "-n", "-r", str(self._file), "-Y", "tcp.len > 0", "-T", "fields",
             *(part for name in fields for part in ("-e", name))],
            capture_output=True, text=True, check=True, timeout=120,
        )  # fmt: skip
        segments: dict[tuple[str, bool], list[tuple[int, float, bytes]]] = defaultdict(list)
        port_of: dict[str, int] = {}
        for line in done.stdout.splitlines():
            stream, port, at_s, seq, payload = line.split("\t")
            content = bytes.fromhex(payload.replace(":", ""))
            is_sent = int(port) in self._ports
            if is_sent:
                port_of[stream] = int(port)
            segments[stream, is_sent].append((int(seq), float(at_s) - ahead_s, content))
        return [
            Stream(_in_order(segments[stream, True]), _in_order(segments[stream, False]), port_of.get(stream, 0))
            for stream in dict.fromkeys(stream for stream, _ in segments)
        ]


def _in_order(segments: list[tuple[int, float, bytes]]) -> list[Piece]:
    """Return the bytes of one direction once each, with when they were first seen."""
    pieces: list[Piece] = []
    end = 1  # the relative number of the first byte
    for seq, at_s, content in sorted(segments):
        assert seq <= end, f"the capture lacks {seq - end} bytes"
        if seq + len(content) > end:
            pieces.append((at_s, content[end - seq :]))
            end = seq + len(content)
    return pieces
