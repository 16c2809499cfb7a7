"""`midstep reproduce --live`: the point that Figures 8 to 10 share, and response against users,
between Ray processes; the same seeds and slots simulated and in virtual time beside it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from midstep.errors import EXIT_DIED, RecordError
from orchestrator.evaluation.figures import sweeps
from orchestrator.evaluation.figures.engine import page, playing, settings
from orchestrator.evaluation.figures.engine.command import Options, check, compared, made_with
from orchestrator.evaluation.figures.engine.settings import SHARED, Setting
from orchestrator.evaluation.figures.sweeps import Sweep
from orchestrator.evaluation.figures.values import Effort, Values
from orchestrator.evaluation.simulator.many import Workers
from orchestrator.records.folders import write_at_once

__all__ = ["EFFORT", "TIME_SCALE", "reproduce"]

EFFORT = Effort(seeds=3, slots=10)
USERS = (5, 15, 20, 25)
CURVE = ("ncldc", "drc")  # the policies whose response is drawn against users
TIME_SCALE = 0.02  # scenario seconds in a wall second: hand-overs between processes become small
# no cost of a coupled edge depends on tau, which has only to be longer than the slowest request
SLOT_SECONDS = 0.2
PROCESSES = {
    "modes.clock": "wall",
    "modes.wire": "grpc",
    "modes.denoiser": "paced",
    "modes.time_scale": TIME_SCALE,
}
HEADS = {
    "response_by_slot_ms": ("response (ms)", 1.0),
    "hit_ratio": ("hit ratio (%)", 100.0),
    "saved_vs_ncldc_ms": ("time saved (ms a slot)", 1.0),
    "latency_avg_ms": ("L_avg (ms)", 1.0),
}
STAGES = {
    f"stage_{name}_ms": (f"{name} (ms)", 1.0)
    for name in ("queue", "edge", "transfer", "device", "overhead")
} | {"stage_plan_wait_ms": ("of it for the plan (ms)", 1.0)}


def reproduce(options: Options) -> int:
    """Play on all three roads, draw and compare; the command's exit status, EXIT_DIED where runs
    failed. Raises MidstepError, one line."""
    policies = compared(options.policies)
    curve = [name for name in CURVE if name in policies]
    effort = options.effort
    check(effort)
    folder = options.folder
    began = time.perf_counter()
    runs: list[tuple[Setting, Sequence[str]]] = [(SHARED, policies)]
    runs += [(Setting(users=users), curve) for users in USERS]
    tau = {"slot_seconds": SLOT_SECONDS}
    virtual = playing.play(
        settings.plan("live-twin", runs, effort, tau),
        folder / "live-twin",
        options.setups,
        options.command,
    )
    live = playing.play(
        settings.plan("live", runs, effort, {**tau, **PROCESSES}, "live"),
        folder / "live",
        options.setups,
        options.command,
    )
    points = {"shared": (SHARED.users,), "users": USERS}
    of_policies = {"shared": policies, "users": curve}
    simulated = _simulated(points, of_policies, effort)
    roads = {
        name: {
            "simulated": simulated[name],
            "virtual time": _values(name, values, of_policies[name], effort, virtual),
            "between processes": _values(name, values, of_policies[name], effort, live),
        }
        for name, values in points.items()
    }
    try:
        _write(folder, options, roads, (virtual, live), time.perf_counter() - began)
    except OSError as error:
        raise RecordError(f"{folder}: cannot be written: {error}") from error
    print("\n".join(page.below_table(roads["shared"], SHARED.users)))
    print(f"{time.perf_counter() - began:.0f} s; {folder / 'live.md'}")
    return EXIT_DIED if live.failures or virtual.failures else 0


def _simulated(
    points: Mapping[str, Sequence[int]], policies: Mapping[str, Sequence[str]], effort: Effort
) -> dict[str, Values]:
    known: sweeps.Known = {}
    by_name = {}
    with Workers() as workers:
        for name, users in points.items():
            sweep = Sweep(name, "users", tuple(users), "users", policies=tuple(policies[name]))
            by_name[name] = sweeps.play(sweep, effort, known, workers)
    return by_name


def _values(
    name: str,
    users: Sequence[int],
    policies: Sequence[str],
    effort: Effort,
    played: playing.Played,
) -> Values:
    sweep = {float(number): Setting(users=number) for number in users}
    return playing.values(name, sweep, policies, (effort.seeds, effort.slots), played)


def _write(
    folder: Path,
    options: Options,
    roads: Mapping[str, Mapping[str, Values]],
    played: tuple[playing.Played, playing.Played],
    wall_s: float,
) -> None:
    """live.md, users.png and, of each road, the values."""
    from orchestrator.evaluation.figures.engine import draw

    draw.users(roads["users"], folder / "users.png")
    for name, by_road in roads.items():
        for road, values in by_road.items():
            place = folder / "live-values" / road.replace(" ", "-")
            place.mkdir(parents=True, exist_ok=True)
            values.figure = name
            values.save(place)
    effort = options.effort
    shared = roads["shared"]
    both = {name: shared[name] for name in ("virtual time", "between processes")}
    response = {"response_by_slot_ms": HEADS["response_by_slot_ms"]}
    lines = [
        "# The paper's setting between Ray processes",
        "",
        f"`{options.command}`: {effort.seeds} seeds, {effort.slots} slots of {SLOT_SECONDS:g} s "
        f"(tau enters no cost of a coupled edge), of which the first {effort.warmup} are not "
        f"measured; {TIME_SCALE:g} scenario seconds in a wall second; edge, devices and learner in "
        f"processes of their own, over gRPC.",
        "",
        "## Response below NCLDC's, where Figures 8 to 10 meet (20 users, S* 6, 3 G)",
        "",
        *page.below_table(shared, SHARED.users),
        "",
        "## The same point on three roads",
        "",
        *page.roads_table(shared, HEADS),
        "",
        "## Stages, mean over requests",
        "",
        *page.roads_table(both, STAGES),
        "",
        "## Response against users",
        "",
        *page.roads_table(roads["users"], response),
    ]
    notes = [line for one in played for line in page.note_lines(one)]
    if notes:
        lines += ["", "## What did not come to its end", "", *notes]
    lines += ["", made_with(wall_s, played[1].wall_s)]
    write_at_once(folder / "live.md", "\n".join(lines) + "\n")
