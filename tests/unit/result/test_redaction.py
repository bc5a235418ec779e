from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from loadtest.redaction import redacted, redacted_json


@pytest.mark.parametrize(
    "text,expected",
    [
        ("amqp://shop:s3cret@host:5672/v", "amqp://shop:***@host:5672/v"),
        ("amqps://a:p@ss@host and amqp://b:q@host", "amqps://a:***@host and amqp://b:***@host"),
        ("amqp://guest@host/", "amqp://guest@host/"),
        ("amqp://a:p/q@host/v, amqp://b:r@host", "amqp://a:***@host/v, amqp://b:***@host"),
        ("amqp://a:p@h1,amqp://b:q@h2", "amqp://a:***@h1,amqp://b:***@h2"),
        ("AMQPS://a:p@h", "AMQPS://a:***@h"),
        ("http://host:80/users/@ann", "http://host:80/users/@ann"),
        ("http://host:15672/api", "http://host:15672/api"),
        ("password: hunter2\nname: x", "password: ***\nname: x"),
        ('{"api_key": "abc,def", "n": 1}', '{"api_key": "***", "n": 1}'),
        ("{token: abc, n: 1}", "{token: ***, n: 1}"),
        ("db_password='it is, here'", "db_password='***'"),
        ("routing_key: key-1", "routing_key: key-1"),
        ("secretary: Jane", "secretary: Jane"),
        ("password:\n  other: 1", "password:\n  other: 1"),
    ],
)
def test_secret_in_text_is_replaced_and_the_rest_kept(text: str, expected: str) -> None:
    """Passwords of URLs and values of secret keys are replaced; nothing else is."""
    assert redacted(text) == expected


def test_value_under_a_secret_key_is_replaced_whole() -> None:
    """In JSON whatever stands under the key of a secret goes, at any depth."""
    value: JsonValue = {"broker": [{"password": {"a": 1}, "url": "amqp://u:p@h"}], "note": 3}

    assert redacted_json(value) == {"broker": [{"password": "***", "url": "amqp://u:***@h"}], "note": 3}


@given(st.text())
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    """A redacted text is a fixed point: a second writing of a folder gives the same bytes."""
    once = redacted(text)

    assert redacted(once) == once
