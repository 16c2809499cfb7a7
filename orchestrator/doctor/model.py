"""The model: whether its folder is whole, without loading it; with `--deep`, whether it
computes."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from pathlib import Path

from midstep.diffusion.factory import named_profile
from midstep.diffusion.pace import MachinePace
from midstep.diffusion.pipelines import locate, revision, shipped, weight_files
from midstep.errors import MidstepError, ModelError
from midstep.reuse.limits import open_limits
from orchestrator.doctor.findings import Finding, PlannedRun, fail, needed, ok, warn
from orchestrator.records.machine_pace import in_words, too_slow

__all__ = ["model", "profile", "reuse"]

HASHED = 1e9  # bytes of weights that are hashed without being asked to: about a second's work


def model(plan: PlannedRun) -> Iterator[Finding]:
    """Every component's folder, configuration and weights; then, where asked, a few steps."""
    name = plan.scenario.model.path
    real = not plan.paced
    do = f"name a shipped model ({', '.join(shipped())}), a diffusers folder or a hub id"
    try:
        folder = Path(locate(name))
    except MidstepError as error:
        yield needed(True, "model", str(error), do)
        return
    if not folder.is_dir():
        yield from _hub(name)
    else:
        faults = list(_faults(folder))
        if faults:
            yield needed(
                real, "model", f"{name}: {'; '.join(faults)}", "copy or download the folder again"
            )
            return
        nbytes = sum(path.stat().st_size for path in weight_files(folder))
        whole = f", revision {revision(str(folder))[:12]}" if nbytes <= HASHED or plan.deep else ""
        yield ok("model", f"{name}: every part is there, {nbytes / 1e6:.3g} MB of weights{whole}")
    if plan.deep and real:
        try:
            yield _computes(plan)
        except MidstepError as error:
            yield needed(True, "model computes", str(error), do)


def _computes(plan: PlannedRun) -> Finding:
    """The step that was measured here, beside the profile's. Raises MidstepError."""
    name = plan.scenario.model.profile
    measured = plan.measured
    pace = MachinePace(
        step_s=(measured if name is None else named_profile(plan.scenario.model)).step(1),
        profile=name,
        measured_s=measured.step(1),
        spread=measured.spread,
    )
    slow = too_slow({"this machine": pace})
    if not slow:
        return ok("model computes", in_words(pace))
    text, _, do = slow[0].partition("; stop ")
    return warn("model computes", f"{text}: no run of it will be VALID", f"stop {do}")


def profile(plan: PlannedRun) -> Iterator[Finding]:
    """The step times that edge and devices keep to."""
    model = plan.scenario.model
    if model.profile is None:
        return
    try:
        times = named_profile(model)
    except MidstepError as error:
        yield fail("profile", str(error), "write one: `midstep calibrate --out FILE`")
        return
    here = "" if plan.paced or plan.deep else "; --deep measures this machine's"
    yield ok(
        "profile",
        f"{model.profile}: {times.step(1) * 1e3:.1f} ms a step, measured on "
        f"{times.measured_on or '?'}{here}",
    )


def reuse(plan: PlannedRun) -> Iterator[Finding]:
    """How far outputs serve other prompts, by the table that devices read."""
    try:
        limits = open_limits(plan.scenario)
    except ModelError:
        yield warn("reuse", "not known without the model", "see the model's line")
        return
    except MidstepError as error:
        yield fail("reuse", str(error), "name another reuse.table, or null: the model's own")
        return
    steps = [f"{kind} {step}" for kind, step in limits.by_class.items()]
    if limits.notice is not None:
        yield warn("reuse", limits.notice, "`midstep calibrate --reuse` measures it")
    else:
        yield ok("reuse", f"outputs serve other prompts up to step: {', '.join(steps)}")


def _hub(name: str) -> Iterator[Finding]:
    hub = importlib.import_module("huggingface_hub")
    if isinstance(hub.try_to_load_from_cache(name, "model_index.json"), str):
        yield ok("model", f"{name} is in the hub's cache")
    else:
        do = f"`hf download {name}` beforehand, or name a folder"
        yield warn("model", f"{name} is not on this machine: the first run downloads it", do)


def _faults(folder: Path) -> Iterator[str]:
    """List what is missing or damaged, one line each."""
    try:
        index = json.loads((folder / "model_index.json").read_text())
        parts = [
            n
            for n, kind in index.items()
            if isinstance(kind, list) and len(kind) == 2 and kind[1] is not None
        ]
    except (OSError, ValueError, AttributeError) as error:
        yield f"model_index.json cannot be read ({error})"
        return
    for part in parts:
        if not (folder / part).is_dir():
            yield f"{part}/ is missing"
        elif not any((folder / part).glob("*config.json")):
            yield f"{part}/ has no configuration"
        elif (folder / part / "config.json").is_file() and not list(weight_files(folder / part)):
            yield f"{part}/ has no weights"
        else:
            yield from _shards(folder / part)
    for path in weight_files(folder):
        yield from _damage(path, folder)


def _shards(part: Path) -> Iterator[str]:
    for index in part.glob("*.index.json"):
        named = set(json.loads(index.read_text()).get("weight_map", {}).values())
        yield from (
            f"{part.name}/{name} is missing"
            for name in sorted(named)
            if not (part / name).is_file()
        )


def _damage(path: Path, folder: Path) -> Iterator[str]:
    """A safetensors file's header says how long the file must be; reading it loads no weights."""
    name = path.relative_to(folder).as_posix()
    if path.suffix != ".safetensors":
        if path.stat().st_size == 0:
            yield f"{name} is empty"
        return
    safetensors = importlib.import_module("safetensors")
    try:
        with safetensors.safe_open(path, framework="np"):
            pass
    except Exception as error:  # its own class is not part of its interface
        yield f"{name} is damaged ({error})"
