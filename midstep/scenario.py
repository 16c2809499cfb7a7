"""The scenario: one frozen tree that says everything about a run. Units stand in the names.

All of it in one file, longer than others: who looks for a key reads it from top to bottom. The
text below a key is its meaning in docs/scenario.md and in `midstep scenario show --comments`.
"""

from __future__ import annotations

from typing import Any, Literal

import yaml
from pydantic import Field, field_validator, model_validator

from midstep.address import split_address
from midstep.apportion import apportion
from midstep.errors import AddressError, OptionError
from midstep.events import MOST_TIMES, HandOverEvent, KillEvent, TimelineEvent
from midstep.tree import MOST_USERS, Bytes, Params, Range, Resources, Seconds, Tree
from midstep.units import excerpt

__all__ = [
    "CATALOGUE_PICTURES",
    "MOST_USERS",
    "Arrivals",
    "Backhaul",
    "Channel",
    "Closed",
    "Cut",
    "Devices",
    "Diurnal",
    "EdgeSettings",
    "Hosts",
    "Mmpp",
    "Model",
    "Modes",
    "Poisson",
    "PolicySettings",
    "Popularity",
    "QualityFloor",
    "Report",
    "Reuse",
    "Scenario",
    "Slotted",
    "StartPictures",
    "Threshold",
    "Tree",
    "Workload",
]

CATALOGUE_PICTURES = "catalogue"  # start pictures that are drawn, not read
LONGEST_NAME = 64  # characters: names stand in the names of files


class Model(Tree):
    """The pipeline: the edge does the first of its steps, up to the cut, the device the rest."""

    path: str = "midstep-emoji"
    """Pipeline: a shipped model's name, a folder in diffusers' format, or OWNER/NAME of the Hugging
    Face hub."""
    steps: int = Field(20, ge=2, le=1000)
    """S, denoising steps of one picture."""
    split_step: int = Field(6, ge=1)
    """Step after which the edge hands over under the cut rule `fixed`, and up to which outputs
    serve prompts of a kind that was not measured (reuse); S: the edge makes whole pictures."""
    guidance: float = Field(3.0, ge=0)
    """Scale of classifier-free guidance; at 1 and below there is none."""
    scheduler: Literal["default", "ddim", "dpm++2m", "euler", "euler-a", "flow-euler"] = "default"
    """Sampler; `default` is the pipeline's own."""
    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    """Floating-point type of weights and tensors."""
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    """Where steps are computed: `cpu`, `cuda`, `cuda:1`; `auto` is the GPU where there is one."""
    height: int | None = Field(None, ge=8)
    """Height of a picture, pixels; null: the pipeline's own."""
    width: int | None = Field(None, ge=8)
    """Width of a picture, pixels; null: the pipeline's own."""
    profile: str | None = None
    """Step times that edge and devices keep to, in scenario seconds: one that the model ships
    (cpu), or a file of `midstep calibrate`. null: those measured when the run starts, so that the
    run depends on the machine."""

    @model_validator(mode="after")
    def _cut_inside(self) -> Model:
        if self.split_step > self.steps:
            raise ValueError(f"split_step {self.split_step} is above steps {self.steps}")
        return self


class Backhaul(Tree):
    """The line over which neighbours reach an edge; what comes passes one after the other."""

    mbps: float = Field(1000.0, ge=0)
    """Rate of the line, Mbit/s; 0: there is none, and each edge is on its own."""
    latency_ms: float = Field(1.0, ge=0)
    """Time of one way over the line, milliseconds; a fetch takes two, and its bytes' time."""


