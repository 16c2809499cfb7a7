"""The versions that a record notes."""

from __future__ import annotations

import importlib.metadata
import platform

from midstep import __version__

__all__ = ["versions"]


def versions() -> dict[str, str]:
    """The versions of the program and of what it stands on."""
    by_name = {"midstep": __version__, "python": platform.python_version()}
    for name in ("torch", "diffusers", "transformers", "ray", "grpcio", "numpy"):
        try:
            by_name[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            by_name[name] = "not installed"
    return by_name
