"""`shardopt simulate` as a person uses it: every bad input, and the same bytes every time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commandline import run as shardopt

NINE = str(Path(__file__).parents[1] / "data" / "block-placement" / "clustered-9-r8.json")
HEAD = "arrival_s,input_tokens,output_tokens\n"


def run(*arguments):
    return shardopt("simulate", NINE, *arguments)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        pytest.param(HEAD + "0,1,1\n2,1,1\n1,1,1\n", "line 4", id="falling times"),
        pytest.param(HEAD + "0,1,1\nnan,1,1\n", "line 3", id="NaN"),
        pytest.param(HEAD + "0,-1,1\n", "line 2", id="negative prompt"),
        pytest.param(HEAD + "0,1,-1\n", "line 2", id="negative answer"),
        pytest.param("arrival_s,input_tokens\n0,1\n", "line 1", id="missing column"),
        pytest.param("input_tokens,output_tokens\n1,1\n", "line 1", id="no arrivals"),
        pytest.param(HEAD, "rows", id="no rows"),
        pytest.param("", "line 1", id="empty file"),
        pytest.param("arrival_s,client\n0,nobody\n", "line 2", id="unknown client"),
        pytest.param(HEAD + "0,1,1,1\n", "line 2", id="too many cells"),
        pytest.param(
            "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.68,0,3\n",
            "line 2",
            id="Azure: a row of zero tokens",
        ),
    ],
)
def test_that_a_bad_file_is_one_line_with_its_place_and_exit_code_2(tmp_path, text, place):
    path = tmp_path / "trace.csv"
    path.write_text(text, encoding="utf-8")
    assert_refused(run("--arrivals", str(path)), str(path), place)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--arrivals", "missing.csv"], "missing.csv"),
        (["--arrivals", "poisson:0", "--requests", "5"], "poisson:0"),
        (["--arrivals", "poisson:-1", "--requests", "5"], "poisson:-1"),
        (["--arrivals", "poisson:nan", "--requests", "5"], "nan"),
        (["--arrivals", "period:0", "--requests", "5"], "period:0"),
        (["--arrivals", "gamma:1:0", "--requests", "5"], "gamma:1:0"),
        (["--arrivals", "poisson:1", "--requests", "0"], "requests"),
        (["--arrivals", "poisson:1", "--requests", "-1"], "requests"),
        (["--arrivals", "poisson:1"], "requests"),
        (["--arrivals", "poisson:1", "--requests", "5", "--policy", "petal"], "petals"),
        (["--arrivals", "poisson:1", "--requests", "5", "--policy", ""], "policy"),
        (["--arrivals", "poisson:1", "--requests", "5", "--slow", "s1:2@1-2"], "physical"),
        (["--arrivals", "poisson:1", "--requests", "5", "--misjudge", "s1:2"], "physical"),
        (["--arrivals", "poisson:1", "--requests", "5", "--actual", "exponential"], "physical"),
        (["--arrivals", "poisson:1", "--requests", "5", "--join-order", "s1,s2"], "join_order"),
        (["--arrivals", "poisson:1", "--requests", "5", "-o", "picture.gif"], "picture.gif"),
    ],
)
def test_that_bad_options_are_one_line_and_exit_code_2(arguments, said):
    assert_refused(run(*arguments), said)


def assert_refused(done, *said):
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1, done.stderr
    for words in said:
        assert words in done.stderr
    assert "Traceback" not in done.output


def test_that_a_file_with_marks_of_windows_is_read(tmp_path):
    path = tmp_path / "trace.csv"
    path.write_bytes(b"arrival_s\r\n0\r\n5\r\n")
    done = run("--arrivals", str(path), "--json")
    assert json.loads(done.stdout)["arrivals"]["requests"] == 2


def test_that_a_session_that_fits_nowhere_is_counted_and_no_error(tmp_path):
    path = tmp_path / "trace.csv"
    path.write_text(HEAD + "0,20,128\n1,900000,900000\n", encoding="utf-8")
    done = run("--arrivals", str(path), "--json")
    assert done.exit_code == 0
    found = json.loads(done.stdout)["policies"]["ws-rr"]
    assert (found["completed"], found["rejected"]) == (1, 1)


@pytest.mark.parametrize("mode", ["ledger", "physical"])
def test_that_the_same_seed_gives_the_same_bytes(tmp_path, mode):
    said, files = [], []
    for n in range(2):
        events, picture = tmp_path / f"{n}.jsonl", tmp_path / f"{n}.svg"
        troubles = ["--fail", "s8@20-90", "--actual", "uniform:0.5:2"] if mode == "physical" else []
        done = run(
            *("--policy", "ws-rr,petals", "--arrivals", "gamma:0.5:2", "--requests", "60"),
            *("--seed", "5", "--mode", mode, "--events", str(events), "-o", str(picture)),
            *("--allocation-delay", "petals=3", "--json", *troubles),
        )
        assert done.exit_code == 0, done.stderr
        said.append(done.stdout)
        files.append(events.read_bytes() + picture.read_bytes())
    assert said[0] == said[1]
    assert files[0] == files[1]
