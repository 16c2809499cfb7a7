"""The machine: cores, memory, open files, disk, clock, ports."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from midstep.address import split_address
from midstep.diffusion.factory import named_profile
from midstep.diffusion.pipelines import locate
from midstep.diffusion.profile import StepProfile
from midstep.errors import MidstepError, ModelError, ScenarioError
from midstep.machine import usable_cores
from midstep.workload import load as workload_load
from orchestrator.cluster import capacity
from orchestrator.doctor.findings import Finding, PlannedRun, fail, needed, ok, warn
from orchestrator.live.usual_cut import usual_cut
from orchestrator.records.fidelity import LATE_S

__all__ = ["clock", "cores", "disk", "files", "load", "memory", "ports", "priority"]

RUNS = Path("runs")
LEAST_DISK = 100e6
LITTLE_DISK = 1e9
USUAL_PORTS = {"Prometheus": 9090, "Grafana": 3000}
RAY_NICENESS = "RAY_worker_niceness"  # added to its parent's by each worker of Ray
SLEEPS = 80
SLEEP_S = 0.0025


def cores(plan: PlannedRun) -> Iterator[Finding]:
    """How many there are, against the processes that compute."""
    scenario = plan.scenario
    usable = usable_cores()
    processes = capacity.hosts(scenario) if plan.ray else 1
    what = (
        f"{usable:g} usable; devices: {scenario.users}, in processes: {processes}, "
        f"edges: {len(scenario.edges)}"
    )
    threads = max(scenario.hosts.threads, *(edge.threads for edge in scenario.edges))
    if plan.cluster is not None:
        yield ok("cores", f"{what}, on the cluster's nodes")
    elif processes > usable * (capacity.IDLE_PER_CORE if plan.paced else capacity.BUSY_PER_CORE):
        per = -(-scenario.users // max(1, int(usable)))
        yield warn(
            "cores",
            what,
            f"--set hosts.devices_per_host={per}: a process costs, a device next to nothing",
        )
    elif plan.paced:
        yield ok("cores", what)
    elif threads > usable:
        yield warn(
            "cores", f"{what}, {threads} threads each", "set edges.N.threads and hosts.threads to 1"
        )
    else:
        yield ok("cores", what)


def priority(plan: PlannedRun) -> Iterator[Finding]:
    """The niceness that the run's processes would have: other programs go before a nice one."""
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    starts_ray = plan.ray and plan.cluster is None
    added = os.environ.get(RAY_NICENESS, "0") if starts_ray else "0"
    if nice <= 0 and added in ("0", ""):
        yield ok("priority", f"nice {nice}")
        return
    yield warn(
        "priority",
        f"nice {nice} here, {added} more in Ray's workers: beside other work steps take many times "
        f"longer",
        f"start midstep without nice, and leave {RAY_NICENESS} out",
    )


def load(plan: PlannedRun) -> Iterator[Finding]:
    """Whether the machine can compute what users ask for."""
    scenario = plan.scenario
    if plan.paced:
        yield ok("load", "paced: step times are waited out, nothing is computed")
        return
    profile = _profile(plan)
    if profile is None:
        yield warn(
            "load",
            "not known: the model has no step times",
            "--deep measures them, so does `midstep calibrate`",
        )
        return
    try:
        cut = usual_cut(scenario)
    except MidstepError:
        yield warn("load", "not known without the reuse limits", "see the line of reuse")
        return
    asks = workload_load.load(scenario, profile, _pace(plan), cut)
    usable = usable_cores()
    share = (asks.edge_cores + asks.device_cores) / usable
    what = (
        f"about {share:.0%} of {usable:g} cores: {asks.requests_s:.2g} requests/s, "
        f"{asks.edge_cores:.2f} cores at the "
        f"edge, {asks.device_cores:.2f} for devices, at {profile.step(1) * 1e3:.0f} ms a step "
        f"({profile.measured_on})"
    )
    if plan.cluster is not None:
        yield ok("load", f"{what}; the cluster has its own")
    elif share > capacity.MOST_LOAD:
        users = max(1, int(scenario.users * capacity.MOST_LOAD / share))
        yield warn(
            "load",
            f"{what}; above {capacity.MOST_LOAD:.0%} devices fall behind",
            f"--denoiser paced, or --users {users}; a GPU takes the edge's part",
        )
    else:
        yield ok("load", what)


def memory(plan: PlannedRun) -> Iterator[Finding]:
    """Whether the run's processes fit, by the estimate that `midstep run` refuses by."""
    if plan.cluster is not None:
        yield ok("memory", "on the cluster's nodes")
        return
    hosts = capacity.hosts(plan.scenario) if plan.ray else 0
    try:
        needs = capacity.memory_bytes(plan.scenario, hosts)
    except (ModelError, OSError):  # the hub's, and not here
        yield warn("memory", "not known without the model", "see the model's line")
        return
    try:
        capacity.check_memory(plan.scenario, hosts, plan.scenario.users)
    except ScenarioError as error:
        text, _, do = str(error).partition(": ")
        yield fail("memory", text, do)
        return
    free = psutil.virtual_memory().available
    yield ok("memory", f"about {needs / 1e9:.1f} GB needed, {free / 1e9:.1f} GB free")


