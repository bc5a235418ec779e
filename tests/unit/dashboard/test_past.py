"""Results that are there: listed cheaply, whatever lies in the folder; nothing is handed out that is none of theirs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from loadtest.dashboard.past import MAX_LISTED, READ_BYTES, PastResults

GOLDEN = Path(__file__).parents[2] / "golden"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a folder of results: a run, a comparison, a run that was killed, and what is none of these."""
    root = tmp_path / "results"
    shutil.copytree(GOLDEN / "flood", root / "2026-01-01T000000Z-flood")
    (root / "2026-01-01T000000Z-flood" / "report.html").write_text("<p>report</p>")
    compared = root / "2026-01-02T000000Z-compare"
    compared.mkdir()
    laps = [{"figures": {"shop.confirm.p99": 1.0}}] * 100
    document = {"schema": "loadtest.compare/1", "scenario": "flood", "started_at": "2026-01-02T00:00:00+00:00"}
    (compared / "compare.json").write_text(json.dumps({**document, "laps": laps, "exit_code": 5, "reason": "open"}))
    (compared / "laps" / "b-1").mkdir(parents=True)
    (compared / "laps" / "b-1" / "report.html").write_text("<p>lap</p>")
    for kind in ("capacity", "sweep"):
        (root / f"2025-{kind}").mkdir()
        (root / f"2025-{kind}" / f"{kind}.json").write_text(json.dumps({**document, "exit_code": 0, "reason": kind}))
        (root / f"2025-{kind}" / f"{kind}.html").write_text(kind)
    killed = root / "2026-01-03T000000Z-killed"
    killed.mkdir()
    (killed / "windows.jsonl").write_text("{}\n")
    (root / "notes").mkdir()
    (root / "README.md").write_text("not a folder")
    return root


def test_results_are_listed_newest_first(root: Path) -> None:
    """Each with what it is and came to; the run that goes on is left out, and so is what is no result."""
    killed, compared, flood, *several = PastResults(root).lines()["lines"]

    told = {"scenario": "killed", "started_at": "2026-01-03T00:00:00+00:00"}
    assert killed == {"folder": "2026-01-03T000000Z-killed", "kind": "journal", **told}
    assert (compared["kind"], compared["scenario"], compared["reason"]) == ("comparison", "flood", "open")
    assert (flood["kind"], flood["scenario"], flood["outcome"], flood["page"]) == (
        "run",
        "flood-1000-direct",
        "pass",
        "report.html",
    )
    assert flood["started_at"].startswith("20")
    assert flood["measured_s"] > 0
    names = [line["folder"] for line in PastResults(root).lines("2026-01-03T000000Z-killed")["lines"]]
    assert names[:2] == ["2026-01-02T000000Z-compare", "2026-01-01T000000Z-flood"]
    assert [(line["kind"], line["page"]) for line in several] == [
        ("sweep", "sweep.html"),
        ("capacity", "capacity.html"),
    ]


def test_no_results_yet(tmp_path: Path) -> None:
    """A folder that is not there has none."""
    assert PastResults(tmp_path / "none").lines() == {"lines": [], "more": 0}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "nonsense",
        '{"scenario": 1}',
        '{"verdict": {"outcome": "pass"}}',
        '{"scenario": {"name": "x"}',
        "{,}",
    ],
)
def test_damaged_documents_are_told(text: str, root: Path) -> None:
    """One that cannot be read is in the list as that, and breaks no other."""
    (root / "2026-01-01T000000Z-flood" / "result.json").write_text(text)

    assert PastResults(root).lines()["lines"][2]["kind"] == "unreadable"


def test_only_the_beginning_is_read(root: Path) -> None:
    """A document of many megabytes is cut off after the verdict, which is all the same found."""
    path = root / "2026-01-01T000000Z-flood" / "result.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "timeline": ["x" * READ_BYTES]}))

    assert PastResults(root).lines()["lines"][2]["outcome"] == "pass"


def test_a_list_is_read_once_and_again_where_it_changed(root: Path) -> None:
    """What has not changed is kept, and others have their turn between two files."""
    turns: list[None] = []
    past = PastResults(root, lambda: turns.append(None))
    assert past.lines()["lines"][2]["outcome"] == "pass"
    assert len(turns) == 6
    path = root / "2026-01-01T000000Z-flood" / "result.json"
    path.write_text(path.read_text().replace('"outcome": "pass"', '"outcome": "fail"') + "\n")

    assert past.lines()["lines"][2]["outcome"] == "fail"


def test_a_long_list_is_cut(root: Path) -> None:
    """The newest are listed, and how many more there are."""
    for number in range(MAX_LISTED + 3):
        (root / f"2027-{number:04}").mkdir()
    told = PastResults(root).lines()

    assert told["more"] == 3 + 6  # of the folders above: five results and the notes
    assert told["lines"] == []


def test_files_of_a_result_are_handed_out(root: Path) -> None:
    """Those of a run's folder, by name."""
    past = PastResults(root)
    folder = "2026-01-01T000000Z-flood"

    assert past.file(folder, "result.json") == root / folder / "result.json"
    assert past.files(folder) == ["report.html", "result.json", "windows.jsonl"]
    assert past.files("nobody") == []
    lap = past.file("2026-01-02T000000Z-compare", "laps/b-1/report.html")
    assert lap is not None
    assert lap.read_text() == "<p>lap</p>"


@pytest.mark.parametrize(
    "folder,name",
    [
        ("..", "secret.json"),
        (".", "secret.json"),
        ("", "secret.json"),
        ("2026-01-01T000000Z-flood", "../../secret.json"),
        ("2026-01-01T000000Z-flood", "..%2f..%2fsecret.json"),
        ("2026-01-01T000000Z-flood/..", "secret.json"),
        ("2026-01-01T000000Z-flood", "link.json"),
        ("linked", "secret.json"),
        ("2026-01-01T000000Z-flood", ".hidden.json"),
        ("2026-01-01T000000Z-flood", "key.pem"),
        ("2026-01-01T000000Z-flood", "folder.json"),
        ("2026-01-01T000000Z-flood", "result.json\0"),
        ("2026-01-01T000000Z-flood", "nothing.json"),
        ("/etc", "passwd"),
        ("2026-01-02T000000Z-compare", "laps/../../secret.json"),
        ("2026-01-02T000000Z-compare", "laps//secret.json"),
        ("2026-01-02T000000Z-compare", "away/secret.json"),
        ("2026-01-02T000000Z-compare", "/secret.json"),
        ("2026-01-02T000000Z-compare", "laps/b-1/report.html/report.html"),
    ],
)
def test_nothing_else_is(folder: str, name: str, root: Path) -> None:
    """No way up, no link, nothing hidden, no other kind of file."""
    (root.parent / "secret.json").write_text("secret")
    inside = root / "2026-01-01T000000Z-flood"
    (inside / "link.json").symlink_to(root.parent / "secret.json")
    (root / "linked").symlink_to(root.parent)
    (root / "2026-01-02T000000Z-compare" / "away").symlink_to(root.parent)
    for hidden in (".hidden.json", "key.pem"):
        (inside / hidden).write_text("secret")
    (inside / "folder.json").mkdir()

    assert PastResults(root).file(folder, name) is None
