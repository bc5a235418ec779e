"""
Locust's own options, looked at before Locust acts on them.

Those that mean nothing for a scenario, or would harm its run, are refused with what to do instead. Those that Locust
itself would end with a traceback, another exit code than 2, or a wait without end, are checked.
"""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from loadtest.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

LOOPBACK: Final = "127.0.0.1"
_EVERY_ADDRESS: Final = ("", "*", "0.0.0.0", "::")  # noqa: S104  # compared with, not listened at
_LAST_PORT: Final = 65_535
_NO_TASKS: Final = "a scenario has groups, not tasks; leave out a group by a scenario without it"
_UNSUPPORTED: Final[Mapping[str, str]] = {
    "host": "the broker is named by --broker",
    "autostart": "press start on the page, or leave the page out: --headless",
    "autoquit": "a run starts by --headless, and then ends by itself",
    "tags": _NO_TASKS,
    "exclude_tags": _NO_TASKS,
    "class_picker": "groups come from the scenario, which is chosen on the page",
    "equal_weights": "the scenario says how many users each group has; --users shares out another number",
    "config_users": "values of the scenario are set by --set PATH=VALUE",
    "enable_rebalancing": "users of a lost worker are replaced by --on-worker-lost continue",
    "stop_timeout": "a run waits for what is in flight as the scenario says: --set run.drain=30s",
    "show_task_ratio": _NO_TASKS,
    "show_task_ratio_json": _NO_TASKS,
    "exit_code_on_error": "the exit code is that of the verdict",
    "profile": "runs are kept together by a folder: --results FOLDER",
    "otel": "a run is watched by Prometheus: --prometheus-port",
}
_DEFAULTS: Final[Mapping[str, object]] = {"autoquit": -1, "exit_code_on_error": 1}
"""Of those whose default is a value that counts as given."""


def check_options(options: argparse.Namespace) -> None:
    """
    Refuse what Locust's options ask for and cannot be had.

    Raises:
        UsageError: If an option has no meaning for a scenario, excludes another, or names a place that cannot be used.
    """
    _refuse_unsupported(options)
    _check_roles(options)
    _check_places(options)
    for flag, path in _files(options):
        _check_file(flag, path)


def has_page(options: argparse.Namespace) -> bool:
    """Return whether this process serves Locust's web page."""
    return bool(options.headful or not options.headless) and not options.worker


def starts_workers(options: argparse.Namespace) -> bool:
    """Return whether this process leads workers that it starts itself."""
    return bool(options.processes) and not options.worker


def own_master(options: argparse.Namespace, own_port: int) -> tuple[str, int]:
    """
    Return the host and the port at which the workers of `--processes` reach their master.

    Args:
        options: Of the master.
        own_port: What both ports are if neither is given.

    Raises:
        UsageError: If the options name another place for the workers than for the master.
    """
    bound: str = options.master_bind_host
    host = LOOPBACK if bound in _EVERY_ADDRESS else bound
    port: int = options.master_bind_port
    if options.master_port not in {own_port, port}:
        raise UsageError(
            f"--master-port {options.master_port}: --processes has its workers where --master-bind-port is"
        )
    if options.master_host not in {LOOPBACK, "localhost", host}:
        raise UsageError(
            f"--master-host {options.master_host}: --processes has its workers where --master-bind-host is"
        )
    return host, port


def _refuse_unsupported(options: argparse.Namespace) -> None:
    for name, instead in _UNSUPPORTED.items():
        value = getattr(options, name, None)
        if value != _DEFAULTS[name] if name in _DEFAULTS else value:
            raise UsageError(f"--{name.replace('_', '-')} is not supported; {instead}")
    if options.user_classes:
        named = ", ".join(options.user_classes)
        raise UsageError(f"{named}: a scenario is named by --scenario, and its users are not classes")


def _check_roles(options: argparse.Namespace) -> None:
    if options.master and options.worker:
        raise UsageError("--master and --worker: a process is one or the other")
    if options.master and options.processes:
        raise UsageError("--master and --processes: --processes starts a master by itself; leave out --master")
    if options.json and options.result_json == "-":
        raise UsageError("--json and --result-json -: standard output holds one document only")


def _check_places(options: argparse.Namespace) -> None:
    """Refuse an address or a port of this machine at which nothing can listen, and a page that cannot be served."""
    for name, least in (("web_port", 0), ("master_bind_port", 1), ("master_port", 1)):
        if not least <= (port := getattr(options, name)) <= _LAST_PORT:
            raise UsageError(f"--{name.replace('_', '-')}: found {port}; allowed {least} to {_LAST_PORT}")
    if options.master or starts_workers(options):
        _check_listening("--master-bind-host", options.master_bind_host, "--master-bind-port", options.master_bind_port)
    if not has_page(options):
        return
    _check_listening("--web-host", options.web_host, "--web-port", options.web_port)
    path = options.web_base_path
    if path and not path.startswith("/"):
        raise UsageError(f"--web-base-path: found {path!r}; it begins with /")
    certificate = {"--tls-cert": options.tls_cert, "--tls-key": options.tls_key}
    for flag, file in certificate.items():
        if file and not os.access(file, os.R_OK):
            raise UsageError(f"{flag} {file}: there is no such file, or it cannot be read")
    if any(certificate.values()) and not all(certificate.values()):
        raise UsageError("--tls-cert and --tls-key: one needs the other")


def _check_listening(host_flag: str, host: str, port_flag: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("" if host == "*" else host, port))
            listener.listen()
        except OSError as error:
            text = error.strerror or str(error)
            raise UsageError(f"{host_flag} {host}, {port_flag} {port}: nothing can listen there: {text}") from None


def _files(options: argparse.Namespace) -> Iterator[tuple[str, Path]]:
    """Yield what Locust will write, with the option that asks for it."""
    if options.logfile:
        yield "--logfile", Path(options.logfile)
    if options.worker:
        return
    if options.csv_prefix:
        yield "--csv", Path(f"{options.csv_prefix}_stats.csv")
    if options.html_file:
        yield "--html", Path(options.html_file)
    if options.json_file:
        yield "--json-file", Path(f"{options.json_file}.json")


def _check_file(flag: str, path: Path) -> None:
    """Refuse a file that could not be written later; its folder is made now, as Locust would make it."""
    try:
        if path.is_dir():
            raise UsageError(f"{flag} {path}: it cannot be written: it is a folder")
        if path.exists():
            if not os.access(path, os.W_OK):
                raise UsageError(f"{flag} {path}: it may not be written")
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise UsageError(f"{flag} {path}: it cannot be written: {error.strerror or error}") from None
