"""Fidelity: the emulator's own error, commanded against achieved."""

from __future__ import annotations

from deploy.grafana.panels import (
    COUNT,
    Board,
    Panel,
    Query,
    Row,
    latest,
    of_edge,
    of_run,
    quantile,
    quantiles,
    rate,
    so_far,
)

_BOUND = (
    (0.02, "red"),
)  # orchestrator/records/fidelity.py: 20 ms, or 2 % of the stage where that is more


def _error(name: str, title: str, tells: str, bad: str) -> Panel:
    queries = quantiles((0.5, 0.99), rate(of_run(f"{name}_bucket")))
    return Panel(
        title=title,
        unit="percentunit",
        queries=queries,
        tells=tells,
        bad=bad,
        steps=((0.01, "yellow"), (0.05, "red")),
        width=12,
    )


NOW = Row(
    "Now",
    (
        Panel(
            title="Verdict",
            unit="none",
            queries=(Query(f"min({latest(of_run('run_valid'))})", "verdict"),),
            tells=(
                "VALID while at least 98 % of what was commanded, all parts together, was met "
                "within its bound. The report asks for 99 % in each part, and may be stricter."
            ),
            bad=(
                "numbers of an INVALID run describe the machine, not the policy: find the part "
                "that is late below."
            ),
            kind="stat",
            words={0: ("INVALID", "red"), 1: ("VALID", "green")},
            width=5,
        ),
        Panel(
            title="Lateness p99 so far",
            unit="s",
            queries=(
                Query(
                    quantile(0.99, so_far(of_run("lateness_seconds_bucket")), "part"), "{{part}}"
                ),
            ),
            tells=(
                "How late arrivals, link, device and slot were in 99 of 100 cases, over the range "
                "shown."
            ),
            bad="the bound is 20 ms, or 2 % of the stage where that is more.",
            kind="stat",
            steps=_BOUND,
            width=8,
        ),
        Panel(
            title="Slots and events",
            unit=COUNT,
            queries=(
                Query(f"sum by (event) ({so_far(of_run('scenario_events_total'))})", "{{event}}"),
            ),
            tells=(
                "Slots that have ended, and the run's other events: parts that died, users that "
                "were scaled."
            ),
            bad=(
                "slots that stand still while the run lives: the learner holds them up, see "
                "Decision time."
            ),
            kind="stat",
            base="blue",
            width=11,
        ),
    ),
)

LATE = Row(
    "Lateness and pace",
    (
        Panel(
            title="Lateness p50 by part",
            unit="s",
            queries=(
                Query(quantile(0.5, rate(of_run("lateness_seconds_bucket")), "part"), "{{part}}"),
            ),
            tells="How late the emulator met the instants that it was commanded to, in the median.",
            bad=(
                "a median of many ms is a machine that is busy all the time: fewer users, fewer "
                "processes, or modes.denoiser: paced."
            ),
            steps=_BOUND,
            width=12,
            beside=True,
        ),
        Panel(
            title="Lateness p99 by part",
            unit="s",
            queries=(
                Query(quantile(0.99, rate(of_run("lateness_seconds_bucket")), "part"), "{{part}}"),
            ),
            tells="The same in the worst case of a hundred; red from the bound of 20 ms.",
            bad=(
                "arrival: fewer devices a host. link: fewer devices on this machine, less "
                "bandwidth, larger frames. device: fewer users, slower devices, or paced. slot: "
                "longer slots."
            ),
            steps=_BOUND,
            width=12,
            beside=True,
        ),
        Panel(
            title="Arrival lateness",
            unit="s",
            queries=quantiles(
                (0.5, 0.99), rate(of_run("lateness_seconds_bucket", 'part="arrival"'))
            ),
            tells=(
                "How long after they were due requests were sent. It is part of the latency of an "
                "open arrival, and so of its overhead."
            ),
            bad=(
                "a host's event loop is busy: fewer devices a host (hosts.devices_per_host) where "
                "cores are free, else fewer users."
            ),
            steps=_BOUND,
            width=12,
        ),
        Panel(
            title="Dropped arrivals",
            unit="short",
            queries=(Query(f"sum by (edge) ({of_edge('arrivals_dropped_total')})", "{{edge}}"),),
            tells=(
                "Arrivals that were due within the run and never sent: their host could not in "
                "time, or had died."
            ),
            bad=(
                "the run had less load than its scenario says: look for a host that died, or at "
                "the lateness of arrivals."
            ),
            steps=((1, "red"),),
            width=12,
        ),
        _error(
            "link_rate_error_ratio",
            "Link rate error",
            "How much longer a transfer took than R_n(t) of (6) says. The bound: 1 % in the "
            "median.",
            "transfers of a few ms cannot be held exactly: larger frames or less bandwidth, or "
            "fewer devices on this "
            "machine.",
        ),
        _error(
            "device_pace_error_ratio",
            "Device pace error",
            "How much longer a device took than its speed allows.",
            "the hosts cannot compute as fast as their devices should: fewer users, slower devices "
            "(devices.speed_ratio), more nodes, or paced.",
        ),
    ),
)

SPENT = Row(
    "What the machine spends its time on",
    (
        Panel(
            title="Denoising calls",
            unit="ops",
            queries=(
                Query(
                    f"sum by (where) ({rate(of_edge('denoise_step_seconds_count'))})", "{{where}}"
                ),
            ),
            tells="Calls of the denoiser in a second, on the edge and on device hosts.",
            bad=(
                "a number that stops growing with users, while lateness does: this is what the "
                "machine can do."
            ),
            base="blue",
            width=12,
        ),
        Panel(
            title="Busy with denoising",
            unit="percentunit",
            queries=(
                Query(f"sum by (where) ({rate(of_edge('denoise_step_seconds_sum'))})", "{{where}}"),
            ),
            tells=(
                "Seconds of denoising in a second, over all processes: 100 % is one process that "
                "does nothing else."
            ),
            bad=(
                "more than the cores that the parts may use: the devices' share is real computing "
                "that competes with the edge's."
            ),
            base="blue",
            width=12,
        ),
    ),
)

BOARD = Board(
    "fidelity",
    "midstep: Fidelity",
    "Does the emulator do what it was commanded to? If not, no other number counts.",
    (NOW, LATE, SPENT),
)
