"""Body files: a scenario reads plain files of its own folder and below, and nothing else, wherever its paths lead."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from loadtest.errors import ScenarioError
from loadtest.scenario import build_plan, load_scenario
from loadtest.scenario.grammar.quantity import MAX_SIZE_BYTES
from loadtest.scenario.loading.loader import LoadedScenario

TEXT = """\
name: s
topology: {queues: {q: {}}}
publishers: {shop: {routing_key: q, messages: 1, body: {file: "NAME"}}}
"""
SECRET = b"what is none of the scenario's business"
OUTSIDE = r", which is not below the scenario's folder; allowed a file below that folder"
FITTING = f"allowed a readable file of at most {MAX_SIZE_BYTES} bytes"
NO_FILE = rf", which is none; {FITTING}"
CASES = {
    "absolute": ("{outside}/secret", OUTSIDE),
    "parent": ("../outside/secret", OUTSIDE),
    "down and up": ("sub/../../outside/secret", OUTSIDE),
    "link": ("link", OUTSIDE),
    "link in a folder": ("sub/link", OUTSIDE),
    "linked folder": ("linked/secret", OUTSIDE),
    "link to a link": ("link-to-link", OUTSIDE),
    "own name in another folder": ("../home-2/secret", OUTSIDE),
    "the folder above": ("..", OUTSIDE),
    "the folder": (".", NO_FILE),
    "folder": ("sub", NO_FILE),
    "nothing": ("", NO_FILE),
    "device": ("/dev/zero", OUTSIDE),
    "link to a device": ("zero", OUTSIDE),
    "process": ("/proc/self/environ", OUTSIDE),
    "pipe": ("pipe", NO_FILE),
    "link to a pipe": ("link-to-pipe", NO_FILE),
    "huge": ("huge", NO_FILE),
    "link to nothing": ("dangling", rf" \(No such file or directory\); {FITTING}"),
    "link to itself": ("loop", rf" \(.*\); {FITTING}"),
    "NUL": ("a\\0b", rf" \(.*null.*\); {FITTING}"),
    "long": ("x" * 300, rf" \(File name too long\); {FITTING}"),
}  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A scenario's folder with what people, and attackers, put into one, and a folder beside it."""
    home, outside, beside = tmp_path / "home", tmp_path / "outside", tmp_path / "home-2"
    for folder in (home, outside, beside, home / "sub"):
        folder.mkdir()
    for folder in (outside, beside):
        (folder / "secret").write_bytes(SECRET)
    (home / "here").write_bytes(b"body")
    (home / "sub" / "below").write_bytes(b"below")
    links = {
        "link": outside / "secret", "linked": outside, "sub/link": outside / "secret", "link-to-link": home / "link",
        "zero": Path("/dev/zero"), "link-to-pipe": home / "pipe", "dangling": home / "gone", "loop": home / "loop",
        "inner": home / "sub" / "below",
    }  # fmt: skip
    for name, target in links.items():
        (home / name).symlink_to(target)
    os.mkfifo(home / "pipe")
    with (home / "huge").open("wb") as file:
        file.truncate(1 << 40)
    return home


def load(home: Path, name: str) -> LoadedScenario:
    """Return the scenario of *home* whose body is the file *name*."""
    path = home / "s.yaml"
    path.write_text(TEXT.replace("NAME", name))
    return load_scenario(path)


@pytest.mark.parametrize("name, words", CASES.values(), ids=CASES.keys())
def test_no_other_file_is_read(home: Path, name: str, words: str) -> None:
    """It is an error with its place, at once, and says nothing of what is in there."""
    with pytest.raises(ScenarioError) as caught:
        load(home, name.format(outside=home.parent / "outside"))

    assert re.fullmatch(rf"\S+/s\.yaml:3: publishers\.shop\.body\.file: found \"[^\"]*(\"|…){words}", str(caught.value))
    assert SECRET.decode() not in str(caught.value)


@pytest.mark.parametrize(
    "name, found, content",
    [
        ("here", "here", b"body"),
        ("./sub/../here", "here", b"body"),
        ("sub/below", "sub/below", b"below"),
        ("inner", "sub/below", b"below"),
        ("{home}/here", "here", b"body"),
    ],
)
def test_files_of_the_folder_and_below_are_read(home: Path, name: str, found: str, content: bytes) -> None:
    """Links within the folder may be followed; the resolved scenario names what was read from the scenario's folder."""
    loaded = load(home, name.format(home=home))

    assert loaded.scenario.publishers["shop"].body.file == found
    assert build_plan(loaded.scenario, folder=loaded.folder).publishers[0].bodies == (content,)


def test_a_linked_scenario_folder_is_the_folder(home: Path, tmp_path: Path) -> None:
    """Who reaches the scenario by a link has its files all the same, and no others."""
    load(home, "here")
    (tmp_path / "way").symlink_to(home)

    loaded = load_scenario(tmp_path / "way" / "s.yaml")

    assert build_plan(loaded.scenario, folder=loaded.folder).publishers[0].bodies == (b"body",)
    with pytest.raises(ScenarioError, match=OUTSIDE):
        load(tmp_path / "way", "link")


def test_what_became_a_way_out_is_not_read(home: Path) -> None:
    """A file that was exchanged for a link after loading is an error, not read."""
    loaded = load(home, "here")
    (home / "here").unlink()
    (home / "here").symlink_to(home.parent / "outside" / "secret")

    with pytest.raises(ScenarioError, match=f'here: found "here"{OUTSIDE}'):
        build_plan(loaded.scenario, folder=loaded.folder)


@pytest.mark.parametrize("name", ["pipe", "/dev/zero", "sub"])
def test_what_is_no_file_is_no_scenario(home: Path, name: str) -> None:
    """A scenario is read from a plain file; nothing is waited for and nothing read without end."""
    with pytest.raises(ScenarioError, match=r"^scenario: found "):
        load_scenario(home / name)


def test_a_huge_scenario_is_not_read(home: Path) -> None:
    """A file that no scenario can be is refused by its size, in place of being taken into memory."""
    with pytest.raises(ScenarioError, match=r"huge:1: scenario: found more than 4194304 bytes; allowed fewer"):
        load_scenario(home / "huge")


def test_a_run_that_is_over_needs_no_file(tmp_path: Path) -> None:
    """What judges a run again reads nothing that its scenario names: the file may be gone, or somebody else's."""
    loaded = load_scenario(tmp_path / "s.yaml", text=TEXT.replace("NAME", "/etc/hosts"), reads_files=False)

    assert loaded.scenario.publishers["shop"].body.file == "/etc/hosts"
    assert loaded.scenario.publishers["shop"].body.sha256 is None
