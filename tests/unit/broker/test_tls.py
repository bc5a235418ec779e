"""`tls`: what a file that cannot be used is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.broker.tls import Tls
from loadtest.errors import UsageError

FAULTS = {
    "no-ca": (Tls(cacertfile=Path("nowhere.pem")), "cacertfile nowhere.pem cannot be used: No such file or directory"),
    "no-certificate": (
        Tls(certfile=Path("c.pem"), keyfile=Path("k.pem")),
        "certfile c.pem with key k.pem cannot be used: No such file or directory",
    ),
    "key-alone": (Tls(keyfile=Path("k.pem")), "keyfile k.pem is given without certfile: give both"),
}


@pytest.mark.parametrize("tls, said", FAULTS.values(), ids=FAULTS.keys())
def test_file_that_cannot_be_used(tls: Tls, said: str) -> None:
    """A file that is missing is wrong usage, and named."""
    with pytest.raises(UsageError) as caught:
        tls.context()

    assert str(caught.value) == said


def test_file_of_something_else(tmp_path: Path) -> None:
    """A file that is no certificate is named as such."""
    no_certificate = tmp_path / "ca.pem"
    no_certificate.write_text("hello")

    with pytest.raises(UsageError, match="not in PEM form"):
        Tls(cacertfile=no_certificate).context()
