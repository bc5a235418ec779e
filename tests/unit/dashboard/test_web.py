"""Our pages as a browser asks for them, under Locust's login and without: headers, downloads, the start button."""

from __future__ import annotations

import re
import shutil
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from flask.testing import FlaskClient
from werkzeug.datastructures import ImmutableMultiDict

from loadtest.dashboard.live import Asked
from loadtest.dashboard.start_form import as_the_form_says, form_options
from loadtest.dashboard.web import Dashboard, asked_of
from loadtest.errors import UsageError
from loadtest.result.run.build import build_result
from loadtest.scenario import build_plan, load_scenario
from tests.unit.dashboard.web_ui import FakeWebUI
from tests.unit.result.staged_run import flood

GOLDEN = Path(__file__).parents[2] / "golden"
FLOOD = "2026-01-01T000000Z-flood"
OURS = (
    "/",
    "/live",
    "/results",
    f"/results/{FLOOD}/result.json",
    "/last/result.json",
    "/compare",
    "/form",
    "/assets/panel.js",
)


class Site:
    """The pages, with what a test needs to know of them."""

    def __init__(self, root: Path, **about: Any) -> None:
        self.said: list[str] = []
        self.armed: list[Namespace] = []
        self.meanwhile: Callable[[], None] = lambda: None
        self.web_ui = FakeWebUI(results=str(root), **about)
        self.dashboard = Dashboard()
        self.dashboard.install(cast("Any", self.web_ui), self._arm, self.said.append)
        self._client: FlaskClient = self.web_ui.app.test_client()

    def get(self, path: str, **headers: str) -> Any:
        """GET a path; the answer is read to its end."""
        return self._ask("GET", path, {}, headers)

    def post(self, path: str, data: dict[str, str] | None = None, **headers: str) -> Any:
        """POST a form."""
        return self._ask("POST", path, data or {}, headers)

    def cookie(self, name: str) -> Any:
        """Return a cookie that was set."""
        return self._client.get_cookie(name)

    def _ask(self, method: str, path: str, data: dict[str, str], headers: dict[str, str]) -> Any:
        answer: Any = self._client.open(path, method=method, data=data, headers=headers)
        with answer:
            answer.get_data()
        return answer

    def _arm(self, options: Namespace) -> int:
        self.meanwhile()
        if options.broker == ["amqp://guest:hunter2@broker"]:
            raise UsageError("broker amqp://guest:hunter2@broker: refused")
        self.armed.append(options)
        return 3


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a results folder with a run."""
    shutil.copytree(GOLDEN / "flood", tmp_path / FLOOD)
    (tmp_path / FLOOD / "report.html").write_text("<p>report</p>")
    return tmp_path


@pytest.fixture
def site(root: Path) -> Site:
    """Return the pages without a login."""
    return Site(root)


@pytest.mark.parametrize("base", ["", "/locust"])
@pytest.mark.parametrize("path", OURS)
def test_no_page_is_reachable_without_login(path: str, base: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --web-login each of ours leads to the login, after which it answers."""
    monkeypatch.setenv("LOADTEST_WEB_PASSWORD", "correct horse")
    site = Site(root, web_login=True, base=base)
    refused = site.get(f"{base}/loadtest{path}")
    assert refused.status_code == 302
    assert refused.headers["Location"].startswith(f"{base}/login")

    form = {"username": "loadtest", "password": "correct horse"}
    assert site.post(f"{base}/loadtest/login", form).headers["Location"] == f"{base}/"
    assert site.get(f"{base}/loadtest{path}").status_code in {200, 400, 404}
    assert site.said == []


def test_every_page_of_ours_is_in_the_list(site: Site) -> None:
    """So that a new one cannot be forgotten there."""
    rules = {str(rule) for rule in site.web_ui.app.url_map.iter_rules() if str(rule.endpoint).startswith("loadtest.")}
    listed = {re.sub(r"/results/.+", "/results/<folder>/<path:name>", path) for path in OURS}
    listed = {re.sub(r"^/(assets|last)/.+", r"/\1/<name>", path) for path in listed}

    assert {f"/loadtest{path}" for path in listed} == rules


