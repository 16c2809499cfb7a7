"""Cluster: the run's processes on their nodes, and what Ray has left."""

from __future__ import annotations

from deploy.grafana.panels import Board, Panel, Query, Row, latest, of_run, rate


def _resource(state: str, resource: str) -> str:
    return of_run("cluster_resource", f'state="{state}",resource=~"{resource}"')


def _used_of_total(resource: str) -> tuple[Query, ...]:
    return tuple(
        Query(f"sum by (resource) ({_resource(state, resource)})", f"{{{{resource}}}} {state}")
        for state in ("used", "total")
    )


PROCESSES = Row(
    "Processes",
    (
        Panel(
            title="Processes up",
            unit="short",
            queries=(Query(f"sum by (part) ({of_run('up')})", "{{part}}"),),
            tells=(
                "Exporters that answer, by part: edges, hosts of devices, learners, the "
                "orchestrator."
            ),
            bad=(
                "a part at 0 died or is out of reach; the run's log says which, and the report "
                "keeps it."
            ),
            kind="stat",
            base="red",
            steps=((1, "green"),),
            width=12,
        ),
        Panel(
            title="Processes down",
            unit="short",
            queries=(Query(f"count({of_run('up')} == 0) or 0 * count({of_run('up')})", "down"),),
            tells="Exporters that the run names and that do not answer.",
            bad=(
                "on other nodes: is the exporter's port open between them? Else the process is "
                "gone."
            ),
            kind="stat",
            steps=((1, "red"),),
            width=4,
        ),
        Panel(
            title="Nodes",
            unit="short",
            queries=(
                Query(f"max({latest(of_run('cluster_nodes'))})", "Ray nodes"),
                Query(f"count(count by (node) ({latest(of_run('up'))}))", "with parts of the run"),
            ),
            tells="Ray's nodes that are alive, and how many addresses the run's parts are on.",
            bad=(
                "fewer than were started: `ray status` on the head; a node that dies takes its "
                "devices with it."
            ),
            kind="stat",
            base="blue",
            width=8,
        ),
        Panel(
            title="What runs where",
            unit="none",
            queries=(
                Query(
                    f"sum by (node, part, version) ({latest(of_run('build_info'))})",
                    "",
                ),
            ),
            tells=(
                "How many processes of each part run on each node, and the version of midstep that "
                "they run."
            ),
            bad="two versions in one run: install the same one on all nodes.",
            kind="table",
            base="blue",
            width=24,
        ),
    ),
)

MACHINE = Row(
    "CPU, memory, GPU",
    (
        Panel(
            title="CPU by process",
            unit="percentunit",
            queries=(
                Query(
                    f"sum by (process) ({rate(of_run('process_cpu_seconds_total'))})", "{{process}}"
                ),
            ),
            tells="CPU time that each process takes; 100 % is one core.",
            bad=(
                "the sum near the machine's cores: lateness follows. Fewer users, more nodes, or "
                "paced."
            ),
            stacked=True,
            base="blue",
            beside=True,
        ),
        Panel(
            title="Memory by process",
            unit="bytes",
            queries=(
                Query(
                    f"sum by (process) ({of_run('process_resident_memory_bytes')})", "{{process}}"
                ),
            ),
            tells=(
                "Resident memory of each process; a host with a model takes some 300 MB and 20 KB "
                "a device."
            ),
            bad=(
                "steady growth is a leak: tell us. Otherwise fewer hosts with more devices each "
                "(hosts.devices_per_host)."
            ),
            stacked=True,
            base="blue",
            beside=True,
        ),
        Panel(
            title="GPU memory",
            unit="bytes",
            queries=(Query(f"sum by (process) ({of_run('gpu_memory_bytes')})", "{{process}}"),),
            tells="Memory that the edge's model takes on its GPU; 0 where it computes on a CPU.",
            bad="near the card's size: model.dtype: float16, or a smaller model.",
            base="blue",
            beside=True,
            reach=2**30,
        ),
        Panel(
            title="Open files",
            unit="percentunit",
            queries=(
                Query(
                    f"max by (process) ({of_run('process_open_fds')} / "
                    f"{of_run('process_max_fds')})",
                    "{{process}}",
                ),
            ),
            tells="Open files and sockets as a share of what the process may have.",
            beside=True,
            bad="near 100 %: raise `ulimit -n`, or fewer devices a host.",
            steps=((0.7, "yellow"), (0.9, "red")),
            most=1,
        ),
        Panel(
            title="Ray: CPUs and GPUs",
            unit="short",
            queries=_used_of_total("CPU|GPU"),
            tells=(
                "Units that Ray has promised to actors, and what it has. A promise, not a "
                "measurement: see CPU by process."
            ),
            bad=(
                "all used: hosts that do not fit are not started. Add nodes, or put more devices "
                "on each host (hosts.devices_per_host)."
            ),
            base="blue",
            beside=True,
        ),
        Panel(
            title="Ray: memory",
            unit="bytes",
            queries=_used_of_total("memory"),
            tells="Memory that Ray has promised, and what it has to promise.",
            bad="see Memory by process for what is really taken.",
            base="blue",
        ),
    ),
)

BOARD = Board(
    "cluster",
    "midstep: Cluster",
    "Which processes run where, and what do they take of the machines?",
    (PROCESSES, MACHINE),
)
