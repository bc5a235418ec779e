"""Secrets of a scenario's text and of overrides: gone wherever they stand, and what is left still loads."""

from __future__ import annotations

import random
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtest.errors import ScenarioError
from loadtest.scenario import catalogue, load_scenario
from loadtest.scenario.loading.document import read_document
from loadtest.scenario.loading.secrets_in_yaml import redacted_override, redacted_scenario

SECRET_WORDS = ["password", "refresh-token", "db_secret", "x-api-key", "Authorization", "authToken", "passwd"]


def resolved(text: str) -> str:
    """Return a scenario as it is kept in results, before anything is redacted."""
    return load_scenario("s.yaml", text=text).text


NAMES = """\
name: names
description: "the token: it is renewed; see http://broker:15672/#/queues and 'password' in /etc/passwd"
topology:
  exchanges: {{ "{0}-ex": {{type: topic, arguments: {{x: 1}}}} }}
  queues: {{ "{0}": {{type: quorum}}, "{0}-%d": {{count: 2}} }}
  bindings: [{{exchange: "{0}-ex", queue: "{0}", routing_key: "{0}"}}]
publishers: {{ {1}: {{exchange: "{0}-ex", routing_key: "{0}", messages: 1, body: {{text: x}}}} }}
consumers: {{ {1}-2: {{queue: "{0}", messages: 1}} }}
getters: {{ {1}-3: {{queue: "{0}-%d", after: {1}, until: empty}} }}
thresholds: ["lost == 0", "{1}.published == 1"]
"""


@pytest.mark.parametrize("word", SECRET_WORDS)
def test_names_are_no_secrets(word: str) -> None:
    """A queue, an exchange or a group may be called anything: to the byte, nothing of the text is changed."""
    text = resolved(NAMES.format(word, word.replace(" ", "")))

    assert redacted_scenario(text) == text


def test_the_catalogue_stays_as_it_is() -> None:
    """To the byte."""
    texts = [load_scenario(entry.name).text for entry in catalogue()]

    assert [redacted_scenario(text) for text in texts] == texts


HIDING = {
    "header": "properties: {{headers: {{{word}: {value}}}}}",
    "deep header": "properties: {{headers: {{a: [1, {{{word}: {value}, queues: {{{word}: {value}}}}}]}}}}",
    "all below": "properties: {{headers: {{{word}: {{a: {value}, b: [{value}]}}}}}}",
    "url": "properties: {{headers: {{reply: {url}}}}}",
    "property": "properties: {{app_id: {url}}}",
    "text": "body: {{text: {pair}}}",
    "json": "body: {{json: {{user: ann, {word}: {value}, list: [{url}]}}}}",
    "json text": "body: {{json: {pair}}}",
}
BASE = """\
name: secrets
description: {description}
topology: {{queues: {{q: {{arguments: {{x-{word}: {value}}}}}}}}}
publishers:
  in:
    routing_key: q
    messages: 10
    {hiding}
"""


def quoted(text: str) -> str:
    """Return a text as YAML has it in double quotes."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@pytest.mark.parametrize("hiding", HIDING.values(), ids=HIDING.keys())
@settings(max_examples=40)
@given(data=st.data())
def test_no_secret_is_left_and_the_text_loads(hiding: str, data: st.DataObject) -> None:
    """Whatever the secret is and wherever it stands: in values, lists, texts and URLs."""
    word = data.draw(st.sampled_from(SECRET_WORDS))
    signs = "abcXYZ0189!#$%&'*+,-./:;<=>?[]^_`{|}~\\\"@"
    secret = "Zq7" + data.draw(st.text(signs, min_size=4, max_size=20)) + "9kW"
    url = data.draw(st.sampled_from(["amqp://ann:{}@host/v", "amqps://ann:{}@h1:5671", "amqp://ann:{}"]))
    in_url = data.draw(st.sampled_from([secret, quote(secret, safe="")]))
    pair = f'{{"{word}": {quoted(secret)}}}' if "\\" not in secret and '"' not in secret else f"{word}=x"
    filled = hiding.format(word=word, value=quoted(secret), url=quoted(url.format(in_url)), pair=quoted(pair))
    description = quoted(f"at {url.format(quote(secret, safe=''))}")
    written = BASE.format(description=description, word=word, value=quoted(secret), hiding=filled)
    text = resolved(written.replace("${", "$$${"))

    safe = redacted_scenario(text)

    assert secret not in read_values(safe)
    assert quote(secret, safe="") not in safe
    assert load_scenario("s.yaml", text=safe).scenario.name == "secrets"
    assert redacted_scenario(safe) == safe


def read_values(text: str) -> str:
    """Return all that a text says, as its reader sees it."""
    return str(read_document(text, "s.yaml").value)


def test_comments_and_layout_stay() -> None:
    """All but the values that are secrets: comments, order, spaces, block texts and anchors."""
    text = (
        "# password: see below\nname:   x   # token\nvariables:\n  url: &u 'amqp://a:pw@h'\n  again: *u\n"
        "  password: |\n    two\n    lines\n  n: 1\n"
    )

    safe = redacted_scenario(text)

    assert safe == (
        '# password: see below\nname:   x   # token\nvariables:\n  url: &u "amqp://a:***@h"\n  again: *u\n'
        '  password: "***"\n  n: 1\n'
    )


@pytest.mark.parametrize(
    "override, safe",
    [
        ("publishers.in.properties.headers.password=a,b: [c", "publishers.in.properties.headers.password=***"),
        ("headers.x-api-key=1", "headers.x-api-key=***"),
        ("in.properties.headers={password: a, n: 1}", 'in.properties.headers={password: "***", n: 1}'),
        ("variables.password=hunter2", "variables.password=***"),
        ("properties.app_id=amqp://a:p@h", 'properties.app_id="amqp://a:***@h"'),
        ("topology.queues.password.type=quorum", "topology.queues.password.type=quorum"),
        ("queues.token={type: quorum}", "queues.token={type: quorum}"),
        ("publishers.refresh-token.rate=5/s", "publishers.refresh-token.rate=5/s"),
        ("no equals sign password: x", "no equals sign password: ***"),
    ],
)
def test_overrides(override: str, safe: str) -> None:
    """By the path and the value; a thing's name in the path names no secret."""
    assert redacted_override(override) == safe
    assert redacted_override(safe) == safe


def test_an_error_says_where_and_not_what() -> None:
    """Of a secret the place and what is allowed are told; of a thing with such a name all."""
    text = NAMES.format("password", "token").replace("messages: 1,", "messages: none,", 1)
    text = text.replace("arguments: {x: 1}", "arguments: {x-secret: 99999999999999999999999}")

    with pytest.raises(ScenarioError) as refused:
        load_scenario("/etc/passwd", text=text)

    assert str(refused.value).splitlines() == [
        f"{place}: {path}: found {found}; allowed a whole number of {allowed}"
        for place, path, found, allowed in (
            ("/etc/passwd:4", "topology.exchanges.password-ex.arguments.x-secret", "***", "*** bits"),
            ("/etc/passwd:7", "publishers.token.messages", '"none"', "messages from 1 to 1000000000000"),
        )
    ]


def test_what_is_no_yaml_is_redacted_as_text() -> None:
    """Nothing raises, and what looks like a secret goes."""
    draw = random.Random(5)
    for _ in range(300):
        pieces = [" password: Zq7", "{", "[", "'", "\n", " ", "amqp://a:Zq7@h", "%", "*x"]
        text = "".join(draw.choice(pieces) for _ in range(8))
        if read_document(text, "s.yaml").details:
            assert "Zq7" not in redacted_scenario(text)
