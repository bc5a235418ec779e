"""
Our own pages beside Locust's: the AMQP page, what it asks for each second, results and their comparison.

All of them are behind Locust's login, where there is one, and refuse what other web sites ask (see `guard`). Knows
Flask and Locust's web UI; what is told comes from `live` and `past`.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import gevent
from flask import Blueprint, Response, abort, jsonify, request, send_file

import loadtest
from loadtest.dashboard.guard import SANDBOX_POLICY, nonce
from loadtest.dashboard.start_form import IDLE_STATES
from loadtest.report.html_page.packing import LIBRARY, asset
from loadtest.report.run.run_page import WORDS
from loadtest.scenario import catalogue

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from locust.web import WebUI

    from loadtest.dashboard.live import Live
    from loadtest.dashboard.past import PastResults

INDEX: Final = "locust.index"
TAB: Final = {"title": "AMQP", "key": "amqp", "component": "loadtest-panel"}
DOWNLOADS: Final = ("result.json", "windows.jsonl", "windows.csv", "junit.xml", "summary.md", "scenario.yaml")
MOST_COMPARED: Final = 7
"""As many as there are colours."""

COMPARE_TIMEOUT_S: Final = 60.0
_SCRIPTS: Final = ("figures.js", "charts.js", "panel.js", "start.js")
_TYPES: Final = {"js": "text/javascript", "css": "text/css"}
_YEAR_S: Final = 31_536_000
_OF_REPORT: Final = ("figures.js",)
_TEXT_TYPES: Final = {".html": "text/html", ".json": "application/json", ".xml": "application/xml"}


def install_pages(web_ui: WebUI, live: Live, past: PastResults, form: Callable[[], Mapping[str, Any]]) -> Blueprint:
    """
    Return the pages, for whoever adds to them and registers them.

    Args:
        web_ui: Before it is served; gets the tab, the downloads and our scripts.
        live: What goes on.
        past: What there is.
        form: What the start form is to know.
    """
    pages = Blueprint("loadtest", __name__)

    def page(rule: str, view: Callable[..., Any]) -> None:
        pages.add_url_rule(rule, view.__name__, web_ui.auth_required_if_enabled(view))  # type: ignore[no-untyped-call]

    server = _Server(web_ui, live, past, form)
    page("/", server.amqp)
    page("/live", server.live_document)
    page("/results", server.results)
    page("/results/<folder>/<path:name>", server.result_file)
    page("/last/<name>", server.last_file)
    page("/compare", server.compare)
    page("/form", server.start_form)
    page("/assets/<name>", server.asset)
    web_ui.template_args["extended_tabs"] = [TAB]
    web_ui.template_args["extended_csv_files"] = [
        {"href": "./loadtest/last/report.html", "title": "Last AMQP run: report.html"},
        *({"href": f"./loadtest/last/{name}", "title": f"Last AMQP run: {name}"} for name in DOWNLOADS),
    ]
    assert web_ui.app is not None, "made before the init event"
    web_ui.app.after_request(_add_scripts)
    return pages


class _Server:
    """Answers requests; a method a page."""

    def __init__(self, web_ui: WebUI, live: Live, past: PastResults, form: Callable[[], Mapping[str, Any]]) -> None:
        self._web_ui = web_ui
        self._live = live
        self._past = past
        self._form = form

    def amqp(self) -> Response:
        """Return the page with all that the tab has, for before the first start and for a window of its own."""
        has_logout = self._web_ui.web_login
        return Response(
            _own_page("page.html").replace("<!--logout-->", _LOGOUT if has_logout else ""), mimetype="text/html"
        )

    def live_document(self) -> Response:
        """Return what goes on."""
        runner = self._web_ui.environment.runner
        state = "missing" if runner is None else str(runner.state)
        files = self._past.files(self._live.folder) if self._live.is_over else []
        return Response(self._live.document(request.args.get("since", ""), state, files), mimetype="application/json")

    def results(self) -> Response:
        """Return the list of past results."""
        runner = self._web_ui.environment.runner
        is_idle = runner is None or runner.state in IDLE_STATES
        running = "" if is_idle or self._live.is_over else self._live.folder
        return jsonify({**self._past.lines(running), "words": WORDS})

    def result_file(self, folder: str, name: str) -> Response:
        """Return a file of a result."""
        path = self._past.file(folder, name)
        if path is None:
            abort(404, f"There is no {name} of a run {folder}.")
        return _handed_out(path)

    def last_file(self, name: str) -> Response:
        """Return a file of the run that ended last in this process, to be saved: Locust's page stays where it is."""
        if not self._live.folder or not self._live.is_over:
            abort(404, "No run has ended yet in this process.")
        path = self._past.file(self._live.folder, name)
        if path is None:
            abort(404, f"The run has no {name}.")
        return _handed_out(path, is_saved=True)

    def compare(self) -> Response:
        """Return the page of several runs side by side, made by a process of its own: it takes a second."""
        folders = [self._past.folder(name) for name in dict.fromkeys(request.args.getlist("run"))]
        known = [folder for folder in folders if folder is not None]
        if len(known) < len(folders) or not 1 < len(known) <= MOST_COMPARED:
            abort(400, f"Name two to {MOST_COMPARED} results that are there.")
        with tempfile.TemporaryDirectory(prefix="loadtest-") as scratch:
            written = Path(scratch) / "side-by-side.html"
            fault = _put_side_by_side(known, written)
            if fault is not None:
                abort(422, fault)
            answer = Response(written.read_bytes(), mimetype="text/html")
        answer.headers["Content-Security-Policy"] = SANDBOX_POLICY
        return answer

    def start_form(self) -> Response:
        """Return what the start form shows."""
        scenarios = [{"name": entry.name, "question": entry.question} for entry in catalogue()]
        return jsonify({"scenarios": scenarios, **self._form()})

    def asset(self, name: str) -> Response:
        """Return a script, a style, or the library of charts."""
        if name not in _assets():
            abort(404)
        answer = Response(_assets()[name], mimetype=_TYPES[name.rpartition(".")[2]])
        # Its address has the hash of all of them in it.
        answer.headers["Cache-Control"] = f"private, max-age={_YEAR_S}, immutable"
        return answer


