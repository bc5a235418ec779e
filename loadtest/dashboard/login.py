"""
A login for `--web-login`, which Locust leaves to whoever writes the locustfile: one user, one password.

Knows Locust's login page and flask-login; not what is behind it.
"""

from __future__ import annotations

import hmac
import secrets
from typing import TYPE_CHECKING, Final

import gevent
from flask import redirect, request, session, url_for
from flask_login import UserMixin, login_user, logout_user

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from flask import Blueprint
    from locust.web import WebUI

USER_ENVIRONMENT_NAME: Final = "LOADTEST_WEB_USER"
PASSWORD_ENVIRONMENT_NAME: Final = "LOADTEST_WEB_PASSWORD"  # noqa: S105  # where it is, not what
DEFAULT_USER: Final = "loadtest"
# A wrong password costs whoever tries it so long.
WRONG_S: Final = 1.0


class _User(UserMixin):
    """The one user."""

    def __init__(self, name: str) -> None:
        self.id = name


def install_login(
    web_ui: WebUI, pages: Blueprint, base: str, environ: Mapping[str, str], say: Callable[[str], None]
) -> None:
    """
    Let the user of `LOADTEST_WEB_USER` and `LOADTEST_WEB_PASSWORD` in; without one make a password up and say it.

    Args:
        web_ui: With `--web-login`.
        pages: Gets the address that the login form posts to.
        base: What stands before the pages' own path.
        environ: Where the password is.
        say: Prints a line.
    """
    app = web_ui.app
    assert app is not None, "made before the init event"
    name = environ.get(USER_ENVIRONMENT_NAME) or DEFAULT_USER
    password = environ.get(PASSWORD_ENVIRONMENT_NAME) or ""
    if not password:
        password = secrets.token_urlsafe(12)
        say(f"log in as {name} with the password {password}, or choose it by {PASSWORD_ENVIRONMENT_NAME}")
    app.secret_key = secrets.token_bytes(32)
    # Cookies are of a host, not of a port: two processes must not log each other out.
    app.config |= {
        "SESSION_COOKIE_NAME": f"loadtest-{web_ui.port}",
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": bool(web_ui.tls_cert and web_ui.tls_key),
        "REMEMBER_COOKIE_SAMESITE": "Lax",
    }
    web_ui.login_manager.user_loader(lambda known: _User(known) if known == name else None)
    web_ui.auth_args["username_password_callback"] = f"{base}/login"

    def login() -> Any:
        given = (request.form.get("username", ""), request.form.get("password", ""))
        matches = [hmac.compare_digest(a.encode(), b.encode()) for a, b in zip(given, (name, password), strict=True)]
        if not all(matches):
            gevent.sleep(WRONG_S)
            session["auth_error"] = "Wrong username or password"
            return redirect(url_for("locust.login"))
        session["auth_error"] = None
        login_user(_User(name))
        return redirect(url_for("locust.index"))

    def logout() -> Any:
        logout_user()
        return redirect(url_for("locust.login"))

    pages.add_url_rule("/login", "login", login, methods=["POST"])
    pages.add_url_rule("/logout", "logout", logout, methods=["POST"])
