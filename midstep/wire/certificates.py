"""Credentials made and read: a token, and a CA with an edge's certificate by the library
`cryptography`."""

from __future__ import annotations

import datetime as dt
import os
import secrets
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from midstep.errors import CredentialsError
from midstep.wire.security import CA, CERTIFICATE, KEY, NAME, TOKEN, Credentials

__all__ = ["TOKEN_BYTES", "check", "ephemeral", "load_credentials", "make"]

TOKEN_BYTES = 32  # of randomness
# characters of a token
SHORTEST = 16
LONGEST = 1024
PEM = serialization.Encoding.PEM
_SLACK = dt.timedelta(days=1)  # between the clocks of two machines


def load_credentials(folder: str | Path) -> Credentials:
    """What `midstep certs` wrote: an edge's folder, or the part of it that a device has.

    Raises CredentialsError where a file is missing, open to others, expired or of something else.
    """
    folder = Path(folder)
    token = _secret(folder / TOKEN).decode("ascii", "replace").strip()
    ca = _read(folder / CA)
    certificate = key = None
    if (folder / CERTIFICATE).exists() or (folder / KEY).exists():
        certificate = _read(folder / CERTIFICATE)
        key = _secret(folder / KEY)
    if (
        not SHORTEST <= len(token) <= LONGEST
        or not token.isascii()
        or not token.isprintable()
        or " " in token
    ):
        raise CredentialsError(
            f"{folder / TOKEN}: a token has {SHORTEST} to {LONGEST} printable characters and no "
            f"spaces"
        )
    check(folder, ca, certificate, key)
    return Credentials(token, ca, certificate, key)


def ephemeral(tls: bool) -> Credentials:
    """Fresh ones for one run, never on disk: a token, and with `tls` a CA (its key is dropped) and
    a certificate."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    if not tls:
        return Credentials(token)
    return Credentials(token, *make(days=365))


def make(days: int) -> tuple[bytes, bytes, bytes]:
    """A CA's certificate, an edge's certificate and the edge's private key, as PEM; valid from now
    on for `days`.

    The CA's own key is dropped: nobody can make another certificate that this CA's devices would
    believe.
    """
    ca_key = ec.generate_private_key(ec.SECP256R1())
    edge_key = ec.generate_private_key(ec.SECP256R1())
    issuer = _named("midstep test CA")
    ca = (
        _certificate(issuer, issuer, ca_key.public_key(), days)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False
        )
        .sign(ca_key, hashes.SHA256())
    )
    edge = (
        _certificate(_named(NAME), issuer, edge_key.public_key(), days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
        )
        .sign(ca_key, hashes.SHA256())
    )
    key = edge_key.private_bytes(
        PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return ca.public_bytes(PEM), edge.public_bytes(PEM), key


def check(folder: Path, ca: bytes, certificate: bytes | None, key: bytes | None) -> None:
    """Raise CredentialsError, with the file's name, where these do not belong together or are no
    longer valid."""
    root = _parsed(folder / CA, ca)
    if certificate is None or key is None:
        return
    shown = _parsed(folder / CERTIFICATE, certificate)
    try:
        private = serialization.load_pem_private_key(key, password=None)
    except (ValueError, TypeError) as error:
        raise CredentialsError(
            f"{folder / KEY} is no private key in PEM without a password"
        ) from error
    if private.public_key() != shown.public_key():
        raise CredentialsError(
            f"{folder / KEY} is not the key of {CERTIFICATE}: make new ones with midstep certs"
        )
    try:
        names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        covered = NAME in names.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        covered = False
    if not covered:
        raise CredentialsError(
            f"{folder / CERTIFICATE} is not for the name {NAME}, which callers ask for"
        )
    try:
        shown.verify_directly_issued_by(root)
    except (ValueError, TypeError, InvalidSignature) as error:
        raise CredentialsError(
            f"{folder / CERTIFICATE} is not signed by {CA}: make new ones with midstep certs"
        ) from error


def _parsed(path: Path, pem: bytes) -> x509.Certificate:
    try:
        certificate = x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        raise CredentialsError(f"{path} is no certificate in PEM") from error
    ended = certificate.not_valid_after_utc
    if ended < dt.datetime.now(dt.UTC):
        raise CredentialsError(
            f"{path} ended on {ended:%Y-%m-%d}: make new ones with midstep certs"
        )
    return certificate


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SLACK)
        .not_valid_after(now + dt.timedelta(days=days))
    )


def _usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CredentialsError(
            f"{path} cannot be read ({error.strerror}): an edge's credentials are {CA}, "
            f"{CERTIFICATE}, {KEY} and "
            f"{TOKEN}, a device's {CA} and {TOKEN}; midstep certs DIR makes both"
        ) from error


def _secret(path: Path) -> bytes:
    """A file that others must not read; like libpq, a group may where the file is not ours (a
    mounted secret)."""
    content = _read(path)
    about = path.stat()
    ours = not hasattr(os, "geteuid") or about.st_uid == os.geteuid()
    if os.name == "posix" and about.st_mode & (0o077 if ours else 0o037):
        raise CredentialsError(f"{path} can be read by others: chmod 600 {path}")
    return content
