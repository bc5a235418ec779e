"""
The broker's HTTP management API: what it says of itself, which AMQP does not.

Only what runs and tests need. A broker without the plugin can be tested as well, so its absence is an answer
(`find_management` returns None) and time-outs are short. Source: the API's own page, /api/index.html.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

import requests
from requests.auth import HTTPBasicAuth

from loadtest.broker.endpoint import Endpoint
from loadtest.broker.monitor.http_client import RefusedError
from loadtest.broker.private.detached import detached_management_url
from loadtest.broker.private.private_cluster import PrivateBroker
from loadtest.errors import BrokerError, UsageError

URL_ENVIRONMENT_NAME: Final = "LOADTEST_MANAGEMENT_URL"
USUAL_PORT: Final = 15672
CONNECT_TIMEOUT_S: Final = 1.0
READ_TIMEOUT_S: Final = 5.0

Json = dict[str, Any]


class ManagementApi:
    """
    The management API at one address, as one user.

    Safe across greenlets; not across threads. Every method raises BrokerError if the API does not answer, and
    RefusedError, which is one, with its status and what it said, if it refuses.
    """

    def __init__(self, base_url: str, auth: tuple[str, str], timeout_s: float = READ_TIMEOUT_S) -> None:
        self.base_url: Final = base_url.rstrip("/")
        self.auth: Final = auth
        self._timeout_s = timeout_s
        self._session = requests.Session()
        # As bytes: requests would write texts in Latin-1, and RabbitMQ reads UTF-8 (RFC 7617, section 2.1).
        self._session.auth = HTTPBasicAuth(*(each.encode() for each in auth))
        # Neither proxies nor ~/.netrc of the environment: the address is the broker's, the credentials are the
        # endpoint's.
        self._session.trust_env = False

    def overview(self) -> Json:
        """Return `/api/overview`: versions, totals, the node asked."""
        return self._ask("overview")

    def nodes(self) -> list[Json]:
        """Return the cluster's nodes. Right after a start each has five or six keys; the others come within 6 s."""
        return self._list("nodes")

    def queue(self, vhost: str, name: str) -> Json:
        """Return one queue, with its counters as of the last statistics interval (5 s)."""
        return self._ask("queues", vhost, name)

    def connections(self) -> list[Json]:
        """Return the open connections; a new one appears after up to 5 s."""
        return self._list("connections")

    def policies(self) -> list[Json]:
        """Return the policies of all vhosts."""
        return self._list("policies")

    def operator_policies(self) -> list[Json]:
        """Return the operator policies of all vhosts."""
        return self._list("operator-policies")

    def policy_levels(self) -> list[list[Json]]:
        """Return the policies of users, then those of operators; none where this user may not see them."""
        levels: list[list[Json]] = []
        for ask in (self.policies, self.operator_policies):
            try:
                levels.append(ask())
            except BrokerError:
                levels.append([])
        return levels

    def close_connection(self, name: str, reason: str) -> None:
        """Have the broker close a connection by its name in `connections`, with reply 320 and *reason*."""
        self._send("DELETE", "connections", name, headers={"X-Reason": reason})

    def create_vhost(self, vhost: str, username: str) -> None:
        """Create a virtual host on which *username* may do everything."""
        self._send("PUT", "vhosts", vhost)
        self.set_permissions(vhost, username, configure=".*", write=".*", read=".*")

    def delete_vhost(self, vhost: str) -> None:
        """Delete a virtual host with all in it."""
        self._send("DELETE", "vhosts", vhost)

    def create_user(self, username: str, password: str, *, tags: str = "") -> None:
        """Create a user who may not do anything yet but what *tags* permit."""
        self._send("PUT", "users", username, body={"password": password, "tags": tags})

    def delete_user(self, username: str) -> None:
        """Delete a user."""
        self._send("DELETE", "users", username)

    def set_permissions(self, vhost: str, username: str, *, configure: str, write: str, read: str) -> None:
        """Permit *username* on *vhost* what the regular expressions match."""
        self._send("PUT", "permissions", vhost, username, body={"configure": configure, "write": write, "read": read})

    def _ask(self, *path: str) -> Json:
        answer: Json = self._send("GET", *path).json()
        return answer

    def _list(self, *path: str) -> list[Json]:
        answer: list[Json] = self._send("GET", *path).json()
        return answer

    def _send(
        self, method: str, *path: str, body: Json | None = None, headers: Mapping[str, str] | None = None
    ) -> requests.Response:
        url = "/".join([self.base_url, "api", *(quote(part, safe="") for part in path)])
        try:
            response = self._session.request(
                method, url, json=body, headers=headers, timeout=(CONNECT_TIMEOUT_S, self._timeout_s)
            )
        except requests.RequestException as error:
            raise BrokerError(f"management API {self.base_url}: {_reason(error)}") from error
        if not response.ok:
            said = _said(response)
            text = f"management API {self.base_url}: {method} {'/'.join(path)}: {response.status_code} {said}"
            raise RefusedError(text, response.status_code, response.content)
        return response


