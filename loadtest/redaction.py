"""
Secrets in text, replaced before anything is written or shown.

`redacted` is for any text: it replaces passwords in URLs and leaves the rest alone, so that an error about a key called
`password` or a file called `/etc/passwd` stays readable. `redacted_value` is for what a person wrote as one value, and
also replaces what stands behind `password=` or `token:` in it. What is written as YAML has its own way
(`loadtest.scenario.loading.secrets_in_yaml`). The tool itself puts no secret into a record (an endpoint's `repr` hides
its password).
"""

from __future__ import annotations

import re
from typing import Final

from pydantic import JsonValue

REDACTED: Final = "***"

_SCHEME: Final = r"(?P<scheme>\b[a-zA-Z][a-zA-Z0-9+.-]*://)"
# Up to the next URL: several may be joined by commas.
_NEXT: Final = r"(?![a-zA-Z][a-zA-Z0-9+.-]*://)"
_URL_IN_TEXT: Final = re.compile(rf"{_SCHEME}(?P<rest>(?:{_NEXT}[^\s\"'])*)")
# A quote within a value is part of it, and perhaps of a password.
_URL_IN_VALUE: Final = re.compile(rf"{_SCHEME}(?P<rest>(?:{_NEXT}\S)*)")
_QUERY_VALUE: Final = re.compile(r"(?P<begin>[?&;](?P<name>[^=&;\s\"']*)=)(?P<value>[^&;\s\"']+)")
_WORDS: Final = r"password|passwd|passphrase|pwd|secret|token|api[_-]?key|authorization|credentials?"
_CAMEL_WORDS: Final = "Password|Passphrase|Secret|Token|Api[Kk]ey|Authorization"
# At the end of a key: the whole of it, or behind a sign, or as a further word of a key in camel case.
_SECRET_WORD: Final = rf"(?:(?<![A-Za-z0-9])(?i:{_WORDS})|(?<=[a-z0-9])(?:{_CAMEL_WORDS}))"
_SECRET_NAME: Final = re.compile(rf"{_SECRET_WORD}$")
_PAIR: Final = re.compile(
    rf"(?P<key>{_SECRET_WORD}[\"']?[ \t]*[:=][ \t]*)"
    r"(?P<value>\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'|[^\s,}\]\n\"'][^,}\]\n]*)"
)


def redacted(text: str) -> str:
    """Return *text* with the password of each URL replaced."""
    return _URL_IN_TEXT.sub(_url_without_password, text)


def redacted_value(text: str) -> str:
    """Return a text that is one value, with passwords of URLs and what stands behind `password=` in it replaced."""
    return _PAIR.sub(_pair_without_value, _URL_IN_VALUE.sub(_url_without_password, text))


def redacted_json(value: JsonValue) -> JsonValue:
    """Return *value* with every string in it redacted, and every value under the key of a secret replaced whole."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, list):
        return [redacted_json(item) for item in value]
    if isinstance(value, dict):
        return {key: REDACTED if names_secret(key) else redacted_json(item) for key, item in value.items()}
    return value


def names_secret(key: str) -> bool:
    """Return whether a value under *key* is a secret: `password`, `x-api-key`, `ssl_options.password`, `authToken`."""
    return _SECRET_NAME.search(key) is not None


def _url_without_password(url: re.Match[str]) -> str:
    """
    Return a URL without its password.

    A password follows the first colon of the authority (RFC 3986, section 3.2.1), and ends at the last @ before the
    next /. In an AMQP URL people also leave a / of it as it is, which makes it no URL, but no less a password. Where
    there is no @, what follows the colon is a port if it is a number; else it is taken for a part of a password, with
    all that comes after it.
    """
    scheme, rest = url["scheme"], url["rest"]
    is_amqp = scheme.lower() in {"amqp://", "amqps://"}
    end = rest.rfind("@") if is_amqp else rest.partition("/")[0].rfind("@")
    if end >= 0:
        user, colon, _ = rest[:end].partition(":")
        return f"{scheme}{user}:{REDACTED}{_query(rest[end:])}" if colon else f"{scheme}{_query(rest)}"
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    colon_at = rest.find(":", authority.find("]") + 1 if rest.startswith("[") else 0, len(authority))
    port = authority[colon_at + 1 :].rstrip(".,;:!)]}>")
    if colon_at < 0 or port in {"", REDACTED} or (port.isascii() and port.isdecimal()):
        return f"{scheme}{_query(rest)}"
    return f"{scheme}{rest[: colon_at + 1]}{REDACTED}"


def _query(text: str) -> str:
    """Return the end of a URL with secrets among the values of its query replaced."""
    return _QUERY_VALUE.sub(
        lambda part: f"{part['begin']}{REDACTED}" if names_secret(part["name"]) else part.group(), text
    )


def _pair_without_value(match: re.Match[str]) -> str:
    value = match["value"]
    quote = value[0] if value[0] in "\"'" else ""
    return f"{match['key']}{quote}{REDACTED}{quote}"
