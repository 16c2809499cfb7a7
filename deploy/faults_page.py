"""Write docs/faults.md from midstep/events; `--check` compares them."""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, median

from deploy.generated import paragraphs, settle
from midstep.events import KINDS, SIGNALS, Event
from midstep.scenario_file import load
from midstep.scenario_keys import keys

ROOT = Path(__file__).parents[1]
HEAD = """\
# Faults on purpose

Written by `python -m deploy.faults_page` from `midstep/events`; change it there.

A scenario's `timeline` lists events: users come in a surge, a class of devices leaves, a link
fades, an edge restarts. Each says what happens, when, how often and for how long; the report then
says what it did to response times, hit ratio and backlog, and when the run was as before.
"""
EXAMPLE = """\
    timeline:
      # kind scale where none is named
      - {at_s: 30, users: 200}
      # half as many users more, for 20 s
      - {kind: surge, at_s: 60, factor: 1.5, for_s: 20}
      # every minute from the start on, three times in ten
      - {kind: leave, class: tablet, every_s: 60, chance: 0.3, for_s: 15}
      # once, when the cache has filled
      - {kind: surge, users: 20, when: {metric: hit_ratio, above: 0.7}}
"""
WHEN = """\
**When.** `at_s`; with `every_s` again and again until `until_s`. With `chance` each time is drawn,
from the scenario's seed, the event's place in the list and how many times it came before: the same
seed brings the same events, whatever else is in the list, in virtual time and live. With `when` the
event waits for a condition, `{metric: NAME, above: X}` or `below`, which is looked at from `at_s`
on at each slot's end: once, or with `every_s` again so long after the last time. What was done is
undone after `for_s`, by the kinds that can end; without it it lasts to the run's end.

**Order.** Events due at one instant are applied in the order of the list. One that takes time keeps
no later one waiting. One that cannot be done is told in one line, and the run goes on.
"""
EDGES = """\
**Edges that restart.** What an edge has not answered when it goes fails, and so does at once what
comes while it is away; devices ask again as after any failure. In one process, and in virtual time,
the restart is modelled: another edge opens after `down_s`. Otherwise its process ends and another
takes its place on the same machine, at the same address; `down_s` is then the least time, and the
line "serves again after" has the real one: 2 to 4 s of a paced edge, of a real one what its model
takes to load. A `warm` edge with a disk tier (`edges.N.disk`) ends in order and writes what
memory holds to it, where the next finds it; without a disk a process comes back empty, which the
event's line says, and a modelled edge keeps its memory. The speed and the capacity that an event
has set hold for the next edge, too.

**Edges that change.** `slow_edge` is emulated where steps are real: an edge computes as ever, and
waits the rest of each tick. A store that becomes too large for its capacity loses what was admitted
first. After that, a wipe or a restart the learner looks at the store anew, and its policy is told
of the capacity (`Policy.resize`).

**Parts that are killed.** `kill` ends a process by SIGKILL, with `hard: false` by SIGTERM. Such a
death is told, and is no failure: the run ends with status 0, and its verdict is about the rest. An
edge does not come back: its devices are gone, and the run goes on with the others or ends. A
learner's successor goes on from the state that is saved every ten slots; the edge has the last plan
meanwhile. What a host had open becomes `failed` rows. A node takes all that lives there with it;
those of Ray's head and of the run's centre cannot be killed.
"""
RECORD = """\
**What is seen.** Each event is a line in the terminal and in the report's "What happened"; a mark
in its plots over time and in Grafana (`midstep_scenario_events_total`, by kind); and a line in the
report's section "Events", also in `summary.json` under `effects`: requests finished, p95, hit
ratio, requests that wait at the edges, backlog Q and requests without a picture, in the 10 seconds
(or 5 slots, where those are longer) before it and after it; and how long after it the run was as
before, which is the beginning of the first such window in which p95 and hit ratio are within 10 %
of what they were, or better. Windows of 10 seconds hold few requests: their p95 is by nearest rank,
of fewer than 20 the largest.

**Again.** A run with events in virtual time leaves the same record each time, its tables byte for
byte; the summary has the command's time and the processor's load besides, begin.json whose process
it was. Ten events in five minutes: `midstep run faults --clock virtual`. The seed stands in the
report's first line and in the run's `scenario.yaml`: `midstep run RUN/scenario.yaml` plays the same
events again, and so does `midstep run SCENARIO --seed 8`. Where events are drawn, a run that was
not VALID or did not end in order says its seed as its last line.

**Live.** `midstep run faults` between Ray processes, 60 paced users on two cores beside two other
jobs: VALID, all ten events a line with what changed around them; 2,518 pictures, 36 requests failed
while an edge was down. The fade took p95 from 4.9 to 7.2 s, as before 14 s later; the cold restart
the hit ratio from 78 to 65 %, as before after 18 s; the warm one from 80 to 75 %, the wipe from 75
to 65 %, as before after 0 and 9 s; a learner killed, users handed over, away and back cost nothing.

**The simulators** (`midstep simulate`, replays) play users who come or go by number at an instant,
kind `scale`, and refuse the others in one line.
"""
RECOVERY = """\
## What they cost

`python -m benchmarks.recovery` plays the shipped scenario `faults` (sixty devices, two edges) in
virtual time, by policy and seed; the rows are in `docs/recovery.csv`. Requests without a row:
{lost}. Of each event the figures of the ten seconds before it and after it, as means over the runs:
requests that came to no picture, p95, hit ratio; and how long after it p95 and hit ratio were
within 10 % of before: the median over {seeds} seeds, the largest, and in how many runs they were
not until the end. A hit ratio of ten seconds is of some ninety requests, and strays by a tenth by
itself: a recovery of less than ten seconds says that nothing was to be seen.
"""
FOUND = ROOT / "docs" / "recovery.csv"


