"""midstep: caching diffusion at mid-step, as a testbed.

Here are the parts that both ends of the wire share: the scenario, the physics, cut pipelines,
frames, time and metrics. `load`, `run`, `open_run` and `experiment` are the program from Python
(docs/python.md); they are imported when they are first used: whoever imports midstep as an edge or
a device does gets nothing of the centre. So are its modules: `midstep.errors` is there at once.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from midstep import errors as errors
    from orchestrator.api import Experiment, Run, experiment, load, open_run, run

# before grpc is loaded: what it would print, we raise in one line
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

__version__ = "0.1.0"
__all__ = ["Experiment", "Run", "experiment", "load", "open_run", "run"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from orchestrator import api

        return getattr(api, name)
    module = f"{__name__}.{name}"
    if not name.startswith("_"):
        try:
            return importlib.import_module(module)
        except ModuleNotFoundError as error:
            if error.name != module:  # the module is there, and misses one
                raise
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "errors"})
