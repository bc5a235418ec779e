"""
What a private node reports of its own settings: application environments, emulator flags, limits, the code it runs.

Read from the node, not from its files: a key that the node ignores, or a value that is its default anyway, leaves no
trace here. Two nodes started alike report the same, as ports, paths and names of one node are replaced. Sources:
application:get_all_env/1, erlang:system_info/1, module_info/1 of Erlang/OTP; proc(5), `cmdline`.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from loadtest.broker.private.ports import BLOCK_SIZE
from loadtest.broker.private.private_cluster import PrivateCluster
from loadtest.broker.private.private_node import PrivateNode
from loadtest.broker.private.rabbitmqctl import evaluate

SYSTEM: Final = "erlang"
FLAG: Final = "flag"
ARGUMENTS: Final = "queue arguments"

_SYSTEM_INFO: Final = (
    "schedulers_online",
    "dirty_cpu_schedulers_online",
    "dirty_io_schedulers",
    "port_limit",
    "process_limit",
    "ets_limit",
    "thread_pool_size",
    "fullsweep_after",
    "system_version",
)
_EXPRESSION: Final = (
    "rabbit:await_startup(node(), false, 20000), "
    '[io:format("~s ~s ~0tp~n", [A, K, V]) || {A, _, _} <- application:loaded_applications(), '
    "{K, V} <- application:get_all_env(A)], "
    f'[io:format("{SYSTEM} ~s ~0tp~n", [S, erlang:system_info(S)]) || S <- [{",".join(_SYSTEM_INFO)}]], '
    "{ok, Ms} = application:get_key(rabbit, modules), "
    'io:format("rabbit code ~p~n", [erlang:phash2([M:module_info(md5) || M <- lists:sort(Ms)])]), '
    'io:format("cluster nodes ~p~n", [1 + length(nodes())]), '
    f'io:format("{ARGUMENTS} ~0p~n", [[binary_to_list(N) || T <- '
    "[rabbit_classic_queue, rabbit_quorum_queue, rabbit_stream_queue], "
    "N <- maps:get(queue_arguments, T:capabilities(), [])]]), ok."
)
# The emulator's flags whose effect `system_info` has, whatever they were set to.
_READ_FLAGS: Final = frozenset({"S", "SP", "SDcpu", "SDPcpu", "SDio", "P", "Q", "e", "A"})
# Of the place that a node was started in, and not of what it does.
_PLACE_FLAGS: Final = frozenset({"root", "bindir", "progname", "home", "epmd_port", "pa", "sname", "name", "syslog"})
# Different on every node, whatever it was asked to do; syslog's are there once something has been logged.
_OWN: Final = re.compile(
    r"^syslog |^rabbit (default_user|default_pass|cluster_nodes|cluster_formation)\b"
    r"|^kernel (logger|sync_nodes_\w+)\b"
)
_LINE: Final = re.compile(r"^(\S+) (\S+) (.*)$")
_WORDS: Final = re.compile(r"[\w.@/-]+")


def node_settings(cluster: PrivateCluster) -> dict[str, str]:
    """
    Return what the first node of a private broker reports, by name: `rabbit heartbeat`, `erlang schedulers_online`.

    Values are Erlang's terms as text; those of keys that may be secret are digests.

    Raises:
        BrokerError: If the node does not answer.
    """
    node = cluster.nodes[0]
    found = parse_settings(evaluate(node.server, _EXPRESSION), _own_texts(node))
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{node.server.pid}/cmdline").read_text(errors="replace").split("\0")
        found |= parse_flags(words, {name.split()[0] for name in found}, _own_texts(node))
    return found


def parse_settings(said: str, own: Mapping[str, str]) -> dict[str, str]:
    """Return the settings in what a node prints for them; *own* are texts of this node, and what stands for them."""
    found = {}
    for line in said.splitlines():
        match = _LINE.match(line)
        if match and not _OWN.match(line):
            name = f"{match[1]} {match[2]}"
            found[name] = _shown(name, _neutral(match[3], own))
    return found


def parse_flags(words: list[str], applications: set[str], own: Mapping[str, str]) -> dict[str, str]:
    """
    Return the flags of a node's emulator, by name, the last of each; not those that are read from the node itself.

    Args:
        words: Its command line.
        applications: Whose environments were read, so that `-rabbit heartbeat 60` need not be looked at here.
        own: As of `parse_settings`.
    """
    found: dict[str, str] = {}
    for flag, values in _flags(words[1:]):
        if flag not in _READ_FLAGS | _PLACE_FLAGS | applications:
            found[f"{FLAG} {flag}"] = _neutral(" ".join(values), own)
    return found


def _flags(words: list[str]) -> Iterator[tuple[str, list[str]]]:
    flag, values = "", list[str]()
    for word in [*words, "-"]:
        if word.startswith("-"):
            if flag:
                yield flag, values
            flag, values = word.lstrip("-"), []
        elif word:
            values.append(word)


def _own_texts(node: PrivateNode) -> dict[str, str]:
    """Return the texts by which a node differs from one started alike: its folder, name and ports."""
    base = node.server.ports.base
    ports = {str(base + offset): f"PORT+{offset}" for offset in range(BLOCK_SIZE)}
    return {str(node.folder): "FOLDER", node.erlang_name: "NODE", node.name: "NAME", **ports}


def _neutral(text: str, own: Mapping[str, str]) -> str:
    for before, after in own.items():
        text = re.sub(rf"(?<!\d){re.escape(before)}(?!\d)", after, text)
    # Erlang prints the keys of a map in an order that differs from node to node.
    return " ".join(sorted(_WORDS.findall(text))) if "#{" in text else text


def _shown(name: str, value: str) -> str:
    if re.search(r"pass|secret|cookie|token|private|credential", name):
        return f"digest {hashlib.sha256(value.encode()).hexdigest()[:12]}"
    return value
