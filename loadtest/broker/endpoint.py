"""
Where a broker is and as whom to go there: one AMQP URL, parsed.

Makes no connection. The URL is that of RabbitMQ's URI specification, its query that of docs/uri-query-parameters.md
and of `pika.URLParameters`.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlsplit

import pika

import loadtest.pika_codec  # noqa: F401  # whatever is connected to by these parameters can carry every AMQP value
from loadtest.broker.tls import NO_VERIFICATION, VERIFICATION, Tls
from loadtest.errors import UsageError
from loadtest.redaction import REDACTED, redacted_value

DEFAULT_USER: Final = "guest"
DEFAULT_PASSWORD: Final = "guest"  # noqa: S105  # RabbitMQ's own, which everybody knows
DEFAULT_PORTS: Final = {"amqp": 5672, "amqps": 5671}
ENVIRONMENT_NAMES: Final = ("LOADTEST_BROKER", "AMQP_URL")

# Together below the 10 s within which every unreachable broker is to be reported; pika's own are 10 and 15.
SOCKET_TIMEOUT_S: Final = 7.0
STACK_TIMEOUT_S: Final = 8.0

_SHAPE: Final = "write amqp://USER:PASSWORD@HOST:PORT/VHOST, with %2F for / and so on inside a part"
_TLS_FILES: Final = ("cacertfile", "certfile", "keyfile")
_DAY_S: Final = 86_400


class _Range(NamedTuple):
    """What a number in a query may be; `unit` is empty for a plain count."""

    least: float
    most: float
    unit: str = ""
    kind: type[int | float] = int

    def __str__(self) -> str:
        """Return it for people."""
        return f"{self.least:g} to {int(self.most)}{self.unit}"


# AMQP 0-9-1, Connection.Tune: heartbeat and channel-max are 16 bits wide, frames have at least 4,096 bytes. pika takes
# neither its 0 for no limit nor frames above 131,072 bytes, which are RabbitMQ's own default.
_TUNINGS: Final[Mapping[str, _Range]] = {
    "heartbeat": _Range(0, 65_535, " s (0: none)"),
    "channel_max": _Range(1, 65_535),
    "frame_max": _Range(4_096, 131_072, " bytes"),
    "blocked_connection_timeout": _Range(0, _DAY_S, " s", float),
    "socket_timeout": _Range(0.001, _DAY_S, " s", float),
    "stack_timeout": _Range(0.001, _DAY_S, " s", float),
}
# A shortstr; Connection.Open has the vhost in one.
_VHOST_BYTES: Final = 255


@dataclass(frozen=True, slots=True)
class Endpoint:
    """
    One broker node, a virtual host on it and the credentials; the password shows in no text of it but `url`.

    Attributes:
        tls: How the connection is secured; None for plain TCP.
        tunings: Further connection parameters by pika's names (`heartbeat`, in s, 0 for none; `frame_max` in bytes;
            `…_timeout` in s).
    """

    host: str
    port: int = DEFAULT_PORTS["amqp"]
    vhost: str = "/"
    username: str = DEFAULT_USER
    password: str = field(default=DEFAULT_PASSWORD, repr=False)
    tls: Tls | None = None
    tunings: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def parse(cls, url: str, *, tls: Tls | None = None) -> Endpoint:
        """
        Return the endpoint that *url* names.

        Args:
            url: `amqp://` or `amqps://`, user, password and vhost percent-encoded. What is left out is guest, guest,
                `/` and 5672 or 5671.
            tls: What holds for `amqps` where the query says nothing.

        Raises:
            UsageError: If the URL cannot be used; the text does not hold the password.
        """
        parts = _split(url)
        query = _query(url, parts)
        return cls(
            host=parts.hostname or "",
            port=_port(url, parts),
            vhost=_vhost(url, parts),
            username=_decoded(url, "user", parts.username, DEFAULT_USER),
            password=_decoded(url, "password", parts.password, DEFAULT_PASSWORD),
            tls=_tls(url, parts.scheme, query, tls or Tls()),
            tunings={name: _number(url, name, query[name]) for name in _TUNINGS if name in query},
        )

    @property
    def url_host(self) -> str:
        """The host as it stands in a URL: an IPv6 address in brackets."""
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def address(self) -> str:
        """The host and port, as people write them."""
        return f"{self.url_host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether the host names the machine that it is named on, whichever that is."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:  # a name
            return False

    @property
    def redacted(self) -> str:
        """The URL without the password: fit for screens and files."""
        query = "?verify=none" if self.tls is not None and not self.tls.verify else ""
        return (
            f"{self._scheme}://{quote(self.username, safe='')}:***@{self.address}/{quote(self.vhost, safe='')}{query}"
        )

    @property
    def url(self) -> str:
        """The whole URL, password included: for handing over to another process, never for showing."""
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in self._query())
        credentials = f"{quote(self.username, safe='')}:{quote(self.password, safe='')}"
        return (
            f"{self._scheme}://{credentials}@{self.address}/{quote(self.vhost, safe='')}{'?' if query else ''}{query}"
        )

    @property
    def server_hostname(self) -> str:
        """The name that a certificate must carry."""
        return (self.tls.server_name_indication if self.tls is not None else None) or self.host

    def with_vhost(self, vhost: str) -> Endpoint:
        """Return the same endpoint at another virtual host."""
        return replace(self, vhost=vhost)

    def through(self, host: str, port: int) -> Endpoint:
        """Return the same endpoint by way of a forwarder there: the certificate must still carry the broker's name."""
        tls = None if self.tls is None else replace(self.tls, server_name_indication=self.server_hostname)
        return replace(self, host=host, port=port, tls=tls)

    def pika_parameters(self, client_name: str = "loadtest", **overrides: Any) -> pika.ConnectionParameters:
        """
        Return what pika needs to connect.

        Args:
            client_name: What the broker shows as the connection's name.
            overrides: Parameters of `pika.ConnectionParameters` that win over all else.

        Raises:
            UsageError: If a TLS file cannot be used.
        """
        parameters: dict[str, Any] = {
            "host": self.host,
            "port": self.port,
            "virtual_host": self.vhost,
            "credentials": pika.PlainCredentials(self.username, self.password),
            "connection_attempts": 1,
            "socket_timeout": SOCKET_TIMEOUT_S,
            "stack_timeout": STACK_TIMEOUT_S,
            "client_properties": {"product": "loadtest", "connection_name": client_name},
        }
        if self.tls is not None:
            parameters["ssl_options"] = pika.SSLOptions(self.tls.context(), self.server_hostname)
        return pika.ConnectionParameters(**parameters | dict(self.tunings) | overrides)

    @property
    def _scheme(self) -> str:
        return "amqp" if self.tls is None else "amqps"

    def _query(self) -> list[tuple[str, str]]:
        query = [(name, f"{value}") for name, value in self.tunings.items()]
        if self.tls is not None:
            query += [(name, str(value)) for name in _TLS_FILES if (value := getattr(self.tls, name)) is not None]
            query += [("verify", "none")] if not self.tls.verify else []
            name = self.tls.server_name_indication
            query += [("server_name_indication", name)] if name is not None else []
        return query

    def __str__(self) -> str:
        """Return the URL without the password."""
        return self.redacted


