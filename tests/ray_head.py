"""Start the test session's Ray in a process of its own.

A process that has run gRPC cannot fork Ray's processes reliably.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Print the address, and live until stdin is closed."""
    import ray

    context = ray.init(
        address="local",
        num_cpus=16,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
    )
    print(context.address_info["gcs_address"], flush=True)
    sys.stdin.read()
    ray.shutdown()


if __name__ == "__main__":
    main()
