"""The parts that both ends of the wire share: the scenario, the physics, cut pipelines, frames,
time and metrics."""

import os

# before grpc is loaded: what it would print, we raise in one line
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

__version__ = "0.1.0"
