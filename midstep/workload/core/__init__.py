"""Semantic cores (section 3.2 of the paper): what of a prompt the edge is asked for, so that many
users share it. A catalogue's prompts by their grammar, free text by one rule a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

from midstep.errors import ScenarioError
from midstep.units import excerpt
from midstep.workload.catalogue import Catalogue
from midstep.workload.core.entities import EntitiesRule
from midstep.workload.core.grammar import GrammarRule
from midstep.workload.core.rule import CoreRule, WholeRule
from midstep.workload.core.words import WordsRule
from midstep.workload.trace import Trace, TracedRequest

__all__ = [
    "CORE_RULES",
    "CoreRule",
    "EntitiesRule",
    "GrammarRule",
    "WholeRule",
    "WordsRule",
    "check_cores",
    "open_core_rule",
    "with_cores",
]

CORE_RULES: dict[str, Callable[[], CoreRule]] = {
    "auto": WordsRule,  # the same on every machine, whatever is installed
    "whole": WholeRule,
    "words": WordsRule,
    "entities": EntitiesRule,
}


def open_core_rule(name: str, catalogue: Catalogue) -> CoreRule:
    """The rule of `workload.core`, and before it the catalogue's grammar. Raises ScenarioError
    where it needs what is not installed."""
    free_text = _free_text_rule(name)
    return free_text if name == "whole" else GrammarRule(catalogue, free_text)


@cache
def _free_text_rule(name: str) -> CoreRule:
    return CORE_RULES[name]()  # kept: a list is read more than once, and rules remember


def with_cores(trace: Trace, rule: CoreRule) -> Trace:
    """The trace with a core for each request of which its file says none."""
    places = [place for place, one in enumerate(trace.requests) if not one.has_core]
    if not places:
        return trace
    requests = list(trace.requests)
    cores = rule.cores([requests[place].request.prompt for place in places])
    for place, core in zip(places, cores, strict=True):
        requests[place] = _with_core(requests[place], core)
    return replace(trace, requests=tuple(requests))


def check_cores(trace: Trace, rule: CoreRule, key: str) -> None:
    """Raise ScenarioError for a request of the trace of `key` whose core is said to be the whole
    prompt, unless the prompt is its own core by the rule: the edge would get it in full."""
    whole = [one for one in trace.requests if one.has_core and one.whole_at is not None]
    cores = rule.cores([one.request.prompt for one in whole])
    for one, core in zip(whole, cores, strict=True):
        if _plain(core) != _plain(one.request.prompt):
            raise ScenarioError(
                f"{key}: {trace.source}, {one.whole_at}: the whole prompt is its core, and with "
                f"reuse.privacy core it stays on its device; name a core, as {excerpt(core)}, or "
                f"set reuse.privacy: open"
            )


def _plain(prompt: str) -> str:
    """A prompt's words: case and spaces do not count."""
    return " ".join(prompt.lower().split())


def _with_core(one: TracedRequest, core: str) -> TracedRequest:
    return replace(one, request=replace(one.request, edge_prompt=core), has_core=True)