def resolve_endpoints(
    urls: Sequence[str], environ: Mapping[str, str], *, tls: Tls | None = None
) -> list[Endpoint] | None:
    """
    Return the endpoints to go to, or None where nothing is named and a private node is meant.

    The first of these that names any wins: *urls* (`--broker`), `LOADTEST_BROKER` (several by comma or space),
    `AMQP_URL`.

    Raises:
        UsageError: If a URL is malformed, or empty.
    """
    if any(not url.strip() for url in urls):
        raise UsageError("--broker: found nothing, such as a variable that is not set; leave it out for a private node")
    named = [url.strip() for url in urls] or list(broker_urls(environ))
    return [Endpoint.parse(url, tls=tls) for url in named] or None


def broker_urls(environ: Mapping[str, str]) -> tuple[str, ...]:
    """
    Return the URLs that the environment names, as all commands find them; none if it has none.

    Raises:
        UsageError: If a variable is set and empty, or holds something else than URLs; that is not shown, as it may be a
            part of a password that holds a comma or a space.
    """
    name = next((name for name in ENVIRONMENT_NAMES if name in environ), None)
    if name is None:
        return ()
    urls = [url for url in re.split(r"[\s,]+", environ[name]) if url]
    if not urls:
        raise UsageError(f"{name} is set, and empty: name a broker in it, or unset it for a private node")
    for number, url in enumerate(urls, start=1):
        if not _is_of_broker(url):
            raise UsageError(
                f"{name}: number {number} of {len(urls)} does not begin with amqp:// or amqps://; URLs stand between "
                "commas or spaces, and in a password a comma is written %2C, a space %20"
            )
    return tuple(urls)


