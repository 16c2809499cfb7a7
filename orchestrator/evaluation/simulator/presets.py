"""The presets of the simulator: what users ask for, what fits, how the edge and the plan are read
(docs/model.md)."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PositiveInt,
    ValidationError,
    model_validator,
)

from midstep.errors import ScenarioError
from midstep.scenario import Radio

__all__ = ["ABOUT", "COMPARED", "PRESETS", "Preset", "Topics", "find", "preset_from"]


def _ordered(ends: tuple[float, float]) -> tuple[float, float]:
    if not 0 < ends[0] <= ends[1]:
        raise ValueError(f"{list(ends)} must be [low, high] with 0 < low <= high")
    return ends


Span = Annotated[tuple[float, float], AfterValidator(_ordered)]


class Topics(BaseModel):
    """Prompts made of parts: `parts` sizes whose product is the catalogue; a part trends
    `burst_factor`-fold with `bursts_per_slot` starts a slot for `burst_slots` slots; `sigma` is the
    lognormal factor of each prompt's own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    parts: tuple[PositiveInt, ...] = (50, 20, 20, 5)
    zipf: float = Field(1.0, ge=0)
    drift_swaps_per_slot: float = Field(0.05, ge=0)
    bursts_per_slot: float = Field(0.05, ge=0)
    burst_factor: float = Field(20.0, ge=1)
    burst_slots: Annotated[tuple[int, int], AfterValidator(_ordered)] = (30, 100)
    sigma: float = Field(1.0, ge=0)


class Preset(BaseModel):
    """One setting of the slotted model. Capacity counts items of D = `frame_kb` each."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    edge: Literal["coupled", "shared"] = "coupled"
    timing: Literal["reactive", "proactive"] = "reactive"
    users: int = Field(20, ge=1)
    items: int = Field(100, ge=1, le=2_000_000)
    requests_per_user: int = Field(10, ge=1)
    distinct: bool = True  # a user's prompts of a slot differ
    zipf: float = Field(0.8, ge=0, le=4)
    drift_swaps_per_slot: float = Field(0.2, ge=0)
    capacity: int = Field(75, ge=0)  # items
    steps: int = Field(20, ge=2, le=1000)
    reusable_steps: int = Field(6, ge=2, le=127)  # S*; a choice is kept in a byte
    split_step: int = Field(6, ge=1, le=127)  # m0, where a miss is split in `shared`
    tolerance: bool = True  # rho(m) = 1 - 0.05 max(0, m - 5); else 1
    serve_guard: bool = True
    weight_v: float = Field(1.8, ge=0)  # seconds; 1800 in milliseconds
    latency_target_ms: float | None = Field(None, gt=0)  # Lbar; null: a calibration pass
    frame_kb: float = Field(500.0, gt=0)
    edge_ghz: float = Field(20.0, gt=0)
    device_ghz: float = Field(1.5, gt=0)
    bandwidth_mhz: Span = (80.0, 100.0)
    distance_m: Span = (120.0, 255.0)
    radio: Radio = Radio()
    slot_seconds: float = Field(1.0, gt=0)
    max_batch: int = Field(16, ge=1)  # the contended edge's ticks, `shared` only
    profile: str | None = None  # step times by batch size; null: batch * kappa * D / f_es
    topics: Topics | None = None

    @model_validator(mode="after")
    def _fits(self) -> Preset:
        if self.reusable_steps > self.steps or self.split_step > self.steps:
            raise ValueError(f"reusable_steps and split_step are at most steps ({self.steps})")
        if not self.distinct and (self.edge, self.timing) != ("shared", "proactive"):
            raise ValueError(
                "requests that may repeat (distinct: false) are of edge shared and timing "
                "proactive alone"
            )
        if self.topics is not None and self.distinct:
            raise ValueError(
                "topics: prompts made of parts are of open catalogues (distinct: false) alone"
            )
        if self.distinct and self.requests_per_user > self.items:
            raise ValueError(
                f"a user cannot ask for {self.requests_per_user} distinct prompts of {self.items} "
                f"items"
            )
        return self

    @property
    def frame_bits(self) -> float:
        """D in bits; a step costs as many cycles (kappa = 1)."""
        return self.frame_kb * 8e3


PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            name="literal",
            users=10,
            items=50,
            requests_per_user=50,
            zipf=0.0,
            drift_swaps_per_slot=0.0,
            capacity=50,
            tolerance=False,
        ),
        Preset(name="compact"),
        Preset(
            name="full",
            edge="shared",
            timing="proactive",
            items=100_000,
            requests_per_user=50,
            distinct=False,
            drift_swaps_per_slot=20.0,
            capacity=6_000,
            tolerance=False,
        ),
        Preset(
            name="topics",
            edge="shared",
            timing="proactive",
            items=100_000,
            requests_per_user=50,
            distinct=False,
            capacity=6_000,
            tolerance=False,
            topics=Topics(),
        ),
    )
}

COMPARED = {
    "reactive": "ncldc,dnn,oo,drc-paper,drc,drc-item,greedy",
    "proactive": "lru,s3-fifo,lfu-decay,drc-item",
}

ABOUT = {
    "literal": "50 prompts, each of 10 users asks for each in each slot; capacity never binds: "
    "what (15), (17) say",
    "compact": "100 prompts, 20 users draw 10 a slot from a drifting Zipf; figures 5, 6, 8, 9, 10",
    "full": "100,000 prompts, 1,000 requests a slot, drift; the edge is shared and contended, "
    "plans are made ahead",
    "topics": "100,000 prompts made of parts that drift and trend; the edge is shared and "
    "contended",
}


def find(name: str, settings: Sequence[str] = ()) -> Preset:
    """The preset of that name with `key=value` settings. Raises ScenarioError, one line."""
    if name not in PRESETS:
        raise ScenarioError(_unknown(name))
    tree: dict[str, Any] = PRESETS[name].model_dump(mode="json")
    for setting in settings:
        path, equals, text = setting.partition("=")
        *parents, last = path.split(".")
        node = tree
        for parent in parents:
            if not isinstance(node.get(parent), dict):
                raise ScenarioError(f"--set {setting}: {parent} is no part of preset {name}")
            node = node[parent]
        if not equals or last not in node:
            raise ScenarioError(
                f"--set {setting}: write KEY=VALUE with KEY one of {', '.join(node)}"
            )
        try:
            node[last] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ScenarioError(f"--set {setting}: the value is not YAML") from error
    return preset_from(tree, name)


def _unknown(name: str) -> str:
    """Why there is no such preset: a file that is not there, or a name misspelt."""
    if "/" in name or name.endswith((".yaml", ".yml")):
        what = f"there is no such file as {name}"
        hint = f"presets are {', '.join(PRESETS)}"
        return f"{what}; {hint}, and `midstep scenarios` lists scenarios"
    near = difflib.get_close_matches(name, PRESETS, n=1)
    hint = f"did you mean {near[0]}? There is" if near else "there is"
    return (
        f"no preset or scenario {name!r}; {hint} {', '.join(PRESETS)}, a scenario of `midstep "
        f"scenarios`, or a file"
    )


def preset_from(tree: dict[str, Any], name: str) -> Preset:
    """The preset that a tree of settings describes. Raises ScenarioError, one line."""
    try:
        return Preset.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ScenarioError(
            f"{name}: {where + ': ' if where else ''}{first['msg'].removeprefix('Value error, ')}"
        ) from error