def page() -> str:
    """Build the page of events."""
    kinds = ["| kind | what it does | its own keys | ends by `for_s` | virtual time |"]
    kinds += ["|---|---|---|---|---|", *(_kind(name, kind) for name, kind in KINDS.items())]
    signals = ["| metric of `when` | what it is |", "|---|---|"]
    signals += [f"| `{name}` | {text} |" for name, text in SIGNALS.items()]
    return "\n".join(
        (
            f"{paragraphs(HEAD)}\n",
            EXAMPLE,
            f"{paragraphs(WHEN)}\n",
            "\n".join(kinds),
            "\nUnits, bounds and defaults of the keys: [scenario.md](scenario.md#timelinen). "
            "Frames on the air: [model.md](model.md#what-happens-on-the-air).\n",
            "\n".join(signals),
            "\nThey are of the slot that has just ended, and of all edges together.\n",
            f"{paragraphs(EDGES)}\n",
            f"{paragraphs(RECORD)}\n",
            *_recovery(list(csv.DictReader(FOUND.open()))),
        )
    )


def _recovery(rows: Sequence[dict[str, str]]) -> list[str]:
    """The section on what was measured."""
    groups = defaultdict[tuple[int, str], list[dict[str, str]]](list)
    for row in rows:
        groups[int(row["place"]), row["policy"]].append(row)
    runs = {(row["policy"], row["seed"]): int(row["without_row"]) for row in rows}
    seeds = len({seed for _, seed in runs})
    head = RECOVERY.format(lost=sum(runs.values()), seeds=seeds)
    return [
        f"{paragraphs(head)}\n",
        "| event | policy | no picture | p95, s | hit ratio | as before after, s | largest | not |",
        "|---|---|---|---|---|---|---|---|",
        *(_event(*key, groups[key]) for key in sorted(groups)),
        "",
    ]


def _event(place: int, policy: str, rows: Sequence[dict[str, str]]) -> str:
    """A line of the table: one event under one policy, over seeds."""
    event = load("faults").timeline[place]
    label = " ".join(str(part) for part in (event.kind, getattr(event, "store", "")) if part)
    back = [float(row["back_s"]) for row in rows if row["back_s"]]
    cells = (
        f"`{label}`",
        f"`{policy}`",
        f"{_mean(rows, 'lost'):.1f}",
        f"{_mean(rows, 'p95_before_s'):.1f} → {_mean(rows, 'p95_after_s'):.1f}",
        f"{_mean(rows, 'hits_before'):.0%} → {_mean(rows, 'hits_after'):.0%}",
        f"{median(back):.0f}" if back else "–",
        f"{max(back):.0f}" if back else "–",
        f"{len(rows) - len(back)} of {len(rows)}",
    )
    return f"| {' | '.join(cells)} |"


def _mean(rows: Sequence[dict[str, str]], column: str) -> float:
    return fmean(float(row[column]) for row in rows if row[column])


def _kind(name: str, kind: type[Event]) -> str:
    common = [key.name for key in keys(Event)]
    own = ", ".join(f"`{key.name}`" for key in keys(kind) if key.name not in common)
    about = " ".join((kind.__doc__ or "").split())
    virtual = "yes" if kind.virtual else "no"
    return f"| `{name}` | {about} | {own} | {'yes' if kind.can_end() else 'no'} | {virtual} |"


if __name__ == "__main__":
    sys.exit(settle({ROOT / "docs" / "faults.md": page()}, "python -m deploy.faults_page"))
