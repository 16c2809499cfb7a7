"""Points of an experiment: each a scenario, with what sets it apart and a name that stays."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from midstep import __version__, scenario_file
from midstep.errors import MidstepError, OptionError
from midstep.scenario import Scenario
from midstep.units import excerpt
from midstep.wire.identity import digest
from orchestrator.evaluation.experiment.inputs import Inputs
from orchestrator.evaluation.experiment.plan import Plan

__all__ = ["MOST_POINTS", "Cell", "Point", "baseline_of", "cell_of", "expand", "title"]

MOST_POINTS = 100_000
SHORT = {"policy": "policy.name"}  # short key -> the scenario's
REPLICATES = ("seed", "repeat")  # what is not compared, but averaged over
NAME_LENGTH = 40  # characters of a point's name that say what it is
Cell = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Point:
    """One run of an experiment. `settings` has the values of the keys that vary, but for the seed;
    `id` names its folder, and changes with what the run depends on: the road, the scenario, the
    bytes of files that it names, midstep's version. `scenario` is as its trace says
    (Inputs.resolved)."""

    id: str
    settings: Mapping[str, Any]
    seed: int
    repeat: int
    scenario: Scenario

    @property
    def cell(self) -> Cell:
        """What it shares with the points that differ in the seed, or the repetition, alone."""
        return cell_of(self.settings)


def cell_of(settings: Mapping[str, Any]) -> Cell:
    """Settings as something that can be compared and hashed; 5 and 5.0 are the same."""
    return tuple(
        (key, json.dumps(_plain(value), sort_keys=True)) for key, value in settings.items()
    )


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def title(settings: Mapping[str, Any]) -> str:
    """Settings in few words: values, with the key where a value alone says nothing."""
    words = [
        str(value) if isinstance(value, str) else f"{key.rpartition('.')[2]} {json.dumps(value)}"
        for key, value in settings.items()
    ]
    return ", ".join(words) or "as it is"


def expand(plan: Plan, file: Path) -> list[Point]:
    """All points, seed by seed, so that what is finished first can be compared already. Raises
    ScenarioError or OptionError, one line, for a key, a value or a baseline that is wrong, or a
    list of prompts or a trace that cannot be read."""
    base = _base(plan, file)
    inputs = Inputs()
    combinations = _combinations(plan, file)
    keys = [key for grid in plan.grids for key in map(_long, grid) if key not in REPLICATES]
    points = {}
    for combination in combinations:
        scenario = _scenario(base, plan, combination, file)
        try:
            scenario = inputs.resolved(scenario)
            files = inputs.digests(scenario)
        except (MidstepError, OSError) as error:
            raise OptionError(f"{file}: {error}") from error
        settings = {key: combination[key] for key in dict.fromkeys(keys) if key in combination}
        for repeat in range(1, plan.repeat + 1):
            point = _point(plan, scenario, files, settings, repeat)
            points[point.id] = point
    _check_baseline(plan, list(points.values()), file)
    order = {seed: n for n, seed in enumerate(dict.fromkeys(p.seed for p in points.values()))}
    return sorted(points.values(), key=lambda point: (point.repeat, order[point.seed]))


def baseline_of(plan: Plan) -> dict[str, Any]:
    """The baseline, by the scenario's keys."""
    return {_long(key): value for key, value in plan.baseline.items()}


def _combinations(plan: Plan, file: Path) -> list[dict[str, Any]]:
    combinations: list[dict[str, Any]] = []
    for number, grid in enumerate(plan.grids):
        where = "vary" if isinstance(plan.vary, dict) else f"vary.{number}"
        axes = [
            _axis(key, value, f"{file}: {where}", isinstance(plan.vary, dict))
            for key, value in grid.items()
        ]
        count = 1
        for _, values in axes:
            count *= len(values)
        if count + len(combinations) > MOST_POINTS:
            raise OptionError(f"{file}: {where}: more than {MOST_POINTS} points; vary less")
        names = [key for key, _ in axes]
        _check_once(grid, f"{file}: {where}")
        _check_free(grid, plan, f"{file}: {where}")
        combinations += [
            dict(zip(names, values, strict=True))
            for values in itertools.product(*(values for _, values in axes))
        ]
    if not combinations:
        raise OptionError(f"{file}: vary: no grid is in the list; give [{{policy.name: [...]}}]")
    return combinations


def _check_once(settings: Mapping[str, Any], where: str) -> None:
    """Raise OptionError where two keys are one: either's values would be lost in silence."""
    written: dict[str, str] = {}
    for key in map(str, settings):
        before = written.setdefault(_long(key), key)
        if before != key:
            raise OptionError(f"{where}: {before} and {key} are the same key; give one of them")


def _check_free(grid: Mapping[str, Any], plan: Plan, where: str) -> None:
    """Raise OptionError where a key both varies and is set: what is set would be lost."""
    fixed = {_long(key): key for key in map(str, plan.changes)}
    for key in map(str, grid):
        if _long(key) in fixed:
            raise OptionError(
                f"{where}.{key}: {fixed[_long(key)]} is set as well; vary it or set it, not both"
            )


