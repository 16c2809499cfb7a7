"""HOST:PORT, split and checked: a port above 65535 would else be taken modulo 65536."""

from __future__ import annotations

from midstep.errors import AddressError

__all__ = ["split_address"]

PORTS = 1 << 16


def split_address(address: str) -> tuple[str, int]:
    """Host and port of HOST:PORT, an IPv6 host in brackets. Raises AddressError, one line."""
    host, colon, port = address.rpartition(":")
    if not colon or not host or (":" in host and not host.startswith("[")):
        raise AddressError(f"{address}: write HOST:PORT, port 0 for a free one")
    if not (port.isascii() and port.isdigit() and int(port) < PORTS):
        raise AddressError(f"{address}: a port is a number from 0 to {PORTS - 1}")
    return host, int(port)
