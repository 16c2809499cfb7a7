"""What both ends of the wire share: the scenario, the physics, cut pipelines, frames, time and metrics."""

import os

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # before grpc is loaded: what it would print, we raise in one line

__version__ = "0.1.0"
