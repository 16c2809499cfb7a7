"""What both ends of the wire share: the scenario, the physics, cut pipelines, frames, time and metrics."""

__version__ = "0.1.0"
