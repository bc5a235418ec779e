"""Options of Locust that mean nothing for a scenario, or would harm its run: refused, with what to do instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loadtest.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

_NO_TASKS: Final = "a scenario has groups, not tasks; leave out a group by a scenario without it"
_UNSUPPORTED: Final[Mapping[str, str]] = {
    "autostart": "press start on the page, or leave the page out: --headless",
    "tags": _NO_TASKS,
    "exclude_tags": _NO_TASKS,
    "class_picker": "groups come from the scenario, which is chosen on the page",
    "equal_weights": "the scenario says how many users each group has; --users shares out another number",
    "config_users": "values of the scenario are set by --set PATH=VALUE",
    "enable_rebalancing": "users of a lost worker are replaced by --on-worker-lost continue",
    "stop_timeout": "a run waits for what is in flight as the scenario says: --set run.drain=30s",
    "show_task_ratio": _NO_TASKS,
    "show_task_ratio_json": _NO_TASKS,
}


def refuse_unsupported(options: argparse.Namespace) -> None:
    """
    Refuse such an option, if it is given.

    Raises:
        UsageError: If an option of Locust's has no meaning for a scenario.
    """
    for name, instead in _UNSUPPORTED.items():
        if getattr(options, name, None):
            raise UsageError(f"--{name.replace('_', '-')} is not supported; {instead}")
    if options.user_classes:
        named = ", ".join(options.user_classes)
        raise UsageError(f"{named}: a scenario is named by --scenario, and its users are not classes")
