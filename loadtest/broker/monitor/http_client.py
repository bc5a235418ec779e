"""
HTTP for questions that are asked every second of a run, on one connection that stays open.

Beside `management`, which is for before and after a run: requests takes some 0.5 ms more of this process a question,
and the run's own loop has to wait meanwhile. Under gevent it is cooperative, as the sockets are.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from loadtest.errors import BrokerError

TIMEOUT_S: Final = 5.0

_SHOWN_CHARACTERS: Final = 120
_OK: Final = 200


class RefusedError(BrokerError):
    """The other side answered, with a status that says no; `status` is that, `body` what came with it."""

    def __init__(self, text: str, status: int, body: bytes) -> None:
        super().__init__(text)
        self.status = status
        self.body = body


class HttpClient:
    """One address, asked with GET; *name* is what errors call it. Not for several greenlets at a time."""

    def __init__(
        self, name: str, base_url: str, auth: tuple[str, str] | None = None, *, timeout_s: float = TIMEOUT_S
    ) -> None:
        parts = urlsplit(base_url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname or "", parts.port, timeout=timeout_s)
        self._folder = parts.path.rstrip("/")
        self.called: Final = f"{name} {parts.scheme}://{parts.netloc.rpartition('@')[2]}{self._folder}"
        self._headers = {} if auth is None else {"Authorization": _basic(*auth)}

    def get(self, path: str) -> bytes:
        """
        Return what is at *path*, which begins with a slash.

        Raises:
            RefusedError: If the status is not 200.
            BrokerError: If there is no answer; the next question opens a new connection.
        """
        try:
            self._connection.request("GET", self._folder + path, headers=self._headers)
            response = self._connection.getresponse()
            body = response.read()
        except TimeoutError as error:
            self.close()
            raise BrokerError(f"{self.called} does not answer in time") from error
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise BrokerError(f"{self.called} cannot be reached") from error
        except BaseException:
            # A greenlet killed between question and answer: the answer must not be taken for that to the next one.
            self.close()
            raise
        if response.status != _OK:
            text = f"{self.called}: {path.partition('?')[0]}: {response.status} {_reason(body) or response.reason}"
            raise RefusedError(text, response.status, body)
        return body

    def close(self) -> None:
        """Close the connection, if one is open."""
        self._connection.close()


class NodesClient:
    """
    The addresses of a cluster's nodes, one of which is asked with GET: the next one, where one does not answer.

    *urls* may be of any number but none; each question is asked of each at most once.
    """

    def __init__(self, name: str, urls: Sequence[str], auth: tuple[str, str] | None = None) -> None:
        self._clients = [HttpClient(name, url, auth) for url in urls]
        self._place = 0

    @property
    def called(self) -> str:
        """What errors call the address that is asked."""
        return self._clients[self._place].called

    def get(self, path: str) -> bytes:
        """
        Return what is at *path*; errors as `HttpClient.get`.

        Raises:
            RefusedError: If the node that answers refuses.
            BrokerError: If none answers; in the words for the first that did not.
        """
        silent: BrokerError | None = None
        for _ in self._clients:
            try:
                return self._clients[self._place].get(path)
            except RefusedError:
                raise
            except BrokerError as error:
                silent = silent or error
                self._place = (self._place + 1) % len(self._clients)
        raise silent or BrokerError("nobody is there to be asked")

    def close(self) -> None:
        """Close the connections that are open."""
        for client in self._clients:
            client.close()


def _basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def _reason(body: bytes) -> str:
    """Return the reason in an error's body, `{"error": …, "reason": …}`, if it has one."""
    with contextlib.suppress(ValueError):
        said: Any = json.loads(body)
        if isinstance(said, dict):
            return str(said.get("reason") or said.get("error") or "")[:_SHOWN_CHARACTERS]
    return ""
