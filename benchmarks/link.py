"""Compare our held link with the kernel's: the same frames over gRPC, once held by
`user_agent.link` to equation (6), once through a veth pair that tbf shapes to the same rate.

    sudo python -m benchmarks.link [--frames N]

It makes two network namespaces for itself and removes them again (benchmarks/namespaces.py); it
needs root, iproute2 and a kernel with tbf. One edge process sends; one device process in its
namespace holds frames that come over loopback, another one, in the second namespace, takes them as
tbf lets them pass. A time runs from asking to having the whole frame, on the device's clock. Frames
go by pairs, one a road, and take turns in going first, so that what disturbs the machine disturbs
both. Status: 0, or 1 where the difference at 1 or 10 Mbit/s is above 1 %, 2 where it may not or
cannot make the namespaces, 130 after Ctrl-C.

tbf counts Ethernet, IP and TCP headers, (6) counts a frame's own bytes; and tbf's bucket, full
after each pause, lets the first bytes of a frame pass at once. Both are the kernel's framing: its
times are brought to payload alone, (t + 8 bucket / rate) payload / counted bytes, with the bytes
that tbf itself has counted, and then compared.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.namespaces import HEADER_BYTES, SEGMENT_BYTES, ShapedPair, shaped_pair
from midstep.errors import EXIT_INTERRUPTED, EXIT_MISSED, MidstepError, OptionError, PartDied
from orchestrator.records.statistics import P95_FROM

__all__ = ["CASES", "Case", "Comparison", "Pair", "compare", "main", "quantiles"]

BOUND = 0.01  # of the median, of the median difference, up to BOUNDED_BPS
BOUNDED_BPS = 10e6  # up to this rate
WARM_UP = 2  # pairs that are not counted: a connection's first frames
END_S = 10.0  # an end that does not end by itself by then is killed


@dataclass(frozen=True, kw_only=True)
class Case:
    """Frames of one size at one rate. `bucket_bytes` is tbf's burst: a packet at least, and what
    passes in about a millisecond, because a timer is that late at times."""

    rate_bps: float
    nbytes: int
    frames: int
    bucket_bytes: int


@dataclass(frozen=True, kw_only=True)
class Pair:
    """The same frame by both roads, seconds: `transfer_s` is the part of `held_s` that the link
    held it; `counted_bytes` are tbf's, headers included."""

    held_s: float
    transfer_s: float
    kernel_s: float
    counted_bytes: int


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Medians over pairs. `framing`: counted bytes over payload, less 1; `payload_bps`: payload a
    second while our link holds a frame; `headers_only` and `difference`: our time over the
    kernel's, less 1, the kernel's without headers, and without headers and bucket."""

    framing: float
    payload_bps: float
    headers_only: float
    difference: float


CASES = (
    Case(rate_bps=1e6, nbytes=50_000, frames=100, bucket_bytes=1_600),
    Case(rate_bps=1e6, nbytes=500_000, frames=20, bucket_bytes=1_600),
    Case(rate_bps=10e6, nbytes=50_000, frames=100, bucket_bytes=3_200),
    Case(rate_bps=10e6, nbytes=500_000, frames=100, bucket_bytes=3_200),
    Case(rate_bps=100e6, nbytes=500_000, frames=200, bucket_bytes=16_000),
)


def compare(case: Case, pairs: Sequence[Pair]) -> Comparison:
    """Compare the two roads, pair by pair."""
    held = np.array([pair.held_s for pair in pairs])
    kernel = np.array([pair.kernel_s for pair in pairs])
    share = case.nbytes / np.array([pair.counted_bytes for pair in pairs])
    bucket_s = 8 * case.bucket_bytes / case.rate_bps
    transfer = np.array([pair.transfer_s for pair in pairs])
    return Comparison(
        framing=float(np.median(1 / share) - 1),
        payload_bps=float(np.median(8 * case.nbytes / transfer)),
        headers_only=float(np.median(held / (kernel * share)) - 1),
        difference=float(np.median(held / ((kernel + bucket_s) * share)) - 1),
    )


def quantiles(seconds: Sequence[float]) -> str:
    """Median and, from 90 values on, p5 and p95, else smallest and largest; milliseconds."""
    low, high = (5, 95) if len(seconds) >= P95_FROM else (0, 100)
    middle, least, most = (1e3 * np.percentile(seconds, q) for q in (50, low, high))
    name = "" if len(seconds) >= P95_FROM else f"; all {len(seconds)}"
    return f"{middle:.2f} ({least:.2f} to {most:.2f}{name})"


def main(argv: Sequence[str] | None = None) -> int:
    """Measure the cases and print a Markdown table, a line as soon as it is measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--frames", type=int, metavar="N", help="of each rate and size, in place of 20 to 200"
    )
    options = parser.parse_args(argv)
    # SIGINT, too: a shell starts what runs in the background with Ctrl-C ignored
    before = {name: signal.signal(name, _interrupt) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        return _measure(_cases(options.frames))
    except MidstepError as error:
        print(f"benchmarks.link: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("benchmarks.link: interrupted; the namespaces are removed", file=sys.stderr)
        return EXIT_INTERRUPTED
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def _cases(frames: int | None) -> Sequence[Case]:
    if frames is None:
        return CASES
    if frames < 1:
        raise OptionError(f"--frames {frames}: give at least 1")
    return [replace(case, frames=frames) for case in CASES]


def _measure(cases: Sequence[Case]) -> int:
    missed = list[str]()
    with shaped_pair() as pair, contextlib.ExitStack() as ends:
        edge = ends.enter_context(_End(pair.edge, "edge", "0.0.0.0"))
        port = int(edge.answer())
        held = ends.enter_context(_End(pair.edge, "device", f"127.0.0.1:{port}"))
        kernel = ends.enter_context(_End(pair.device, "device", f"{pair.host}:{port}"))
        print(
            f"Frames over gRPC; tbf behind a veth pair, {HEADER_BYTES} bytes of headers to "
            f"{SEGMENT_BYTES:,} of payload: {HEADER_BYTES / SEGMENT_BYTES:.2%} by arithmetic.\n\n"
            "| rate | frame | frames | tbf's bucket | our link, ms | tbf, ms | framing, counted | "
            "payload on our link | ours against tbf's, headers off | headers and bucket off |\n"
            "|---|---|---|---|---|---|---|---|---|---|",
            flush=True,
        )
        for case in cases:
            pairs = _send(case, pair, held, kernel)
            comparison = compare(case, pairs)
            print(_row(case, pairs, comparison), flush=True)
            if case.rate_bps <= BOUNDED_BPS and abs(comparison.difference) > BOUND:
                missed.append(f"{case.nbytes / 1e3:g} KB at {case.rate_bps / 1e6:g} Mbit/s")
    exceptions = f"all but {', '.join(missed)}" if missed else "all"
    print(f"\nWithin {BOUND:.0%} at up to {BOUNDED_BPS / 1e6:g} Mbit/s: {exceptions}")
    return EXIT_MISSED if missed else 0


def _send(case: Case, pair: ShapedPair, held: _End, kernel: _End) -> list[Pair]:
    """Send the case's frames by both roads, in turns."""
    pair.shape(case.rate_bps, case.bucket_bytes)
    pairs = list[Pair]()
    for number in range(WARM_UP + case.frames):
        if number % 2:
            ours = held.ask(case.nbytes, case.rate_bps)
        before = pair.sent_bytes()
        theirs = kernel.ask(case.nbytes, 0)
        counted = pair.sent_bytes() - before
        if not number % 2:
            ours = held.ask(case.nbytes, case.rate_bps)
        pairs.append(
            Pair(
                held_s=ours["total_s"],
                transfer_s=ours["transfer_s"],
                kernel_s=theirs["total_s"],
                counted_bytes=counted,
            )
        )
    return pairs[WARM_UP:]


def _row(case: Case, pairs: Sequence[Pair], comparison: Comparison) -> str:
    cells = (
        f"{case.rate_bps / 1e6:g} Mbit/s",
        f"{case.nbytes / 1e3:g} KB",
        f"{len(pairs)}",
        f"{case.bucket_bytes:,} B",
        quantiles([pair.held_s for pair in pairs]),
        quantiles([pair.kernel_s for pair in pairs]),
        f"{comparison.framing:.2%}",
        f"{comparison.payload_bps / 1e6:.4g} Mbit/s",
        f"{comparison.headers_only:+.2%}",
        f"{comparison.difference:+.2%}",
    )
    return f"| {' | '.join(cells)} |"


class _End:
    """A process of benchmarks.link_ends in a namespace."""

    def __init__(self, namespace: str, *role: str) -> None:
        self._role = " ".join(role)
        command = ["ip", "netns", "exec", namespace, sys.executable, "-m", "benchmarks.link_ends"]
        # a session of its own: Ctrl-C is ours
        self._process = subprocess.Popen(
            [*command, *role],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._commands = self._process.stdin
        self._answers = self._process.stdout

    def __enter__(self) -> _End:
        return self

    def __exit__(self, *_: object) -> None:
        """Let it end, as it does when its input is closed."""
        with contextlib.suppress(BrokenPipeError):
            self._commands.close()
        try:
            self._process.wait(END_S)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            self._process.kill()
            self._process.wait()

    def answer(self) -> str:
        """The next line that it prints. Raises PartDied where it has ended."""
        line = self._answers.readline()
        if not line:
            raise PartDied(f"the process `{self._role}` ended before it answered")
        return line

    def ask(self, nbytes: int, rate_bps: float) -> dict[str, float]:
        """Let a device ask for one frame; its times."""
        with contextlib.suppress(BrokenPipeError):  # it has ended: there is no answer
            self._commands.write(f"{nbytes} {rate_bps}\n")
            self._commands.flush()
        times: dict[str, float] = json.loads(self.answer())
        return times


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
