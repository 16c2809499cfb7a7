"""What the store has for a request: its own prompt's output, or where the request allows it and
that goes further, another prompt's."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, replace

from edge_node.cache.base import Cache, Entry, Hit, Tier
from edge_node.cut.base import CutRule
from edge_node.flight import Origin
from edge_node.similar import Donor, Finder
from midstep.diffusion.engine import Engine
from midstep.reuse.embedding import EncoderEmbedder, Vector
from midstep.wire.identity import OutputKey, mixed_key, shared_seed
from midstep.wire.messages import Request

__all__ = ["Lookup", "Usable"]

REMEMBERED = 10_000  # prompts whose vectors are kept


@dataclass(frozen=True, kw_only=True)
class Usable:
    """The furthest held output that may serve a request: a `hit` of its own prompt, or a `donor`
    that goes further, from `donor_tier`; neither: there is none. `vector` embeds the request's
    prompt, None where nobody compares prompts."""

    hit: Hit | None = None
    donor: Donor | None = None
    donor_tier: Tier = "store"
    vector: Vector | None = None

    @property
    def step(self) -> int:
        """Where it can be handed over; 0: there is none."""
        if self.donor is not None:
            return self.donor.step
        return 0 if self.hit is None else self.hit.step

    @property
    def tier(self) -> Tier:
        """Where its entry was; the store where there is none."""
        if self.donor is not None:
            return self.donor_tier
        return "store" if self.hit is None else self.hit.tier

    def lent(self, entry: Entry) -> Usable:
        """A neighbour's output of the request's own prompt in its place."""
        entry = replace(entry, embedding=self.vector)
        hit = Hit(entry=entry, step=entry.frame.step, tier="neighbour")
        return Usable(hit=hit, vector=self.vector)

    @property
    def entry(self) -> Entry | None:
        if self.donor is not None:
            return self.donor.entry
        return None if self.hit is None else self.hit.entry

    def origin(self, output: OutputKey, prompt_key: str) -> Origin:
        """Where the trajectory of a request begins that goes on from it."""
        key = prompt_key
        if self.donor is not None:
            key = mixed_key(prompt_key, self.donor.prompt_key, self.donor.step)
        return Origin(
            prompt=output.prompt,
            prompt_key=key,
            negative=output.negative,
            seed=output.seed,
            private=output.private,
            held=self.entry,
            donor=self.donor,
            vector=self.vector,
        )


class Lookup:
    """Looks outputs up in `store`. A prompt that the plan of `rule` names is served by its own
    outputs alone: the plan wants one to be made. So is every request with a start picture, and
    without a `finder` every prompt. `seed` is the
    scenario's, of which shared seeds are made."""

    def __init__(
        self, store: Cache, finder: Finder | None, rule: CutRule, engine: Engine, seed: int
    ) -> None:
        self._store = store
        self._finder = finder
        self._rule = rule
        self._engine = engine
        self._seed = seed
        self._vectors: OrderedDict[str, Vector] = OrderedDict()

    async def usable(self, request: Request, output: OutputKey, prompt_key: str) -> Usable:
        """The furthest held output within the request's limit. Raises what the embedder raises."""
        finder = self._finder
        hit = await self._store.fetch(prompt_key, request.limit)
        if finder is None or output.private or output.start is not None:
            return Usable(hit=hit)
        vector = None if hit is None else hit.entry.embedding
        if vector is not None and hit is not None and hit.step == request.limit:
            return Usable(hit=hit, vector=vector)
        if vector is None:
            vector = await self._vector(finder, output.prompt)
            # what the store has may have changed meanwhile
            hit = await self._store.fetch(prompt_key, request.limit)
        usable = Usable(hit=hit, vector=vector)
        if request.quality is not None and prompt_key not in self._rule.targets:
            wanted = finder.wanted(output.prompt, prompt_key, request.limit, request.quality)
            donor = finder.find(wanted, vector, usable.step)
            if donor is not None:
                return await self._with_donor(usable, output, donor)
        return usable

    async def _with_donor(self, usable: Usable, output: OutputKey, donor: Donor) -> Usable:
        """What is usable, and the donor with its entry, from a slower tier where it is there;
        without it where it is gone, or where it differs from the request's output in more than its
        prompt and the shared seed that follows from it."""
        tier: Tier = "store"
        if donor.entry is None:
            hit = await self._store.fetch(donor.prompt_key, donor.step)
            if hit is None or hit.step != donor.step:
                return usable
            donor = replace(donor, entry=hit.entry)
            tier = hit.tier
        assert donor.entry is not None
        prompt = donor.entry.prompt
        other = replace(output, prompt=prompt, seed=shared_seed(prompt, self._seed))
        if other.digest() != donor.prompt_key:
            return usable
        return replace(usable, donor=donor, donor_tier=tier)

    async def _vector(self, finder: Finder, prompt: str) -> Vector:
        """A prompt's embedding: of one that is new, computed beside the event loop."""
        vector = self._vectors.get(prompt)
        if vector is None:
            vector = await self._embed(finder, prompt)
            self._vectors[prompt] = vector
            if len(self._vectors) > REMEMBERED:
                self._vectors.popitem(last=False)
        else:
            self._vectors.move_to_end(prompt)
        return vector

    async def _embed(self, finder: Finder, prompt: str) -> Vector:
        if self._engine.has_thread and not isinstance(finder.embedder, EncoderEmbedder):
            return await asyncio.to_thread(finder.vector, prompt)
        # the pipeline's encoder is asked where the denoiser computes, between two ticks
        return await self._engine.compute(lambda: finder.vector(prompt))
