"""A catalogue's prompts by its grammar: the core is the prompt without its ending."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from midstep.workload.catalogue import Catalogue
from midstep.workload.core.rule import CoreRule

__all__ = ["GrammarRule"]


@dataclass(frozen=True)
class GrammarRule:
    """See CoreRule: the catalogue's prompts without their endings, and what is none of the
    catalogue's by `free_text`."""

    catalogue: Catalogue
    free_text: CoreRule

    def cores(self, prompts: Sequence[str]) -> list[str]:
        own = [self.catalogue.core(prompt) for prompt in prompts]
        others = [prompt for prompt, core in zip(prompts, own, strict=True) if core is None]
        extracted = iter(self.free_text.cores(others))
        return [next(extracted) if core is None else core for core in own]
