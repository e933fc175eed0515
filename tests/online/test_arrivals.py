"""Arrivals: generators, and traces with everything that may be wrong in them."""

from __future__ import annotations

import numpy as np
import pytest

from shardopt.instances.arrivals import read_requests
from shardopt.models.errors import InputError
from shardopt.solvers.online.arrivals import generated
from shardopt.solvers.online.randomness import stream


@pytest.mark.parametrize("form", ["poisson:2", "period:0.5", "gamma:2:3"])
def test_that_generated_arrivals_begin_at_0_never_fall_and_keep_their_rate(form):
    requests = generated(form, 20_000, 7)
    gaps = np.diff(requests.arrival_s)
    assert requests.arrival_s[0] == 0.0 and (gaps >= 0).all()
    assert requests.rate_per_s == 2.0
    assert gaps.mean() == pytest.approx(0.5, rel=0.1)


def test_that_gamma_gaps_have_the_coefficient_of_variation_that_was_asked_for():
    gaps = np.diff(generated("gamma:5:2", 50_000, 0).arrival_s)
    assert gaps.std() / gaps.mean() == pytest.approx(2.0, rel=0.05)


def test_that_more_requests_begin_like_fewer():
    few, many = (generated("poisson:1", count, 3).arrival_s for count in (10, 100))
    assert (few == many[:10]).all()


def test_that_purposes_and_seeds_have_streams_of_their_own():
    drawn = [
        stream(seed, purpose).random() for seed in (0, 1) for purpose in ("arrivals", "actual")
    ]
    assert len(set(drawn)) == 4
    assert stream(0, "arrivals").random() == drawn[0]


@pytest.mark.parametrize(
    "form",
    ["poisson", "poisson:0", "poisson:-1", "poisson:nan", "period:x", "gamma:1", "burst:1", ""],
)
def test_that_other_arrivals_are_refused(form):
    with pytest.raises(InputError):
        generated(form, 5, 0)


@pytest.mark.parametrize("count", [0, -3])
def test_that_no_requests_are_refused(count):
    with pytest.raises(InputError):
        generated("poisson:1", count, 0)


def trace(tmp_path, text):
    path = tmp_path / "trace.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_that_a_trace_gives_lengths_and_clients(tmp_path):
    path = trace(
        tmp_path,
        "arrival_s,input_tokens,output_tokens,actual_output_tokens,client\n"
        "0.5,20,128,130,b\n0.5,7,3,1,a\n2.5,1,1,1,b\n",
    )
    requests = read_requests(path, ["a", "b"])
    assert requests.arrival_s.tolist() == [0.5, 0.5, 2.5]
    assert requests.input_tokens.tolist() == [20, 7, 1]
    assert requests.actual_output_tokens.tolist() == [130, 1, 1]
    assert requests.client.tolist() == [1, 0, 1]
    assert requests.rate_per_s == 1.0
    assert len(read_requests(path, ["a", "b"], 2)) == 2
    assert read_requests(path, ["a", "b"], 2).rate_per_s is None


def test_that_both_columns_of_tokens_may_be_missing(tmp_path):
    assert read_requests(trace(tmp_path, "arrival_s\n1\n2\n"), []).input_tokens is None


def test_that_an_azure_trace_is_read_relative_to_its_first_row_with_all_its_digits(tmp_path):
    requests = read_requests(
        trace(
            tmp_path,
            "TIMESTAMP,ContextTokens,GeneratedTokens\n"
            "2023-11-16 23:59:59.9999999,374,44\n2023-11-17 00:00:01.0000001,396,109\n",
        ),
        [],
    )
    assert requests.arrival_s.tolist() == pytest.approx([0.0, 1.0000002], abs=1e-12)
    assert requests.output_tokens.tolist() == [44, 109]


HEAD = "arrival_s,input_tokens,output_tokens\n"
AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens\n"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (HEAD + "0,1,1\n2,1,1\n1,1,1\n", "line 4"),
        (HEAD + "nan,1,1\n", "line 2: arrival_s"),
        (HEAD + "inf,1,1\n", "line 2: arrival_s"),
        (HEAD + "-1,1,1\n", "line 2: arrival_s"),
        (HEAD + "0,-1,1\n", "line 2: input_tokens"),
        (HEAD + "0,1,0\n", "line 2: output_tokens"),
        (HEAD + "0,1.5,1\n", "line 2: input_tokens"),
        (HEAD + f"0,{'9' * 5000},1\n", "line 2: input_tokens"),
        (HEAD + "0,1\n", "line 2"),
        (HEAD + "0,1,1\n\n1,1,1\n", "line 3"),
        (HEAD, "0 rows"),
        ("", "line 1"),
        ("arrival_s,input_tokens\n0,1\n", "line 1"),
        ("time,input_tokens,output_tokens\n0,1,1\n", "line 1"),
        ("arrival_s,client\n0,nobody\n", "line 2: client"),
        (AZURE + "2023-11-16 18:15:46.68,0,3\n", "line 2: ContextTokens"),
        (AZURE + "2023-11-16 18:15:46.68,5,\n", "line 2: GeneratedTokens"),
        (AZURE + "yesterday,5,5\n", "line 2: TIMESTAMP"),
        (AZURE + "2023-11-16 18:15:46,5,5\n2023-11-16 18:15:45,5,5\n", "line 3"),
    ],
)
def test_that_a_bad_trace_is_refused_with_file_and_line(tmp_path, text, place):
    with pytest.raises(InputError, match=place) as caught:
        read_requests(trace(tmp_path, text), ["a"])
    assert caught.value.file.endswith("trace.csv")


def test_that_more_requests_than_a_trace_has_are_refused(tmp_path):
    with pytest.raises(InputError, match="2 requests"):
        read_requests(trace(tmp_path, HEAD + "0,1,1\n"), [], 2)


def test_that_a_trace_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no\.csv"):
        read_requests(tmp_path / "no.csv", [])
