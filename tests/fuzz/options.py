"""Command lines."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from random import Random

from midstep.errors import OptionError
from orchestrator.cli import main
from tests.fuzz.kind import Fault, Kind
from tests.fuzz.mutation import nasty_text
from tests.fuzz.trial import LONGEST_LINE

__all__ = ["Options"]

VALUES = {
    "run": (
        "--users",
        "--policy",
        "--cut",
        "--duration",
        "--prompts",
        "--replay",
        "--seed",
        "--clock",
        "--time-scale",
        "--denoiser",
        "--wire",
        "--address",
        "--credentials",
        "--resume",
        "--set",
    ),
    "scale": ("--users", "--edge"),
    "top": ("--interval",),
    "report": (),
    "simulate": ("--policy", "--seeds", "--slots", "--topic"),
    "replay": ("--capacity", "--policy"),
    "compare": ("--out",),
    "scenario": ("--set",),
}
NUMBERS = ("0", "-1", "1", "7", "9" * 30, "9" * 5000, "1e9", "1e-300", "inf", "nan", "0.5", "1s")
STATUSES = {0, 1, 2, 3}


class Options(Kind):
    """Odd values of options, and places that hold no run."""

    name = "options"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        taken = folder / "taken"
        taken.mkdir()
        (taken / "scenario.yaml").write_text("name: laptop\n")
        (taken / "summary.json").write_text("{}\n")  # a simulation's
        (folder / "file").write_text("x")
        (folder / "empty").mkdir()

    def one(self, rng: Random) -> None:
        """Give one to the command; what would play is refused at last, as its folder is taken."""
        command = rng.choice(list(VALUES))
        words = [command, *(["show"] if command == "scenario" else [])]
        if command in ("scale", "top", "report", "compare", "replay"):
            words.append(self._place(rng))
        for name in rng.sample(VALUES[command], min(len(VALUES[command]), rng.choice((1, 1, 2)))):
            words += [name, self._value(rng)]
        if command in ("top",):
            words.append("--once")
        if command == "scale" and "--users" not in words:
            words += ["--users", rng.choice(NUMBERS)]
        if command in ("run", "simulate"):
            words += ["--out", str(self.folder / "taken")]
        self._main(words)

    def _place(self, rng: Random) -> str:
        """No run's folder."""
        name = rng.choice(("taken", "file", "empty", "none", "a" * 300, "file/x", ""))
        text = str(self.folder / name)
        return nasty_text(rng) or "x" if rng.random() < 0.2 else text

    def _value(self, rng: Random) -> str:
        choice = rng.random()
        if choice < 0.4:
            return rng.choice(NUMBERS)
        if choice < 0.6:
            return self._place(rng)
        return nasty_text(rng)

    def _main(self, words: list[str]) -> None:
        out = io.StringIO()
        try:
            with contextlib.redirect_stderr(out):
                status: int | str | None = main([word.replace("\x00", "") for word in words])
        except SystemExit as end:
            status = end.code
        said = out.getvalue()
        if status not in STATUSES or "Traceback" in said:
            raise Fault(f"{words}: status {status}: {said}")
        long = [line for line in said.splitlines() if len(line) > LONGEST_LINE + 20]
        if long:
            raise Fault(f"{words}: {len(long[0])} characters: {long[0][:400]}")
        if status == 2:
            if len(said.splitlines()) != 1:
                raise Fault(f"{words}: {len(said.splitlines())} lines: {said[:1000]}")
            raise OptionError(said.strip()[:LONGEST_LINE])
