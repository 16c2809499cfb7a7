"""Command lines: what is wrong with one is told in one line, as of any other input."""

from __future__ import annotations

import argparse
from typing import NoReturn

from midstep.errors import EXIT_INPUT, LONGEST_LINE, one_line

__all__ = ["CommandLine"]


class CommandLine(argparse.ArgumentParser):
    """argparse's parser, which would print its usage first and repeat a value of any length."""

    def error(self, message: str) -> NoReturn:
        """Say it and exit with the status of bad input."""
        hint = f"; see {self.prog} --help"
        most = LONGEST_LINE - len(self.prog) - len(hint)
        self.exit(EXIT_INPUT, f"{self.prog}: {one_line(message, most)}{hint}\n")
