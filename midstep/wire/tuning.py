"""Settings of the process and of gRPC that measurements asked for (see docs/design.md, "Measured
choices")."""

from __future__ import annotations

import ctypes
import ctypes.util
import os

from midstep.wire.frame import PAYLOAD_LIMIT

__all__ = [
    "CLIENT_OPTIONS",
    "REPLY_LIMIT",
    "REQUEST_LIMIT",
    "SERVER_OPTIONS",
    "bind_threads",
    "keep_pages",
]

_M_TRIM_THRESHOLD = -1
_M_TOP_PAD = -2
_M_MMAP_THRESHOLD = -3

# bytes to an edge: a prompt has 2,000 characters, an update of 50,000 outputs 4 MB
REQUEST_LIMIT = 4 << 20
REPLY_LIMIT = PAYLOAD_LIMIT + (1 << 20)  # bytes from an edge: a frame and its account
CLIENT_OPTIONS = [
    # http_proxy is for the web: through it the token would leave the machine in clear
    ("grpc.enable_http_proxy", 0),
    ("grpc.max_send_message_length", REQUEST_LIMIT),
    ("grpc.max_receive_message_length", REPLY_LIMIT),
    # an edge that restarts is found again within a second; gRPC's own bound is two minutes
    ("grpc.max_reconnect_backoff_ms", 1000),
]
SERVER_OPTIONS = [
    ("grpc.max_send_message_length", REPLY_LIMIT),
    ("grpc.max_receive_message_length", REQUEST_LIMIT),
    # a caller that connects and says nothing is let go
    ("grpc.server_handshake_timeout_ms", 20_000),
    # else a second edge on the same port would take half of the first one's requests
    ("grpc.so_reuseport", 0),
    # beyond 1,000, the default, requests are CANCELLED
    ("grpc.server.max_pending_requests", 100_000),
    ("grpc.server.max_pending_requests_hard_limit", 200_000),
]


def keep_pages() -> None:
    """Keep freed memory in the process: page faults cost more than half the throughput of 500 KB
    messages."""
    name = ctypes.util.find_library("c")
    if name is None:
        return
    mallopt = getattr(ctypes.CDLL(name), "mallopt", None)
    if mallopt is not None:
        for option, value in (
            (_M_MMAP_THRESHOLD, 1 << 30),
            (_M_TRIM_THRESHOLD, 2**31 - 1),
            (_M_TOP_PAD, 64 << 20),
        ):
            mallopt(option, value)


def bind_threads(threads: int) -> None:
    """One BLAS and OpenMP pool of `threads`, whatever is imported later."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)