def find_management(
    endpoint: Endpoint, private: PrivateBroker | None, environ: Mapping[str, str]
) -> ManagementApi | None:
    """
    Return the management API of the broker at *endpoint*, or None if none answers to its user.

    That of the first node of *private* that runs, if the broker is a private one, else `LOADTEST_MANAGEMENT_URL` says
    where it is (credentials in it win over the endpoint's); else, if the broker is a node of `loadtest broker start`,
    its own; else port 15672 of the same host is tried. Of one that refuses the user or the password the
    sampler tells (`sampler.state_sources`).

    Raises:
        UsageError: If `LOADTEST_MANAGEMENT_URL` is not an address.
        BrokerError: If it names an address where no management API answers: what is named is meant.
    """
    if private is not None:
        url = next((node for node in private.nodes if node.is_alive), private.nodes[0]).management_url
        return None if url is None else ManagementApi(url, (endpoint.username, endpoint.password))
    named = environ.get(URL_ENVIRONMENT_NAME, "").strip()
    if named:
        api = _named(named, endpoint)
        api.overview()
        return api
    api = ManagementApi(usual_address(endpoint, environ), (endpoint.username, endpoint.password))
    with contextlib.suppress(BrokerError):
        api.overview()
        return api
    return None


def usual_address(endpoint: Endpoint, environ: Mapping[str, str]) -> str:
    """Return where the management API of a broker is that nobody has said more of."""
    return detached_management_url(endpoint, environ) or f"http://{endpoint.url_host}:{USUAL_PORT}"


def _named(url: str, endpoint: Endpoint) -> ManagementApi:
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        parts, port = urlsplit(""), ""
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise UsageError(f"{URL_ENVIRONMENT_NAME} is not an address such as http://HOST:{USUAL_PORT}")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    try:
        named = [unquote(part, errors="strict") for part in (parts.username or "", parts.password or "")]
    except UnicodeDecodeError as error:
        raise UsageError(f"{URL_ENVIRONMENT_NAME}: its user or password is not UTF-8, percent-encoded") from error
    auth = (named[0] or endpoint.username, named[1] or endpoint.password)
    return ManagementApi(f"{parts.scheme}://{host}{port}{parts.path}", auth)


def _reason(error: requests.RequestException) -> str:
    """Return a few words for what requests says in nested representations."""
    if isinstance(error, requests.Timeout):
        return "does not answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not trusted"
    return "cannot be reached"


def _said(response: requests.Response) -> str:
    """Return the reason in an error's body, `{"error": …, "reason": …}`."""
    with contextlib.suppress(ValueError):
        body = response.json()
        if isinstance(body, dict):
            return str(body.get("reason") or body.get("error") or response.reason)
    return response.reason
