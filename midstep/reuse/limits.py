"""The reuse limit of a request, the paper's S*_r: the largest step of the shared output from which
this user's own picture still comes out."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path

from midstep.diffusion import pipelines
from midstep.errors import ScenarioError
from midstep.home import in_home
from midstep.reuse.proportions import all_right
from midstep.reuse.table import FLOORS, ReuseTable
from midstep.scenario import Model, Scenario
from midstep.wire.identity import PipelineIdentity
from midstep.wire.messages import Quality
from midstep.workload.catalogue import Catalogue, load_catalogue
from midstep.workload.user_request import UserRequest

__all__ = [
    "BOTH",
    "CORE",
    "KINDS",
    "POSITION",
    "SIZE",
    "TABLE",
    "VARIATION",
    "WORDS",
    "ReuseLimits",
    "class_limit",
    "class_quality",
    "floor_of",
    "open_limits",
    "reuse_class",
    "table_path",
    "usable_table",
]

CORE = "core"
SIZE = "size"
POSITION = "position"
BOTH = "size and position"
VARIATION = "variation"
WORDS = "words"
KINDS = (SIZE, POSITION, BOTH, VARIATION, WORDS)  # that are measured
TABLE = "reuse.json"  # in the model's folder
CALIBRATED = "calibrated"  # the rule for like prompts that needs a table
NOBODY_ALIKE = (
    "no prompt is served by another's (reuse.similar: calibrated): `midstep calibrate --reuse "
    "--likeness` measures how far it could be"
)
PACED = "paced"  # revision of outputs that are no tensors


def reuse_class(catalogue: Catalogue | None, prompt: str, edge_prompt: str, variation: bool) -> str:
    """Class of a request: what its own prompt adds to the shared one; `variation`: a variation seed
    is turned in at the hand-over, whatever the prompt adds."""
    return VARIATION if variation else _addition(catalogue, prompt, edge_prompt)


def _addition(catalogue: Catalogue | None, prompt: str, edge_prompt: str) -> str:
    """What a prompt adds to its edge prompt, in a word."""
    if prompt == edge_prompt:
        return CORE
    ending = catalogue.ending(edge_prompt, prompt) if catalogue is not None else None
    if ending is None:
        return WORDS
    if not ending.position:
        return SIZE
    return BOTH if ending.size else POSITION


def class_quality(kind: str, quality: tuple[str, float]) -> tuple[str, float]:
    """The metric and floor that count for a class where `quality` is asked for: a variation has no
    picture to be like, so that fidelity alone counts."""
    return ("fidelity", FLOORS["fidelity"]) if kind == VARIATION else quality


def class_limit(
    table: ReuseTable, kind: str, quality: tuple[str, float], share: float
) -> int | None:
    """The last step of a class that has `quality`, a metric and its floor, with this share; 0: not
    even the first. None where the class was not measured, or on fewer pictures than would suffice
    if all were right."""
    metric, floor = class_quality(kind, quality)
    if table.pairs(kind, metric) < all_right(share):
        return None
    return table.limit(kind, metric, floor, share)


class ReuseLimits:
    """Limits of a run's requests. `by_class` has those that were measured; a class that is not in
    it falls back to `fallback`, model.split_step. `quality` is the one that they keep. `notice`
    says in one line what a user should know at the run's start."""

    def __init__(
        self,
        steps: int,
        by_class: Mapping[str, int],
        fallback: int,
        catalogue: Catalogue | None = None,
        notice: str | None = None,
        quality: Quality | None = None,
    ) -> None:
        self.steps = steps
        self.by_class = dict(by_class)
        self.fallback = fallback
        self.notice = notice
        self.quality = quality
        self._catalogue = catalogue
        self._additions: dict[tuple[str, str], str] = {}  # of the catalogue's own: they are few

    def limit(self, request: UserRequest) -> int:
        """The last step, 1 to S, at which a shared output still serves this request. S where it
        wants the shared picture itself."""
        prompt = request.prompt
        addition = self._addition(prompt, request.edge_prompt)
        limit = self.steps if addition == CORE else self._of(addition)
        if request.variation_seed is None:
            return limit
        return min(limit, self._of(VARIATION))

    def kind(self, request: UserRequest) -> str:
        """The reuse class of a request: what its own prompt adds to the shared one."""
        if request.variation_seed is not None:
            return VARIATION
        return self._addition(request.prompt, request.edge_prompt)

    def _of(self, kind: str) -> int:
        limit = self.by_class.get(kind)
        if limit is None and kind != VARIATION:
            limit = self.by_class.get(WORDS)
        return self.fallback if limit is None else limit

    def _addition(self, prompt: str, edge_prompt: str) -> str:
        if prompt == edge_prompt:
            return CORE
        place = edge_prompt, prompt
        addition = self._additions.get(place)
        if addition is None:
            addition = _addition(self._catalogue, prompt, edge_prompt)
            if addition != WORDS:
                self._additions[place] = addition
        return addition


