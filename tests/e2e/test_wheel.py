"""The wheel, in an empty environment away from the checkout: what a user of `pip install` gets."""

from __future__ import annotations

import os
import shutil
import site
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.unit.broker.test_images import COPIED

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("wheel")]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel of the checkout, built by the locked back end, so with no download."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    run = subprocess.run(build, check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    Return the bin folder of a new environment with the wheel in it.

    Its dependencies are those of the environment that runs the tests, seen through a .pth file: installing them again
    would test pip, and take a minute. They come after the wheel on the path, and the checkout is not on it at all.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    install = [sys.executable, "-m", "uv", "pip", "install", "--python", str(folder / "bin" / "python")]
    run = subprocess.run([*install, "--no-deps", "--no-index", str(wheel)], check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    # A folder named in a .pth file is searched, but the .pth files in it are not read: so the checkout stays away.
    (packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    return folder / "bin"


def run_away(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in *folder*, with nothing of the caller's environment that would lead it to the checkout."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return subprocess.run(
        command,
        cwd=folder,
        env=kept,
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
    )


def test_package_comes_from_the_wheel(environment: Path, tmp_path: Path) -> None:
    """What is imported in the new environment is what the wheel put there."""
    run = run_away([str(environment / "python"), "-c", "import loadtest; print(loadtest.__file__)"], tmp_path)

    assert Path(run.stdout.strip()).is_relative_to(environment.parent)


def test_wheel_holds_the_catalogue(wheel: Path) -> None:
    """Every scenario and comparison of the checkout is in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())

    for folder in ("configs", "scenarios"):
        expected = {f"loadtest/_{folder}/{path.name}" for path in (ROOT / folder).glob("*.yaml")}
        assert expected
        assert expected <= names
    assert "loadtest/py.typed" in names


def test_wheel_holds_every_module(wheel: Path) -> None:
    """Every module of the checkout is in the wheel, and nothing that is not of the package."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())

    expected = {path.relative_to(ROOT).as_posix() for path in (ROOT / "loadtest").rglob("*.py")}
    assert expected <= names
    assert {name.partition("/")[0] for name in names - expected} == {
        "loadtest",
        wheel.name.split("-py3")[0] + ".dist-info",
    }


def test_list_shows_the_catalogue(environment: Path, tmp_path: Path) -> None:
    """`loadtest list` names every scenario and comparison of the checkout."""
    run = run_away([str(environment / "loadtest"), "list"], tmp_path)

    assert run.returncode == 0, run.stderr
    files = [path for folder in ("configs", "scenarios") for path in (ROOT / folder).glob("*.yaml")]
    missing = [path.stem for path in files if path.stem not in run.stdout]
    assert missing == []


def test_module_tells_its_version(environment: Path, wheel: Path, tmp_path: Path) -> None:
    """`python -m loadtest --version` is the wheel's version."""
    run = run_away([str(environment / "python"), "-m", "loadtest", "--version"], tmp_path)

    assert run.returncode == 0, run.stderr
    assert wheel.name.split("-")[1] in run.stdout


def test_scenario_runs(environment: Path, tmp_path: Path) -> None:
    """`loadtest run flood-1000-direct` passes, and writes its results under the folder where it was typed."""
    command = [str(environment / "loadtest"), "run", "flood-1000-direct"]
    if broker := os.environ.get("LOADTEST_TEST_BROKER"):
        command += ["--broker", broker]
    run = run_away(command, tmp_path)

    assert run.returncode == 0, run.stdout + run.stderr
    assert len(list((tmp_path / "results").glob("*-flood-1000-direct/result.json"))) == 1


def test_wheel_holds_the_pages(wheel: Path) -> None:
    """Scripts and styles of the web page and of reports are no Python, and in the wheel all the same."""
    names = set(zipfile.ZipFile(wheel).namelist())
    pages = [ROOT / "loadtest" / "dashboard" / "assets", ROOT / "loadtest" / "report" / "html_page"]
    assets = {
        path.relative_to(ROOT).as_posix()
        for page in pages
        for path in page.rglob("*")
        if path.suffix in {".js", ".css", ".html", ".j2"}
    }

    assert len(assets) > 10
    assert assets <= names


def test_what_the_image_copies_makes_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    """The Dockerfile's few files are all that the back end needs, and nothing of the package is missing."""
    source, built = tmp_path / "source", tmp_path / "built"
    source.mkdir()
    for name in COPIED:
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, source)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(built), str(source)]
    run = subprocess.run(build, check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    (other,) = built.glob("*.whl")

    assert sorted(zipfile.ZipFile(other).namelist()) == sorted(zipfile.ZipFile(wheel).namelist())
