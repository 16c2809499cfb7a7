"""Two network namespaces with a veth pair between them, which tbf shapes in one direction: a link
that the kernel keeps to a rate.

Everything lies in namespaces of our own names, `midstep-link-edge-PID` and
`midstep-link-device-PID`; the machine's own interfaces are never touched. Both are removed on the
way out. Those of a run that was killed outright are removed by the next one.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psutil

from midstep.errors import MidstepError

__all__ = ["HEADER_BYTES", "MTU", "SEGMENT_BYTES", "ShapedPair", "shaped_pair"]

PREFIX = "midstep-link-"
SHAPED = "shaped"  # the interface at the edge's end
PLAIN = "plain"  # at the device's end
EDGE_HOST = "10.99.0.1"
DEVICE_HOST = "10.99.0.2"
MTU = 1500
# of a full segment: Ethernet 14 (what tbf counts of it), IPv4 20, TCP 20 with timestamps 12
HEADER_BYTES = 14 + 20 + 32
SEGMENT_BYTES = MTU - 20 - 32
QUEUE_BYTES = 2_000_000  # more than a frame: nothing is dropped
# no loss and no round trip to speak of: the oldest control is enough, and every kernel has it
SETTINGS = {
    "ipv4/tcp_congestion_control": "reno",
    "ipv4/tcp_slow_start_after_idle": "0",
}


@dataclass(frozen=True, kw_only=True)
class ShapedPair:
    """The two namespaces; `host` is the edge's address as the device reaches it through the shaped
    interface."""

    edge: str
    device: str
    host: str = EDGE_HOST

    def shape(self, rate_bps: float, bucket_bytes: int) -> None:
        """Let tbf pass `rate_bps` from edge to device, with a bucket of so many bytes. Raises
        MidstepError where the kernel has no tbf."""
        rate = f"rate {rate_bps:.0f}bit burst {bucket_bytes}b limit {QUEUE_BYTES}"
        line = f"tc -n {self.edge} qdisc replace dev {SHAPED} root tbf {rate}"
        _call(line.split())

    def sent_bytes(self) -> int:
        """Bytes that tbf has passed so far, as it counts them: with Ethernet, IP and TCP
        headers."""
        line = f"tc -n {self.edge} -s -j qdisc show dev {SHAPED}"
        return int(json.loads(_call(line.split()))[0]["bytes"])


@contextlib.contextmanager
def shaped_pair() -> Iterator[ShapedPair]:
    """Make the two namespaces, and remove them at the end, whatever happens in between. Raises
    MidstepError, one line, where that may not be done."""
    _check_tools()
    _remove_abandoned()
    pid = os.getpid()
    pair = ShapedPair(edge=f"{PREFIX}edge-{pid}", device=f"{PREFIX}device-{pid}")
    try:
        _build(pair)
        yield pair
    finally:
        _remove((pair.edge, pair.device))


def _check_tools() -> None:
    if os.geteuid() != 0:
        raise MidstepError("network namespaces need root: run it with sudo")
    missing = [tool for tool in ("ip", "tc") if shutil.which(tool) is None]
    if missing:
        raise MidstepError(f"{' and '.join(missing)}: not on this machine; install iproute2")


def _build(pair: ShapedPair) -> None:
    for name in (pair.edge, pair.device):
        _call(["ip", "netns", "add", name])
        for key, value in SETTINGS.items():
            write = f"echo {value} > /proc/sys/net/{key}"
            _call(["ip", "netns", "exec", name, "sh", "-c", write])
        _call(f"ip -n {name} link set lo up".split())
    _call(
        f"ip -n {pair.edge} link add {SHAPED} mtu {MTU} type veth "
        f"peer name {PLAIN} mtu {MTU} netns {pair.device}".split()
    )
    ends = ((pair.edge, SHAPED, EDGE_HOST), (pair.device, PLAIN, DEVICE_HOST))
    for name, interface, host in ends:
        # without addrgenmode IPv6 would announce itself through tbf
        _call(f"ip -n {name} link set {interface} addrgenmode none".split())
        _call(f"ip -n {name} address add {host}/30 dev {interface}".split())
        _call(f"ip -n {name} link set {interface} up".split())


def _remove_abandoned() -> None:
    """Remove the namespaces of runs that live no more."""
    lines = _call(["ip", "netns", "list"]).splitlines()
    names = [line.split()[0] for line in lines if line.startswith(PREFIX)]
    _remove([name for name in names if not psutil.pid_exists(int(name.rpartition("-")[2]))])


def _remove(names: Sequence[str]) -> None:
    """Remove namespaces, with their interfaces, as far as they are there; a second Ctrl-C does not
    come in between."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        for name in names:
            with contextlib.suppress(MidstepError):  # it was never made
                _call(["ip", "netns", "delete", name])
    finally:
        signal.signal(signal.SIGINT, before)


def _call(command: list[str]) -> str:
    """What a command prints. Raises MidstepError with its own first words where it fails."""
    # a session of its own: Ctrl-C is ours, and must not end the tool in mid-work
    done = subprocess.run(command, capture_output=True, text=True, start_new_session=True)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[0]
        raise MidstepError(f"{' '.join(command)}: {why}")
    return done.stdout
