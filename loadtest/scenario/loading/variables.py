"""
Variables: `${name}` in a value stands for the variable of that name.

A value that is nothing but `${name}` takes the variable's value with its type; within a longer text it becomes text.
`$${` is a plain `${`. Keys are never substituted, and a variable's value is taken as it stands.
"""

from __future__ import annotations

import copy
import re
from typing import Any, Final

from loadtest.scenario.loading.document import MAX_CHARACTERS
from loadtest.scenario.loading.error_detail import ErrorDetail, Path, listed, near_miss, shown

VARIABLE_PATTERN: Final = r"\$\{[A-Za-z_][A-Za-z0-9_-]*\}"
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*", re.ASCII)
_USE: Final = re.compile(r"\$\$\{|\$\{([^{}]*)\}")


def escape(text: str) -> str:
    """Return a text in which nothing is taken for a variable."""
    return text.replace("${", "$${")


class Substitution:
    """One pass over the values of a scenario. `details` collects what is wrong."""

    def __init__(self, variables: Any) -> None:
        self.details: list[ErrorDetail] = []
        self._variables: dict[str, Any] = {}
        self._left = MAX_CHARACTERS  # what substitution may add, in characters; a list counts as its writing does
        if variables is not None and not isinstance(variables, dict):
            self.details.append(ErrorDetail(("variables",), shown(variables), "a mapping of names to values"))
        for name, value in variables.items() if isinstance(variables, dict) else ():
            if not _NAME.fullmatch(name):
                self.details.append(ErrorDetail(("variables", name), shown(name), "a name of letters, digits, _ and -"))
            self._variables[name] = value

    def resolve(self, value: Any, path: Path = ()) -> Any:
        """Return a value with every variable in it replaced."""
        if _is_put_in_later(path):
            return value
        if isinstance(value, dict):
            return {key: self.resolve(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.resolve(item, (*path, at)) for at, item in enumerate(value)]
        return self._text(value, path) if isinstance(value, str) and "${" in value else value

    def _text(self, text: str, path: Path) -> Any:
        whole = _USE.fullmatch(text)
        if whole is not None and whole.group(1) is not None:
            name = whole.group(1)
            return (
                copy.deepcopy(self._variables[name]) if self._is_known(name, path) and self._fits(name, path) else None
            )
        return _USE.sub(lambda use: self._embedded(use.group(1), path), text)

    def _embedded(self, name: str | None, path: Path) -> str:
        if name is None:
            return "${"
        if not self._is_known(name, path):
            return ""
        value = self._variables[name]
        if value is None or isinstance(value, dict | list):
            self.details.append(
                ErrorDetail(path, f"{shown(value)} within a text, by ${{{name}}}", "text, a number, true or false")
            )
            return ""
        return (value if isinstance(value, str) else shown(value)) if self._fits(name, path) else ""

    def _is_known(self, name: str, path: Path) -> bool:
        if name in self._variables:
            return True
        allowed = listed(self._variables) or "none: there are no variables"
        self.details.append(
            ErrorDetail(path, f"the unknown variable {shown(name)}", allowed, near_miss(name, self._variables))
        )
        return False

    def _fits(self, name: str, path: Path) -> bool:
        self._left -= len(str(self._variables[name])) + 1
        if self._left < 0:
            self.details.append(ErrorDetail(path, f"variables that add more than {MAX_CHARACTERS} characters", "fewer"))
        return self._left >= 0


def _is_put_in_later(path: Path) -> bool:
    """Return whether a path is of what a variant sets: variables are put into that when it has its place."""
    return len(path) == 4 and path[:2] == ("compare", "variants") and path[3] == "set"  # noqa: PLR2004