_LOGOUT: Final = '<form method="post" action="logout"><button>Log out</button></form>'


def _handed_out(path: Path, *, is_saved: bool = False) -> Response:
    """Return a file: a page to be looked at, kept apart from ours, unless *is_saved*; anything else to be saved."""
    is_page = path.suffix == ".html" and not is_saved
    answer = send_file(
        path,
        mimetype=_TEXT_TYPES.get(path.suffix, "text/plain"),
        as_attachment=not is_page,
        download_name=path.name if is_page else f"{path.parent.name}-{path.name}",
        conditional=True,
    )
    if is_page:
        answer.headers["Content-Security-Policy"] = SANDBOX_POLICY
    return answer


def _put_side_by_side(folders: list[Path], page: Path) -> str | None:
    """Have `loadtest report` write *page*; return what stood in its way."""
    # From where this package is: it may not be installed.
    command = [
        sys.executable,
        "-c",
        "import sys; sys.path.insert(0, sys.argv.pop(1)); from loadtest.cli import main; main()",
    ]
    words = [*command, str(Path(loadtest.__file__).parents[1]), "report", *map(str, folders), "--output", str(page)]
    try:
        done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=COMPARE_TIMEOUT_S)  # noqa: S603  # our own program, with names that were looked at
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"The comparison could not be made: {error}"
    return None if done.returncode == 0 else done.stderr.strip() or "The comparison could not be made."


@cache
def _assets() -> dict[str, str]:
    """Return the scripts and styles by name."""
    own = resources.files("loadtest.dashboard").joinpath("assets")
    names = [entry.name for entry in own.iterdir() if entry.name.endswith((".js", ".css"))]
    found = {name: own.joinpath(name).read_text(encoding="utf-8") for name in names}
    return found | {name: asset(name) for name in _OF_REPORT} | {"echarts.js": asset("vendor", LIBRARY)}


@cache
def _version() -> str:
    """Return a hash of all assets, so that a browser keeps none of an older version."""
    digest = hashlib.sha256()
    for name, text in sorted(_assets().items()):
        digest.update(f"{name}\0{text}\0".encode())
    return digest.hexdigest()[:12]


@cache
def _own_page(name: str) -> str:
    text = resources.files("loadtest.dashboard").joinpath("assets", name).read_text(encoding="utf-8")
    return text.replace("<!--scripts-->", _script_tags("assets/"))


def _script_tags(base: str) -> str:
    return "".join(f'<script defer src="{base}{name}?v={_version()}"></script>' for name in _SCRIPTS)


def _add_scripts(response: Response) -> Response:
    """Put our scripts into Locust's page, and on its own script the nonce without which it may not run."""
    if request.endpoint == INDEX and response.mimetype == "text/html" and response.status_code == 200:  # noqa: PLR2004
        html = response.get_data(as_text=True)
        html = html.replace("<script>", f'<script nonce="{nonce()}">')
        response.set_data(html.replace("</head>", f"{_script_tags('./loadtest/assets/')}</head>", 1))
    return response


def breathe() -> None:
    """Let others have their turn."""
    gevent.sleep(0)