def open_limits(scenario: Scenario, identity: PipelineIdentity | None = None) -> ReuseLimits:
    """The limits of a scenario's requests on the pipeline `identity`; None: on the one that the
    scenario names, whose files are read where it is computed. Raises ScenarioError for a table that
    is damaged or another model's, or a metric that it has not; ModelError where there is no such
    model."""
    if scenario.reuse.tolerance is not None:  # a draw says what serves, not the model
        steps = scenario.model.steps
        return ReuseLimits(steps, {}, steps)
    path = table_path(scenario)
    if path is None:
        name = scenario.model.path
        why = f"{name} has no table of reuse (`midstep calibrate --model {name} --reuse` makes one)"
        return _fallback(scenario, why)
    table = ReuseTable.load(path)
    misfit = _misfit(table, path, scenario, identity)
    if misfit is not None:
        return _fallback(scenario, misfit)
    return _measured(scenario, table, path)


def usable_table(scenario: Scenario, identity: PipelineIdentity | None = None) -> ReuseTable | None:
    """The table that says something about the scenario's run on the pipeline `identity`; None where
    there is none. Raises as open_limits."""
    path = table_path(scenario)
    if path is None:
        return None
    table = ReuseTable.load(path)
    return table if _misfit(table, path, scenario, identity) is None else None


def table_path(scenario: Scenario) -> Path | None:
    """The table that the scenario names, or its model's own. Raises ScenarioError where there is no
    such file."""
    if scenario.reuse.table is not None:
        path = in_home(scenario.reuse.table)
        if not path.is_file():
            raise ScenarioError(
                f"reuse.table: no file {scenario.reuse.table}; `midstep calibrate --reuse` writes "
                f"one, null takes the model's own"
            )
        return path
    path = Path(pipelines.locate(scenario.model.path)) / TABLE
    return path if path.is_file() else None


def _misfit(
    table: ReuseTable, path: Path, scenario: Scenario, identity: PipelineIdentity | None
) -> str | None:
    """Why a table says nothing about this run, in words. Raises ScenarioError where the scenario
    names a table of another model."""
    model = scenario.model
    foreign = None
    if identity is not None and identity.revision != PACED:
        foreign = table.foreign(identity.model, identity.revision)
    elif identity is None and scenario.modes.denoiser == "real":
        with contextlib.suppress(OSError):  # the hub's, and not here: its devices will know
            revision = pipelines.revision(pipelines.locate(model.path))
            foreign = table.foreign(model.path, revision)
    elif Path(table.model).name != Path(model.path).name:
        foreign = f"it was measured on {table.model}; model.path is {model.path}"
    if foreign is not None and not scenario.reuse.foreign:
        if scenario.reuse.table is not None:
            raise ScenarioError(
                f"reuse.table: {path} is another model's: {foreign}; reuse.foreign: true takes it"
            )
        return f"the table of {model.path} is of another revision ({foreign})"
    if identity is None or identity.revision == PACED:
        differs = _differs_from_model(table, model)
    else:
        differs = _differs(table, identity)
    return f"the table of {model.path} is of {differs}" if differs else None


def _differs(table: ReuseTable, identity: PipelineIdentity) -> str | None:
    """Which setting of the table is another than a pipeline's."""
    for name in ("steps", "guidance", "scheduler", "scheduler_config", "height", "width"):
        of_table = getattr(table, name)
        of_run = getattr(identity, name)
        if of_table != of_run:
            return f"{name} {of_table}, the run has {of_run}"
    return None


def _differs_from_model(table: ReuseTable, model: Model) -> str | None:
    """Which setting of the table is another than those that a scenario names."""
    settings = {
        "steps": model.steps,
        "guidance": model.guidance,
        "scheduler": _scheduler(model) or table.scheduler,
        "height": model.height or table.height,
        "width": model.width or table.width,
    }
    for name, of_run in settings.items():
        of_table = getattr(table, name)
        if of_table != of_run:
            return f"{name} {of_table}, the run has {of_run}"
    return None


