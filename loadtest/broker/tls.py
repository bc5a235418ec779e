"""
How a connection to a broker is secured: what is verified, with which files.

Knows no broker. The names are those of RabbitMQ's AMQP URI query parameters (docs/uri-query-parameters.md), with
which people write `amqps` URLs.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loadtest.errors import UsageError

NO_VERIFICATION: Final = frozenset({"none", "verify_none"})
VERIFICATION: Final = frozenset({"peer", "verify_peer"})


@dataclass(frozen=True, slots=True)
class Tls:
    """
    The TLS side of an endpoint; verifies the broker's certificate and host name unless told otherwise.

    Attributes:
        verify: Whether a certificate that does not stand up is refused.
        cacertfile: Authorities to trust instead of the system's.
        certfile: Client certificate (PEM, chain included).
        keyfile: Its key; may also be in `certfile`. Without a passphrase: nothing here can ask for one.
        server_name_indication: The name to ask for and to verify, if it is not the host of the URL.
    """

    verify: bool = True
    cacertfile: Path | None = None
    certfile: Path | None = None
    keyfile: Path | None = None
    server_name_indication: str | None = None

    def context(self) -> ssl.SSLContext:
        """
        Return the context for a connection.

        Raises:
            UsageError: If a file cannot be read or is not what it should be.
        """
        context = self._trust()
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.certfile is not None:
            try:
                context.load_cert_chain(self.certfile, self.keyfile, password=_no_passphrase)
            except (OSError, ValueError) as error:
                files = f"certfile {self.certfile} with key {self.keyfile or self.certfile}"
                raise UsageError(f"{files} cannot be used: {_reason(error)}") from error
        elif self.keyfile is not None:
            raise UsageError(f"keyfile {self.keyfile} is given without certfile: give both")
        return context

    def _trust(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self.cacertfile)
        except OSError as error:
            raise UsageError(f"cacertfile {self.cacertfile} cannot be used: {_reason(error)}") from error


def _no_passphrase() -> str:
    """Refuse instead of letting OpenSSL ask at the terminal, where a run in CI would hang."""
    raise ValueError("the key is encrypted; give one without a passphrase")


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError) and error.reason is not None:
        return f"not in PEM form or not matching ({error.reason})"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)
