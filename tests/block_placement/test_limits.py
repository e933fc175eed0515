"""Exact methods on instances that they cannot finish: what they return, and when."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace

import psutil
import pytest

import shardopt
from block_placement import golden
from cli.commandline import run
from shardopt.instances.block_placement.presets import random_tight
from shardopt.models.block_placement.bounds import chain_bound
from shardopt.models.block_placement.tables import make_tables

NAMES = (
    "exact",
    "runs/highs",
    "runs/cbc",
    "boundary/highs",
    "boundary/cbc",
    "direct/highs",
    "direct/cbc",
    "direct/cp-sat",
    "sizes/cp-sat",
)
LIMIT_S = 4.0


def hard():
    """Return an instance that nothing here proves within minutes."""
    return random_tight(servers=12, blocks=32, clients=3, sessions=60, seed=0)


def with_sessions(sessions: int):
    instance = golden.instance("clustered-9-r150")
    return replace(instance, clients=(replace(instance.clients[0], sessions=sessions),))


SCRIPT = """
import shardopt
from block_placement.test_limits import hard

def heard(point):
    if point.objective is not None:
        print("found", flush=True)

result = shardopt.solve(hard(), "exact", time_limit=None, threads=1, on_progress=heard)
print(result.status, result.termination, result.objective, result.bound, result.faults)
"""


def test_that_ctrl_c_during_exact_returns_plan_and_bound_and_leaves_no_process():
    script = [sys.executable, "-c", f"import sys; sys.path.insert(0, 'tests'){SCRIPT}"]
    with subprocess.Popen(script, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout.readline() == "found\n"
        family = psutil.Process(running.pid)
        while not family.children(recursive=True):
            time.sleep(0.05)  # until a backend is at work
        workers = family.children(recursive=True)
        running.send_signal(signal.SIGINT)
        last = running.stdout.read().splitlines()[-1].split(maxsplit=4)
    assert psutil.wait_procs(workers, timeout=30)[1] == []
    status, termination, objective, bound, faults = last
    assert (status, termination, faults) == ("feasible", "interrupted", "()")
    assert chain_bound(make_tables(hard())) * (1 - 1e-9) <= float(bound) < float(objective)


@pytest.mark.long
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_that_the_limit_holds_within_two_seconds_on_what_cannot_be_finished(name, threads):
    instance = hard()
    result = shardopt.solve(instance, name, time_limit=LIMIT_S, threads=threads)
    assert result.runtime_s < LIMIT_S + 2.0
    assert (result.status, result.termination) == ("feasible", "time-limit")
    assert result.faults == ()
    assert result.bound is None or result.bound < result.objective


def test_that_the_published_program_of_too_many_sessions_is_refused_before_it_is_built():
    result = shardopt.solve(with_sessions(20_000), "direct/highs", time_limit=60.0)
    assert (result.status, result.termination) == ("unknown", "memory-limit")
    assert (result.solution, result.bound) == (None, None)
    assert "9e+06 columns" in result.faults[0]


def test_that_a_plan_survives_a_model_that_is_refused():
    instance = with_sessions(140)
    clients = tuple(replace(instance.clients[0], name=f"c{n}") for n in range(500))
    large = replace(
        instance,
        clients=clients,
        servers=tuple(
            replace(server, memory_bytes=500 * server.memory_bytes) for server in instance.servers
        ),
    )
    result = shardopt.solve(large, "direct/highs", time_limit=60.0)
    assert (result.status, result.termination) == ("feasible", "memory-limit")
    assert result.bound is None
    assert "limits are 5e+06" in result.faults[0]


@pytest.mark.parametrize("name", ["tiny-a", "clustered-9-r8"])
def test_that_verify_says_by_whom_the_optimum_of_exact_is_confirmed(name):
    path = str(golden.FOLDER / f"{name}.json")
    done = run("solve", path, "--verify", "--json", "--threads", "1")
    answer = json.loads(done.stdout)
    assert (done.exit_code, answer["status"]) == (0, "optimal")
    agreed = {opinion["by"]: opinion["agrees"] for opinion in answer["confirmed_by"]}
    assert agreed == {"runs/cbc (presolve off)": True, "boundary/highs (presolve off)": True}