def _axis(key: str, value: Any, where: str, grid: bool) -> tuple[str, list[Any]]:
    """A key and its values. In a list of grids one value stands for a list of one."""
    name = _long(str(key))
    if name == "repeat":
        raise OptionError(f"{where}.repeat: it is no scenario's key; write repeat: N beside vary")
    values = value if isinstance(value, list) else [value]
    if grid and not isinstance(value, list):
        raise OptionError(
            f"{where}.{excerpt(key)}: give a list of values, or set the one value under `set`"
        )
    if not values:
        raise OptionError(f"{where}.{key}: the list is empty; give at least one value")
    texts = [json.dumps(one, sort_keys=True, default=str) for one in values]
    if len(set(texts)) < len(texts):
        twice = next(text for text in texts if texts.count(text) > 1)
        raise OptionError(f"{where}.{key}: {twice[:60]} stands twice in the list")
    return name, values


def _base(plan: Plan, file: Path) -> dict[str, Any]:
    """The scenario's tree as the road plays it."""
    beside = file.parent / plan.scenario
    name = plan.scenario
    if name not in scenario_file.shipped() and beside.is_file():
        name = str(beside)
    tree = scenario_file.read(name)
    if plan.road == "virtual":
        scenario_file.put(tree, "modes.clock", "virtual")
        scenario_file.put(tree, "modes.wire", "inprocess")
        # its times are the profile's either way; `set` can have the pictures computed
        scenario_file.put(tree, "modes.denoiser", "paced")
    model = tree.get("model") or {}
    if plan.road != "live" and isinstance(model, dict) and not model.get("profile"):
        scenario_file.put(tree, "model.profile", "cpu")
    if plan.duration_s is not None:
        scenario_file.put(tree, "duration_s", plan.duration_s)
    return tree


def _scenario(
    base: Mapping[str, Any], plan: Plan, combination: Mapping[str, Any], file: Path
) -> Scenario:
    tree = json.loads(json.dumps(base, default=str))  # what YAML holds, and nothing shared
    users = None
    for where, settings in (("set", plan.changes), ("vary", combination)):
        for key, value in settings.items():
            if _long(key) == "users":
                users = value
                continue
            try:
                _put(tree, _long(key), value)
            except MidstepError as error:
                reason = str(error).removeprefix("--set ")
                raise OptionError(f"{file}: {where}: {reason}") from error
    scenario = scenario_file.parse(tree, (), str(file))
    if users is not None:
        if not isinstance(users, int) or isinstance(users, bool):
            raise OptionError(f"{file}: users: {excerpt(users)} is no number of devices")
        try:
            scenario = scenario.with_users(users)
        except OptionError as error:
            raise OptionError(f"{file}: {str(error).removeprefix('--')}") from error
    if ".py" in scenario.policy.name:  # the registry need not be imported
        from orchestrator import policies

        scenario = scenario.model_copy(update={"policy": policies.resolved(scenario.policy)})
    return scenario


def _put(tree: dict[str, Any], key: str, value: Any) -> None:
    if key != "capacity":
        scenario_file.put(tree, key, value)
        return
    edges = tree.get("edges") or [{}]
    for number in range(len(edges) if isinstance(edges, list) else 1):
        scenario_file.put(tree, f"edges.{number}.capacity", value)


def _point(
    plan: Plan,
    scenario: Scenario,
    files: Mapping[str, str],
    settings: dict[str, Any],
    repeat: int,
) -> Point:
    """A point; `files`: digests of those that its scenario names."""
    tree = scenario.model_dump(mode="json", by_alias=True)
    words = [str(value) for value in settings.values()]
    words.append(f"seed{scenario.seed}")
    if plan.repeat > 1:
        words.append(f"run{repeat}")
    name = re.sub(r"[^A-Za-z0-9.]+", "-", "-".join(words)).strip("-.")[:NAME_LENGTH].strip("-.")
    return Point(
        id=f"{name}-{digest([__version__, plan.road, tree, files, repeat], 4)}",
        settings=settings,
        seed=scenario.seed,
        repeat=repeat,
        scenario=scenario,
    )


def _check_baseline(plan: Plan, points: list[Point], file: Path) -> None:
    _check_once(plan.baseline, f"{file}: baseline")
    baseline = baseline_of(plan)
    for key, value in baseline.items():
        values = [point.settings[key] for point in points if key in point.settings]
        if not values:
            raise OptionError(
                f"{file}: baseline.{key[:60]}: it does not vary; there is "
                f"{', '.join(dict.fromkeys(key for point in points for key in point.settings))}"
            )
        if value not in values:
            some = ", ".join(dict.fromkeys(str(one) for one in values))
            raise OptionError(f"{file}: baseline.{key}: {excerpt(value)} is none of {some}")


def _long(key: str) -> str:
    return SHORT.get(key, key)
