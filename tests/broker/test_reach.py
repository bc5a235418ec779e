"""`probe` on a real broker: what it learns, and each way in which the broker refuses."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote

import pika
import pytest

from loadtest.broker.admin.reach import probe
from loadtest.broker.endpoint import Endpoint
from loadtest.broker.monitor.management import ManagementApi, find_management
from loadtest.broker.monitor.sampler import state_sources
from loadtest.errors import BrokerError

pytestmark = pytest.mark.broker

PASSWORD = "s3cret-of-the-test"
LIMIT_S = 10.0


@pytest.fixture
def user(management: ManagementApi) -> Iterator[str]:
    """A user who exists and may do nothing."""
    name = f"test-{secrets.token_hex(6)}"
    management.create_user(name, PASSWORD)
    yield name
    management.delete_user(name)


def failure(endpoint: Endpoint) -> str:
    """Return what `probe` says of *endpoint*: in time, in a line, without the password."""
    begin = time.monotonic()
    with pytest.raises(BrokerError) as caught:
        probe(endpoint)

    assert time.monotonic() - begin < LIMIT_S
    assert "\n" not in str(caught.value)
    assert PASSWORD not in str(caught.value)
    assert endpoint.redacted in str(caught.value)
    assert caught.value.exit_code == 3
    return str(caught.value)


def test_broker_tells_what_it_is(broker_endpoint: Endpoint, management: ManagementApi) -> None:
    """Product, version, Erlang and capabilities come with the connection, and agree with the management API."""
    info = probe(broker_endpoint)
    overview = management.overview()

    assert info.product == "RabbitMQ"
    assert info.version == overview["rabbitmq_version"]
    assert info.platform == f"Erlang/OTP {overview['erlang_version']}" or info.platform is not None
    assert info.cluster_name == overview["cluster_name"]
    assert info.capabilities["publisher_confirms"] is True


def test_wrong_password(broker_endpoint: Endpoint) -> None:
    """Refused credentials are told as such, with the broker's words."""
    said = failure(replace(broker_endpoint, password=PASSWORD))

    assert f"it refuses user {broker_endpoint.username} or the password (403 ACCESS_REFUSED" in said


def test_unknown_user(broker_endpoint: Endpoint) -> None:
    """An unknown user is not told apart from a wrong password, as the broker does not."""
    said = failure(replace(broker_endpoint, username="nobody", password=PASSWORD))

    assert "it refuses user nobody or the password (403 ACCESS_REFUSED" in said


def test_missing_vhost(broker_endpoint: Endpoint) -> None:
    """A vhost that is not there is named."""
    said = failure(broker_endpoint.with_vhost("no/where"))

    assert "it has no vhost no/where (530 NOT_ALLOWED" in said


def test_no_permission(broker_endpoint: Endpoint, user: str) -> None:
    """A user without permission on the vhost is told so, not that it is missing."""
    said = failure(replace(broker_endpoint, username=user, password=PASSWORD))

    assert f"user {user} may not use vhost {broker_endpoint.vhost} (530 NOT_ALLOWED" in said


# Within Latin-1, beyond it, beyond 16 bits, and with all that means something in a URL or an HTTP header.
PASSWORDS = ["p@ss:w/örd?#%&", "ä", "€uro", "пароль", "密码🔑", 'a:b "c"\\', " "]


@pytest.mark.parametrize("password", PASSWORDS)
def test_credentials_of_any_characters(password: str, vhost_endpoint: Endpoint, management: ManagementApi) -> None:
    """A user and a password with every awkward character work through a URL, at each place that asks for them."""
    name = f"{password[:4]}tëst:@/{secrets.token_hex(4)}"
    # HTTP's basic authentication has no colon in a user's name (RFC 7617, section 2).
    web_name = name.replace(":", "")
    for each in (name, web_name):
        management.create_user(each, password, tags="administrator")
        management.set_permissions(vhost_endpoint.vhost, each, configure=".*", write=".*", read=".*")
    endpoint = Endpoint.parse(replace(vhost_endpoint, username=name, password=password).url)
    web = replace(endpoint, username=web_name)
    try:
        info = probe(endpoint)
        with contextlib.closing(pika.BlockingConnection(endpoint.pika_parameters())) as connection:
            is_open = connection.is_open
        api = ManagementApi(management.base_url, (web_name, password))
        overview = api.overview()
        quoted = management.base_url.replace("://", f"://{quote(web_name, safe='')}:{quote(password, safe='')}@")
        named = find_management(vhost_endpoint, None, {"LOADTEST_MANAGEMENT_URL": quoted})
        ((state, *_), _) = state_sources(web, api, None, [], info.cluster_name)
        reading = state.read()
        state.close()
    finally:
        for each in (name, web_name):
            management.delete_user(each)

    assert info.product == "RabbitMQ"
    assert is_open
    assert overview["cluster_name"] == info.cluster_name
    assert named is not None
    assert named.auth == (web_name, password)
    assert reading.refused == {}
