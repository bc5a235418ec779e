"""
What a request must be like before the page answers it, and what browsers may do with what it answers.

Locust answers whoever asks, from any web site that is open in the user's browser: it sends CORS headers with all that
it tells, and looks at no origin. Here a request that changes something must come from the page itself, and nothing of
ours may be read by other sites. Where the page is this machine's own it goes by this machine's name: a site that has a
name of its own point at 127.0.0.1 (DNS rebinding) would else be of the same origin. Knows Flask, not what is served.

Source: W3C Fetch Metadata Request Headers (Sec-Fetch-Site), as Go's net/http.CrossOriginProtection looks at them.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from flask import Response, g, request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Flask

HOSTS_ENVIRONMENT_NAME: Final = "LOADTEST_WEB_HOSTS"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
OURS: Final = "loadtest."
"""How the endpoints of our own pages begin."""

INDEX: Final = "locust.index"

_COMMON: Final = "base-uri 'none'; object-src 'none'; frame-ancestors 'self'; form-action 'self'"
# Charts and Locust's widgets set styles of elements; nobody may set a script.
OWN_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    f"img-src 'self' data:; connect-src 'self'; {_COMMON}"
)
SANDBOX_POLICY: Final = "sandbox allow-scripts allow-downloads allow-popups; frame-ancestors 'self'"
"""Of files of results, which anybody may have put there: their scripts draw charts, and reach nothing else of ours."""


def index_policy(nonce: str) -> str:
    """Return the policy of Locust's own page, whose one inline script carries *nonce*."""
    return (
        f"default-src 'self'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'unsafe-inline'; "
        f"img-src 'self' data:; {_COMMON}"
    )


def is_same_origin(headers: Mapping[str, str], host: str) -> bool:
    """
    Return whether a request that changes something comes from a page of *host*, or from no web page at all.

    Browsers tell by Sec-Fetch-Site, older ones and plain HTTP by Origin; what tells neither is a program, which no web
    site can have sent.
    """
    site = headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in {"same-origin", "none"}
    origin = headers.get("Origin")
    # An origin is a scheme and a place (RFC 6454), no more; behind a proxy the scheme may be another than here.
    return origin is None or origin.partition("://")[2] == host


def is_own_name(host: str, names: frozenset[str]) -> bool:
    """Return whether *host*, of a Host header, is an address, this machine's own name, or one of *names*."""
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:  # half an IPv6 address
        return False
    if name in LOOPBACK_NAMES or name.endswith(".localhost") or name in names:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def nonce() -> str:
    """Return the nonce of the answer to the request under way."""
    if "loadtest_nonce" not in g:
        g.loadtest_nonce = secrets.token_urlsafe(16)
    value: str = g.loadtest_nonce
    return value


def guard(app: Flask, web_host: str) -> None:
    """
    Have *app* refuse what it must, before any login.

    Args:
        app: Before it is served.
        web_host: The address at which it listens; names are looked at where it is of this machine alone.
    """
    names = frozenset(filter(None, os.environ.get(HOSTS_ENVIRONMENT_NAME, "").replace(",", " ").split()))

    def look() -> tuple[str, int] | None:
        if web_host in LOOPBACK_NAMES and not is_own_name(request.host, names):
            text = f"This page is not {request.host}; a proxy's name goes into {HOSTS_ENVIRONMENT_NAME}."
            return text, 403
        if request.method not in SAFE_METHODS and not is_same_origin(dict(request.headers), request.host):
            return "Refused: the request comes from another web site.", 403
        return None

    app.before_request(look)
    # Flask calls the first last: flask-cors, which Locust has added, must have had its turn.
    app.after_request_funcs.setdefault(None, []).insert(0, _add_headers)


def _add_headers(response: Response) -> Response:
    endpoint = request.endpoint or ""
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "same-origin")
    if endpoint == INDEX:
        response.headers.setdefault("Content-Security-Policy", index_policy(nonce()))
    elif endpoint.startswith(OURS):
        response.headers.setdefault("Content-Security-Policy", OWN_POLICY)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        response.headers.setdefault("Cache-Control", "no-store")
        for name in [name for name, _ in response.headers if name.startswith("Access-Control-")]:
            del response.headers[name]
    return response