def _scheduler(model: Model) -> str | None:
    """Class of the sampler that a scenario names; None where only the loaded pipeline says."""
    if model.scheduler != "default":
        return pipelines.SCHEDULERS[model.scheduler][0]
    file = Path(pipelines.locate(model.path)) / "scheduler" / "scheduler_config.json"
    if not file.is_file():
        return None
    name: str | None = json.loads(file.read_text()).get("_class_name")
    return name


def _fallback(scenario: Scenario, why: str) -> ReuseLimits:
    step = scenario.model.split_step
    notice = f"{why}: outputs serve other prompts up to model.split_step, {step}"
    if scenario.reuse.similar == CALIBRATED:
        notice = f"{notice}, and {NOBODY_ALIKE}"
    metric = scenario.reuse.metric or "fidelity"
    floor = FLOORS[metric] if scenario.reuse.floor is None else scenario.reuse.floor
    quality = Quality(metric=metric, floor=floor, share=scenario.reuse.share)
    return ReuseLimits(scenario.model.steps, {}, step, notice=notice, quality=quality)


def floor_of(scenario: Scenario, table: ReuseTable, path: Path) -> tuple[str, float]:
    """The metric that counts, and its floor. Raises ScenarioError for a metric that the table of
    `path` has not."""
    reuse = scenario.reuse
    metric = reuse.metric or next((m for m in ("fidelity", "ssim") if m in table.metrics), "psnr")
    if metric not in table.metrics:
        raise ScenarioError(
            f"reuse.metric: {metric} is not in {path}; it has {', '.join(table.metrics)}"
        )
    return metric, FLOORS[metric] if reuse.floor is None else reuse.floor


def _measured(scenario: Scenario, table: ReuseTable, path: Path) -> ReuseLimits:
    """The limits that a table has at the scenario's floor. Raises ScenarioError for a metric that
    it has not."""
    reuse = scenario.reuse
    metric, floor = floor_of(scenario, table, path)
    by_class: dict[str, int] = {}
    unreached = []
    for kind in (kind for kind in table.kinds if kind in KINDS):
        limit = class_limit(table, kind, (metric, floor), reuse.share)
        if limit is None:
            continue
        by_class[kind] = max(1, limit)
        if limit == 0:
            unreached.append(kind)
    notices = []
    if table.frame != reuse.frame:
        notices.append(
            f"reuse.frame: the table was measured on {table.frame} frames: what {reuse.frame} "
            f"loses is not in its limits (`midstep calibrate --reuse --set "
            f"reuse.frame={reuse.frame}`)"
        )
    if unreached:
        notices.append(
            f"no step has {metric} {floor:g} or more with a share of {reuse.share:g} for "
            f"{', '.join(unreached)}: such requests reuse step 1 at most"
        )
    fallback = scenario.model.split_step
    file = pipelines.catalogue_file(scenario.model.path)
    catalogue = load_catalogue(file) if file is not None else None
    if reuse.similar == CALIBRATED and all(kind in KINDS for kind in table.kinds):
        notices.append(NOBODY_ALIKE)
    unmeasured = _unmeasured(scenario, catalogue, by_class)
    if unmeasured:
        notices.append(
            f"{', '.join(unmeasured)} not measured, or on too few pictures for a share of "
            f"{reuse.share:g}: outputs serve such requests up to model.split_step, {fallback}"
        )
    return ReuseLimits(
        scenario.model.steps,
        by_class,
        fallback,
        catalogue,
        "; ".join(notices) or None,
        Quality(metric=metric, floor=floor, share=reuse.share),
    )


def _unmeasured(
    scenario: Scenario, catalogue: Catalogue | None, by_class: Mapping[str, int]
) -> list[str]:
    """What a run may ask for and the table has not, in words."""
    names = []
    if WORDS not in by_class:
        if catalogue is not None and catalogue.edges:
            edge = catalogue.edges[0]
            core = catalogue.prompt(edge)
            own = [catalogue.prompt(edge, ending) for ending in catalogue.endings[1:]]
            kinds = dict.fromkeys(_addition(catalogue, prompt, core) for prompt in own)
            names += [f"endings of {kind}" for kind in kinds if kind not in by_class]
        if not scenario.workload.draws_from_catalogue:
            names.append("prompts outside the catalogue")
    if VARIATION not in by_class and scenario.workload.variation_share:
        names.append("variations")
    return names
