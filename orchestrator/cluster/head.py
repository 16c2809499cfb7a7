"""The Ray that a run joins: which one, and whether somebody answers there, which Ray takes half a
minute to find."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from midstep.errors import AddressError

__all__ = ["JOIN_S", "check_reachable", "last_started", "surrounding", "unreachable"]

JOIN_S = 3.0


def surrounding() -> str | None:
    """The Ray of the environment, as `ray job submit` sets it for what it starts; None where there
    is none."""
    address = os.environ.get("RAY_ADDRESS", "")
    return address if address and not address.startswith("http") else None


def last_started() -> str | None:
    """The Ray that was started last on this machine, which `auto` means; None where Ray has not
    noted one."""
    note = Path(os.environ.get("RAY_TMPDIR") or "/tmp") / "ray" / "ray_current_cluster"
    return note.read_text().strip() if note.is_file() else None


def unreachable(address: str) -> str | None:
    """Why nobody can be joined at HOST:PORT or `auto`; None where somebody answers there."""
    if address == "auto":
        newest = surrounding() or last_started()
        if newest is None:
            return "auto: no Ray was started on this machine"
        address = newest
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not (port.isascii() and port.isdecimal()):
        return f"{address} is no address: write auto or HOST:PORT"
    try:
        socket.create_connection((host.strip("[]"), int(port)), JOIN_S).close()
    except (OSError, OverflowError) as error:
        return f"nobody answers at {address}: {error}"
    return None


def check_reachable(address: str, name: str = "--address") -> None:
    """Raise AddressError, which blames `name`, where nobody can be joined."""
    why = unreachable(address)
    if why is not None:
        raise AddressError(
            f"{name}: {why}; start the head (ray start --head), or let its port through"
        )
