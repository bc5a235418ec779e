"""TLS: verified by default, each failure in a line. On a node of its own, with a throwaway authority."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pika
import pytest

from loadtest.broker.admin.reach import probe
from loadtest.broker.endpoint import Endpoint
from loadtest.broker.faults.network import Network
from loadtest.broker.private.private_node import PrivateNode
from loadtest.broker.tls import Tls
from loadtest.errors import BrokerError
from loadtest.wire.connection.connection import Connection

pytestmark = [pytest.mark.broker, pytest.mark.xdist_group("tls")]

CONFIG = """\
listeners.ssl.default = 5671
ssl_options.cacertfile = {0}/ca.pem
ssl_options.certfile = {0}/server.pem
ssl_options.keyfile = {0}/server.key
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = true
"""


@dataclass(frozen=True, slots=True)
class Secured:
    """A node that speaks TLS and asks for client certificates, and the folder with the certificates."""

    node: PrivateNode
    files: Path

    @property
    def tls(self) -> Tls:
        """What a client needs."""
        return Tls(
            cacertfile=self.files / "ca.pem", certfile=self.files / "client.pem", keyfile=self.files / "client.key"
        )

    def endpoint(self, tls: Tls | None) -> Endpoint:
        """Return the endpoint at the port for TLS, by the name that the certificate carries."""
        assert self.node.tls_port is not None
        return replace(self.node.endpoint, host="localhost", port=self.node.tls_port, tls=tls)


def openssl(*arguments: str, folder: Path) -> None:
    """Run the `openssl` command."""
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def issue(folder: Path, name: str, subject: str, extension: str, authority: str) -> None:
    """Write a key and a certificate of *authority* for *subject*."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{name}.key")
    signed = ("-CA", f"{authority}.pem", "-CAkey", f"{authority}.key") if authority != name else ()
    extensions = ("-addext", extension) if extension else ()
    openssl(
        *("req", "-x509", "-days", "2", *key, "-subj", subject, *extensions, *signed, "-out", f"{name}.pem"),
        folder=folder,
    )


@pytest.fixture(scope="module")
def secured(rabbitmq_server: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """A node with TLS, whose certificate is for localhost."""
    files = tmp_path_factory.mktemp("tls")
    issue(files, "ca", "/CN=test authority", "", "ca")
    issue(files, "other", "/CN=other authority", "", "other")
    issue(files, "server", "/CN=localhost", "subjectAltName=DNS:localhost", "ca")
    issue(files, "client", "/CN=client", "", "ca")
    (files / "node.conf").write_text(CONFIG.format(files))
    with PrivateNode.start(config=files / "node.conf", plugins=[], server=rabbitmq_server) as node:
        yield Secured(node, files)


def failure(endpoint: Endpoint) -> str:
    """Return what `probe` says, in a line."""
    with pytest.raises(BrokerError) as caught:
        probe(endpoint, timeout_s=5)

    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_verified(secured: Secured) -> None:
    """With the authority and a client certificate the connection is made, by us and by pika."""
    endpoint = secured.endpoint(secured.tls)
    info = probe(Endpoint.parse(endpoint.url))
    connection = pika.BlockingConnection(endpoint.pika_parameters())
    connection.close()

    assert info.product == "RabbitMQ"


def test_not_verified(secured: Secured) -> None:
    """With `verify=none` any certificate will do."""
    assert probe(secured.endpoint(replace(secured.tls, cacertfile=None, verify=False))).product == "RabbitMQ"


def test_unknown_authority(secured: Secured) -> None:
    """By default an authority that nobody trusts is refused, and so is the wrong one."""
    by_default = failure(secured.endpoint(Tls()))
    by_other = failure(secured.endpoint(replace(secured.tls, cacertfile=secured.files / "other.pem")))

    assert "TLS: its certificate is refused: " in by_default
    assert "give the authority with cacertfile=" in by_default
    assert "TLS: its certificate is refused: " in by_other


def test_wrong_host_name(secured: Secured) -> None:
    """A certificate for another name is refused; the name to verify can be given."""
    by_address = replace(secured.endpoint(secured.tls), host="127.0.0.1")
    named = replace(by_address, tls=replace(secured.tls, server_name_indication="localhost"))

    assert "certificate is not valid for '127.0.0.1'" in failure(by_address)
    assert probe(named).product == "RabbitMQ"


def test_client_certificate_required(secured: Secured) -> None:
    """That the broker asks for a client certificate is told: by its alert, or, where that is lost, as a guess."""
    said = failure(secured.endpoint(replace(secured.tls, certfile=None, keyfile=None)))

    assert "certificate required" in said or "does it ask for a client certificate" in said


def test_ports_mixed_up(secured: Secured) -> None:
    """TLS on the plain port and plain AMQP on the port for TLS are told as such."""
    tls_on_plain = replace(secured.endpoint(secured.tls), port=secured.node.endpoint.port)
    plain_on_tls = failure(secured.endpoint(None))

    assert "this port does not speak TLS; use amqp:// or the port for TLS" in failure(tls_on_plain)
    assert "it speaks TLS there" in plain_on_tls or "is this the port for TLS" in plain_on_tls


def test_verified_by_way_of_the_proxy(secured: Secured) -> None:
    """Only the address is another: the broker must carry its own name, for us and for pika, and for other processes."""
    with Network.start([secured.endpoint(secured.tls)], os.environ) as network:
        (endpoint,) = network.endpoints
        info = probe(Endpoint.parse(endpoint.url))
        connection = Connection.open(endpoint.pika_parameters())
        connection.close()
        pika.BlockingConnection(endpoint.pika_parameters()).close()

    assert info.product == "RabbitMQ"
    assert (endpoint.host, endpoint.server_hostname) == ("127.0.0.1", "localhost")


def test_another_name_is_refused_by_way_of_the_proxy(secured: Secured) -> None:
    """What would not have been trusted without the proxy is not with it."""
    by_address = replace(secured.endpoint(secured.tls), host="127.0.0.1")
    with Network.start([by_address, secured.endpoint(Tls())], os.environ) as network:
        failures = [failure(endpoint) for endpoint in network.endpoints]

    assert "certificate is not valid for '127.0.0.1'" in failures[0]
    assert "TLS: its certificate is refused: " in failures[1]


def test_a_private_broker_over_tls_is_verified_by_its_own_authority(rabbitmq_server: Path) -> None:
    """Its URL holds all that a client needs; who does not know the authority refuses it, and its keys go with it."""
    with PrivateNode.start(tls=True, plugins=[], server=rabbitmq_server) as node:
        folder = node.folder
        endpoint = Endpoint.parse(node.endpoint.url)
        connection = pika.BlockingConnection(endpoint.pika_parameters())
        connection.close()
        stranger = failure(replace(endpoint, tls=Tls()))

        assert endpoint.url.startswith("amqps://")
        assert probe(endpoint).product == "RabbitMQ"
        assert "TLS: its certificate is refused: " in stranger
        assert {path.stat().st_mode & 0o077 for path in (folder / "tls").iterdir()} == {0}
        assert "PRIVATE KEY" not in node.config

    assert not folder.exists()
