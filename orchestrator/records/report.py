"""report.html of a run: one file with its numbers, plots and pictures; made from what lies in the
run's folder. The plots lie in it as files of their own, too."""

from __future__ import annotations

import html
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from midstep.diffusion.pace import MachinePace
from midstep.errors import RecordError
from midstep.json_text import parse_json
from midstep.scenario import Scenario
from orchestrator.records import canvas, figures, plots, sections, summary
from orchestrator.records.air_and_energy import air, energy
from orchestrator.records.centre import CENTRE_NAME
from orchestrator.records.event_effects import effects_section
from orchestrator.records.folders import read_scenario, write_at_once
from orchestrator.records.gallery import gallery
from orchestrator.records.kept_quality import guarantee
from orchestrator.records.like_prompts import like_prompts
from orchestrator.records.neighbours import neighbours
from orchestrator.records.reconciliation import died, loss_line
from orchestrator.records.reuse_limits import reuse_limits
from orchestrator.records.row_journal import RESERVE
from orchestrator.records.run_files import policy_failures
from orchestrator.records.run_reader import read_begin, read_events, read_run
from orchestrator.records.slot_plots import SlotPlots

__all__ = ["write"]

PLOTS = "plots"
STYLE = (Path(__file__).parent / "report.css").read_text()

Rows = Sequence[dict[str, Any]]


def write(folder: Path) -> Path:
    """Write folder/report.html and folder/plots/, and summary.json where a run that broke off left
    none, or a damaged one. Raises RecordError, and ScenarioError for the folder's scenario."""
    rows, slots = read_run(folder)
    scenario = read_scenario(folder)
    path = folder / "report.html"
    try:
        if not (folder / "control.json").exists():  # of a live run it is the rows'
            (folder / RESERVE).unlink(missing_ok=True)
        tree = _read_summary(folder, scenario)
        if tree is None:
            tree = _summarise(folder, scenario, rows, slots)
            summary.write(folder, tree)
        write_at_once(path, _page(folder, scenario, tree, rows, slots))
    except OSError as error:
        raise RecordError(f"{folder}: the report cannot be written: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RecordError(
            f"{folder}: the run's record is damaged: {type(error).__name__}: {error}"
        ) from error
    return path


def _read_summary(folder: Path, scenario: Scenario) -> dict[str, Any] | None:
    """The summary's tree; None where it is not there or is not whole."""
    try:
        tree = parse_json((folder / "summary.json").read_bytes())
        whole = tree["verdict"] and tree["run"] and tree["policies"][scenario.policy.name]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return tree if whole else None


def _summarise(folder: Path, scenario: Scenario, rows: Rows, slots: Rows) -> dict[str, Any]:
    """Summarise the record of a run that broke off before it wrote its summary."""
    ended = (folder / "slots.parquet").is_file()
    text = (
        "the run's summary was lost; this is what its tables hold"
        if ended
        else "the run broke off; this is what its journals hold"
    )
    at_s = max((slot["start_s"] for slot in slots), default=0.0)
    begin = read_begin(folder)
    facts = summary.RunFacts(
        step_s=begin.get("step_s", {}),
        pace={edge: _as_begun(pace) for edge, pace in begin.get("pace", {}).items()},
        pipeline=begin.get("pipeline"),
        resumed_from=begin.get("resumed_from"),
        policy_failures=policy_failures(folder),
        lost=_lost_with_centre(rows),
    )
    events = [*read_events(folder), {"at_s": at_s, "text": text}]
    return summary.summarise(scenario, rows, slots, events, facts)


def _lost_with_centre(rows: Rows) -> list[str]:
    """What the death of the run's centre has cost, a line."""
    line = loss_line([row for row in rows if row["error"] == died(CENTRE_NAME)], CENTRE_NAME)
    return [] if line is None else [line]


def _draw(
    folder: Path, scenario: Scenario, tree: Mapping[str, Any], rows: Rows, slots: Rows
) -> dict[str, list[canvas.Plot]]:
    """Draw the plots of each edge, and write them beside the page. Raises OSError."""
    by_edge = dict[str, list[canvas.Plot]]()
    for edge in scenario.edges:
        prefix = f"{edge.name}-" if len(scenario.edges) > 1 else ""
        its_slots = SlotPlots(
            slots=[slot for slot in slots if slot["edge"] == edge.name],
            slot_seconds=scenario.slot_seconds,
            events_s=[entry["at_s"] for entry in tree.get("effects", [])],
        )
        done = [row for row in _done(rows) if row["edge"] == edge.name]
        by_edge[edge.name] = plots.draw(done, its_slots, prefix)
    (folder / PLOTS).mkdir(exist_ok=True)
    for plot in itertools.chain.from_iterable(by_edge.values()):
        write_at_once(folder / PLOTS / f"{plot.name}.svg", plot.svg)
    return by_edge


def _as_begun(tree: Mapping[str, Any]) -> MachinePace:
    """An edge's machine as it was measured before the run; its ticks were never written."""
    return MachinePace(**{**tree, "ticks": None})


def _page(
    folder: Path, scenario: Scenario, tree: Mapping[str, Any], rows: Rows, slots: Rows
) -> str:
    every = rows
    rows, slots = summary.measured(scenario, rows, slots)
    done = _done(rows)
    title = html.escape(sections.heading(scenario))
    pictures = {
        name: sum(row.get(name) is not None for row in done) for name in figures.OF_PICTURES
    }
    parts = [
        f"<h1>{title}</h1>",
        sections.verdict(tree),
        figures.tiles(tree["policies"][scenario.policy.name], pictures),
        figures.NOTE,
        sections.what_was_run(scenario, tree, slots),
        sections.classes(scenario, tree),
        sections.edges(tree),
        sections.stages(done),
        reuse_limits(scenario, tree["run"], done),
        like_prompts(scenario, done),
        neighbours(done),
        guarantee(done),
        air(rows),
        energy(scenario, rows, every),
        effects_section(tree.get("effects", [])),
    ]
    for name, drawn in _draw(folder, scenario, tree, rows, slots).items():
        of_several = len(scenario.edges) > 1
        parts.append(sections.plotted(name if of_several else "Plots", drawn, PLOTS))
    parts += [
        sections.events(tree),
        gallery(folder, rows),
        sections.fidelity(tree),
        sections.modes(scenario, tree),
        sections.failures(rows),
        sections.data(folder),
    ]
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
        f"<style>{STYLE}</style><body>{''.join(parts)}</body></html>\n"
    )


def _done(rows: Rows) -> Rows:
    return [row for row in rows if row["result"] == "done"]
