"""Authentication: a token for an edge's callers, a certificate for the edge. Independent of gRPC.

Certificates are for one fixed name, NAME, and callers check against their CA alone: an edge's
address may change, or be known only once it runs.
"""

from __future__ import annotations

import hmac
import ipaddress
import os
from dataclasses import dataclass, field
from pathlib import Path

from midstep.errors import CredentialsError

__all__ = [
    "CA",
    "CERTIFICATE",
    "DEVICE",
    "KEY",
    "NAME",
    "TOKEN",
    "Credentials",
    "check_listen",
    "is_loopback",
    "write_secret",
]

NAME = "midstep-edge"  # the DNS name in every edge's certificate
# the files of a folder
CA = "ca.pem"
CERTIFICATE = "edge.pem"
KEY = "edge-key.pem"
TOKEN = "token"
DEVICE = "device"  # the folder in it that devices get: CA and token


@dataclass(frozen=True)
class Credentials:
    """A `token` that is always asked for; PEM texts where there is TLS.

    `ca` is what a caller checks the edge against, `certificate` and `key` what an edge shows: a
    device has `ca` only.
    """

    token: str = field(repr=False)
    ca: bytes | None = field(default=None, repr=False)
    certificate: bytes | None = field(default=None, repr=False)
    key: bytes | None = field(default=None, repr=False)

    def public(self) -> Credentials:
        """The callers' part: without the edge's private key."""
        return Credentials(self.token, self.ca)

    def accept(self, token: str | bytes | None) -> bool:
        """Whether a caller's token is the one; in a time that tells nothing of how much of it was
        right."""
        shown = token.encode("utf-8", "replace") if isinstance(token, str) else token or b""
        return hmac.compare_digest(shown, self.token.encode())


def check_listen(address: str, credentials: Credentials | None, insecure: bool = False) -> None:
    """Raise CredentialsError where `address` is open to other machines and nobody asks who calls,
    or in clear."""
    encrypted = credentials is not None and credentials.key is not None
    if insecure or encrypted or is_loopback(address):
        return
    raise CredentialsError(
        f"{address} is open to other machines: make credentials (midstep certs DIR) and give "
        f"--credentials DIR, "
        f"or --insecure on a network where you trust everybody"
    )


def is_loopback(address: str) -> bool:
    """Whether HOST:PORT is reached from this machine only."""
    host = address.rpartition(":")[0].strip("[]")
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def write_secret(path: Path, content: bytes) -> None:
    """A new file that only its owner can read. Raises FileExistsError."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
