"""
Which node of a private cluster leads a quorum queue, or hosts a classic one.

The management API of a living node is asked first (5 ms). While a node stands still it hangs on the others, too; then
`rabbitmqctl` answers (0.3 to 0.7 s), from what the node asked knows itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from loadtest.broker.monitor.http_client import HttpClient, RefusedError
from loadtest.broker.private.private_node import PrivateNode
from loadtest.broker.private.rabbitmqctl import erlang_binary, evaluate
from loadtest.errors import BrokerError

API_TIMEOUT_S: Final = 1.0
CTL_TIMEOUT_S: Final = 5.0

# The leader as the Raft library of the node asked has it; of a classic queue or a stream, where its process is.
_LEADER: Final = """
case rabbit_amqqueue:lookup(rabbit_misc:r({vhost}, queue, {queue})) of
  {{ok, Q}} ->
    case amqqueue:get_pid(Q) of
      {{Id, _}} -> case ra_leaderboard:lookup_leader(Id) of {{_, Leader}} -> Leader; _ -> none end;
      Pid when is_pid(Pid) -> node(Pid);
      _ -> none
    end;
  _ -> none
end.
"""


def find_leader(nodes: Sequence[PrivateNode], queue: str, vhost: str) -> PrivateNode | None:
    """
    Return the node of *nodes* that leads or hosts *queue*, None if nobody knows; takes seconds at most.

    A paused node leads until the others have elected another one. A node that does not run leads nothing.
    """
    name = _said_by_api(nodes, queue, vhost) or _said_by_ctl(nodes, queue, vhost)
    return next((node for node in nodes if node.erlang_name == name and node.server.is_running), None)


def _said_by_api(nodes: Sequence[PrivateNode], queue: str, vhost: str) -> str | None:
    """Return the name that the first node's management API gives; None if it does not answer, or has none to give."""
    for node in _living(nodes):
        if node.management_url is None:
            return None
        endpoint = node.endpoint
        auth = (endpoint.username, endpoint.password)
        client = HttpClient("management API", node.management_url, auth, timeout_s=API_TIMEOUT_S)
        try:
            said = json.loads(client.get(f"/api/queues/{quote(vhost, safe='')}/{quote(queue, safe='')}"))
        except RefusedError:
            return None
        except (BrokerError, ValueError):
            if len(_living(nodes)) < len(nodes):
                # One that is down or stands still is why: the next would not answer either.
                return None
            continue
        finally:
            client.close()
        name = said.get("leader") if said.get("type") == "quorum" else said.get("node")
        return str(name) if name else None
    return None


def _said_by_ctl(nodes: Sequence[PrivateNode], queue: str, vhost: str) -> str | None:
    expression = _LEADER.format(vhost=erlang_binary(vhost), queue=erlang_binary(queue))
    for node in _living(nodes):
        try:
            said = evaluate(node.server, expression, CTL_TIMEOUT_S)
        except BrokerError:
            continue
        found = re.fullmatch(r"'?([\w-]+@[\w.-]+)'?", said)
        return found[1] if found else None
    return None


def _living(nodes: Sequence[PrivateNode]) -> list[PrivateNode]:
    return [node for node in nodes if node.server.is_running and not node.server.is_paused]
