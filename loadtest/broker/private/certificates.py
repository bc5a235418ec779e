"""
Certificates for a private broker that is to be reached over TLS: an authority of its own, which lives as long as it.

The keys are in the node's folder, readable by its owner only, and go with it. What is measured over TLS is encryption
and its cost, not trust: clients verify the broker by the authority's certificate, and the broker asks for none.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from loadtest.broker.private.ports import LOOPBACK
from loadtest.broker.private.run_folder import write_private

FOLDER: Final = "tls"
AUTHORITY: Final = "ca.pem"
_CERTIFICATE: Final = "server.pem"
_KEY: Final = "server.key"
_FOLDER_MODE: Final = 0o700


def write_certificates(folder: Path, host: str) -> str:
    """
    Write an authority, a certificate for *host* and the loopback address, and its key, below the folder of a node.

    Returns:
        The lines of rabbitmq.conf that have the node use them.
    """
    import trustme  # noqa: PLC0415  # with the library behind it 0.1 s, which few runs need

    files = folder / FOLDER
    files.mkdir(mode=_FOLDER_MODE, exist_ok=True)
    authority = trustme.CA(organization_name="loadtest")
    certificate = authority.issue_cert(host, LOOPBACK, organization_name="loadtest")
    for name, content in (
        (AUTHORITY, authority.cert_pem.bytes()),
        (_CERTIFICATE, b"".join(blob.bytes() for blob in certificate.cert_chain_pems)),
        (_KEY, certificate.private_key_pem.bytes()),
    ):
        write_private(files / name, content.decode("ascii"))
    settings = {
        "ssl_options.cacertfile": files / AUTHORITY,
        "ssl_options.certfile": files / _CERTIFICATE,
        "ssl_options.keyfile": files / _KEY,
        "ssl_options.verify": "verify_none",
        "ssl_options.fail_if_no_peer_cert": "false",
    }
    return "".join(f"{name} = {value}\n" for name, value in settings.items())


def authority_of(folder: Path) -> Path | None:
    """Return the certificate by which clients verify the node in *folder*; None for one without TLS of its own."""
    path = folder / FOLDER / AUTHORITY
    return path if path.exists() else None
