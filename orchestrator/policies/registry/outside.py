"""A policy outside the package: a file's text, run as a module of its own in every process that
needs it.

The text travels, not the path: a learner on another node has no such file. A relative import inside
is therefore not supported; what is imported must be installed wherever the policy runs.
"""

from __future__ import annotations

import linecache
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from midstep.errors import MidstepError, OptionError
from midstep.home import in_home
from orchestrator.policies import base
from orchestrator.policies.base import Policy
from orchestrator.policies.registry.broken import reason

__all__ = ["PolicyText", "is_path", "load_file", "load_text", "loaded", "reload"]


@dataclass(frozen=True, kw_only=True)
class PolicyText:
    """A policy's file: its name without folders, its text, and the class that is meant where it has
    several."""

    file: str
    text: str
    class_name: str | None = None


_loaded: dict[PolicyText, type[Policy]] = {}


def is_path(name: str) -> bool:
    """Whether a policy's name is a file, perhaps with a class: FILE.py or FILE.py:Class."""
    return name.endswith(".py") or ".py:" in name


def load_file(name: str, where: str = "--policy") -> tuple[type[Policy], PolicyText]:
    """Read FILE.py or FILE.py:Class, and register the class. Raises OptionError, one line, where it
    cannot be read or is broken."""
    path, _, class_name = name.partition(".py:")
    file = in_home(path if path.endswith(".py") else f"{path}.py")
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"{where} {name}: {file} cannot be read: {error}") from error
    source = PolicyText(file=file.name, text=text, class_name=class_name or None)
    try:
        return load_text(source), source
    except MidstepError as error:
        raise OptionError(f"{where} {name}: {error}") from error


def load_text(source: PolicyText) -> type[Policy]:
    """Run a policy's text and register its class under the name that it gives itself, in place of
    an earlier text's of that name. Raises OptionError, one line, where it is broken."""
    known = _loaded.get(source)
    if known is not None and base._REGISTRY.get(known.name) is known:
        return known
    before = dict(base._REGISTRY)
    for name, cls in before.items():
        if cls in _loaded.values():
            del base._REGISTRY[name]
    try:
        cls = _pick(_run(source), source)
    except (Exception, SystemExit) as error:
        base._REGISTRY.clear()
        base._REGISTRY.update(before)
        if isinstance(error, OptionError):
            raise
        raise OptionError(f"the policy's file is broken: {reason(error, source.file)}") from error
    base._REGISTRY.clear()
    base._REGISTRY.update({**before, cls.name: cls})
    _loaded[source] = cls
    return cls


def loaded() -> list[PolicyText]:
    """The texts whose policies are registered in this process."""
    return [text for text, cls in _loaded.items() if base._REGISTRY.get(cls.name) is cls]


def reload(sources: Iterable[PolicyText]) -> None:
    """Register in this process what another one had `loaded`."""
    for source in sources:
        load_text(source)


def _run(source: PolicyText) -> list[type[Policy]]:
    """The registered policies that a text defines."""
    module = ModuleType(f"midstep_outside_{Path(source.file).stem}")
    module.__file__ = source.file
    module.__package__ = ""  # a relative import says that it has no parent
    sys.modules[module.__name__] = module  # dataclasses and pickle look a class's module up
    lines = source.text.splitlines(keepends=True)
    # so that a traceback shows the lines, on a node without the file too
    linecache.cache[source.file] = (len(source.text), None, lines, source.file)
    exec(compile(source.text, source.file, "exec"), module.__dict__)
    return [cls for cls in base._REGISTRY.values() if cls.__module__ == module.__name__]


def _pick(classes: list[type[Policy]], source: PolicyText) -> type[Policy]:
    names = ", ".join(cls.__name__ for cls in classes)
    if not classes:
        raise OptionError(
            f'{source.file} has no policy in it: put @policy("name") above a class of Policy'
        )
    if source.class_name is not None:
        chosen = [cls for cls in classes if cls.__name__ == source.class_name]
        if not chosen:
            raise OptionError(f"{source.file} has no policy {source.class_name}; it has {names}")
        return chosen[0]
    if len(classes) > 1:
        raise OptionError(
            f"{source.file} has {len(classes)} policies ({names}): say which, as in "
            f"{source.file}:{classes[0].__name__}"
        )
    return classes[0]
