"""`endpoint`: URLs to endpoints and back, and what a malformed one is told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.broker.endpoint import Endpoint, resolve_endpoints
from loadtest.broker.tls import Tls
from loadtest.errors import UsageError

PARSED = {
    "host-only": ("amqp://broker", Endpoint("broker", 5672, "/", "guest", "guest")),
    "tls-port": ("amqps://broker", Endpoint("broker", 5671, tls=Tls())),
    "all-parts": ("amqp://ann:s3cret@broker:5673/orders", Endpoint("broker", 5673, "orders", "ann", "s3cret")),
    "percent-encoded": (
        "amqp://a%40b:p%2Fw%3A%23@h/v%2Fh",
        Endpoint("h", vhost="v/h", username="a@b", password="p/w:#"),
    ),
    "encoded-slash": ("amqp://h/%2F", Endpoint("h")),
    "one-slash": ("amqp://h/", Endpoint("h")),
    "two-slashes": ("amqp://h//", Endpoint("h")),
    "ipv6": ("amqp://[::1]:5000/x", Endpoint("::1", 5000, "x")),
    "user-only": ("amqp://ann@h", Endpoint("h", username="ann", password="guest")),
    "empty-password": ("amqp://ann:@h", Endpoint("h", username="ann", password="")),
    "upper-case-scheme": ("AMQP://h", Endpoint("h")),
    "tunings": ("amqp://h?heartbeat=5&frame_max=8192", Endpoint("h", tunings={"heartbeat": 5, "frame_max": 8192})),
    "time-out": ("amqp://h/v?socket_timeout=0.5", Endpoint("h", vhost="v", tunings={"socket_timeout": 0.5})),
    "unverified": ("amqps://h?verify=none", Endpoint("h", 5671, tls=Tls(verify=False))),
    "verify-none": ("amqps://h?verify=verify_none", Endpoint("h", 5671, tls=Tls(verify=False))),
    "verify-peer": ("amqps://h?verify=verify_peer", Endpoint("h", 5671, tls=Tls())),
    "tls-files": (
        "amqps://h?cacertfile=/ca.pem&certfile=c.pem&keyfile=k%20.pem&server_name_indication=b.example",
        Endpoint("h", 5671, tls=Tls(True, Path("/ca.pem"), Path("c.pem"), Path("k .pem"), "b.example")),
    ),
}

# URL, what the message says, what it must not say.
MALFORMED = {
    "no-scheme": ("broker:5672", "it does not begin with amqp:// or amqps://"),
    "http": ("http://broker", "it does not begin with amqp:// or amqps://"),
    "no-slashes": ("amqp:broker", "it does not begin with amqp:// or amqps://"),
    "empty": ("", "it does not begin with amqp:// or amqps://"),
    "no-host": ("amqp://", "it names no host"),
    "no-host-but-user": ("amqp://ann:SECRET@/v", "it names no host"),
    "port-word": ("amqp://h:http", "the port is not a number from 1 to 65535"),
    "port-zero": ("amqp://h:0", "the port is not a number from 1 to 65535"),
    "port-too-high": ("amqp://ann:SECRET@h:70000", "the port is not a number from 1 to 65535"),
    "ipv6-open": ("amqp://[::1", "the host in brackets is not an IPv6 address"),
    "slash-in-password": ("amqp://ann:SEC/RET@h", "the port is not a number from 1 to 65535"),
    "hash-in-password": ("amqp://ann:SEC#RET@h", "holds a # or a ?"),
    "question-mark-in-password": ("amqp://ann:5?SECRET@h", "holds a # or a ?"),
    "slash-in-vhost": ("amqp://h/a/b", "the vhost holds a /"),
    "unknown-parameter": ("amqp://h?heartbeet=5", "unknown query parameter heartbeet (did you mean heartbeat?)"),
    "not-a-number": (
        "amqp://h?heartbeat=soon",
        "parameter heartbeat is not a whole number; allowed 0 to 65535 s (0: none)",
    ),
    "not-whole": ("amqp://h?channel_max=2.5", "query parameter channel_max is not a whole number; allowed 1 to 65535"),
    "negative": ("amqp://h?heartbeat=-1", "query parameter heartbeat is out of range; allowed 0 to 65535 s"),
    "not-finite": ("amqp://h?socket_timeout=inf", "query parameter socket_timeout is out of range"),
    "nan": ("amqp://h?stack_timeout=nan", "query parameter stack_timeout is out of range; allowed 0.001 to 86400 s"),
    "twice": ("amqp://h?heartbeat=5&heartbeat=6", "query parameter heartbeat stands there more than once"),
    "user-not-utf-8": ("amqp://%E4:SECRET@h", "the user is not UTF-8 (ä is written %C3%A4)"),
    "password-not-utf-8": ("amqp://ann:SECRET%E4@h", "the password is not UTF-8 (ä is written %C3%A4)"),
    "password-of-a-terminal": ("amqp://ann:SECRET\udce4@h", "the password is not UTF-8"),
    "vhost-not-utf-8": ("amqp://h/%E4", "the vhost is not UTF-8"),
    "long-vhost": (f"amqp://h/{'%C3%A4' * 128}", "the vhost is longer than 255 bytes"),
    "no-value": ("amqp://h?heartbeat=", "query parameter heartbeat has no value"),
    "not-a-query": ("amqp://h?heartbeat", "its query is not a list of name=value joined by &"),
    "tls-without-tls": ("amqp://h?verify=none", "verify belongs to TLS: begin with amqps://"),
    "ca-without-tls": ("amqp://h?cacertfile=x", "cacertfile belongs to TLS: begin with amqps://"),
    "verify-word": ("amqps://h?verify=maybe", "verify is neither none nor peer"),
}


@pytest.mark.parametrize("url, endpoint", PARSED.values(), ids=PARSED.keys())
def test_parse(url: str, endpoint: Endpoint) -> None:
    """Each part of a URL ends up in its place, and what is left out has RabbitMQ's default."""
    assert Endpoint.parse(url) == endpoint