def _is_of_broker(url: str) -> bool:
    scheme, sign, _ = url.partition("://")
    return bool(sign) and scheme.lower() in DEFAULT_PORTS


def _fault(url: str, fault: str) -> UsageError:
    """Return the error for *url*, shown without what may be a part of a password; not at all if it is no URL."""
    if not _is_of_broker(url):
        return UsageError(f"broker URL: {fault}; {_SHAPE}")
    # All before the last @ goes, the user too, as nobody knows where it ends; a query may hold the rest of a password.
    scheme, _, rest = re.sub(r"^(\w+://).*@", rf"\1{REDACTED}@", url, flags=re.DOTALL).partition("://")
    beginning = re.split(r"[?#\s]", rest, maxsplit=1)[0]
    shown = redacted_value(f"{scheme}://{beginning}")
    return UsageError(f"broker URL {shown}: {fault}; {_SHAPE}")


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise _fault(url, "the host in brackets is not an IPv6 address") from error
    if "://" not in url or parts.scheme not in DEFAULT_PORTS:
        raise _fault(url, "it does not begin with amqp:// or amqps://")
    if not parts.hostname:
        raise _fault(url, "it names no host")
    if "#" in url or "@" in parts.query:
        raise _fault(url, "user, password or vhost holds a # or a ?, which are written %23 and %3F")
    return parts


def _port(url: str, parts: SplitResult) -> int:
    try:
        port = parts.port
    except ValueError as error:
        raise _fault(url, "the port is not a number from 1 to 65535") from error
    if port == 0:
        raise _fault(url, "the port is not a number from 1 to 65535")
    return port or DEFAULT_PORTS[parts.scheme]


def _vhost(url: str, parts: SplitResult) -> str:
    """Return the vhost; `//`, as Celery's users write it, is `/` too."""
    if parts.path in {"", "/", "//"}:
        return "/"
    path = parts.path[1:]
    if "/" in path:
        raise _fault(url, "the vhost holds a /")
    vhost = _decoded(url, "vhost", path, "/")
    if len(vhost.encode()) > _VHOST_BYTES:
        raise _fault(url, f"the vhost is longer than {_VHOST_BYTES} bytes")
    return vhost


def _decoded(url: str, what: str, part: str | None, default: str) -> str:
    """Return a percent-encoded part of a URL; RabbitMQ knows names and passwords by their UTF-8."""
    if part is None:
        return default
    try:
        text = unquote(part, errors="strict")
        text.encode()
    except UnicodeError as error:
        raise _fault(url, f"the {what} is not UTF-8 (ä is written %C3%A4)") from error
    return text


def _query(url: str, parts: SplitResult) -> dict[str, str]:
    known = [*_TUNINGS, *_TLS_FILES, "verify", "server_name_indication"]
    try:
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError as error:
        raise _fault(url, "its query is not a list of name=value joined by &") from error
    names = [name for name, _ in pairs]
    for name, value in pairs:
        if names.count(name) > 1:
            raise _fault(url, f"query parameter {name} stands there more than once")
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            meant = f" (did you mean {near[0]}?)" if near else ""
            raise _fault(url, f"unknown query parameter {name}{meant}; known are {', '.join(known)}")
        if not value:
            raise _fault(url, f"query parameter {name} has no value")
    return dict(pairs)


def _number(url: str, name: str, text: str) -> float:
    allowed = _TUNINGS[name]
    try:
        number = allowed.kind(text)
    except ValueError as error:
        what = "a whole number" if allowed.kind is int else "a number"
        raise _fault(url, f"query parameter {name} is not {what}; allowed {allowed}") from error
    if not allowed.least <= number <= allowed.most:
        raise _fault(url, f"query parameter {name} is out of range; allowed {allowed}")
    return number


def _tls(url: str, scheme: str, query: Mapping[str, str], default: Tls) -> Tls | None:
    given = [name for name in ("verify", "server_name_indication", *_TLS_FILES) if name in query]
    if scheme == "amqp":
        if given:
            raise _fault(url, f"{given[0]} belongs to TLS: begin with amqps://")
        return None
    verify = query.get("verify")
    if verify is not None and verify not in NO_VERIFICATION | VERIFICATION:
        raise _fault(url, "verify is neither none nor peer")
    files = {name: Path(query[name]) for name in _TLS_FILES if name in query}
    return replace(
        default,
        verify=default.verify if verify is None else verify in VERIFICATION,
        server_name_indication=query.get("server_name_indication", default.server_name_indication),
        **files,
    )
