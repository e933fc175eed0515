"""Which runs a study wants: instances times solvers times seeds, each with a key."""

from __future__ import annotations

import difflib
import hashlib
import inspect
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from shardopt.api import own_options, parse_own_options, require_packages, require_sane
from shardopt.models.errors import InputError
from shardopt.solvers.registry import SolverRow, find_solver, solver_rows
from shardopt.study.named import named_options
from shardopt.study.version import version_of

GROUPS: Mapping[str, frozenset[str]] = {
    "all": frozenset({"exact", "heuristic", "online"}),
    "all-exact": frozenset({"exact"}),
    "heuristics": frozenset({"heuristic", "online"}),
}
"""Names that stand for all solvers of some kinds."""


@dataclass(frozen=True)
class Plan:
    """What a study compares.

    Attributes
    ----------
    solvers
        Names, aliases or groups; a name may have options: ``ga:population=50``.
    settings
        Options for every run of a solver, written the same way.
    reference
        The method whose bounds the gaps are measured against, run once on each instance; ``None``
        for none.
    """

    solvers: tuple[str, ...]
    settings: tuple[str, ...] = ()
    reference: str | None = "exact"
    seeds: tuple[int, ...] = (0,)
    time_limit_s: float = 60.0
    threads: int = 1
    memory_limit_bytes: float | None = None

    def __post_init__(self) -> None:
        for seed in self.seeds:
            require_sane(self.time_limit_s, seed, self.threads, self.memory_limit_bytes)
        if not self.seeds:
            raise InputError("no seed", "at least one", "--seeds")
        if not self.solvers and self.reference is None:
            raise InputError("no solver and no reference", "at least one", "--solvers")

    def to_json(self) -> dict[str, Any]:
        """Return the plan as the study keeps it."""
        return asdict(self)

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Plan:
        """Return the plan that a study has kept."""
        lists = ("solvers", "settings", "seeds")
        values: dict[str, Any] = {k: tuple(v) if k in lists else v for k, v in value.items()}
        return Plan(**values)

    def with_more(self, other: Plan) -> Plan:
        """Return this plan with the solvers, settings and seeds of another added."""
        added: dict[str, Any] = {
            name: tuple(dict.fromkeys((*getattr(self, name), *getattr(other, name))))
            for name in ("solvers", "settings", "seeds")
        }
        return replace(self, **added)


@dataclass(frozen=True)
class Run:
    """One run. ``seed`` is ``None`` where no seed has any effect."""

    problem: str
    instance: str
    solver: str
    parameters: Mapping[str, Any]
    seed: int | None
    version: str
    role: str
    time_limit_s: float
    threads: int
    memory_limit_bytes: float | None

    @property
    def key(self) -> str:
        """A digest of all that the answer depends on."""
        what = {name: value for name, value in vars(self).items() if name != "role"}
        text = json.dumps(what, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Choice:
    """A solver with options, as a study runs it on all instances of a problem."""

    row: SolverRow
    parameters: Mapping[str, Any]
    role: str
    seeds: tuple[int | None, ...]
    version: str


def wanted_runs(plan: Plan, instances: Iterable[Mapping[str, Any]]) -> list[Run]:
    """Return the runs that a plan wants on the instances of a store, instance by instance."""
    runs: dict[str, Run] = {}
    choices: dict[str, list[Choice]] = {}
    for stored in instances:
        problem = stored["problem"]
        if problem not in choices:
            choices[problem] = choices_of(plan, problem)
        for choice in choices[problem]:
            for seed in choice.seeds:
                run = Run(
                    problem,
                    stored["sha256"],
                    choice.row.name,
                    choice.parameters,
                    seed,
                    choice.version,
                    choice.role,
                    plan.time_limit_s,
                    plan.threads,
                    plan.memory_limit_bytes,
                )
                # A reference that is asked for as a solver, too, is one run and a solver's.
                runs[run.key] = run
    return list(runs.values())


def choices_of(plan: Plan, problem: str) -> list[Choice]:
    """Return what a plan runs on every instance of a problem: the reference, then the solvers."""
    choices = []
    if plan.reference is not None:
        choices.append(_choice(plan, problem, plan.reference, "reference"))
    for entry in plan.solvers:
        choices += [_choice(plan, problem, name, "solver") for name in _names(problem, entry)]
    return choices


def require_known(plan: Plan, problems: Sequence[str]) -> None:
    """Raise `InputError` for a solver that none of the problems has, or a wrong option.

    A name that is a solver of some of the problems is run where it is one.
    """
    for entry in plan.solvers:
        if not any(_names(problem, entry) for problem in problems):
            name, _ = named_options(entry)
            known = {row.name for problem in problems for row in solver_rows(problem)}
            close = difflib.get_close_matches(name, known, n=3)
            hint = f" (did you mean {' or '.join(close)}?)" if close else ""
            where = " or ".join(problems)
            raise InputError(repr(entry) + hint, f"a solver of {where}", "--solvers")
    chosen = [(problem, c.row) for problem in problems for c in choices_of(plan, problem)]
    for entry in plan.settings:
        name, _ = named_options(entry)
        if not any(_is_solver(p, name) and find_solver(p, name) == row for p, row in chosen):
            raise InputError(repr(name), "one of the solvers that are run", "--set-solver")


def without_seed(plan: Plan, problem: str) -> list[str]:
    """Return the names of those solvers in a plan that no seed changes anything for."""
    names = [choice.row.name for choice in choices_of(plan, problem) if choice.seeds == (None,)]
    return list(dict.fromkeys(names))


def left_out(plan: Plan, problem: str) -> Iterator[str]:
    """Yield why a solver that a group stands for is not run, a line each."""
    for entry in plan.solvers:
        for row in solver_rows(problem) if entry in GROUPS else ():
            if row.kind in GROUPS[entry] and row.missing():
                yield f"{problem}: {row.name} needs {', '.join(row.missing())}: left out"
            elif row.kind in GROUPS[entry] and row.needs_start:
                yield f"{problem}: {row.name} only improves a given plan: left out"


def _names(problem: str, entry: str) -> list[str]:
    """Return the entries that one of ``--solvers`` stands for on a problem."""
    name, _ = named_options(entry)
    if name in GROUPS and name == entry:
        return [
            row.name
            for row in solver_rows(problem)
            if row.kind in GROUPS[name] and not row.missing() and not row.needs_start
        ]
    return [entry] if _is_solver(problem, name) else []


def _is_solver(problem: str, name: str) -> bool:
    try:
        find_solver(problem, name)
    except InputError:
        return False
    return True


def _choice(plan: Plan, problem: str, entry: str, role: str) -> Choice:
    name, given = named_options(entry)
    row = find_solver(problem, name)
    require_packages(row)
    if row.needs_start:
        raise InputError(repr(name), "a solver that needs no start", "--solvers")
    shared: dict[str, str] = {}
    for setting in plan.settings:
        other, options = named_options(setting)
        if _is_solver(problem, other) and find_solver(problem, other) == row:
            shared |= options
    defaults = own_options(row)
    parsed = parse_own_options(row, shared | given)
    # What is set to its default is the same run as what is not set.
    parameters = {key: value for key, value in parsed.items() if value != defaults[key]}
    seeds: tuple[int | None, ...] = plan.seeds if _takes_seed(row) else (None,)
    if role == "reference":
        seeds = seeds[:1]
    return Choice(row, parameters, role, seeds, version_of(problem, row))


def _takes_seed(row: SolverRow) -> bool:
    return "seed" in inspect.signature(row.load()).parameters and "seed" not in row.fixed