@pytest.mark.parametrize("password", ["", "wrong", "correct horse "])
def test_a_wrong_password_lets_nobody_in(password: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said on the login page, costs its time, and nothing is started without login either."""
    slept: list[float] = []
    monkeypatch.setattr("gevent.sleep", slept.append)
    monkeypatch.setenv("LOADTEST_WEB_PASSWORD", "correct horse")
    site = Site(root, web_login=True)
    answer = site.post("/loadtest/login", {"username": "loadtest", "password": password})

    assert answer.headers["Location"] == "/login"
    assert slept == [1.0]
    assert site.get("/login").text == "Wrong username or password"
    assert site.get("/loadtest/live").status_code == 302
    assert site.post("/swarm", {"scenario": "flood-1000-direct"}).status_code == 302
    assert site.armed == []


def test_a_password_is_made_up_where_none_is_given(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said once, on the terminal; after logging out it has to be given again."""
    monkeypatch.delenv("LOADTEST_WEB_PASSWORD", raising=False)
    monkeypatch.setenv("LOADTEST_WEB_USER", "ada")
    site = Site(root, web_login=True)
    (line,) = site.said
    password = re.fullmatch(r"log in as ada with the password (\S{16}), or choose it by LOADTEST_WEB_PASSWORD", line)
    assert password is not None

    site.post("/loadtest/login", {"username": "ada", "password": password[1]})
    page = site.get("/loadtest/")
    assert (page.status_code, "Log out" in page.text) == (200, True)
    cookie = site.cookie("loadtest-8089")
    assert cookie is not None
    assert (cookie.http_only, cookie.same_site) == (True, "Lax")
    site.post("/loadtest/logout")
    assert site.get("/loadtest/").status_code == 302


@pytest.mark.parametrize("path", ["/swarm", "/stop", "/loadtest/login"])
def test_other_web_sites_cannot_post(path: str, site: Site) -> None:
    """Neither to our pages nor to Locust's."""
    evil = site.post(path, Origin="https://evil.example")
    own = site.post(path, Origin="http://localhost")

    assert evil.status_code == 403
    assert own.status_code in {200, 404}
    assert len(site.armed) == (path == "/swarm")


def test_other_names_are_refused_at_home(site: Site) -> None:
    """A page at 127.0.0.1 is that machine's own; elsewhere nobody knows its names."""
    assert site.get("/", Host="evil.example:8089").status_code == 403
    elsewhere = Site(Path("results"), host="0.0.0.0")  # noqa: S104  # nothing listens
    assert elsewhere.get("/", Host="lab.example:8089").status_code == 200


@pytest.mark.parametrize("path", OURS)
def test_headers_of_our_pages(path: str, site: Site) -> None:
    """No other site may read them, frame them, or have its scripts run on them."""
    answer = site.get(f"/loadtest{path}", Origin="https://evil.example")

    assert not [name for name, _ in answer.headers if name.startswith("Access-Control-")]
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'self'" in answer.headers["Content-Security-Policy"]
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"] or answer.status_code == 200


def test_index_has_our_scripts_and_its_own_by_nonce(site: Site) -> None:
    """Each answer has another nonce, which its one inline script carries."""
    one, other = site.get("/"), site.get("/")
    (nonce,) = re.findall(r'<script nonce="([^"]+)">', one.text)

    assert f"'nonce-{nonce}'" in one.headers["Content-Security-Policy"]
    assert nonce not in other.text
    for name in re.findall(r'src="\./loadtest/(assets/[^"]+)"', one.text):
        assert site.get(f"/loadtest/{name}").status_code == 200
    assert one.text.count("<script defer") == 4


def test_files_of_results(site: Site) -> None:
    """The report is a page in a sandbox, other files are saved under names that tell them apart."""
    report = site.get(f"/loadtest/results/{FLOOD}/report.html")
    result = site.get(f"/loadtest/results/{FLOOD}/result.json")

    assert (report.text, report.mimetype) == ("<p>report</p>", "text/html")
    assert report.headers["Content-Security-Policy"].startswith("sandbox allow-scripts")
    assert "allow-same-origin" not in report.headers["Content-Security-Policy"]
    assert result.headers["Content-Disposition"] == f"attachment; filename={FLOOD}-result.json"
    for path in (f"{FLOOD}/nothing.json", "../secret.json", f"{FLOOD}/..%2f..%2fsecret.json"):
        assert site.get(f"/loadtest/results/{path}").status_code == 404
    assert site.get("/loadtest/last/result.json").status_code == 404
    assert site.get("/loadtest/assets/..%2fweb.py").status_code == 404


def test_files_of_the_last_run_are_saved(site: Site) -> None:
    """Those that Locust's download tab links to, the report too: that page stays open."""
    collector = flood().collector()
    site.dashboard._live.follow(collector, Asked(folder=FLOOD))
    assert site.get("/loadtest/last/result.json").status_code == 404
    site.dashboard._live.close(build_result(collector))

    for file in site.web_ui.template_args["extended_csv_files"]:
        answer = site.get(file["href"].removeprefix("."))
        name = file["href"].rpartition("/")[2]
        if (GOLDEN / "flood" / name).exists() or name == "report.html":
            assert answer.headers["Content-Disposition"] == f"attachment; filename={FLOOD}-{name}"
        else:
            assert answer.status_code == 404


def test_form_knows_scenarios_and_what_the_command_line_says(root: Path) -> None:
    """Each scenario with its question; overrides one a line."""
    told = Site(root, overrides="a=1; b=2", num_users=5).get("/loadtest/form").get_json()

    assert (told["overrides"], told["users"], told["broker"]) == ("a=1\nb=2", 5, "a private RabbitMQ node")
    assert all(scenario["question"].endswith("?") for scenario in told["scenarios"])


def test_start_button_prepares_the_run(site: Site) -> None:
    """What the form says goes over the command line; Locust gets the number of users that the scenario has."""
    form = {"scenario": "steady-1kb", "broker": "amqp://a amqp://b", "overrides": "a=1\nb=2;", "user_count": "7"}
    assert site.post("/swarm", form | {"spawn_rate": "2.5", "run_time": "20s"}).get_json()["success"]
    (options,) = site.armed

    assert (options.scenario, options.broker, options.overrides) == ("steady-1kb", ["amqp://a", "amqp://b"], "a=1; b=2")
    assert (options.num_users, options.spawn_rate, options.run_time) == (7, 2.5, "20s")
    assert site.web_ui.started == [{"user_count": "3", "spawn_rate": "3"}]


def test_start_button_says_what_is_wrong(site: Site) -> None:
    """Nothing is started, no password shown; and a run under way is not disturbed."""
    wrong = site.post("/swarm", {"broker": "amqp://guest:hunter2@broker"}).get_json()
    site.web_ui.environment.runner.state = "running"
    late = site.post("/swarm", {}).get_json()

    assert (wrong["success"], wrong["message"]) == (False, "broker amqp://guest:***@broker: refused")
    assert (late["success"], late["message"]) == (False, "A run is under way; stop it before starting another.")
    assert site.web_ui.started == []


def test_while_a_run_is_prepared_there_is_no_other(site: Site) -> None:
    """A second start is refused, and so is a stop that would stop nothing; afterwards both are answered again."""
    answers: list[str] = []

    def meanwhile() -> None:
        answers.extend(site.post(path).get_json()["message"] for path in ("/swarm", "/stop"))

    site.meanwhile = meanwhile
    assert site.post("/swarm").get_json()["success"]
    assert answers == [
        "A run is being prepared; it starts in a moment.",
        "A run is being prepared; stop it when it has started.",
    ]
    assert site.post("/stop").text == "stopped"
    assert len(site.armed) == 1


@pytest.mark.parametrize(
    "state,told",
    [
        ("running", "running"),
        ("stopping", "running"),
        ("cleanup", "running"),
        ("stopped", "stopped"),
        ("ready", "ready"),
    ],
)
def test_a_run_goes_on_until_it_has_stopped(state: str, told: str, site: Site) -> None:
    """Locust's page asks no more once a run is anything but running, and a master's workers take a while to stop."""
    site.web_ui.environment.runner.state = state

    assert site.get("/stats/requests").get_json() == {"state": told, "stats": []}


GIVEN = Namespace(scenario="flood", overrides="x=1", broker=["amqp://c"], num_users=None, spawn_rate=None, run_time=9)


def test_what_is_empty_is_left_to_the_command_line() -> None:
    """Users, pace and run time to the scenario; overrides that were there and are deleted in the form are gone."""
    untouched = form_options(GIVEN, ImmutableMultiDict({"user_count": "", "spawn_rate": " ", "broker": ""}))
    emptied = form_options(GIVEN, ImmutableMultiDict({"overrides": ""}))

    assert (untouched.scenario, untouched.overrides, untouched.broker) == ("flood", "x=1", ["amqp://c"])
    assert (untouched.num_users, untouched.spawn_rate, untouched.run_time) == (None, None, None)
    assert emptied.overrides == ""


@pytest.mark.parametrize("name", ["/etc/passwd", "../other.yaml", "flood-1000-direkt"])
def test_no_file_is_read_that_the_command_line_does_not_name(name: str) -> None:
    """The page runs what is in the catalogue, and the file that the command line names."""
    with pytest.raises(
        UsageError, match=r"^scenario: found .+; allowed .*flood-1000-direct.*a file is named by --scenario"
    ):
        form_options(GIVEN, ImmutableMultiDict({"scenario": name}))

    own = Namespace(**(vars(GIVEN) | {"scenario": name}))
    assert form_options(own, ImmutableMultiDict({"scenario": name})).scenario == name


@pytest.mark.parametrize(
    "name,text",
    [("user_count", "0"), ("user_count", "1.5"), ("user_count", "-1"), ("user_count", "²")]
    + [("spawn_rate", text) for text in ("0", "-1", "fast", "nan", "inf")],
)
def test_numbers_that_are_none(name: str, text: str) -> None:
    """The field is named, with what is allowed."""
    with pytest.raises(UsageError, match=f"^{name}: found '.+'; allowed .+ as the scenario says$"):
        form_options(GIVEN, ImmutableMultiDict({name: text}))


def test_overrides_are_named_by_their_line() -> None:
    """The form's count from 1, those of the command line keep the name that they have there."""
    message = "--set:1: a: wrong\n--set:3: b: wrong"

    assert as_the_form_says(message, 0) == "override 1: a: wrong\noverride 3: b: wrong"
    assert as_the_form_says(message, 2) == "--set:1: a: wrong\noverride 1: b: wrong"


def test_what_is_asked_of_a_run() -> None:
    """Messages where they decide, time where that does, and the faults with their instants."""
    flood = load_scenario("flood-1000-direct").scenario
    alarm = load_scenario("memory-alarm").scenario

    assert asked_of(build_plan(flood), "f", None).messages == 1000
    asked = asked_of(build_plan(alarm), "f", 15.0)
    assert (asked.messages, asked.planned_s, asked.folder) == (None, 15.0, "f")
    assert [text for _, text in asked.faults] == ["memory-alarm"]