class EdgeSettings(Tree):
    """An edge server. `capacity` bounds the store, `staging` the outputs that wait for the policy;
    `resources` are what its process takes of a Ray cluster's own resources, beside its CPU and GPU.
    """

    name: str = Field("edge-0", pattern=r"^[A-Za-z0-9._-]+$", max_length=LONGEST_NAME)
    """Name in the record, the report and the metrics."""
    capacity: Bytes = 256_000
    """Size of the store of outputs, bytes; a run's first lines say how many outputs fit."""
    staging: Bytes = 2_000_000
    """Size of the waiting room of fresh outputs, bytes."""
    queue_limit: int = Field(256, ge=1)
    """Requests that may wait to be computed; the next one is rejected."""
    max_batch: int = Field(16, ge=1)
    """Requests that one tick advances by a step together, at most."""
    threads: int = Field(1, ge=1)
    """CPU threads of a tick."""
    gpus: float | None = Field(None, ge=0, le=1)
    """GPUs of the edge's process; null: as the cluster has them, none where model.device
    is cpu."""
    address: str | None = None
    """HOST:PORT to listen on; null: a free port on loopback, or on the machine's own address in a
    cluster."""
    resources: Resources = Field({})
    """What the edge's process takes of a Ray cluster's own resources, by their names."""
    disk: Bytes | None = None
    """Size of a second tier on disk, where outputs go that leave the store, bytes; null: none."""
    disk_path: str | None = None
    """Folder of the disk tier, which a later run finds warm, one an edge; null: a folder that ends
    with the run."""
    place_m: tuple[float, float] | None = None
    """Where the edge stands, metres to the east and to the north of any point: a device stands in a
    direction drawn from the seed, devices.N.distance_m from the edge that it begins with. null:
    every edge is equally far from a device."""
    neighbours: tuple[str, ...] = ()
    """Names of the edges whose outputs this one may fetch where it misses; none: it computes what
    it has not."""
    backhaul: Backhaul | None = None
    """The line over which the neighbours' outputs come to this edge; null: as the scenario's
    `backhaul`."""

    @model_validator(mode="after")
    def _folder_of_a_tier(self) -> EdgeSettings:
        if self.disk_path is not None and self.disk is None:
            raise ValueError("disk_path: how large is the disk tier? set disk, such as 1GB")
        return self

    @field_validator("address")
    @classmethod
    def _host_and_port(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                split_address(value)
            except AddressError as error:
                raise ValueError(str(error)) from error
        return value


def _check_floor(metric: str | None, floor: float | None) -> None:
    """Raise ValueError for a floor that a metric cannot have."""
    if floor is None:
        return
    if metric == "fidelity" and floor != 1:
        raise ValueError(
            f"floor {floor:g}: fidelity is right or wrong, its floor is 1; share says how many "
            f"have to be right"
        )
    if metric == "ssim" and floor > 1:
        raise ValueError(f"floor {floor:g}: ssim is 1 at most")


class QualityFloor(Tree):
    """Quality that the users of a class of devices want of a reused picture."""

    metric: Literal["fidelity", "psnr", "ssim"]
    """Quality that counts, as in reuse.metric."""
    floor: float | None = Field(None, gt=0, le=100)
    """Least quality, in the metric's unit; null: 1 for fidelity, 30 dB for psnr, 0.9 for ssim."""
    share: float = Field(0.99, gt=0, lt=1)
    """Share of pictures that have it, 0 to 1, by the low end of a 95 % interval."""

    @model_validator(mode="after")
    def _floor_of_the_metric(self) -> QualityFloor:
        _check_floor(self.metric, self.floor)
        return self


class Devices(Tree):
    """`count` devices of one class. Their speed is given by exactly one of `speed_ratio` and
    `step_ms`; bandwidth is per device, W_n of (6); `edge` is the one that they ask, null deals them
    out over all edges in turn."""

    kind: str = Field("phone", alias="class", max_length=LONGEST_NAME)
    """Name of the class in the record and the report."""
    count: int = Field(10, ge=1, le=MOST_USERS)
    """Devices of this class, each of one user."""
    speed_ratio: float | None = Field(0.075, gt=0)
    """f_max / f_es: speed against the edge's step of one request, which is the profile's, or
    without model.profile the one measured when the run starts. null where step_ms is given."""
    step_ms: float | None = Field(None, gt=0)
    """Milliseconds of one step at f_max, whatever the edge's step takes; null: by speed_ratio."""
    bandwidth_mhz: Range = (1.0, 1.25)
    """W_n of (6), MHz: drawn for each device, evenly from [low, high]."""
    distance_m: Range = (120.0, 255.0)
    """Distances from the edge, metres: evenly spaced over [near, far] within the class."""
    parallel: bool = False
    """Whether a device's own requests and frames do not wait for each other, as in (5) and (8):
    each takes its amount over the rate of the slot in which it was due."""
    uplink_w: float = Field(0.2, gt=0)
    """Transmit power of a device, watts: of (6) on the way up, which start pictures take."""
    watts: float = Field(4.0, ge=0)
    """Power while a device computes, watts: the record's energy of computing is this times the
    time."""
    receive_nj_per_bit: float = Field(0.0, ge=0)
    """Energy that a device takes to receive a bit, nanojoules; frames that are sent again count
    each time."""
    battery_j: float | None = Field(None, gt=0)
    """Energy in a device's battery when it comes, joules; the device whose battery runs empty
    leaves. null: mains."""
    edge: str | None = None
    """Name of the edge that they ask; null: they are dealt out over all edges in turn."""
    choose: Literal["nearest", "fastest"] | None = None
    """Which edge they ask instead, once they have their places: the `nearest` by edges.N.place_m;
    or, anew at each slot's end, the `fastest`, by the link and by what requests took there lately.
    null: the one that they were dealt."""
    quality: QualityFloor | None = None
    """Quality that these users want of a reused picture; null: that of reuse."""

    @model_validator(mode="before")
    @classmethod
    def _no_ratio_beside_a_time(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("step_ms") is not None:
            return {"speed_ratio": None, **data}
        return data

    @model_validator(mode="after")
    def _one_speed(self) -> Devices:
        if (self.speed_ratio is None) == (self.step_ms is None):
            raise ValueError("give exactly one of speed_ratio and step_ms; set the other to null")
        return self

    @field_validator("bandwidth_mhz", "distance_m")
    @classmethod
    def _ordered(cls, value: Range) -> Range:
        if not 0 < value[0] <= value[1]:
            raise ValueError(f"{list(value)} must be [low, high] with 0 < low <= high")
        return value

    def ratio_to(self, step_s: float) -> float:
        """f_max / f_es beside an edge whose step takes `step_s`."""
        if self.speed_ratio is not None:
            return self.speed_ratio
        assert self.step_ms is not None  # _one_speed
        return 1e3 * step_s / self.step_ms


class Hosts(Tree):
    """How devices share processes. A host's devices ask one edge and share one engine of
    `max_batch` requests a step; `resources` are what each host takes of a Ray cluster's own
    resources."""

    devices_per_host: int = Field(5, ge=1)
    """Devices that share one process, at most."""
    max_batch: int = Field(16, ge=1)
    """Requests that a host's engine advances by a step together, at most; without
    bound where steps are paced."""
    threads: int = Field(1, ge=1)
    """CPU threads of a host's steps."""
    gpus: float = Field(0.0, ge=0, le=1)
    """GPUs of each host's process; 0: its devices compute on the CPU."""
    resources: Resources = Field({})
    """What each host takes of a Ray cluster's own resources, by their names."""


class Radio(Tree):
    """(6) and its gains; the simulator's presets have the same numbers."""

    power_w: float = Field(50.0, gt=0)
    """p of (6), the edge's transmit power, watts."""
    noise_w: float = Field(1e-13, gt=0)
    """delta^2 of (6), noise power at a device, watts."""
    carrier_mhz: float = Field(915.0, gt=0)
    """f_c, carrier frequency, MHz."""
    path_loss_exponent: float = Field(3.0, gt=0)
    """pl: how steeply the gain falls with the distance; 2 is free space."""
    antenna_gain: float = Field(3.0, gt=0)
    """A_d, gain of the antennas, a factor."""
    fading: bool = True
    """Whether gains fade from slot to slot (Rayleigh block fading, Exp(1)); false: path
    loss alone."""


class Channel(Radio):
    """The link of every device. `frame_bytes` is D, the size on the air of every frame; null: each
    frame's own."""

    frame_bytes: Bytes | None = 500_000
    """D, size of every frame on the air, bytes; null: each frame's own size."""
    total_mhz: float | None = Field(None, gt=0)
    """W of (21), MHz: an edge's whole bandwidth, shared by those who receive at the moment, W_n = W
    / n. null: each device has its own, devices.N.bandwidth_mhz."""


class Popularity(Tree):
    """Rank r is asked for in proportion to r^-zipf."""

    zipf: float = Field(0.8, ge=0)
    """Exponent of the popularity; 0: all prompts alike."""


class Closed(Tree):
    """A user asks again `think_s` (exponential mean) after having its picture."""

    think_s: Seconds = 0.5
    """Mean of the exponential pause between a picture and the next request, seconds."""


class Poisson(Tree):
    """A user asks at this rate, whether or not the last picture is there."""

    per_user_per_minute: float = Field(6.0, gt=0)
    """Requests a minute of each user."""


class Mmpp(Tree):
    """Bursts that all users share: a calm and a burst state take turns, for exponential stays;
    within each, arrivals are Poisson's."""

    calm_per_user_per_minute: float = Field(3.0, ge=0)
    """A user's rate in calm, requests a minute."""
    burst_per_user_per_minute: float = Field(30.0, gt=0)
    """A user's rate in a burst, requests a minute."""
    calm_s: Seconds = Field(20.0, gt=0)
    """Mean stay in calm, seconds."""
    burst_s: Seconds = Field(5.0, gt=0)
    """Mean length of a burst, seconds."""


class Diurnal(Tree):
    """Poisson arrivals at a rate that goes up and down as a sine, as over a day."""

    per_user_per_minute: float = Field(6.0, gt=0)
    """A user's mean rate over a period, requests a minute."""
    swing: float = Field(0.8, ge=0, le=1)
    """How far the rate goes above and below its mean, as a share of it."""
    period_s: Seconds = Field(120.0, gt=0)
    """A day's length, seconds."""
    peak_s: Seconds = 60.0
    """When the first peak is, seconds from the run's start."""


class Slotted(Tree):
    """Every user asks at each slot's start, whether or not its last pictures are there."""

    per_user: int = Field(1, ge=1)
    """Requests of a user at each slot's start, each for another prompt."""


class Recorded(Tree):
    """As a trace has recorded them; set from the trace when a run starts."""

    kind: Literal["instants", "think times"] = "instants"
    """Open replay is due at the recorded instants, closed replay thinks as long as was recorded."""


class Arrivals(Tree):
    """When users ask. Exactly one law."""

    closed: Closed | None = None
    """A user asks again after having its picture: load falls as the system slows down."""
    poisson: Poisson | None = None
    """Each user asks at a rate, whatever the system does."""
    mmpp: Mmpp | None = None
    """Bursts that all users share."""
    diurnal: Diurnal | None = None
    """A rate that goes up and down as over a day."""
    slotted: Slotted | None = None
    """Everybody's requests of a slot come at its start, as in the paper."""
    recorded: Recorded | None = None
    """As `workload.trace`, or a list of prompts that tells the time, has recorded them."""

    @model_validator(mode="after")
    def _one(self) -> Arrivals:
        laws = type(self).model_fields
        if sum(getattr(self, law) is not None for law in laws) != 1:
            raise ValueError(
                f"give exactly one of {', '.join(laws)}, such as closed: {{think_s: 0.5}} or "
                f"poisson: {{per_user_per_minute: 6}}"
            )
        return self

    @property
    def law(self) -> str:
        """The name of the law."""
        return next(law for law in type(self).model_fields if getattr(self, law) is not None)

    @property
    def waits(self) -> bool:
        """Whether users wait for their pictures, so that policies meet different arrivals."""
        return self.closed is not None or (
            self.recorded is not None and self.recorded.kind == "think times"
        )


class StartPictures(Tree):
    """Pictures that requests begin from instead of noise alone (image-to-image)."""

    pictures: str = CATALOGUE_PICTURES
    """Where users have them from: a folder of pictures (.png, .jpg, .jpeg, .webp) on the devices'
    machine, beside the scenario's file unless it is a path from the root, of which each request
    draws one; or `catalogue`: the object of the request's core prompt on another background."""
    strength: float = Field(0.6, gt=0, le=1)
    """How much of the way back to noise a picture goes: of S steps the last int(strength S) are
    left."""
    share: float = Field(0.5, ge=0, le=1)
    """Share of the requests that begin from a picture, 0 to 1."""


class Workload(Tree):
    """What users ask for. `catalogue` is a model's name (auto: the model's own, else the shipped
    one's). A list of prompts or a trace is asked for instead of what the catalogue would give."""

    catalogue: str = "auto"
    """Model whose catalogue of prompts is asked from; `auto`: that of model.path, else the
    shipped one's."""
    catalogue_size: int | None = Field(None, ge=1)
    """Core prompts of the catalogue that are asked for, from its first on; null: all."""
    prompts: str | None = None
    """A file of prompts, asked for in that order: a text, one a line, or a table (.csv, .tsv,
    .parquet) with a column `prompt`, and where it has them `core`, `user` and `time`. Beside the
    scenario's file, unless it is a path from the root. Without `core`, see below."""
    trace: str | None = None
    """A run's folder, or such a table, whose requests are met again."""
    within_catalogue: bool | None = None
    """Whether a trace asks for the catalogue's prompts alone; looked up when a run starts."""
    popularity: Popularity = Popularity()
    """How unequally prompts are asked for."""
    drift_swaps_per_slot: float = Field(0.2, ge=0)
    """Mean number of pairs of ranks that exchange their prompts at a slot's start; 0: popularity
    stands still."""
    plain_share: float = Field(0.25, ge=0, le=1)
    """Share of requests for the core prompt as it is, 0 to 1; the others add words of their own."""
    variation_share: float = Field(0.0, ge=0, le=1)
    """Share of requests whose last steps get a noise seed of the user's own, 0 to 1."""
    private_share: float = Field(0.0, ge=0, le=1)
    """Share of requests with a starting seed of the user's own, 0 to 1: they share with nobody."""
    core: Literal["auto", "whole", "words", "entities"] = "auto"
    """How a device makes the edge prompt of a user's prompt that comes without one: `words`, by a
    plain rule that drops style words; `entities`, by the extra of that name; `whole`, as it is.
    `auto` is words, which are the same on every machine. The catalogue's prompts go by their
    grammar, unless `whole`, which goes with modes.edge `shared`."""
    negative: str = Field("", max_length=2000)
    """Negative prompt of all users, what a picture is to keep away from; empty: none. A table's
    column `negative` wins. It needs guidance (model.guidance above 1)."""
    start: StartPictures | None = None
    """Start pictures; null: every request begins from noise."""
    arrivals: Arrivals = Arrivals(closed=Closed())
    """When users ask."""

    @model_validator(mode="after")
    def _one_list(self) -> Workload:
        if self.prompts is not None and self.trace is not None:
            raise ValueError("give prompts or trace, not both")
        return self

    @property
    def is_listed(self) -> bool:
        """Whether a list of prompts or a trace says what is asked for."""
        return self.prompts is not None or self.trace is not None

    @property
    def draws_from_catalogue(self) -> bool:
        """Whether nothing but the catalogue's prompts is asked for."""
        return not self.is_listed or bool(self.within_catalogue)


class Cut(Tree):
    """Where the edge hands a request over, always within the request's reuse limit."""

    rule: str = "fixed"
    """Rule for the step at which the edge hands over: `fixed` (at model.split_step), `limit` (the
    reuse limit), `planned` (where the policy's plan wants it), `fastest` (least predicted response
    of the request itself), `considerate` (the same and the delay that it causes to others), `auto`
    (`planned` where the policy plans steps, else `considerate`)."""


class PolicySource(Tree):
    """A policy's file from outside the package, as text, so that every process of a run has it:
    the file's name without folders, and the class that is meant where it has several."""

    file: str
    """Name of the file, without folders."""
    class_name: str | None = Field(None, alias="class")
    """Class that is meant; null: the only one in the file."""
    text: str
    """Text of the file."""


class PolicySettings(Tree):
    """What decides what is kept. `name` is a policy's, or a file: FILE.py, FILE.py:Class, whose
    text then becomes `source`; `params` go to the policy's __init__. `latency_target_s` is the Lbar
    of (23)."""

    name: str = "lru"
    """Name of a policy (`midstep policies`), or FILE.py, or FILE.py:Class."""
    params: Params = Field({})
    """Parameters of the policy's own, by name."""
    source: PolicySource | None = None
    """The file that `name` named, which a run puts here; null: a policy of the package."""
    timing: Literal["proactive", "reactive"] = "proactive"
    """When plans are made: `proactive`, before a slot's requests are seen; `reactive`, after, as in
    the paper: the requests of a slot wait for its plan. Goes with modes.edge `coupled`."""
    admission: Literal["slot", "access"] = "access"
    """When an eviction rule's changes reach the edge: at each `access`, or at the `slot`'s end."""
    steps_per_prompt: Literal["one", "several"] = "one"
    """Outputs of one prompt that may be held: `one` step, as in (11), or `several`."""
    weight_v: float = Field(1.8, ge=0)
    """V of (33), seconds: how much a slot's mean latency weighs against the queue Q."""
    latency_target_s: float | None = Field(None, gt=0)
    """Lbar of (23), mean latency of misses, seconds; null: the mean of the first ten slots with
    one, and where modes.edge is `coupled` 0.993 of what `greedy` has with Q = 0 in this very
    setting, which is computed before the run."""


class Reuse(Tree):
    """How far an output may be reused for another prompt. A step is within a request's limit where
    it and all before it have been measured to give a picture of quality `floor` or more with a
    probability of `share` or more (docs/reuse.md)."""

    metric: Literal["fidelity", "psnr", "ssim"] | None = None
    """Quality that counts: `fidelity`, whether the picture shows what its prompt says; `psnr` (dB)
    and `ssim`, how near it is to the picture without reuse. null: fidelity where the model's table
    has it, else ssim."""
    floor: float | None = Field(None, gt=0, le=100)
    """Least quality, in the metric's unit; null: 1 for fidelity, 30 dB for psnr, 0.9 for ssim."""
    share: float = Field(0.99, gt=0, lt=1)
    """Share of pictures that have it, 0 to 1, by the low end of a 95 % interval."""
    table: str | None = None
    """File of `midstep calibrate --reuse`, beside the scenario's file unless it is a path from the
    root; null: the model's own."""
    last_step: int | None = Field(None, ge=2, le=127)
    """S*, the last step that a plan may name where modes.edge is `coupled`; null:
    model.split_step."""
    tolerance: Literal["paper"] | None = None
    """`paper`: a held output at step m serves with a probability of 1 - 0.05 max(0, m - 5), one
    draw for each prompt and slot, and the model's measured limits count for nothing. Goes with
    modes.edge `coupled`; null: the measured limits."""

    similar: str | None = None
    """Rule by which other prompts' outputs serve a request, and up to which step: `calibrated` (as
    far as was measured for pairs that are alike in this way), `any`, `fixed`, `nirvana`, `ramp`,
    `staircase`. null: only the same prompt's outputs serve. Goes with modes.edge `shared`."""
    similar_params: Params = Field({})
    """Parameters of the rule's own, by name."""
    embedding: Literal["auto", "encoder", "words", "wordllama"] = "auto"
    """What prompts are compared by: the pipeline's text `encoder`, hashed `words`, or the package
    `wordllama`; `auto` is the encoder where there is one, else words."""
    foreign: bool = False
    """Whether a table of another model is used; false: it is refused."""
    frame: Literal["float32", "float16", "int8"] = "float32"
    """Numbers of the outputs that are kept and sent: fewer bits take less room and time, and what
    goes on from them is never kept."""
    check_share: float = Field(0.05, ge=0, le=1)
    """Share of reused pictures that are made again without reuse in idle time once there is
    evidence, 0 to 1; what they say corrects the limits. 0: none."""
    privacy: Literal["open", "core"] = "open"
    """`core`: no full prompt leaves its device, unless it is its own core, and no device is told
    another's prompt. Goes without workload.core `whole`."""

    @model_validator(mode="after")
    def _floor_of_a_metric(self) -> Reuse:
        if self.floor is not None and self.metric is None:
            raise ValueError(f"floor {self.floor:g} of what? set metric: psnr, ssim or fidelity")
        _check_floor(self.metric, self.floor)
        return self

    @model_validator(mode="after")
    def _parameters_of_a_rule(self) -> Reuse:
        if self.similar_params and self.similar is None:
            raise ValueError("similar_params without a rule; set similar: calibrated, any, fixed")
        return self


class Modes(Tree):
    """Modes: which parts are real, emulated or modelled."""

    edge: Literal["shared", "coupled"] = "shared"
    """What the edge computes: every request may use it (`shared`); or, as in the paper, only what
    the slot's plan keeps, and the rest runs wholly on the devices (`coupled`)."""
    clock: Literal["wall", "virtual"] = "wall"
    """Time: `wall`, or `virtual`, which jumps to the next event and is deterministic."""
    denoiser: Literal["real", "paced"] = "real"
    """Steps: `real` tensors, or `paced`, where the profile's times are waited out."""
    wire: Literal["grpc", "inprocess"] = "grpc"
    """Between the processes: `grpc`, or `inprocess`, one process without a network."""
    time_scale: float = Field(1.0, gt=0)
    """Scenario seconds in a wall second; above 1 a run is over sooner."""


class Report(Tree):
    """`references`: requests whose picture is made again without reuse, for psnr_db and the
    gallery."""

    references: int = Field(24, ge=0)
    """Requests whose pictures are made again without reuse, for psnr_db and the gallery;
    0: none."""
    images: bool = True
    """Whether pictures are written to the run's folder."""
    perfetto: bool = False
    """Whether ticks of the edges' engines are recorded, and trace.json is written at the end."""


class Threshold(Tree):
    """Bounds on a metric of summary.json; a run outside them ends with status 1."""

    min: float | None = None
    """Least value that passes, in the metric's unit; null: no lower bound."""
    max: float | None = None
    """Largest value that passes, in the metric's unit; null: no upper bound."""

    @model_validator(mode="before")
    @classmethod
    def _has_a_side(cls, value: Any) -> Any:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            raise ValueError(f"a bound has a side: write {{max: {value:g}}} or {{min: {value:g}}}")
        return value

    @model_validator(mode="after")
    def _bounds_something(self) -> Threshold:
        if self.min is None and self.max is None:
            raise ValueError("it bounds nothing; write {max: ...}, {min: ...} or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is above max {self.max:g}: nothing passes")
        return self


class Scenario(Tree):
    """Everything about a run. Immutable; `seed` decides every draw that is not a measurement."""

    name: str = Field("laptop", pattern=r"^[A-Za-z0-9._-]+$", max_length=LONGEST_NAME)
    """Name of the scenario, and the start of its runs' folders."""
    seed: int = Field(7, ge=0, lt=2**32)
    """Seed of every draw that is not a measurement."""
    duration_s: Seconds = Field(90.0, gt=0)
    """How long users ask, seconds; requests in flight are then waited for."""
    warmup_s: Seconds = 0.0
    """Time from the start that is recorded and not measured, seconds: an empty store is no policy's
    merit."""
    slot_seconds: Seconds = Field(1.0, gt=0)
    """tau, length of a slot, seconds: channels and speeds change, and plans are made, once
    a slot."""
    deadline_s: Seconds = Field(60.0, gt=0)
    """How long a device waits for the edge's output before the request has failed, seconds."""
    grace_s: Seconds = 20.0
    """Time for requests in flight when the run ends, seconds; what is not finished then is cut off
    and counted as `unfinished`."""
    model: Model = Model()
    """The pipeline, and where it is cut."""
    edges: tuple[EdgeSettings, ...] = (EdgeSettings(),)
    """The edge servers, a list."""
    backhaul: Backhaul = Backhaul()
    """The line to each edge that has neighbours and no line of its own."""
    devices: tuple[Devices, ...] = (Devices(),)
    """Classes of devices, a list."""
    hosts: Hosts = Hosts()
    """Processes in which devices live."""
    channel: Channel = Channel()
    """The radio link."""
    workload: Workload = Workload()
    """What users ask for, and when."""
    cut: Cut = Cut()
    """Where the edge hands over."""
    policy: PolicySettings = PolicySettings()
    """What decides which outputs are kept."""
    reuse: Reuse = Reuse()
    """How far outputs serve other prompts."""
    modes: Modes = Modes()
    """Which parts are real, emulated or modelled."""
    report: Report = Report()
    """What is made at the end of a run."""
    thresholds: dict[str, Threshold] = Field({})
    """Bounds on metrics of summary.json, by name, such as {p95_s: {max: 8}}; a run outside them
    ends with status 1."""
    timeline: tuple[TimelineEvent, ...] = ()
    """Events in mid-run, a list."""

    @field_validator("edges")
    @classmethod
    def _names_differ(cls, value: tuple[EdgeSettings, ...]) -> tuple[EdgeSettings, ...]:
        names = [edge.name for edge in value]
        if not names:
            raise ValueError("at least one edge is needed")
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"two edges have the name {twice}; give each its own")
        folders = [edge.disk_path for edge in value if edge.disk_path is not None]
        shared = next((folder for folder in folders if folders.count(folder) > 1), None)
        if shared is not None:
            raise ValueError(f"two edges have the disk_path {shared}; give each its own")
        return value

    @model_validator(mode="after")
    def _somebody_asks(self) -> Scenario:
        if not self.devices:
            raise ValueError("devices: at least one class is needed, such as [{count: 10}]")
        if self.users > MOST_USERS:
            raise ValueError(f"devices: {self.users} in all, a run has at most {MOST_USERS}")
        return self

    @model_validator(mode="after")
    def _edges_are_there(self) -> Scenario:
        names = [edge.name for edge in self.edges]
        for key, name in [
            *((f"devices.{i}.edge", devices.edge) for i, devices in enumerate(self.devices)),
            *((f"edges.{i}.neighbours", n) for i, e in enumerate(self.edges) for n in e.neighbours),
            *(
                (f"timeline.{i}.{key}", getattr(event, key, None))
                for i, event in enumerate(self.timeline)
                for key in ("edge", "from_edge")
            ),
        ]:
            if name is not None and name not in names:
                raise ValueError(
                    f"{key}: there is no edge {name[:60]}; the scenario has {', '.join(names)}"
                )
        placed = [edge.place_m is not None for edge in self.edges]
        if any(placed) and not all(placed):
            raise ValueError(
                f"edges.{placed.index(False)}.place_m: give every edge a place, or none"
            )
        choices = [group.choose for group in self.devices]
        if "fastest" in choices and self.channel.total_mhz is not None:
            raise ValueError(
                f"devices.{choices.index('fastest')}.choose: fastest hands users over, and who "
                f"shares an edge's band stays there; leave channel.total_mhz out"
            )
        chooser = choices.index("nearest") if "nearest" in choices else None
        if chooser is not None and not any(placed):
            raise ValueError(
                f"devices.{chooser}.choose: nearest by what? give every edge its edges.N.place_m"
            )
        for i, edge in enumerate(self.edges):
            if edge.name in edge.neighbours or len(set(edge.neighbours)) < len(edge.neighbours):
                raise ValueError(
                    f"edges.{i}.neighbours: {edge.name} has others as neighbours, each once; leave "
                    f"out what is itself, or there twice"
                )
        return self

    @model_validator(mode="after")
    def _classes_are_there(self) -> Scenario:
        names = dict.fromkeys(devices.kind for devices in self.devices)
        for number, event in enumerate(self.timeline):
            name = getattr(event, "of_class", None)
            if name is not None and name not in names:
                raise ValueError(
                    f"timeline.{number}.class: there is no class {name[:60]}; the scenario has "
                    f"{', '.join(names)}"
                )
        return self

    @model_validator(mode="after")
    def _events_play_in_this_time(self) -> Scenario:
        for number, event in enumerate(self.timeline):
            if self.modes.clock == "virtual" and not event.plays_virtually():
                raise ValueError(
                    f"timeline.{number}: {event.kind} does not work in virtual time; set "
                    f"modes.clock: wall, or leave it out"
                )
        return self

    @model_validator(mode="after")
    def _users_can_come_and_go(self) -> Scenario:
        for number, event in enumerate(self.timeline):
            if event.moves_users and self.workload.prompts is not None:
                raise ValueError(
                    f"timeline.{number}: {event.kind}: a list of prompts is dealt out to its users "
                    f"when a run starts, none can come or go; leave it or workload.prompts out"
                )
        return self

    @model_validator(mode="after")
    def _kills_find_somebody(self) -> Scenario:
        names = [edge.name for edge in self.edges]
        for number, event in enumerate(self.timeline):
            if not isinstance(event, KillEvent):
                continue
            of_edge = event.part in ("edge", "learner")
            if of_edge and event.name is not None and event.name not in names:
                raise ValueError(
                    f"timeline.{number}.name: there is no edge {event.name[:60]}; the scenario has "
                    f"{', '.join(names)}"
                )
            if self.modes.wire == "inprocess" and event.part != "learner":
                raise ValueError(
                    f"timeline.{number}.part: a run in one process has no {event.part} that could "
                    f"be killed; set modes.wire: grpc, or take learner"
                )
        return self

    @model_validator(mode="after")
    def _handed_over_share_no_band(self) -> Scenario:
        for number, event in enumerate(self.timeline):
            if isinstance(event, HandOverEvent) and self.channel.total_mhz is not None:
                raise ValueError(
                    f"timeline.{number}: hand_over: who shares an edge's band stays there; leave "
                    f"channel.total_mhz out"
                )
        return self

    @model_validator(mode="after")
    def _events_within_the_run(self) -> Scenario:
        for number, event in enumerate(self.timeline):
            if event.at_s >= self.duration_s:
                raise ValueError(
                    f"timeline.{number}.at_s: {event.at_s:g} s is not before the run's end, "
                    f"duration_s is {self.duration_s:g}"
                )
            if event.most_times(self.duration_s) > MOST_TIMES:
                raise ValueError(
                    f"timeline.{number}.every_s: it would come more than {MOST_TIMES:,} times in "
                    f"the run; give it more time between"
                )
        return self

    @model_validator(mode="after")
    def _negative_has_guidance(self) -> Scenario:
        if self.workload.negative and self.model.guidance <= 1:
            raise ValueError(
                f"workload.negative does nothing without guidance, model.guidance is "
                f"{self.model.guidance:g}; set it above 1"
            )
        return self

    @model_validator(mode="after")
    def _starts_can_be(self) -> Scenario:
        problem = _start_problem(self)
        if problem is not None:
            raise ValueError(problem)
        return self

    @model_validator(mode="after")
    def _full_prompts_stay(self) -> Scenario:
        if self.reuse.privacy == "core" and self.workload.core == "whole":
            raise ValueError(
                "reuse.privacy: core: workload.core whole asks edges for users' prompts in full; "
                "set workload.core: auto, or reuse.privacy: open"
            )
        return self

    @model_validator(mode="after")
    def _something_is_measured(self) -> Scenario:
        if self.warmup_s >= self.duration_s:
            raise ValueError(
                f"warmup_s: after {self.warmup_s:g} s nothing is left of the {self.duration_s:g} s "
                f"of duration_s"
            )
        return self

    @model_validator(mode="after")
    def _modes_fit(self) -> Scenario:
        if self.modes.clock == "virtual" and self.modes.wire != "inprocess":
            raise ValueError("modes.clock: virtual runs in one process; set modes.wire: inprocess")
        if self.modes.denoiser == "paced" and self.model.profile is None:
            raise ValueError(
                "modes.denoiser: paced waits measured times; set model.profile (cpu, or a file of "
                "`midstep calibrate`)"
            )
        if self.modes.clock == "virtual" and self.model.profile is None:
            raise ValueError("modes.clock: virtual advances by measured times; set model.profile")
        if self.modes.clock == "virtual" and self.modes.time_scale != 1:
            raise ValueError("modes.time_scale: virtual time does not follow the clock; leave it 1")
        return self

    @model_validator(mode="after")
    def _sharers_live_together(self) -> Scenario:
        """A band that is shared is known in one process."""
        apart = self.modes.wire == "grpc" and self.hosts.devices_per_host < self._most_of_an_edge
        if self.channel.total_mhz is not None and apart:
            raise ValueError(
                f"channel.total_mhz: who receives at the moment is known within one process: set "
                f"hosts.devices_per_host: {self._most_of_an_edge}, or modes.wire: inprocess"
            )
        return self

    @property
    def _most_of_an_edge(self) -> int:
        """Devices of the edge that has most of them."""
        dealt = sum(devices.count for devices in self.devices if devices.edge is None)
        return max(
            sum(devices.count for devices in self.devices if devices.edge == edge.name)
            + -(-dealt // len(self.edges))
            for edge in self.edges
        )

    @model_validator(mode="after")
    def _coupled_as_a_whole(self) -> Scenario:
        problem = _coupled_problem(self) if self.modes.edge == "coupled" else _loose_key(self)
        if problem is not None:
            raise ValueError(problem)
        return self

    @property
    def edge(self) -> EdgeSettings:
        """The edge of a scenario that has one, as `at` gives it."""
        return self.edges[0]

    def at(self, name: str) -> Scenario:
        """The scenario of one edge: the same without the others."""
        return self.model_copy(
            update={"edges": tuple(edge for edge in self.edges if edge.name == name)}
        )

    @property
    def last_step(self) -> int:
        """S*, the last step that a plan of a coupled edge may name."""
        return self.reuse.last_step or self.model.split_step

    @property
    def users(self) -> int:
        """All devices of all classes."""
        return sum(devices.count for devices in self.devices)

    def with_users(self, users: int) -> Scenario:
        """The same mix of classes with `users` devices in all, each class at least one. Raises
        OptionError."""
        if not 1 <= users <= MOST_USERS:
            raise OptionError(f"--users {excerpt(users)}: give 1 to {MOST_USERS}")
        if users < len(self.devices):
            raise OptionError(
                f"--users {users}: the scenario has {len(self.devices)} device classes, each needs "
                f"one"
            )
        counts = apportion(users, [group.count for group in self.devices], least=1)
        devices = [
            group.model_copy(update={"count": count})
            for group, count in zip(self.devices, counts, strict=True)
        ]
        return self.model_copy(update={"devices": tuple(devices)})

    def dump(self) -> str:
        """As YAML, every value resolved."""
        return yaml.safe_dump(
            self.model_dump(mode="json", by_alias=True), sort_keys=False, width=110
        )


def _start_problem(scenario: Scenario) -> str | None:
    """What does not go with start pictures, in a line."""
    start = scenario.workload.start
    if start is None:
        return None
    steps = scenario.model.steps
    if int(start.strength * steps) < 1:
        return (
            f"workload.start.strength: {start.strength:g} leaves none of {steps} steps; give "
            f"{1 / steps:.3g} or more"
        )
    if scenario.modes.denoiser == "paced":
        return (
            "workload.start: modes.denoiser paced computes nothing from a picture, and no profile "
            "has the time of its encoding; set modes.denoiser: real, or leave it out"
        )
    if scenario.reuse.privacy == "core":
        return (
            "workload.start: with reuse.privacy core nothing but the core prompt leaves a device, "
            "and a start picture would; leave one of them out"
        )
    return None


def _coupled_problem(scenario: Scenario) -> str | None:
    """What does not go with modes.edge `coupled`, in a line."""
    policy = scenario.policy
    workload = scenario.workload
    steps = scenario.model.steps
    if policy.timing != "reactive":
        return (
            "policy.timing: proactive plans before a slot's requests are seen; modes.edge coupled "
            "wants reactive"
        )
    if workload.is_listed:
        return (
            "workload: a coupled edge is asked for the catalogue's prompts at each slot's start, "
            "as the seed draws them; leave prompts and trace out"
        )
    if workload.arrivals.slotted is None:
        return (
            f"workload.arrivals: {workload.arrivals.law} requests come at any time; modes.edge "
            f"coupled plans for those of a whole slot: set {{slotted: {{per_user: 10}}}}"
        )
    if workload.core == "whole":
        return (
            "workload.core: whole: where modes.edge is coupled a slot's plan knows the catalogue's "
            "core prompts alone; leave it out"
        )
    if scenario.cut.rule != "fixed":
        return (
            f"cut.rule: {scenario.cut.rule[:60]}: where modes.edge is coupled the slot's plan says "
            f"where each prompt is cut; leave cut out"
        )
    if workload.start is not None:
        return (
            "workload.start: where modes.edge is coupled a slot's plan knows prompts alone, and no "
            "pictures; leave it out"
        )
    if scenario.reuse.similar is not None:
        return (
            f"reuse.similar: {scenario.reuse.similar[:60]}: where modes.edge is coupled only what "
            f"the slot's plan names serves; leave it out"
        )
    tiered = next((i for i, edge in enumerate(scenario.edges) if edge.disk is not None), None)
    if tiered is not None:
        return (
            f"edges.{tiered}.disk: where modes.edge is coupled only what the slot's plan keeps in "
            f"the store serves; leave it out"
        )
    near = next((i for i, edge in enumerate(scenario.edges) if edge.neighbours), None)
    if near is not None:
        return (
            f"edges.{near}.neighbours: where modes.edge is coupled only what the slot's plan keeps "
            f"in the store serves; leave it out"
        )
    if policy.steps_per_prompt != "one":
        return "policy.steps_per_prompt: a coupled edge holds one step of a prompt, (11); set one"
    if not 2 <= scenario.last_step <= min(steps, 127):
        key = "model.split_step" if scenario.reuse.last_step is None else "reuse.last_step"
        return (
            f"{key}: {scenario.last_step} is the last step that a plan may name (S*); give 2 to "
            f"{min(steps, 127)}"
        )
    return None


def _loose_key(scenario: Scenario) -> str | None:
    """A key that goes with modes.edge `coupled` alone and is set without it, in a line."""
    if scenario.policy.timing == "reactive":
        return (
            "policy.timing: reactive plans for requests that wait; set modes.edge: coupled with "
            "it, or proactive"
        )
    for key, value in (
        ("last_step", scenario.reuse.last_step),
        ("tolerance", scenario.reuse.tolerance),
    ):
        if value is not None:
            return f"reuse.{key}: it goes with modes.edge coupled; leave it out"
    return None
