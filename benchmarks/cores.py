"""Count how often prompts of a list meet again by their semantic cores.

    python -m benchmarks.cores FILE [--rules whole,words,entities]

FILE has one prompt a line, in the order in which people asked. A request meets again where an
earlier one has the same core; counted in the second half of the list, so that the first half has
filled a store without bound. `words left` is the length of a core against its prompt's.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

from midstep.workload.catalogue import load_catalogue
from midstep.workload.core import CORE_RULES, open_core_rule
from midstep.workload.lines import read_lines

__all__ = ["main", "meeting_share"]

CATALOGUE = "midstep/models/midstep-emoji"


def meeting_share(cores: Sequence[str]) -> float:
    """Share of the second half's requests of which an earlier request has the same core."""
    half = len(cores) // 2
    earlier = set(cores[:half])
    again = 0
    for core in cores[half:]:
        again += core in earlier
        earlier.add(core)
    return again / (len(cores) - half)


def main() -> None:
    """Print the table."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("file", help="one prompt a line")
    arguments.add_argument("--rules", default="whole,words,entities", help=", ".join(CORE_RULES))
    options = arguments.parse_args()
    prompts = [line for line in read_lines(options.file) if line.strip()]
    length = sum(len(prompt.split()) for prompt in prompts)
    print(f"{len(prompts)} prompts\n{'rule':10}{'meet again':>12}{'words left':>12}{'us each':>10}")
    for name in options.rules.split(","):
        rule = open_core_rule(name, load_catalogue(CATALOGUE))
        rule.cores(prompts[:1])  # reads its lists
        begin = time.perf_counter()
        cores = rule.cores(prompts)
        each_us = (time.perf_counter() - begin) / len(prompts) * 1e6
        left = sum(len(core.split()) for core in cores) / length
        print(f"{name:10}{meeting_share(cores):12.1%}{left:12.0%}{each_us:10.0f}")


if __name__ == "__main__":
    main()
