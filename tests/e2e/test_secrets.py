"""A password given to a run is nowhere in what it prints and writes."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from loadtest.broker.endpoint import Endpoint
from loadtest.broker.management import ManagementApi
from tests.e2e.processes import LOADTEST, Door, Processes, run_command

pytestmark = pytest.mark.e2e


@pytest.fixture
def secret_endpoint(vhost_endpoint: Endpoint, management: ManagementApi) -> Iterator[Endpoint]:
    """A virtual host as a user of the test's own, whose password no text contains by chance."""
    username, password = f"ann-{secrets.token_hex(4)}", f"pw/{secrets.token_hex(12)}@"
    management.create_user(username, password)
    management.set_permissions(vhost_endpoint.vhost, username, configure=".*", write=".*", read=".*")
    yield Endpoint(vhost_endpoint.host, vhost_endpoint.port, vhost_endpoint.vhost, username, password)
    management.delete_user(username)


@pytest.mark.parametrize("door, given", [("locust", "flag"), ("loadtest", "environment")])
def test_password_is_not_shown(door: Door, given: str, processes: Processes, secret_endpoint: Endpoint) -> None:
    """Neither as it is nor as it stands in the URL; the user and the address are told, so that a person knows which."""
    flag = ["--broker", secret_endpoint.url] if given == "flag" else []
    settings = {} if given == "flag" else {"LOADTEST_BROKER": secret_endpoint.url}
    run = processes.run(run_command(door, "flood-1000-direct", *flag), **settings)
    report = processes.run([*LOADTEST, "report", str(run.results_folder)])
    files = {path.name: path.read_text() for path in run.results_folder.iterdir()}

    assert run.exit_code == 0, run.printed
    quoted = secret_endpoint.url.split(":")[2].split("@")[0]
    for text in (run.printed, report.printed, *files.values()):
        assert secret_endpoint.password not in text
        assert quoted not in text
    assert f"amqp://{secret_endpoint.username}:***@" in run.stdout
    assert secret_endpoint.username in files["result.json"]