@pytest.mark.parametrize("url, said", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed(url: str, said: str) -> None:
    """A URL that cannot be used is one line that says what is wrong, without the password."""
    with pytest.raises(UsageError) as caught:
        Endpoint.parse(url)

    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "SEC" not in str(caught.value)
    assert caught.value.exit_code == 2


RANGES: Mapping[str, tuple[str, str, list[str]]] = {
    "heartbeat": ("0", "65535", ["65536", "99999999"]),
    "channel_max": ("1", "65535", ["0", "65536"]),
    "frame_max": ("4096", "131072", ["0", "100", "4095", "131073", "1048576"]),
    "blocked_connection_timeout": ("0", "86400", ["-0.5", "86401"]),
    "socket_timeout": ("0.001", "86400", ["0", "0.0001", "1e300"]),
    "stack_timeout": ("0.001", "86400", ["0", "1e9"]),
}


@pytest.mark.parametrize("name", RANGES)
def test_ranges_of_the_query(name: str) -> None:
    """What is in range pika takes, to the ends; what is beyond is refused with the range."""
    least, most, beyond = RANGES[name]
    for value in (least, most):
        assert getattr(Endpoint.parse(f"amqp://h?{name}={value}").pika_parameters(), name) == float(value)
    for value in beyond:
        with pytest.raises(UsageError, match=rf"parameter {name} is out of range; allowed {least} to {most}"):
            Endpoint.parse(f"amqp://h?{name}={value}")


def test_every_number_of_the_query_has_its_range_here() -> None:
    """A parameter that comes anew is looked at above."""
    with pytest.raises(UsageError) as caught:
        Endpoint.parse("amqp://h?x=1")

    known = str(caught.value).partition("known are ")[2].partition(";")[0].split(", ")
    tls = {"cacertfile", "certfile", "keyfile", "verify", "server_name_indication"}
    assert set(known) == RANGES.keys() | tls


@given(
    host=st.sampled_from(["h", "broker.example", "::1", "10.0.0.1"]),
    port=st.integers(1, 65535),
    vhost=st.text(min_size=1, max_size=60),
    username=st.text(),
    password=st.text(),
    tls=st.sampled_from([None, Tls(), Tls(verify=False, cacertfile=Path("/a b&c.pem"), server_name_indication="x.y")]),
    heartbeat=st.none() | st.integers(0, 65_535),
    timeout_s=st.none() | st.floats(0.001, 86_400),
)
def test_url_round_trip(
    host: str,
    port: int,
    vhost: str,
    username: str,
    password: str,
    tls: Tls | None,
    heartbeat: int | None,
    timeout_s: float | None,
) -> None:
    """The URL of any endpoint parses to that endpoint: workers are told theirs in this way."""
    given_ = {"heartbeat": heartbeat, "socket_timeout": timeout_s}
    tunings = {name: value for name, value in given_.items() if value is not None}
    endpoint = Endpoint(host, port, vhost, username, password, tls, tunings)

    assert Endpoint.parse(endpoint.url) == endpoint


def test_password_is_not_shown() -> None:
    """No text of an endpoint but `url`, which is for other processes, holds the password."""
    endpoint = Endpoint.parse("amqps://ann:SECRET@h:1/v%2F?verify=none")

    assert endpoint.redacted == "amqps://ann:***@h:1/v%2F?verify=none"
    assert str(endpoint) == f"{endpoint}" == endpoint.redacted
    assert "SECRET" not in repr(endpoint)
    assert "SECRET" in endpoint.url


def test_pika_parameters() -> None:
    """Every part reaches pika; one attempt, and time-outs that leave room to report within 10 s."""
    endpoint = Endpoint.parse("amqp://ann:pw@[::1]:5000/v?heartbeat=7&frame_max=8192")
    parameters = endpoint.pika_parameters("loadtest publisher shop/3", heartbeat=9)

    assert (parameters.host, parameters.port, parameters.virtual_host) == ("::1", 5000, "v")
    assert (parameters.credentials.username, parameters.credentials.password) == ("ann", "pw")
    assert (parameters.heartbeat, parameters.frame_max) == (9, 8192)
    assert parameters.client_properties["connection_name"] == "loadtest publisher shop/3"
    assert parameters.connection_attempts == 1
    assert parameters.socket_timeout < parameters.stack_timeout < 10
    assert parameters.ssl_options is None


@pytest.mark.parametrize(
    "query, name, verifies", [("", "h", True), ("?verify=none", "h", False), ("?server_name_indication=b", "b", True)]
)
def test_pika_parameters_of_tls(query: str, name: str, verifies: bool) -> None:
    """Certificate and host name are verified unless the URL says otherwise; another name may be asked for."""
    options = Endpoint.parse(f"amqps://h{query}").pika_parameters().ssl_options

    assert options.server_hostname == name
    assert options.context.check_hostname is verifies
    assert bool(options.context.verify_mode) is verifies


@pytest.mark.parametrize(
    "url, name",
    [
        ("amqps://rabbit.example", "rabbit.example"),
        ("amqps://h?server_name_indication=other", "other"),
        ("amqp://h", "h"),
    ],
)
def test_by_way_of_a_forwarder(url: str, name: str) -> None:
    """Only the address is another: a certificate must still carry the name that it had to, in other processes too."""
    plain = Endpoint.parse(url)
    forwarded = Endpoint.parse(plain.through("127.0.0.1", 4000).url)

    assert forwarded.address == "127.0.0.1:4000"
    assert (forwarded.username, forwarded.password, forwarded.vhost) == ("guest", "guest", "/")
    assert plain.server_hostname == name
    assert (forwarded.tls is None) == (plain.tls is None)
    assert forwarded.server_hostname == (name if plain.tls is not None else "127.0.0.1")


def test_tls_options_hold_where_the_url_says_nothing() -> None:
    """Options of the command line are defaults for each URL."""
    given_tls = Tls(cacertfile=Path("ca.pem"), server_name_indication="a")
    [first, second] = resolve_endpoints(["amqps://h", "amqps://h?server_name_indication=b"], {}, tls=given_tls) or []

    assert first.tls == given_tls
    assert second.tls == Tls(cacertfile=Path("ca.pem"), server_name_indication="b")


RESOLVED = {
    "nothing": ([], {}, None),
    "option-first": (["amqp://a"], {"LOADTEST_BROKER": "amqp://b", "AMQP_URL": "amqp://c"}, ["a"]),
    "several-options": (["amqp://a", "amqp://b"], {}, ["a", "b"]),
    "own-variable": ([], {"LOADTEST_BROKER": "amqp://b", "AMQP_URL": "amqp://c"}, ["b"]),
    "several-by-comma": ([], {"LOADTEST_BROKER": "amqp://a,amqp://b, amqp://c"}, ["a", "b", "c"]),
    "several-by-space": ([], {"LOADTEST_BROKER": "amqp://a  amqp://b"}, ["a", "b"]),
    "usual-variable": ([], {"AMQP_URL": "amqp://c"}, ["c"]),
}


@pytest.mark.parametrize("urls, environ, hosts", RESOLVED.values(), ids=RESOLVED.keys())
def test_resolve(urls: list[str], environ: dict[str, str], hosts: list[str] | None) -> None:
    """The option comes before LOADTEST_BROKER, that before AMQP_URL; with none of them a private node is meant."""
    endpoints = resolve_endpoints(urls, environ)

    assert (None if endpoints is None else [endpoint.host for endpoint in endpoints]) == hosts


@pytest.mark.parametrize(
    "urls, environ, words",
    [
        ([""], {"LOADTEST_BROKER": "amqp://h"}, "--broker: found nothing"),
        (["amqp://h", " "], {}, "--broker: found nothing"),
        ([], {"LOADTEST_BROKER": ""}, "LOADTEST_BROKER is set, and empty"),
        ([], {"LOADTEST_BROKER": " ,", "AMQP_URL": "amqp://h"}, "LOADTEST_BROKER is set, and empty"),
        ([], {"AMQP_URL": ""}, "AMQP_URL is set, and empty"),
    ],
)
def test_an_empty_name_is_an_error(urls: list[str], environ: dict[str, str], words: str) -> None:
    """A variable that is not set where it should be does not make a private node of a broker that was meant."""
    with pytest.raises(UsageError, match=words):
        resolve_endpoints(urls, environ)


@pytest.mark.parametrize("separator", [",", " ", ", ", "\n", "/", "?", "#", "@", ":", "//", "%"])
@pytest.mark.parametrize(
    "shape", ["amqp://ann:{}@h:1/v", "amqps://ann:{}", "amqp://ann:{}@", "ann:{}@h", "{}", "amqp:{}@h"]
)
@pytest.mark.parametrize("way", ["option", "environment"])
def test_no_error_shows_a_part_of_a_password(separator: str, shape: str, way: str) -> None:
    """Whatever a password holds and whatever the URL lacks: neither piece of it is in the error, and it is a line."""
    text = shape.format(f"Zq7first{separator}Xw9second")
    urls, environ = ([text], {}) if way == "option" else ([], {"LOADTEST_BROKER": text})
    try:
        endpoints = resolve_endpoints(urls, environ) or []
        said = " ".join(str(endpoint) for endpoint in endpoints) if all("ann" in e.username for e in endpoints) else ""
    except UsageError as error:
        said = str(error)

    assert "Zq7first" not in said
    assert "Xw9second" not in said
    assert "\n" not in said
