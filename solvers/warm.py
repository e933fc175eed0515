"""``python -m shardopt.solvers.warm``: compile every problem's kernels once, after installing."""

from __future__ import annotations

import importlib.util

from shardopt.models.discover import problem_ids
from shardopt.solvers.jit import compiled


def main() -> None:
    """Compile (or load from the cache) the kernels of every problem that has any."""
    for problem in problem_ids():
        module = f"{problem.replace('-', '_')}.kernels"
        if importlib.util.find_spec(f"shardopt.solvers.{module}"):
            _, seconds = compiled(module)
            print(f"{problem}: kernels ready in {seconds:.1f} s")


if __name__ == "__main__":
    main()
