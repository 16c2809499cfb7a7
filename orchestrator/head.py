"""Whether somebody answers at a Ray's address: Ray itself takes half a minute and more to find that nobody does."""

from __future__ import annotations

import socket

JOIN_S = 3.0


def unreachable(address: str) -> str | None:
    """Why nobody can be joined at HOST:PORT; None where somebody answers there."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return f"{address} is no address: write auto or HOST:PORT"
    try:
        socket.create_connection((host.strip("[]"), int(port)), JOIN_S).close()
    except (OSError, OverflowError) as error:
        return f"nobody answers at {address}: {error}"
    return None
