"""`probe` on a real broker: what it learns, and each way in which the broker refuses."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from loadtest.broker.endpoint import Endpoint
from loadtest.broker.management import ManagementApi
from loadtest.broker.reach import probe
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


def test_credentials_of_any_characters(vhost_endpoint: Endpoint, management: ManagementApi) -> None:
    """A user and a password with every awkward character work through a URL."""
    name, password = f"tëst:@/{secrets.token_hex(4)}", "p@ss:w/örd?#%&"
    management.create_user(name, password)
    management.set_permissions(vhost_endpoint.vhost, name, configure=".*", write=".*", read=".*")
    try:
        info = probe(Endpoint.parse(replace(vhost_endpoint, username=name, password=password).url))
    finally:
        management.delete_user(name)

    assert info.product == "RabbitMQ"
