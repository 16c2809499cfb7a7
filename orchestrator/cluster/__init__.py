"""All that knows Ray and machines: actors, where they are placed, and what a machine can carry.

Ray reads its environment when it is imported, so it is set here, before any module of this room is.
"""

import os

os.environ.setdefault("RAY_USE_UVLOOP", "0")  # uvloop fires timers up to 1 ms early
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")
os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # a laptop's Ray stays on loopback
# Ray's default is 15: an edge or a host would wait for whatever else this machine computes
os.environ.setdefault("RAY_worker_niceness", "0")
# without its head Ray would end this process in the middle of a run's end; we notice it sooner
os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", "600")
# what died is said by us, in one line
os.environ.setdefault(
    "RAY_DEDUP_LOGS_SKIP_REGEX", "A worker died or was killed|Raylet is terminated|marked dead"
)
