"""`loadtest capacity` as it is typed: what is refused, before anything runs or is written."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from loadtest.cli import app
from loadtest.errors import LoadTestError
from loadtest.experiments.capacity.capacity_request import CapacityRequest
from loadtest.experiments.compare.variants import Variant
from loadtest.report.experiment_report import to_json
from loadtest.scenario import load_scenario
from tests.unit.report.staged_capacity import capacity

SLO = ("--slo", "in.confirm.p99 < 1ms")


@pytest.mark.parametrize(
    "words, told",
    [
        (["steady-1kb"], "--slo is needed"),
        (["steady-1kb", "--slo", "in.confirm.p99"], "--slo: found"),
        (["steady-1kb", "--slo", "out.confirm.p99 < 1ms"], "confirm of"),
        (["steady-1kb", *SLO, "--from", "fast"], "--from: found 'fast'"),
        (["steady-1kb", *SLO, "--hold", "10"], "--hold: found '10'"),
        (["steady-1kb", *SLO, "--json", "."], "it is a folder"),
        (["steady-1kb", *SLO, "--set", "publishers.in.rate=[{for: 1s, rate: 5/s}]"], "a rate in stages"),
        (["consume-autoack", "--slo", "lost == 0"], "this scenario has none"),
        (["--slo", "lost == 0"], "name a scenario, or go on with a search by --resume FOLDER"),
        (["--resume", "nowhere"], "nowhere holds no search that can be gone on with"),
    ],
    ids=[
        "no slo", "no threshold", "unknown metric", "no rate", "no time", "no file", "stages", "no publisher",
        "no scenario", "no folder",
    ],
)  # fmt: skip
def test_what_cannot_be_searched_is_refused(
    words: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a line, before a broker is started, and without a folder of results."""
    monkeypatch.chdir(tmp_path)
    error = CliRunner().invoke(app, ["capacity", *words]).exception

    assert isinstance(error, LoadTestError)
    assert told in str(error)
    assert "\n" not in str(error)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search that is complete, and one whose scenario was changed meanwhile."""
    path = tmp_path / "two.yaml"
    path.write_text("name: two\npublishers: {in: {routing_key: q, rate: 5/s}}\nrun: {duration: 1s}\n")
    digest = load_scenario(str(path)).hash
    request = CapacityRequest(scenario=str(path), slo=("lost == 0",), broker=Variant("broker"), hash=digest)
    (tmp_path / "request.json").write_text(request.to_json())
    (tmp_path / "capacity.json").write_text(to_json(capacity()))
    resume = ["capacity", "--resume", str(tmp_path)]
    complete = CliRunner().invoke(app, resume).exception
    (tmp_path / "capacity.json").write_text(to_json(capacity(complete=False)))
    path.write_text(path.read_text().replace("5/s", "6/s"))
    monkeypatch.chdir("/")
    changed = CliRunner().invoke(app, resume).exception

    assert "that search is complete" in str(complete)
    assert "two.yaml is not what it was" in str(changed)
