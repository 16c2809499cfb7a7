"""Drawing of a chaos run: which parts of a paced run are hit, how, and when."""

from __future__ import annotations

import random
from dataclasses import dataclass

__all__ = ["ACTS", "DURATION_S", "MOMENTS", "PARTS", "Blow", "Plan", "draw"]

DURATION_S = 8.0  # how long users ask
PARTS = ("edge", "host", "learner", "raylet", "gcs", "centre")
MOMENTS = ("start", "middle", "end")
# killed; stopped for good; stopped for a while; of the centre alone: interrupted as by Ctrl-C
ACTS = ("kill", "stop", "pause", "interrupt")
PAUSE_S = 4.0
TWO_SHARE = 0.3  # of the runs have two parts hit at once
LAW = (
    "workload.arrivals={poisson: {per_user_per_minute: 40}}",
    "workload.arrivals={closed: {think_s: 200ms}}",
)
SETTINGS = {
    "saturated": ("edges.0.staging=1MB",),
    "two-edges": ("edges.0.staging=1MB",),
}


@dataclass(frozen=True, kw_only=True)
class Blow:
    """One part that is hit, `wait_s` wall seconds after its moment: its process's start, the run's
    begin, or the end of asking."""

    part: str
    act: str
    moment: str
    wait_s: float
    which: float  # of several parts of that kind, as a share of them

    def __str__(self) -> str:
        return f"{self.act} {self.part} {self.wait_s:.1f} s after its {self.moment}"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A run and what happens to it."""

    seed: int
    number: int
    scenario: str
    settings: tuple[str, ...]
    policy: str
    blows: tuple[Blow, ...]

    @property
    def duration_s(self) -> float:
        """How long users ask."""
        return DURATION_S

    def arguments(self) -> list[str]:
        """Arguments of `midstep run`."""
        words = [self.scenario, "--policy", self.policy, "--duration", f"{DURATION_S:g}s"]
        words += ["--seed", str(self.number), "--users", "16", "--denoiser", "paced"]
        for setting in self.settings:
            words += ["--set", setting]
        return words

    def __str__(self) -> str:
        hits = " and ".join(map(str, self.blows))
        return f"{self.number}: {self.scenario}, {self.policy}: {hits}"


def draw(seed: int, number: int) -> Plan:
    """The plan of a number, from (seed, number) alone."""
    dice = random.Random(f"chaos {seed} {number}")
    scenario = dice.choice([*SETTINGS])
    settings = [*SETTINGS[scenario], dice.choice(LAW)]
    settings += ["hosts.devices_per_host=6", "grace_s=8"]
    first = _blow(dice, PARTS[number % len(PARTS)], MOMENTS[number // len(PARTS) % len(MOMENTS)])
    blows = [first]
    if dice.random() < TWO_SHARE:
        other = dice.choice([part for part in PARTS if part != first.part])
        blows.append(_blow(dice, other, first.moment))
    return Plan(
        seed=seed,
        number=number,
        scenario=scenario,
        settings=tuple(settings),
        policy=dice.choice(("drc", "lru")),
        blows=tuple(blows),
    )


def _blow(dice: random.Random, part: str, moment: str) -> Blow:
    acts = {"centre": ("kill", "pause", "interrupt")}.get(part, ("kill", "kill", "stop", "pause"))
    wait_s = {
        "start": dice.uniform(0.0, 6.0),
        "middle": dice.uniform(0.5, DURATION_S - 1.0),
        "end": dice.uniform(-0.5, 5.0),
    }
    return Blow(
        part=part,
        act=dice.choice(acts),
        moment=moment,
        wait_s=wait_s[moment],
        which=dice.random(),
    )
