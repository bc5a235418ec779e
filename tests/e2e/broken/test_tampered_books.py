"""The checks of broken runs fail where they must: whatever row, message or witness is tampered with, it is seen."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from loadtest.broker.endpoint import Endpoint
from loadtest.broker.monitor.management import ManagementApi
from loadtest.report.run.write import regenerate
from tests.broker.clients.load_run import LoadRun
from tests.conftest import own_vhost
from tests.e2e.broken.books import Held, Json, Truth, drain, read_told

# One run for all of them: kept to one process.
pytestmark = [pytest.mark.broker, pytest.mark.xdist_group("tampered-books")]

RUN = """
topology:
  keep: true
  exchanges: {x: {type: fanout}, dead: {type: fanout}}
  queues: {q: {arguments: {x-dead-letter-exchange: dead}}, audit: {}, letters: {}}
  bindings: [{exchange: x, queue: q}, {exchange: x, queue: audit}, {exchange: dead, queue: letters}]
publishers: {in: {exchange: x, body: {text: hello}, messages: 400, confirm_window: 50}}
consumers: {out: {queue: q, ack: every 5, prefetch: 20, reject: 10%, messages: 300}}
run: {drain: 1s}
"""
ROWS = (
    "published", "confirmed", "nacked", "returned", "returned_only", "in_doubt", "unconfirmed", "delivered",
    "duplicates", "redelivered", "rejected", "requeued", "dead_lettered", "expired", "overflowed", "remaining", "lost",
    "vanished", "undelivered", "corrupted", "foreign", "unexpected", "unpublished", "unread", "unknown",
    "delivery_limit",
)  # fmt: skip


@dataclass(frozen=True)
class Kept:
    """A run that went well, with its books."""

    result: Json
    truth: Truth
    journal: Path


@pytest.fixture(scope="module")
def kept(
    broker_endpoint: Endpoint, management: ManagementApi, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kept]:
    """Run it once, in a virtual host of its own, and ask both witnesses, who agree."""
    for endpoint in own_vhost(broker_endpoint, management):
        yield ask_witnesses(endpoint, tmp_path_factory.mktemp("kept"))


def ask_witnesses(vhost_endpoint: Endpoint, folder: Path) -> Kept:
    """Return the run with what each of them says."""
    with LoadRun(vhost_endpoint, RUN) as load_run:
        result = json.loads(load_run.perform().model_dump_json(by_alias=True))
    journal = folder / "windows.jsonl"
    journal.write_text("".join(json.dumps(record) + "\n" for record in load_run.records))
    url = vhost_endpoint.url
    truth = Truth(
        told=read_told(journal),
        queue="q",
        standing=drain(url, "q"),
        copies=("audit", drain(url, "audit")),
        is_audited=True,
        dead=drain(url, "letters"),
        body=b"hello",
    )
    truth.assert_all(result)
    assert (result["totals"]["remaining"], result["totals"]["dead_lettered"]) == (100, 30)
    return Kept(result, truth, journal)


def test_every_row_that_is_tampered_with_is_seen(kept: Kept) -> None:
    """One message more, or one less, in any row."""
    for name in ROWS:
        for change in (1, -1):
            tampered = copy.deepcopy(kept.result)
            tampered["totals"][name] += change
            with pytest.raises(AssertionError):
                kept.truth.assert_rows(tampered)
    assert set(ROWS) | {"got", "get_empty", "out_of_order", "offered", "dropped", "republished"} == set(
        kept.result["totals"]
    ) - {"duplicates_unflagged"}


@pytest.mark.parametrize(
    "change",
    [
        lambda truth: replace(truth, copies=("audit", truth.copies[1][1:])),
        lambda truth: replace(truth, standing=truth.standing[1:]),
        lambda truth: replace(truth, dead=truth.dead[1:]),
        lambda truth: replace(truth, copies=("audit", [*truth.copies[1], Held((0, 400), b"hello", ())])),
        lambda truth: replace(
            truth, copies=("audit", [*truth.copies[1][1:], replace(truth.copies[1][0], body=b"hallo")])
        ),
        lambda truth: replace(truth, told=replace(truth.told, confirmed=truth.told.confirmed | {(0, 400)})),
        lambda truth: replace(truth, told=replace(truth.told, published=truth.told.published - {(0, 7)})),
        lambda truth: replace(truth, told=replace(truth.told, delivered={"q": truth.told.delivered["q"] - {(0, 0)}})),
    ],
    ids=[
        "a message gone from the audit",
        "a message gone from the queue",
        "a dead letter gone",
        "a message that nobody sent",
        "another body",
        "a confirm too many",
        "a publish too few",
        "a delivery too few",
    ],
)
def test_every_witness_that_is_tampered_with_is_seen(kept: Kept, change: Callable[[Truth], Truth]) -> None:
    """The two no longer agree with each other, or with the result."""
    tampered = change(kept.truth)
    with pytest.raises(AssertionError):
        tampered.assert_all(kept.result)


def shorten(name: str) -> Callable[[Json], None]:
    """Return what takes the first message from a table of the journal; the first is none of those that die."""

    def change(ledger: Json) -> None:
        ledger[name]["first"][0] += ledger[name]["step"][0]
        ledger[name]["count"][0] -= 1

    return change


def confirm_more(ledger: Json) -> None:
    """Confirm a message that was never published."""
    ledger["confirmed"]["first"].append(5_000)
    ledger["confirmed"]["count"].append(1)
    ledger["confirmed"]["step"].append(1)
    ledger["confirmed"]["publisher"].append(0)


@pytest.mark.parametrize(
    "table, change, found",
    [
        ("delivered", shorten("delivered"), "lost"),
        ("published", shorten("published"), "books-unbalanced"),
        ("confirmed", shorten("confirmed"), "books-unbalanced"),
        ("confirmed", confirm_more, "books-unbalanced"),
    ],
    ids=["a delivery too few", "a publish too few", "a confirm too few", "a confirm too many"],
)
def test_the_tool_itself_sees_a_journal_that_was_tampered_with(
    kept: Kept, table: str, change: Callable[[Json], None], found: str, tmp_path: Path
) -> None:
    """Its report says that a message is lost, or that the books do not balance; the run does not pass."""
    records = [json.loads(line) for line in kept.journal.read_text().splitlines()]
    ledger = next(record["ledger"] for record in records if table in record.get("ledger", {}) and "phase" in record)
    change(ledger)
    (tmp_path / kept.journal.name).write_text("".join(json.dumps(record) + "\n" for record in records))
    result = regenerate(tmp_path)
    codes = {finding.code for finding in result.verdict.findings}

    assert result.verdict.exit_code == 1
    assert result.totals.lost == 1 if found == "lost" else found in codes
