"""Commands that list: `policies`, `scenarios`."""

from __future__ import annotations

import argparse

from midstep import scenario_file
from orchestrator.commands.options import Commands

__all__ = ["add_commands"]


def add_commands(commands: Commands) -> None:
    """Add the commands of this room."""
    policies = commands.add_parser("policies", help="list the policies")
    policies.set_defaults(call=_policies)
    scenarios = commands.add_parser("scenarios", help="list the shipped scenarios and experiments")
    scenarios.set_defaults(call=_scenarios)


def _policies(args: argparse.Namespace) -> int:
    from orchestrator.policies.registry.listing import listing

    print("\n".join(listing()))
    return 0


def _scenarios(args: argparse.Namespace) -> int:
    for name in scenario_file.shipped():
        first = (scenario_file.SHIPPED / f"{name}.yaml").read_text().splitlines()[0]
        print(f"{name:12} {first.lstrip('# ')}")
    from orchestrator.evaluation.experiment import plan
    from orchestrator.evaluation.simulator import presets

    print("\nexperiments of `midstep experiment`:")
    for name in plan.shipped():
        first = plan.find(name).read_text().splitlines()[0]
        print(f"{name:12} {first.lstrip('# ')}")
    print("\npresets of `midstep simulate`:")
    for name, about in presets.ABOUT.items():
        print(f"{name:12} {about}")
    return 0
