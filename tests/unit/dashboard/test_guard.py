"""Who may ask what of the page: the page itself and programs, no other web site, and nobody under a false name."""

from __future__ import annotations

import pytest

from loadtest.dashboard.guard import OWN_POLICY, is_own_name, is_same_origin

HOST = "127.0.0.1:8089"


@pytest.mark.parametrize(
    "headers,allowed",
    [
        ({}, True),
        ({"Origin": f"http://{HOST}"}, True),
        ({"Origin": f"https://{HOST}"}, True),
        ({"Origin": "http://127.0.0.1:8090"}, False),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "http://["}, False),
        ({"Sec-Fetch-Site": "same-origin", "Origin": f"http://{HOST}"}, True),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://behind.a.proxy"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Sec-Fetch-Site": "same-site", "Origin": f"http://{HOST}"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
    ],
)
def test_what_changes_something_comes_from_the_page(headers: dict[str, str], allowed: bool) -> None:
    """Or from a program, which sends neither header."""
    assert is_same_origin(headers, HOST) is allowed


@pytest.mark.parametrize(
    "host,is_own",
    [
        (HOST, True),
        ("127.0.0.1", True),
        ("localhost:8089", True),
        ("loadtest.localhost:8089", True),
        ("[::1]:8089", True),
        ("192.168.1.7:8089", True),
        ("lab.internal", True),
        ("evil.example:8089", False),
        ("127.0.0.1.evil.example", False),
        ("", False),
        ("[::1", False),
        ("LOCALHOST:8089", True),
    ],
)
def test_a_page_of_this_machine_goes_by_its_name(host: str, is_own: bool) -> None:
    """A site whose own name points here is none of ours; a proxy's name can be told."""
    assert is_own_name(host, frozenset({"lab.internal"})) is is_own


def test_no_script_of_others_runs_on_our_pages() -> None:
    """Nothing inline, nothing evaluated, nothing from elsewhere."""
    assert "script-src 'self';" in OWN_POLICY
    assert "unsafe-eval" not in OWN_POLICY
    assert "default-src 'none'" in OWN_POLICY
