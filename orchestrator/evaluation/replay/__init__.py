"""`midstep replay`: a list of keys against the policies, as caches are classically compared."""

from orchestrator.evaluation.replay.command import replay
from orchestrator.evaluation.replay.drivers import (
    ByAccess,
    ByDriver,
    ByScore,
    Score,
    open_cache,
    play,
)
from orchestrator.evaluation.replay.trace import Trace, problem, read_trace

__all__ = [
    "ByAccess",
    "ByDriver",
    "ByScore",
    "Score",
    "Trace",
    "open_cache",
    "play",
    "problem",
    "read_trace",
    "replay",
]
