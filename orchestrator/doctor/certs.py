"""`midstep certs`: a test CA, an edge's certificate and a token, and the part of them that devices
get."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from midstep.errors import OptionError
from midstep.wire.certificates import ephemeral, make
from midstep.wire.security import CA, CERTIFICATE, DEVICE, KEY, TOKEN, write_secret

__all__ = ["certs"]


def certs(folder: Path, days: int) -> int:
    """Write `folder` (the edge's) and its `device` (what each device's machine gets); the command's
    exit status.

    Never overwrites: a device that has the old CA would no longer find its edge.
    """
    if not 1 <= days <= 3650:
        raise OptionError(f"--days {days}: give 1 to 3650")
    if os.path.exists(folder):  # also of a name that no file can have
        raise OptionError(
            f"{folder} is there already: give a new folder, or delete it where no edge uses it"
        )
    ca, certificate, key = make(days)
    token = ephemeral(tls=False).token.encode() + b"\n"
    unfinished = folder.with_name(f".{folder.name}.tmp")  # half of it would only be refused
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        (unfinished / DEVICE).mkdir(mode=0o700, parents=True)
        unfinished.chmod(0o700)
        for place in (unfinished, unfinished / DEVICE):
            (place / CA).write_bytes(ca)
            write_secret(place / TOKEN, token)
        (unfinished / CERTIFICATE).write_bytes(certificate)
        write_secret(unfinished / KEY, key)
        os.replace(unfinished, folder)
    except OSError as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise OptionError(f"{folder} cannot be written: {error.strerror}") from error
    print(
        f"wrote {folder}, valid for {days} days\n"
        f"  the edge:    python -m edge_node --listen 0.0.0.0:50051 --credentials {folder}\n"
        f"  its devices: copy {folder / DEVICE} to their machine (it has no private key), then "
        f"there\n"
        f"               python -m user_agent --join EDGE:50051 --credentials {DEVICE}"
    )
    return 0
