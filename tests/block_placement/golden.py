"""The golden instances of `block-placement` and what is known of them."""

from __future__ import annotations

import json
from pathlib import Path

import shardopt
from shardopt.models.block_placement.data import Hosting, Instance, Route, Solution

FOLDER = Path(__file__).parents[1] / "data" / "block-placement"
EXPECTED = json.loads((FOLDER / "expected.json").read_text())


def instance(name: str) -> Instance:
    return shardopt.load(FOLDER / f"{name}.json")


def expected(name: str) -> dict:
    return EXPECTED[f"{name}.json"]


def optimal_plan(name: str) -> Solution:
    """Return the optimal plan that comes with an instance's golden values."""
    plan = expected(name)["optimal_solution"]
    return Solution(
        tuple(Hosting(**hosting) for hosting in plan["placement"]),
        tuple(
            Route(route["client"], tuple(route["path"]), route["sessions"])
            for route in plan["routes"]
        ),
    )


def runs(plan: Solution) -> dict[str, list[int]]:
    """Return [start, stop] by server, as the golden values give them."""
    return {hosting.server: [hosting.start, hosting.stop] for hosting in plan.placement}
