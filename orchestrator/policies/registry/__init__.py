"""The registry: which policies there are, where each can be used, how one from outside comes in."""

from orchestrator.policies.registry.lookup import Place, broken, check, find, names, usable
from orchestrator.policies.registry.outside import load_file, load_text, loaded, reload
from orchestrator.policies.registry.settings import chosen, make, registered, resolved

__all__ = [
    "Place",
    "broken",
    "check",
    "chosen",
    "find",
    "load_file",
    "load_text",
    "loaded",
    "make",
    "names",
    "registered",
    "reload",
    "resolved",
    "usable",
]
