"""The command `midstep`.

Nothing is imported before `main` runs, so that a Ctrl-C while Python imports ends like any other;
and a command imports what it needs when it is called: help must load neither torch nor Ray.
"""

from __future__ import annotations

import argparse
import re
import sys

__all__ = ["main", "parser"]


def main(argv: list[str] | None = None) -> int:
    """Run the command; its exit status (see `parser`)."""
    try:
        from midstep.errors import EXIT_INTERRUPTED, MidstepError
        from orchestrator.live.signals import interruptible
    except KeyboardInterrupt:
        return 130  # EXIT_INTERRUPTED, which is still being imported
    try:
        with interruptible():
            args = parser().parse_args(
                _with_negative_values(sys.argv[1:] if argv is None else argv)
            )
            status: int = args.call(args)
    except MidstepError as error:
        print(f"midstep: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt:
        print("midstep: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    return status


def _with_negative_values(words: list[str]) -> list[str]:
    """The command line with `--duration -5s` as `--duration=-5s`: argparse would take the value for
    an option and say that it misses one. No option of ours begins with a digit."""
    joined: list[str] = []
    for word in words:
        if re.match(r"-\d", word) and joined and re.fullmatch(r"--[a-z-]+", joined[-1]):
            word = f"{joined.pop()}={word}"
        joined.append(word)
    return joined


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    from midstep import __version__
    from midstep.command_line import CommandLine
    from orchestrator.commands import (
        comparing,
        evaluating,
        listing,
        preparing,
        rivals,
        running,
    )

    top = CommandLine(
        prog="midstep",
        description="A testbed for caching diffusion at mid-step.",
        epilog="Exit status: 0 done, 1 a threshold or check was missed, 2 bad input, 3 a part of a "
        "run died, 130 interrupted (Ctrl-C or SIGTERM).",
    )
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for room in (running, comparing, preparing, evaluating, rivals, listing):
        room.add_commands(commands)
    return top


if __name__ == "__main__":
    sys.exit(main())
