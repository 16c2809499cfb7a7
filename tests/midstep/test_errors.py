"""An error is one line that a terminal can show."""

import pickle

import pytest

from midstep.command_line import CommandLine
from midstep.errors import LONGEST_LINE, OptionError, PolicyFailed, one_line


def test_a_message_is_one_line_of_at_most_300_characters() -> None:
    text = f"the policy failed:\n\t{'words ' * 100_000}\x1b[31m\u2028do this"
    line = str(OptionError(text))
    assert len(line) == LONGEST_LINE and line.isprintable()
    assert line.startswith("the policy failed: words") and line.endswith("do this")
    assert one_line("a\x00b") == "a b" and one_line("ä 🐼") == "ä 🐼"


def test_a_long_path_is_cut_before_what_stands_around_it() -> None:
    line = one_line(f"no model in {'/folder' * 60}/model.json: name another {'x' * 90}")
    assert len(line) <= LONGEST_LINE and ": name another x" in line
    assert line.startswith("no model in /folder") and "model.json:" in line


def test_a_policys_error_crosses_to_another_process_whole() -> None:
    failed = pickle.loads(pickle.dumps(PolicyFailed("a\n" * 400, "its traceback\n")))
    assert failed.traceback == "its traceback\n" and len(str(failed)) <= LONGEST_LINE


def test_a_wrong_option_is_one_line_without_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    command = CommandLine(prog="midstep")
    command.add_argument("--seed", type=int)
    with pytest.raises(SystemExit) as end:
        command.parse_args(["--seed", "9" * 5000])
    said = capsys.readouterr().err
    assert end.value.code == 2 and said.count("\n") == 1 and len(said) <= LONGEST_LINE + 3
    assert said.startswith("midstep: argument --seed: invalid int value: '999")
    assert said.endswith("; see midstep --help\n")
