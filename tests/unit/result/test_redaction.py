from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from loadtest.redaction import names_secret, redacted, redacted_json, redacted_value


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
        ("http://host/?password=abc&x=1", "http://host/?password=***&x=1"),
        ("amqp://guest:sec", "amqp://guest:***"),
        ("amqp://guest:sec/ret", "amqp://guest:***"),
        ("amqp://guest:5672", "amqp://guest:5672"),
        ("(see amqp://h:5672/v, amqp://[::1]:5672/v.)", "(see amqp://h:5672/v, amqp://[::1]:5672/v.)"),
        ("amqp://[::1]:sec", "amqp://[::1]:***"),
        ("/etc/passwd: no such file", "/etc/passwd: no such file"),
        ("a.yaml:4: queues.password: found 3", "a.yaml:4: queues.password: found 3"),
        ("queue refresh-token: NOT_FOUND", "queue refresh-token: NOT_FOUND"),
    ],
)
def test_passwords_of_urls_are_replaced_and_the_rest_kept(text: str, expected: str) -> None:
    """In any text: what follows the first colon of an authority and is no port goes, and nothing else."""
    assert redacted(text) == expected


@pytest.mark.parametrize(
    "text,expected",
    [
        ("password: hunter2\nname: x", "password: ***\nname: x"),
        ('{"api_key": "abc,def", "n": 1}', '{"api_key": "***", "n": 1}'),
        ("{token: abc, n: 1}", "{token: ***, n: 1}"),
        ("db_password='it is, here'", "db_password='***'"),
        ("routing_key: key-1", "routing_key: key-1"),
        ("secretary: Jane", "secretary: Jane"),
        ("password:\n  other: 1", "password:\n  other: 1"),
        ("amqp://a:p\"q'r@h", "amqp://a:***@h"),
        ("/etc/passwd", "/etc/passwd"),
    ],
)
def test_secrets_in_a_value_are_replaced(text: str, expected: str) -> None:
    """What a person wrote as one value: what it says behind `password=`, too, and quotes are part of a password."""
    assert redacted_value(text) == expected


@pytest.mark.parametrize("key", ["password", "DB_PASSWORD", "x-api-key", "ssl_options.password", "authToken", "token"])
def test_a_key_that_names_a_secret(key: str) -> None:
    """At the end of its name, after a sign or a small letter."""
    assert names_secret(key)


@pytest.mark.parametrize("key", ["routing_key", "secretary", "tokens", "compass", "password-policy", "key", "monkey"])
def test_a_key_that_names_none(key: str) -> None:
    """A word that holds such a word."""
    assert not names_secret(key)


def test_value_under_a_secret_key_is_replaced_whole() -> None:
    """In JSON whatever stands under the key of a secret goes, at any depth."""
    value: JsonValue = {"broker": [{"password": {"a": 1}, "url": "amqp://u:p@h"}], "note": 3}

    assert redacted_json(value) == {"broker": [{"password": "***", "url": "amqp://u:***@h"}], "note": 3}


@given(st.text())
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    """A redacted text is a fixed point: a second writing of a folder gives the same bytes."""
    once, value = redacted(text), redacted_value(text)

    assert redacted(once) == once
    assert redacted_value(value) == value
