"""Who may speak with an edge: a token for the callers, a certificate for the edge. Knows no gRPC.

Certificates are for one fixed name, NAME, and callers check against their CA alone: an edge's address may change, or
be known only once it runs.
"""

from __future__ import annotations

import hmac
import ipaddress
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from midstep.errors import CredentialsError

NAME = "midstep-edge"  # the DNS name in every edge's certificate
CA, CERTIFICATE, KEY, TOKEN = "ca.pem", "edge.pem", "edge-key.pem", "token"  # the files of a folder
DEVICE = "device"  # the folder in it that devices get: CA and token
TOKEN_BYTES = 32  # of randomness
SHORTEST, LONGEST = 16, 1024  # characters of a token


@dataclass(frozen=True)
class Credentials:
    """A `token` that is always asked for; PEM texts where there is TLS.

    `ca` is what a caller checks the edge against, `certificate` and `key` what an edge shows: a device has `ca` only.
    """

    token: str = field(repr=False)
    ca: bytes | None = field(default=None, repr=False)
    certificate: bytes | None = field(default=None, repr=False)
    key: bytes | None = field(default=None, repr=False)

    @classmethod
    def load(cls, folder: str | Path) -> Credentials:
        """What `midstep certs` wrote: an edge's folder, or the part of it that a device has.

        Raises CredentialsError where a file is missing, open to others, expired or of something else.
        """
        from midstep.wire.certificates import check

        folder = Path(folder)
        token, ca = _secret(folder / TOKEN).decode("ascii", "replace").strip(), _read(folder / CA)
        certificate = key = None
        if (folder / CERTIFICATE).exists() or (folder / KEY).exists():
            certificate, key = _read(folder / CERTIFICATE), _secret(folder / KEY)
        if not SHORTEST <= len(token) <= LONGEST or not token.isascii() or not token.isprintable() or " " in token:
            raise CredentialsError(
                f"{folder / TOKEN}: a token has {SHORTEST} to {LONGEST} printable characters and no spaces"
            )
        check(folder, ca, certificate, key)
        return cls(token, ca, certificate, key)

    def public(self) -> Credentials:
        """What a caller needs: without the edge's private key."""
        return Credentials(self.token, self.ca)

    def accept(self, token: str | bytes | None) -> bool:
        """Whether a caller's token is the one; in a time that tells nothing of how much of it was right."""
        given = token.encode("utf-8", "replace") if isinstance(token, str) else token or b""
        return hmac.compare_digest(given, self.token.encode())


def ephemeral(tls: bool) -> Credentials:
    """Fresh ones for one run, never on disk: a token, and with `tls` a CA (its key is dropped) and a certificate."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    if not tls:
        return Credentials(token)
    from midstep.wire.certificates import make

    return Credentials(token, *make(days=365))


def check_listen(address: str, credentials: Credentials | None, insecure: bool = False) -> None:
    """Raise CredentialsError where `address` is open to other machines and nobody asks who calls, or in clear."""
    encrypted = credentials is not None and credentials.key is not None
    if insecure or encrypted or is_loopback(address):
        return
    raise CredentialsError(
        f"{address} is open to other machines: make credentials (midstep certs DIR) and give --credentials DIR, "
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


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CredentialsError(
            f"{path} cannot be read ({error.strerror}): an edge's credentials are {CA}, {CERTIFICATE}, {KEY} and "
            f"{TOKEN}, a device's {CA} and {TOKEN}; midstep certs DIR makes both"
        ) from error


def _secret(path: Path) -> bytes:
    """A file that others must not read; like libpq, a group may where the file is not ours (a mounted secret)."""
    content, about = _read(path), path.stat()
    ours = not hasattr(os, "geteuid") or about.st_uid == os.geteuid()
    if os.name == "posix" and about.st_mode & (0o077 if ours else 0o037):
        raise CredentialsError(f"{path} can be read by others: chmod 600 {path}")
    return content
