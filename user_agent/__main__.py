"""A host of devices alone: `python -m user_agent --join HOST:PORT [--scenario FILE] [--set
key=value]`."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import time
from pathlib import Path

from midstep import scenario_file as scenarios
from midstep.address import split_address
from midstep.clock import WallClock
from midstep.command_line import CommandLine
from midstep.errors import EXIT_INTERRUPTED, MidstepError, OptionError
from midstep.radio.fading import DeviceSpec, specs
from midstep.scenario import Scenario
from midstep.telemetry.exporter import export_at
from midstep.whole_file import write_at_once
from midstep.wire.certificates import load_credentials
from midstep.wire.tuning import bind_threads, keep_pages
from midstep.workload.arrivals import open_law
from midstep.workload.requests import open_workload, read_requests, with_requests
from user_agent.client import GrpcEdge
from user_agent.host import DeviceHost

__all__ = ["main"]

JOURNAL = "requests.jsonl"


def main(argv: list[str] | None = None) -> int:
    """Run the scenario's devices against an edge. Exit status: 0 done, 2 bad input, 3 no edge,
    130 interrupted before it began."""
    parser = CommandLine(prog="python -m user_agent", description=__doc__)
    parser.add_argument("--join", required=True, metavar="HOST:PORT", help="the edge")
    parser.add_argument(
        "--credentials", metavar="DIR", help="the device's part of what midstep certs made"
    )
    parser.add_argument(
        "--first", type=int, default=0, metavar="N", help="number of this host's first user"
    )
    parser.add_argument(
        "--users",
        type=int,
        metavar="N",
        help="how many of the scenario's devices live here (default all)",
    )
    parser.add_argument("--scenario", help="a shipped scenario's name or a file (default: laptop)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change a scenario's value"
    )
    parser.add_argument(
        "--metrics", default="127.0.0.1:0", help="HOST:PORT of the exporter, port 0 for a free one"
    )
    parser.add_argument("--out", metavar="DIR", help="write requests.jsonl and pictures there")
    args = parser.parse_args(argv)
    try:
        _check(args)
        scenario = scenarios.load(args.scenario, args.set)
        bind_threads(scenario.hosts.threads)
        return asyncio.run(_live(scenario, args))
    except MidstepError as error:
        print(f"user_agent: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("user_agent: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED


async def _live(scenario: Scenario, args: argparse.Namespace) -> int:
    keep_pages()
    requests = read_requests(scenario)
    scenario = with_requests(scenario, requests)
    edge = GrpcEdge(args.join, load_credentials(args.credentials) if args.credentials else None)
    # asked before the model is loaded: an absent edge is reported at once
    description = await edge.describe()
    chosen = _choose(scenario, description.edge, args)
    clock = WallClock(scenario.modes.time_scale)
    workload = open_workload(scenario, requests)
    law = open_law(scenario, requests)
    host = await DeviceHost.open(scenario, chosen, edge, clock, workload, law=law)
    if host.notice is not None:
        print(f"user_agent: {host.notice}", file=sys.stderr)
    print(
        f"{len(chosen)} devices ask {args.join} (metrics on {export_at('host', args.metrics)})",
        flush=True,
    )
    stopping = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stopping.set)
    host.start(time.time())
    done = 0
    try:
        while not stopping.is_set() and not host.idle and clock.now() < scenario.duration_s:
            await asyncio.sleep(0.5)
            done += _write(host, args.out)
        await host.stop(scenario.grace_s)
        done += _write(host, args.out)
        print(f"{done} pictures finished", flush=True)
    finally:
        await host.close()
        await edge.close()
    return 0


def _check(args: argparse.Namespace) -> None:
    """Raise AddressError or OptionError for what is wrong from the start."""
    port = split_address(args.join)[1]
    if port == 0:
        raise OptionError(f"--join {args.join}: give the port that the edge serves on")
    split_address(args.metrics)
    if args.users is not None and args.users < 1:
        raise OptionError(f"--users {args.users}: give at least 1")
    if args.first < 0:
        raise OptionError(f"--first {args.first}: users are numbered from 0")
    if args.out is not None:
        journal = Path(args.out) / JOURNAL
        try:
            journal.parent.mkdir(parents=True, exist_ok=True)
            journal.open("a").close()
        except OSError as error:
            raise OptionError(f"--out {args.out} cannot be written: {error}") from error


def _choose(scenario: Scenario, edge: str, args: argparse.Namespace) -> list[DeviceSpec]:
    """The scenario's devices that live here. Raises OptionError where there are none."""
    of_edge = [spec for spec in specs(scenario) if spec.edge == edge or len(scenario.edges) == 1]
    chosen = of_edge[args.first :][: args.users]
    if not chosen:
        raise OptionError(
            f"--first {args.first}: the scenario has {len(of_edge)} devices that ask {edge}"
        )
    return chosen


def _write(host: DeviceHost, out: str | None) -> int:
    """Write ended requests to disk, or print a line each; returns how many pictures were done."""
    done = 0
    for finished in host.drain():
        row = finished.row
        done += row.result == "done"
        if out is None:
            shown = f"{row.total_s:.2f} s" if row.total_s is not None else row.error
            print(
                f"{row.request_id} {row.result} {row.reuse or ''} {shown} {row.prompt[:60]}",
                flush=True,
            )
            continue
        folder = Path(out)
        try:
            with (folder / JOURNAL).open("a") as journal:
                journal.write(json.dumps(row.dict()) + "\n")
            if finished.picture is not None:
                write_at_once(folder / f"{row.request_id}.png", finished.picture)
        except OSError as error:
            raise OptionError(f"--out {out} cannot be written: {error}") from error
    return done


if __name__ == "__main__":
    sys.exit(main())