def files(plan: PlannedRun) -> Iterator[Finding]:
    """The limit on open files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    hosts = capacity.hosts(plan.scenario) if plan.ray and plan.cluster is None else 1
    needs = capacity.open_files(plan.scenario, hosts)
    if soft == resource.RLIM_INFINITY or soft >= 2 * needs:
        yield ok(
            "open files",
            f"limit {soft if soft != resource.RLIM_INFINITY else 'none'}, about {needs} needed",
        )
        return
    bound = (
        ""
        if hard == resource.RLIM_INFINITY or hard >= 2 * needs
        else f" (the hard limit is {hard}: ask its admin)"
    )
    do = f"ulimit -n {2 * needs}{bound}, or raise hosts.devices_per_host"
    yield needed(soft < needs, "open files", f"limit {soft}, about {needs} needed", do)


def disk(plan: PlannedRun) -> Iterator[Finding]:
    """Where runs are written."""
    folder = next(path for path in (RUNS, *RUNS.absolute().parents) if path.exists())
    name = f"{RUNS}/" if folder == RUNS else f"{RUNS}/, which is to be made here,"
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        yield fail(
            "disk",
            f"{name} cannot be written",
            "give yourself the right to, or use --out DIR elsewhere",
        )
        return
    free = shutil.disk_usage(folder).free
    text = f"{free / 1e9:.1f} GB free for {name.rstrip(',')}"
    if free < LITTLE_DISK:
        yield needed(
            free < LEAST_DISK,
            "disk",
            text,
            "make room, use --out DIR elsewhere, or --set report.images=false",
        )
    else:
        yield ok("disk", text)


def clock(plan: PlannedRun) -> Iterator[Finding]:
    """How exactly instants can be met: resolution, and how late sleeps end, measured in 0.2 s."""
    late = sorted(_lateness() for _ in range(SLEEPS))
    middle = late[len(late) // 2]
    p99 = late[int(0.99 * len(late))]
    resolution = time.get_clock_info("monotonic").resolution
    slack = Path("/proc/self/timerslack_ns")
    timer_slack = f", timer slack {int(slack.read_text()) / 1e3:g} us" if slack.is_file() else ""
    text = (
        f"resolution {resolution * 1e9:g} ns{timer_slack}, sleeps end {middle * 1e3:.2f} ms late, "
        f"p99 {p99 * 1e3:.1f} ms "
        f"(a run's bound: {LATE_S * 1e3:.0f} ms)"
    )
    if p99 > LATE_S / 2:
        yield warn(
            "clock",
            text,
            "stop what else keeps this machine busy: over half the bound, runs may be INVALID",
        )
    else:
        yield ok("clock", text)


def ports(plan: PlannedRun) -> Iterator[Finding]:
    """Loopback, the addresses that edges ask for, and the usual ports of Prometheus and Grafana."""
    if problem := _in_the_way("127.0.0.1", 0):
        do = "bring the loopback interface up: `ip link set lo up`"
        yield needed(plan.ray, "loopback", f"cannot be listened on: {problem}", do)
    else:
        yield ok("loopback", "can be listened on")
    for number, edge in enumerate(plan.scenario.edges):
        if edge.address is None or plan.cluster is not None:
            continue
        host, port = split_address(edge.address)
        problem = _in_the_way(host.strip("[]"), port)
        name = f"{edge.name} at {edge.address}"
        if problem:
            do = f"set edges.{number}.address to a free HOST:PORT of this machine, or to null"
            yield needed(plan.ray, name, problem, do)
        else:
            yield ok(name, "free")
    for name, usual in USUAL_PORTS.items():
        if problem := _in_the_way("127.0.0.1", usual):
            do = (
                "nothing for `midstep run --monitor`, which takes another one and prints it; "
                "compose wants this one"
            )
            yield warn(f"port {usual} ({name})", problem, do)
        else:
            yield ok(f"port {usual} ({name})", "free")


def _profile(plan: PlannedRun) -> StepProfile | None:
    """Step times to reckon with: measured here where --deep is, else the scenario's, else the
    model's own."""
    model = plan.scenario.model
    named = model if model.profile is not None else model.model_copy(update={"profile": "cpu"})
    try:
        if plan.deep:
            return plan.measured
        return named_profile(named) if Path(locate(model.path)).is_dir() else None
    except MidstepError:
        return None


def _pace(plan: PlannedRun) -> StepProfile | None:
    """The step times that the run keeps to; None where it goes by those of this machine."""
    model = plan.scenario.model
    try:
        return None if model.profile is None else named_profile(model)
    except MidstepError:  # told in the profile's own line
        return None


def _lateness() -> float:
    began = time.perf_counter()
    time.sleep(SLEEP_S)
    return time.perf_counter() - began - SLEEP_S


def _in_the_way(host: str, port: int) -> str:
    """Why nobody can listen there; empty where one can."""
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host or "127.0.0.1", port, type=socket.SOCK_STREAM
        )[0]
        with socket.socket(family) as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(address)
    except (OSError, OverflowError) as error:
        busy = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        return "in use by another program" if busy else str(error)
    return ""
