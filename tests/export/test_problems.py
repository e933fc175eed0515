"""Each problem's plans become the holdings and chains that they describe."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import shardopt
import shardopt.instances
from cli.commandline import run
from shardopt.export.deployment import Holding
from shardopt.export.engines import ENGINES, export
from shardopt.models.block_placement import data as placement
from shardopt.models.discover import part, problem_ids
from shardopt.models.errors import InputError
from shardopt.models.partition_schedule import data as schedule

LIBRARY = Path(shardopt.instances.__file__).parent / "library"
FILES = {problem: sorted((LIBRARY / problem).glob("*.json"))[0] for problem in problem_ids()}


@pytest.fixture(scope="module", params=problem_ids())
def solved(request):
    instance = shardopt.load(FILES[request.param])
    return instance, shardopt.solve(instance, "heuristic", time_limit=5).solution


def deployment(instance, solution):
    return part(instance.problem, "", "export").deployment(instance, solution)


def test_that_the_chains_of_a_plan_hold_every_block_once(solved):
    plan = deployment(*solved)
    assert {b for h in plan.holdings for b in range(h.start, h.stop)} == set(range(plan.blocks))
    for pipeline in plan.pipelines:
        assert [b for s in pipeline.stages for b in range(s.start, s.stop)] == list(
            range(plan.blocks)
        )
    assert bool(plan.pipelines) != bool(plan.tangle)


def test_that_every_engine_answers_or_gives_its_reason(solved):
    for engine in ENGINES:
        answer = attempt(*solved, engine)
        assert answer.endswith("\n") or "can run nothing else" in answer
        if engine in {"json", "csv"}:
            assert answer.endswith("\n")


def attempt(instance, solution, engine):
    """Return what the engine gets, or the reason why it gets nothing."""
    known = {"cold-start": "qwen3-14b", "block-placement": "bloom-176b"}
    known |= {"partition-schedule": "llama-3-8b", "replica-clustering": "gpt-oss-20b"}
    model = "owner/model" if engine == "petals" else known[instance.problem]
    try:
        return export(instance, solution, engine, model)
    except InputError as error:
        return str(error)


def nodes(*names):
    return tuple(schedule.Node(name, 1.0, 100) for name in names)


def scheduled(*paths, cuts=(1,)):
    """Return an instance of two tiers and a plan with a request for each path."""
    instance = schedule.Instance(
        "two-tiers",
        "by hand",
        (schedule.Block(1.0, 1, 1),) * 4,
        (schedule.Tier("edge", nodes("e1", "e2")), schedule.Tier("cloud", nodes("c1", "c2"))),
        (schedule.Link(0.0, 1.0),),
        tuple(schedule.Request(0.0, 1) for _ in paths),
        "makespan",
    )
    assignments = (
        schedule.Assignment(r, path, (100.0 * r, 100.0 * r + 50)) for r, path in enumerate(paths)
    )
    return instance, schedule.Solution(cuts, tuple(assignments))


def test_that_requests_on_separate_nodes_make_replicas():
    plan = deployment(*scheduled(("e1", "c1"), ("e2", "c2"), ("e1", "c1")))
    assert [[s.device for s in p.stages] for p in plan.pipelines] == [["e1", "c1"], ["e2", "c2"]]


def test_that_requests_that_part_are_no_chain_but_petals_takes_them():
    instance, solution = scheduled(("e1", "c1"), ("e1", "c2"))
    assert deployment(instance, solution).pipelines == ()
    with pytest.raises(InputError, match="requests that part before or after 'e1'"):
        export(instance, solution, "vllm")
    assert "--block_indices 1:4" in export(instance, solution, "petals")


def test_that_a_tier_without_blocks_is_left_out():
    plan = deployment(*scheduled(("e1", "c1"), ("e2", "c1"), cuts=(0,)))
    assert plan.holdings == (Holding("c1", 0, 4),)
    assert len(plan.pipelines) == 1


def placed(*runs, routes):
    """Return an instance of four blocks and a plan."""
    names = sorted({server for server, _, _ in runs})
    servers = tuple(placement.Server(name, 1e6, 0.1, 0.1) for name in names)
    sessions = sum(count for _, count in routes)
    rtt = (0.1,) * len(names)
    client = placement.Client("c", sessions, rtt, rtt)
    instance = placement.Instance(
        "four", "by hand", 4, 10.0, 1.0, servers, (client,), 20, 30, "decode"
    )
    return instance, placement.Solution(
        tuple(placement.Hosting(*run) for run in runs),
        tuple(placement.Route("c", path, count) for path, count in routes),
    )


def test_that_servers_without_common_blocks_are_one_chain():
    plan = deployment(*placed(("b", 1, 4), ("a", 0, 1), routes=[(("a", "b"), 3)]))
    assert [stage.device for stage in plan.pipelines[0].stages] == ["a", "b"]


def test_that_a_block_on_two_servers_is_told():
    routes = [(("a", "b"), 1)]
    instance, solution = placed(("a", 0, 3), ("b", 2, 4), routes=routes)
    with pytest.raises(InputError, match="found block 2 is on 'a' and on 'b'"):
        export(instance, solution, "sglang")


def test_that_a_server_has_room_for_what_its_sessions_run():
    # b holds three blocks, of which each of two sessions runs one: 2 * 50 tokens on 1/3 of it.
    routes = [(("a", "b"), 2), (("c",), 1)]
    plan = deployment(*placed(("a", 0, 3), ("b", 1, 4), ("c", 0, 4), routes=routes))
    room = {holding.device: holding.cache_tokens for holding in plan.holdings}
    assert room == {"a": 100, "b": 34, "c": 50}


def test_that_a_plan_that_breaks_a_rule_is_refused():
    instance = shardopt.load(FILES["cold-start"])
    data = part("cold-start", "models", "data")
    whole = data.plan(instance, [(3, 0, len(instance.blocks))])
    with pytest.raises(InputError, match="expected a feasible plan"):
        export(instance, whole, "json")


def test_that_the_command_writes_a_file_or_stdout(tmp_path):
    instance = shardopt.load(FILES["cold-start"])
    shardopt.save(tmp_path / "result.json", shardopt.solve(instance, "heuristic"))
    files = (str(FILES["cold-start"]), str(tmp_path / "result.json"))
    outcome = run("export", *files, "--engine", "accelerate", "--model", "qwen3-14b")
    assert outcome.exit_code == 0
    assert len(json.loads(outcome.stdout)) == 44
    written = run("export", *files, "--engine", "csv", "-o", str(tmp_path / "plan.csv"))
    assert written.exit_code == 0
    assert (tmp_path / "plan.csv").read_text(encoding="utf-8").startswith("pipeline,role,rank")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--engine", "vlm"), "did you mean vllm"),
        (("--engine", "vllm", "--model", "lama-3-8b"), "did you mean llama-3-8b"),
        (("--engine", "vllm", "--model", "llama-3-8b"), "a plan of 40 blocks, expected 32"),
        (("--engine", "csv", "-o", "no/such/folder.csv"), "a place that can be written"),
        ((), "Missing option '--engine'"),
    ],
)
def test_that_the_command_refuses_in_one_line(arguments, message, tmp_path):
    instance = shardopt.load(FILES["cold-start"])
    result = tmp_path / "result.json"
    shardopt.save(result, shardopt.solve(instance, "heuristic"))
    outcome = run("export", str(FILES["cold-start"]), str(result), *arguments)
    assert outcome.exit_code == 2
    assert message in outcome.stderr
    assert outcome.stderr.count("\n") == 1
