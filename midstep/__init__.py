"""What both ends of the wire share: the scenario, the physics, cut pipelines, frames, time and metrics."""

import os

os.environ.setdefault("GRPC_VERBOSITY", "ERROR")  # before grpc is loaded: else a line for each handshake that fails

__version__ = "0.1.0"
