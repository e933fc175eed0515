"""The engines by name, and the way from a plan to one of them.

Each problem has a module ``export`` with ``deployment(instance, solution)``.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any

from shardopt.export.accelerate import accelerate
from shardopt.export.deployment import Deployment
from shardopt.export.llama_cpp import llama_cpp
from shardopt.export.petals import petals
from shardopt.export.tables import as_csv, as_json
from shardopt.export.target import Target, require_blocks, target
from shardopt.export.vllm_sglang import sglang, vllm
from shardopt.models.discover import part
from shardopt.models.errors import InputError

ENGINES: Mapping[str, Callable[[Deployment, Target], str]] = {
    "vllm": vllm,
    "sglang": sglang,
    "petals": petals,
    "llama.cpp": llama_cpp,
    "accelerate": accelerate,
    "json": as_json,
    "csv": as_csv,
}


def export(instance: Any, solution: Any, engine: str, model: str | None = None) -> str:
    """Return a plan as the settings of an engine.

    Parameters
    ----------
    instance, solution
        The plan has to keep every rule of its problem.
    engine
        One of `ENGINES`.
    model
        A model of the catalogue, a ``config.json``, or an ``owner/model`` id.

    Raises
    ------
    InputError
        Unknown engine or model, a plan that breaks a rule, or one that the engine cannot run.
    """
    if engine not in ENGINES:
        close = difflib.get_close_matches(engine.lower(), ENGINES, n=1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        raise InputError(repr(engine) + hint, "one of " + ", ".join(ENGINES), "engine")
    report = part(instance.problem, "models", "check").check(instance, solution)
    if not report.feasible:
        raise InputError(report.violations[0].message, "a feasible plan", "solution")
    plan: Deployment = part(instance.problem, "", "export").deployment(instance, solution)
    named = target(model)
    require_blocks(named, plan.blocks)
    return ENGINES[engine](plan, named)
