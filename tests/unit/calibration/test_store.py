"""The file of the calibration: kept whole, for this user, and found only where it holds."""

from __future__ import annotations

import copy
import stat
from pathlib import Path
from typing import Any

import pytest

from loadtest.calibration.store import calibration_path, load_calibration, save_calibration
from loadtest.errors import ResultsError

GENERATOR: dict[str, Any] = {
    "host": "lab", "cpu": "a processor", "cores": 2, "python": "3.11.7", "boot_id": "x",
    "versions": {"loadtest": "0.1.0", "pika": "1.4.4", "gevent": "26.9.0", "numpy": "2.4.6", "locust": "2.47.0"},
}  # fmt: skip
WORKS = {"publish": {"messages_per_s": 7e6, "cpu_us_per_message": 0.05}}


def test_what_is_kept_is_found(tmp_path: Path) -> None:
    """With the same machine and versions, after another boot too; nobody else may read the file."""
    path = tmp_path / "cache" / "calibration.json"

    save_calibration(path, GENERATOR, "2026-03-01T12:00:00+00:00", WORKS)

    found = load_calibration(path, GENERATOR | {"boot_id": "y"})
    assert found == {"measured_at": "2026-03-01T12:00:00+00:00", "works": WORKS}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("change", ["host", "cpu", "cores", "python", "pika", "loadtest"])
def test_another_machine_or_version_has_none(change: str, tmp_path: Path) -> None:
    """A figure that does not hold is not found."""
    path = tmp_path / "calibration.json"
    save_calibration(path, GENERATOR, "2026-03-01T12:00:00+00:00", WORKS)
    other = copy.deepcopy(GENERATOR)
    (other if change in other else other["versions"])[change] = "another"

    assert load_calibration(path, other) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": "loadtest.calibration/2"}', "{"])
def test_what_is_no_calibration_is_none(text: str, tmp_path: Path) -> None:
    """A damaged file, or one of a later version, is as good as none."""
    path = tmp_path / "calibration.json"
    path.write_text(text)

    assert load_calibration(path, GENERATOR) is None
    assert load_calibration(tmp_path / "missing.json", GENERATOR) is None


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """The error has the path and the reason."""
    (tmp_path / "file").touch()

    with pytest.raises(ResultsError, match=r"file/calibration\.json: cannot be written: (File exists|Not a directory)"):
        save_calibration(tmp_path / "file" / "calibration.json", GENERATOR, "now", WORKS)


def test_the_cache_is_where_it_belongs() -> None:
    """XDG_CACHE_HOME counts, else the home folder."""
    assert calibration_path({"XDG_CACHE_HOME": "/c", "HOME": "/h"}) == Path("/c/loadtest/calibration.json")
    assert calibration_path({"HOME": "/h"}) == Path("/h/.cache/loadtest/calibration.json")
