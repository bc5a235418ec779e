"""
Stands for Locust's web UI where a test is about our pages: the parts of it that they use, as Locust has them.

Importing Locust would patch the standard library of the test process; tests/e2e has the real one.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from functools import wraps
from types import SimpleNamespace
from typing import Any

from flask import Blueprint, Flask, jsonify, request, session
from flask_cors import CORS
from flask_login import LoginManager, login_required


class FakeWebUI:
    """An app with an index, a start button that says what it was told, a login page, and Locust's CORS."""

    def __init__(self, *, web_login: bool = False, host: str = "127.0.0.1", base: str = "", **options: Any) -> None:
        self.web_login, self.host, self.port = web_login, host, 8089
        self.tls_cert = self.tls_key = None
        self.template_args: dict[str, Any] = {}
        self.auth_args: dict[str, Any] = {}
        given: dict[str, Any] = {
            "set": [],
            "broker": [],
            "scenario": "flood-1000-direct",
            "overrides": "",
            "results": "results",
        }
        given |= {"num_users": None, "spawn_rate": None, "run_time": None, "web_base_path": base}
        runner = SimpleNamespace(state="ready")
        self.environment = SimpleNamespace(
            runner=runner, host="a private RabbitMQ node", parsed_options=Namespace(**(given | options))
        )
        self.started: list[dict[str, str]] = []
        self.app = Flask(__name__)
        CORS(self.app)
        if web_login:
            self.login_manager = LoginManager()
            self.login_manager.init_app(self.app)
            self.login_manager.login_view = "locust.login"
        pages = Blueprint("locust", __name__, url_prefix=base or None)
        pages.add_url_rule("/", "index", self.auth_required_if_enabled(self._index))
        pages.add_url_rule("/swarm", "swarm", self.auth_required_if_enabled(self._swarm), methods=["POST"])
        pages.add_url_rule("/stop", "stop", lambda: "stopped", methods=["POST"])
        pages.add_url_rule("/stats/requests", "request_stats", lambda: jsonify({"state": runner.state, "stats": []}))
        pages.add_url_rule("/login", "login", lambda: session.get("auth_error") or "log in")
        self.app.register_blueprint(pages)

    def auth_required_if_enabled(self, view: Callable[..., Any]) -> Callable[..., Any]:
        """Have a view ask for a login, if there is one."""

        @wraps(view)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return login_required(view)(*args, **kwargs) if self.web_login else view(*args, **kwargs)

        return wrapper

    def _index(self) -> str:
        return "<html><head></head><body><script>window.templateArgs = {}</script></body></html>"

    def _swarm(self) -> Any:
        self.started.append(dict(request.form))
        return jsonify({"success": True})
