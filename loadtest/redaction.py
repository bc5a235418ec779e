"""
Secrets in text, replaced before anything is written.

Broker URLs with a password and values under a key that names a secret. Knows nothing of where the text comes from. The
tool itself puts no secret into a record (an endpoint's `repr` hides its password); this is for what people and brokers
write into texts.
"""

from __future__ import annotations

import re
from typing import Final

from pydantic import JsonValue

REDACTED: Final = "***"

# RFC 3986, section 3.2.1: userinfo is what stands between "//" and "@"; a password follows its first colon. It runs to
# the last "@" before the next "/", so that a password with an "@" in it, which people do write, does not leak its tail.
# In an AMQP URL people also leave a "/" of it as it is, which makes it no URL, but no less a password.
_URL_PASSWORD: Final = re.compile(
    r"(?P<user>\b[a-zA-Z][a-zA-Z0-9+.-]*://[^\s:/@\"']*:)[^\s/\"']*@"
    r"|(?P<amqp_user>\bamqps?://[^\s:/@\"']*:)(?:(?!://)[^\s\"'])*@",
    re.IGNORECASE,
)
_SECRET_KEY: Final = re.compile(
    r"(?P<key>[\"']?\b(?:[\w-]*[_-])?(?:password|passwd|passphrase|secret|token|api[_-]?key|authorization)[\"']?"
    r"[ \t]*[:=][ \t]*)"
    r"(?P<value>\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'|[^\s,}\]\n\"'][^,}\]\n]*)",
    re.IGNORECASE,
)


def redacted(text: str) -> str:
    """Return *text* with each URL's password and each value under a key such as ``password`` or ``token`` replaced."""
    without_urls = _URL_PASSWORD.sub(lambda url: f"{url['user'] or url['amqp_user']}{REDACTED}@", text)
    return _SECRET_KEY.sub(_hidden, without_urls)


def redacted_json(value: JsonValue) -> JsonValue:
    """Return *value* with every string in it redacted, and every value under the key of a secret replaced whole."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, list):
        return [redacted_json(item) for item in value]
    if isinstance(value, dict):
        return {key: REDACTED if _names_secret(key) else redacted_json(item) for key, item in value.items()}
    return value


def _names_secret(key: str) -> bool:
    return _SECRET_KEY.fullmatch(f"{key}: x") is not None


def _hidden(match: re.Match[str]) -> str:
    value = match["value"]
    quote = value[0] if value[0] in "\"'" else ""
    return f"{match['key']}{quote}{REDACTED}{quote}"
