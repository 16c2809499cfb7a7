"""An edge server alone: `python -m edge_node --listen HOST:PORT [--scenario FILE] [--set
key=value]`."""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import signal
import sys
from collections.abc import Mapping, Sequence

from edge_node.neighbour_client import GrpcNeighbour
from edge_node.node import EdgeNode
from edge_node.service import serve, stop
from midstep import scenario_file as scenarios
from midstep.address import split_address
from midstep.clock import WallClock
from midstep.diffusion.factory import without_foreign_profile
from midstep.errors import EXIT_INTERRUPTED, MidstepError, OptionError
from midstep.scenario import Scenario
from midstep.telemetry.exporter import export_at
from midstep.units import excerpt
from midstep.wire.certificates import load_credentials
from midstep.wire.security import Credentials, check_listen, is_loopback
from midstep.wire.tuning import bind_threads, keep_pages

__all__ = ["main"]


def main(argv: list[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM. Exit status: 0 ended in order, 2 bad input, 130 interrupted
    before it served."""
    parser = argparse.ArgumentParser(prog="python -m edge_node", description=__doc__)
    parser.add_argument("--listen", default="127.0.0.1:50051", help="HOST:PORT of the gRPC service")
    parser.add_argument(
        "--credentials",
        metavar="DIR",
        help="TLS and token, as midstep certs makes them; needed beyond loopback",
    )
    parser.add_argument(
        "--insecure", action="store_true", help="serve without TLS and token beyond loopback"
    )
    parser.add_argument(
        "--metrics", default="127.0.0.1:0", help="HOST:PORT of the exporter, port 0 for a free one"
    )
    parser.add_argument("--scenario", help="a shipped scenario's name or a file (default: laptop)")
    parser.add_argument(
        "--edge", metavar="NAME", help="which of the scenario's edges this is (default: the first)"
    )
    parser.add_argument(
        "--neighbour",
        action="append",
        default=[],
        metavar="NAME=HOST:PORT",
        help="where one of this edge's neighbours (edges.N.neighbours) serves; once for each",
    )
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], help="where the model runs")
    parser.add_argument(
        "--dtype", choices=["float32", "float16", "bfloat16"], help="precision of the model"
    )
    parser.add_argument("--model", help="a shipped name, a local folder or a hub id")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change a scenario's value"
    )
    args = parser.parse_args(argv)
    settings = [*args.set]
    settings += [f"model.path={args.model}"] if args.model else []
    settings += [f"model.device={args.device}"] if args.device else []
    settings += [f"model.dtype={args.dtype}"] if args.dtype else []
    try:
        split_address(args.listen)
        split_address(args.metrics)
        credentials = load_credentials(args.credentials) if args.credentials else None
        check_listen(args.listen, credentials, args.insecure)
        scenario = _at(_scenario(args.scenario, settings), args.edge)
        neighbours = _neighbours(args.neighbour, scenario.edge.neighbours)
        bind_threads(scenario.edge.threads)
        asyncio.run(_serve(scenario, args.listen, args.metrics, credentials, neighbours))
    except MidstepError as error:
        print(f"edge_node: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("edge_node: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    return 0


def _scenario(name: str | None, settings: list[str]) -> Scenario:
    """The scenario with its settings; another model leaves its profile behind. Raises
    ScenarioError, OptionError."""
    scenario = scenarios.load(name, settings)
    keys = {setting.partition("=")[0] for setting in settings}
    if "model.path" in keys and "model.profile" not in keys:
        return without_foreign_profile(scenario)
    return scenario


def _at(scenario: Scenario, edge: str | None) -> Scenario:
    """The scenario as the named edge sees it; None: its first edge. Raises OptionError."""
    names = [one.name for one in scenario.edges]
    if edge is not None and edge not in names:
        raise OptionError(f"--edge {edge}: the scenario has {', '.join(names)}")
    return scenario.at(edge or names[0])


def _neighbours(texts: Sequence[str], known: Sequence[str]) -> dict[str, str]:
    """Addresses by name. Raises OptionError, and AddressError for what is none."""
    addresses = {}
    for text in texts:
        name, _, address = text.partition("=")
        if name not in known:
            raise OptionError(
                f"--neighbour {excerpt(text)}: NAME=HOST:PORT, and the scenario's "
                f"edges.N.neighbours has the name: {', '.join(known) or 'none'}"
            )
        split_address(address)
        addresses[name] = address
    return addresses


async def _serve(
    scenario: Scenario,
    listen: str,
    metrics: str,
    credentials: Credentials | None,
    neighbours: Mapping[str, str],
) -> None:
    keep_pages()
    node = await EdgeNode.open(scenario, WallClock(scenario.modes.time_scale))
    ports = {name: GrpcNeighbour(address, credentials) for name, address in neighbours.items()}
    node.meet(ports)
    if node.edge.neighbours is not None:
        node.edge.neighbours.start(math.inf)
    server, port = await serve(node.edge, listen, credentials)
    exporter = export_at("edge", metrics)
    pace = node.pace
    step = f"{pace.step_s * 1e3:.1f} ms a step"
    if pace.profile is not None and pace.measured_s is not None:
        step += f" in the profile, {pace.measured_s * 1e3:.1f} measured"
    where = f"{split_address(listen)[0]}:{port}"
    how = " over TLS" if credentials else "" if is_loopback(listen) else " in clear, to anybody,"
    print(
        f"{node.edge.name} serves {scenario.model.path} on {where}{how} "
        f"(pid {os.getpid()}, {step}, metrics on {exporter})",
        flush=True,
    )
    ended = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, ended.set)
    await ended.wait()
    await stop(server)
    await node.close()


if __name__ == "__main__":
    sys.exit(main())
