"""Identity of an intermediate output: the fields in which two outputs must agree to be reused, as a
wrong reuse is a wrong picture."""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from midstep.wire.start import StartKey

__all__ = [
    "PROMPT_LIMIT",
    "OutputKey",
    "PipelineIdentity",
    "check_prompt",
    "digest",
    "mixed_key",
    "shared_seed",
]

PROMPT_LIMIT = 2000  # characters; a longer prompt is refused, not cut


def digest(value: Any, size: int = 16) -> str:
    """Hex digest of anything JSON can hold, equal on every machine (`size` bytes, blake2b)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=size).hexdigest()


@dataclass(frozen=True, kw_only=True)
class PipelineIdentity:
    """Everything but the request that decides the bits of an intermediate output.

    `revision` is a digest of the model's files, `scheduler_config` one of the solver's settings;
    `height` and `width` are in pixels.
    """

    model: str
    revision: str
    scheduler: str
    scheduler_config: str
    steps: int
    guidance: float
    height: int
    width: int
    dtype: str

    @functools.lru_cache(maxsize=16)  # noqa: B019 - a process has a few; every frame asks for it
    def digest(self) -> str:
        """The pipeline in 32 hex digits. The model's name is not in it: its revision is."""
        return digest({k: v for k, v in asdict(self).items() if k != "model"})

    def difference(self, other: PipelineIdentity) -> str | None:
        """Where `other` cannot continue what this pipeline began, in words; None where it can.

        The dtype may differ: a device casts the edge's latent to its own precision.
        """
        mine = replace(self, model="", dtype="")
        theirs = replace(other, model="", dtype="")
        for field in fields(self):
            ours = getattr(mine, field.name)
            its = getattr(theirs, field.name)
            if ours != its:
                return f"{field.name} is {its!r} there and {ours!r} here"
        return None


@dataclass(frozen=True)
class OutputKey:
    """The complete identity of one intermediate output: pipeline, conditioning, seed, step.

    `private` marks an output made from a user's own seed: it must never serve anybody else.
    `negative` is the negative prompt, empty: none; `start` a start picture with its strength, None:
    noise alone. The noise depends on neither.
    """

    pipeline: str
    prompt: str
    seed: int
    private: bool = False
    negative: str = ""
    start: StartKey | None = None

    @classmethod
    def of(
        cls,
        pipeline: str,
        prompt: str,
        private_seed: int | None,
        scenario_seed: int,
        negative: str = "",
        start: StartKey | None = None,
    ) -> OutputKey:
        """The output that a request gets: the user's own where it names a `private_seed`, else the
        one that everybody in the scenario shares."""
        if private_seed is None:
            seed = shared_seed(prompt, scenario_seed)
            return cls(pipeline, prompt, seed, negative=negative, start=start)
        return cls(pipeline, prompt, private_seed, True, negative, start)

    def digest(self) -> str:
        """The prompt_key of the record: all but the step, in 32 hex digits."""
        fields: list[Any] = [self.pipeline, self.prompt, self.seed, self.private]
        if self.negative:
            fields.append(self.negative)
        if self.start is not None:
            fields.append([self.start.digest, self.start.strength])
        return digest(fields)


def mixed_key(prompt_key: str, donor_key: str, step: int) -> str:
    """The key of what another prompt's output at `step` has become with this prompt: neither's own,
    so that it is never met under either."""
    return digest([prompt_key, donor_key, step])


def shared_seed(prompt: str, scenario_seed: int) -> int:
    """The seed of an edge prompt's shared part: the same for everybody in the scenario, 53 bits."""
    data = hashlib.blake2b(
        f"{scenario_seed}\x00{prompt}".encode("utf-8", "surrogatepass"), digest_size=8
    ).digest()
    return int.from_bytes(data, "big") >> 11


def check_prompt(prompt: str, negative: str = "") -> str | None:
    """Why a prompt and its negative prompt cannot be served, in words, or None."""
    if not prompt.strip():
        return "the prompt is empty"
    if len(prompt) > PROMPT_LIMIT:
        return f"the prompt has {len(prompt)} characters, the limit is {PROMPT_LIMIT}"
    if len(negative) > PROMPT_LIMIT:
        return f"the negative prompt has {len(negative)} characters, the limit is {PROMPT_LIMIT}"
    return None
