"""``shardopt gap``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shardopt.cli.problem import problem_option
from shardopt.cli.solve import settings_of, size_of
from shardopt.models.errors import InputError

if TYPE_CHECKING:
    from shardopt.study.conduct import Executor
    from shardopt.study.planning import Plan
    from shardopt.study.store import Study

CONTRADICTED = 1
INTERRUPTED = 1


@click.command(
    epilog="""\b
Example:
  shardopt gap instances/ --solvers heuristics,exact --time-limit 10 --jobs 2 -o study/
  shardopt gap -o study/                    # goes on where it was stopped or killed
  shardopt gap cold-start/random-edge --set devices=6 --instances 20 --solvers all -o study/
  shardopt gap replica-clustering/typed:types=3 --instances 10 --seeds 0..4 -o study/ \\
    --solvers ga,ga:population=100 --reference exact
  shardopt gap cluster.toml --problem block-placement -o study/
  shardopt report study/ -o report.html
Exit codes: 0 all runs are made, however they ended; 1 rows contradict each other, or
interrupted; 2 bad input."""
)
@click.argument("places", nargs=-1, metavar="[FILE|FOLDER|SCENARIO|PROBLEM/PRESET]...")
@click.option("-o", "--output", required=True, metavar="FOLDER", help="The study's folder.")
@click.option(
    "--solvers",
    metavar="NAMES",
    help="Names with commas between, options behind colons (ga:population=50); also all,"
    " all-exact, heuristics.  [default: heuristics]",
)
@click.option(
    "--reference",
    metavar="NAME",
    help="Whose bounds the gaps are measured against, or none.  [default: exact]",
)
@click.option("--seeds", metavar="LIST", help="Like 0..9 or 1,5,7.  [default: 0]")
@click.option("--time-limit", type=float, metavar="S", help="Of a run.  [default: 60]")
@click.option("--threads", type=int, metavar="N", help="Of a run.  [default: 1]")
@click.option("--memory-limit", metavar="SIZE", help="Of a run, e.g. 8GiB.")
@click.option("--jobs", type=int, metavar="N", help="Runs at a time.  [default: cores / threads]")
@click.option("--instances", type=int, metavar="N", help="Instances drawn from each preset.")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="An option of the presets."
)
@click.option(
    "--set-solver",
    "solver_settings",
    multiple=True,
    metavar="NAME:KEY=VALUE",
    help="An option for every run of a solver, e.g. ga:population=50.",
)
@problem_option
@click.option(
    "--executor",
    type=click.Choice(["local", "dask"]),
    default="local",
    show_default=True,
    help="Processes of this machine, or an existing dask cluster.",
)
@click.option("--scheduler", metavar="ADDRESS", help="Of the cluster, e.g. tcp://host:8786.")
@click.option("--retry-failed", is_flag=True, help="Repeat crashed, hung and out-of-memory runs.")
def command(
    places: tuple[str, ...],
    output: str,
    solvers: str | None,
    reference: str | None,
    seeds: str | None,
    time_limit: float | None,
    threads: int | None,
    memory_limit: str | None,
    jobs: int | None,
    instances: int | None,
    settings: tuple[str, ...],
    solver_settings: tuple[str, ...],
    problem: str | None,
    executor: str,
    scheduler: str | None,
    retry_failed: bool,
) -> int:
    """Run solvers on instances and keep every run in a study.

    Each run (instance, solver, options, seed, version) has a process of its own and is one row of
    FOLDER/study.sqlite, written when it ends. The same command, or only `-o FOLDER`, goes on with a
    study that was stopped. Other instances, solvers or seeds are added to it.
    """
    from shardopt.study.conduct import begin, kept_plan, missing_runs
    from shardopt.study.planning import Plan
    from shardopt.study.sources import find_instances
    from shardopt.study.store import only_writer

    folder = Path(output)
    plan = _plan(
        kept_plan(folder),
        {
            "solvers": None if solvers is None else _names(solvers),
            "settings": solver_settings or None,
            "reference": reference,
            "seeds": None if seeds is None else seeds_of(seeds),
            "time_limit_s": time_limit,
            "threads": threads,
            "memory_limit_bytes": None if memory_limit is None else size_of(memory_limit),
        },
    )
    if executor == "local" and jobs is None:
        jobs = max(1, (os.cpu_count() or 1) // plan.threads)
    sources = find_instances(places, settings_of(settings), instances, problem)
    with (
        _executor(executor, scheduler, jobs, plan.threads) as execute,
        only_writer(folder),
        begin(folder, plan, sources, jobs, executor) as study,
    ):
        plan = Plan.from_json(study.meta("plan"))
        _tell(study, plan)
        runs, wanted = missing_runs(study, plan, retry=retry_failed)
        return _carry_out(study, runs, wanted, execute)


def seeds_of(text: str) -> tuple[int, ...]:
    """Return the seeds of ``0..9``, ``1,5,7`` or both; raises `InputError`."""
    seeds: list[int] = []
    for part in text.split(","):
        first, dots, last = part.partition("..")
        if not first.isdecimal() or (dots and not last.isdecimal()):
            raise InputError(repr(text), "seeds like 0..9 or 1,5,7", "--seeds")
        named = range(int(first), int(last if dots else first) + 1)
        if not 1 <= len(named) <= 100_000 - len(seeds):
            raise InputError(repr(text), "1 to 100000 seeds, upwards", "--seeds")
        seeds += named
    return tuple(dict.fromkeys(seeds))


def _plan(kept: Plan | None, given: Mapping[str, Any]) -> Plan:
    """Return the plan with what was given; the rest is as the study has it, or as by default."""
    from shardopt.study.planning import Plan

    options = {key: value for key, value in given.items() if value is not None}
    if options.get("reference") == "none":
        options["reference"] = None
    base = {"solvers": ("heuristics",)} if kept is None else vars(kept)
    return Plan(**{**base, **options})


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise InputError(repr(text), "names with commas between", "--solvers")
    return names


@contextmanager
def _executor(
    kind: str, scheduler: str | None, jobs: int | None, threads: int
) -> Iterator[Executor]:
    """Yield what makes the runs; warn where they would disturb each other."""
    from shardopt.study.executors import Cluster, on_this_machine

    if kind == "local":
        if scheduler is not None:
            raise InputError(repr(scheduler), "--executor dask beside it", "--scheduler")
        if jobs is None or not 1 <= jobs <= 1024:
            raise InputError(str(jobs), "an integer from 1 to 1024", "--jobs")
        _warn(jobs, threads, os.cpu_count(), "this machine")
        yield lambda work: on_this_machine(work, jobs)
        return
    if scheduler is None:
        raise InputError("no address", "a scheduler's, like tcp://host:8786", "--scheduler")
    if jobs is not None:
        raise InputError(str(jobs), "none: each dask worker has its --nthreads", "--jobs")
    with Cluster(scheduler) as cluster:
        slots, cores = cluster.slots(), cluster.cores()
        count = sum(slots.values())
        click.echo(f"dask workers: {len(slots)}, runs at a time: {count}", err=True)
        if not slots:
            click.echo("warning: waiting for the first worker", err=True)
        for worker, count in slots.items():
            _warn(count, threads, cores.get(worker), worker)
        yield cluster.rows


def _warn(jobs: int, threads: int, cores: int | None, where: str) -> None:
    if cores is not None and jobs * threads > cores:
        click.echo(
            f"warning: {jobs} jobs of {threads} threads on the {cores} cores of {where}:"
            " times will be too long",
            err=True,
        )


def _tell(study: Study, plan: Plan) -> None:
    """Say what is not as one might think."""
    from shardopt.study.planning import left_out, without_seed

    for problem in sorted({row["problem"] for row in study.instances()}):
        for line in left_out(plan, problem):
            click.echo(line, err=True)
        names = without_seed(plan, problem)
        if names and len(plan.seeds) > 1:
            names_ = ", ".join(names)
            click.echo(f"{problem}: once each, since no seed changes them: {names_}", err=True)


def _carry_out(study: Study, runs: list[Any], wanted: int, execute: Executor) -> int:
    from shardopt.cli.study_progress import study_progress
    from shardopt.study.conduct import make

    again = f"shardopt gap -o {study.folder}"
    rows = make(study, runs, execute)
    try:
        with study_progress(runs, wanted) as show:
            for row in rows:
                show(row)
    except KeyboardInterrupt:
        rows.close()
        have = len(study.runs(columns=("key",)))
        click.echo(f"stopped: {have} of {wanted} runs are kept; `{again}` goes on", err=True)
        return INTERRUPTED
    return _conclude(study)


def _conclude(study: Study) -> int:
    """Say how the runs ended and which rows contradict each other."""
    from shardopt.cli.console import stdout_console
    from shardopt.cli.study_progress import failures, status_table
    from shardopt.study.contradictions import COLUMNS, contradictions

    stdout_console().print(status_table(study))
    for line in failures(study):
        click.echo(line)
    found = contradictions(study.instances(), study.runs(columns=COLUMNS))
    for contradiction in found:
        click.echo(f"CONTRADICTION {contradiction}", err=True)
    if found:
        count = f"{len(found)} contradiction{'s' if len(found) > 1 else ''}"
        click.echo(f"error: {count} in {study.folder}: at least one of two is wrong", err=True)
    return CONTRADICTED if found else 0
