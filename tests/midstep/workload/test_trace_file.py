"""Tables of requests: what they may hold, and the one line for each row that is wrong."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from midstep.errors import ScenarioError
from midstep.scenario_file import parse
from midstep.workload import lines
from midstep.workload.load import load
from midstep.workload.requests import UserRequest
from midstep.workload.trace import Trace, with_negative
from midstep.workload.trace_file import RECORDED, read_trace
from tests import paced


def table(folder: Path, text: str, name: str = "asked.csv") -> Trace:
    path = folder / name
    path.write_text(text)
    return read_trace(str(path), "workload.trace")


def test_a_table_has_times_users_and_cores(tmp_path: Path) -> None:
    trace = table(
        tmp_path,
        "time,user,prompt,core,private_seed\n"
        '2.5,1,"a small lion, left",a lion,\n'
        "0,0,a cow,,7\n"
        "2.5,0,a pig,,\n",
    )
    assert (trace.arrivals, trace.users, trace.of_run) == ("instants", 2, False)
    assert [(one.due_s, one.user) for one in trace.requests] == [(0.0, 0), (2.5, 1), (2.5, 0)]
    assert trace.requests[0].request == UserRequest("a cow", "a cow", private_seed=7)
    assert trace.requests[1].request == UserRequest("a small lion, left", "a lion")
    assert [one.request.prompt for one in trace.by_user(2)[0]] == ["a cow", "a pig"]


def test_users_by_name_are_numbered_as_they_come_and_without_one_they_take_turns(
    tmp_path: Path,
) -> None:
    named = table(tmp_path, 'user\tprompt\nbo\ta\nann\t"b\nbo\tc\n', "asked.tsv")
    assert [one.request.prompt for one in named.requests] == ["a", '"b', "c"]
    assert [one.user for one in named.requests] == [0, 1, 0] and named.arrivals is None
    nobody = table(tmp_path, "time,prompt\n3,a\n1,b\n2,c\n")
    assert nobody.users == 0
    assert {
        user: [one.request.prompt for one in mine] for user, mine in nobody.by_user(2).items()
    } == {0: ["b", "a"], 1: ["c"]}


def test_negative_prompts_are_the_tables_or_the_scenarios(tmp_path: Path) -> None:
    own = table(tmp_path, "prompt\tnegative\na fox\ttext\na cow\t\n", "own.tsv")
    silent = table(tmp_path, "a fox\n", "silent.txt")
    traces = (own, with_negative(own, "snow"), silent, with_negative(silent, "snow"))
    assert [[one.request.negative for one in trace.requests] for trace in traces] == [
        ["text", ""],
        ["text", ""],
        [""],
        ["snow"],
    ]


def test_parquet_has_the_same_columns(tmp_path: Path) -> None:
    path = tmp_path / "asked.parquet"
    columns = {"time": [1.0, 0.5], "user": [0, 3], "prompt": ["a", "b"], "core": [None, "c"]}
    pq.write_table(pa.table(columns), path)
    trace = read_trace(str(path), "workload.trace")
    assert [one.user for one in trace.requests] == [3, 0] and trace.users == 4
    assert [one.request.edge_prompt for one in trace.requests] == ["c", "a"]


def test_users_that_a_table_has_as_floats_are_numbers(tmp_path: Path) -> None:
    """A column of numbers of which one was missing once is a column of floats."""
    path = tmp_path / "asked.parquet"
    pq.write_table(pa.table({"user": [3.0, 0.0], "prompt": ["a", "b"]}), path)
    assert [one.user for one in read_trace(str(path), "workload.trace").requests] == [3, 0]
    for user in (1.5, -1.0, float("nan")):
        pq.write_table(pa.table({"user": [0.0, user], "prompt": ["a", "b"]}), path)
        message = f"row 1: user {user:g}: give a whole number, 0 or more, or a name"
        with pytest.raises(ScenarioError, match=re.escape(message)):
            read_trace(str(path), "workload.trace")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "its header has no column prompt"),
        ("time,user\n", "its header has no column prompt"),
        ("time,prompt,cores\n1,a,b\n", "no column 'cores' is known; there is time, user, prompt"),
        ("prompt,prompt\na,b\n", "two columns are named prompt"),
        ("time,prompt\n1,a\nsoon,b\n", "line 3: time 'soon': give seconds from the run's start"),
        ("time,prompt\n-1,a\n", "line 2: time '-1': give seconds"),
        ("time,prompt\nnan,a\n", "line 2: time 'nan': give seconds"),
        ("time,prompt\n1,a\n,b\n", "line 3: give every row a time, or none"),
        ("user,prompt\n1,a\nbo,b\n", "line 3: user 'bo': give every user a number, or every"),
        ("user,prompt\n1000000,a\n", "line 2: user '1000000': numbers are below 1,000,000"),
        ("time,prompt\n1,a,b\n", "line 2: 3 values, the header has 2 columns"),
        ("prompt,private_seed\na,1.5\n", "line 2: private_seed '1.5': give a whole number from 0"),
        (f"prompt,private_seed\na,{10**20}\n", "give a whole number from 0 to 2^63 - 1"),
        ("prompt,private_seed\na,x\n", "line 2: private_seed 'x': give a whole number"),
        ('prompt\n"a\n', "cannot be read: unexpected end of data"),
        ("prompt\n", "holds no prompt"),
    ],
)
def test_a_bad_row_is_one_line_that_says_where(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as error:
        table(tmp_path, text)
    line = str(error.value)
    assert line.startswith("workload.trace: ") and message in line and "\n" not in line


def test_the_offered_load_is_the_tables(tmp_path: Path) -> None:
    (tmp_path / "asked.csv").write_text("time,user,prompt\n" + "10,0,a\n20,1,b\n" * 15)
    workload = {"trace": str(tmp_path / "asked.csv")}
    asks = load(parse(paced.tree(workload=workload)), paced.PROFILE)
    assert asks.requests_s == pytest.approx(30 / 20)


@pytest.mark.parametrize("number", ["x", "999999999999"])
def test_a_damaged_record_is_one_line(number: str, tmp_path: Path) -> None:
    row = {**dict.fromkeys(RECORDED), "user": 0, "request_id": f"00000-{number}"}
    (tmp_path / "requests.jsonl").write_text(json.dumps(row))
    with pytest.raises(ScenarioError, match="record is damaged: ") as error:
        read_trace(str(tmp_path), "workload.trace")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["missing.csv", "missing.parquet", "folder", "broken.parquet"])
def test_what_is_no_trace_is_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    with pytest.raises(ScenarioError, match=r"cannot be read|no run is in there") as error:
        read_trace(str(tmp_path / name), "workload.trace")
    assert "\n" not in str(error.value)


def test_a_torn_table_gives_way_to_the_journal_beside_it(tmp_path: Path) -> None:
    row = dict.fromkeys(RECORDED) | {"request_id": "u-00000", "user": 0, "prompt": "a cow"}
    row |= {"edge_prompt": "a cow", "think_s": 1.0}
    (tmp_path / "requests.jsonl").write_text(json.dumps(row) + "\n")
    (tmp_path / "requests.parquet").write_bytes(b"PAR1")
    assert read_trace(str(tmp_path), "workload.trace").requests[0].request.prompt == "a cow"
    (tmp_path / "requests.jsonl").unlink()
    with pytest.raises(ScenarioError, match="cannot be read"):
        read_trace(str(tmp_path), "workload.trace")


def test_a_prompt_without_end_is_refused_when_it_is_read(tmp_path: Path) -> None:
    for name, head in (("asked.txt", ""), ("asked.csv", "prompt\n")):
        with pytest.raises(ScenarioError, match="30000 characters, the limit is 20000"):
            table(tmp_path, f"{head}a cow\n{'x' * 30_000}\n", name)
    assert len(table(tmp_path, "x" * 20_000, "long.txt").requests) == 1


def test_a_list_that_has_no_end_is_refused() -> None:
    with pytest.raises(ScenarioError, match="/dev/zero: holds more than 1 MiB"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(lines, "MOST_BYTES", 1 << 20)
            read_trace("/dev/zero", "workload.prompts")
