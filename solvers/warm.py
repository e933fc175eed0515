"""``python -m shardopt.solvers.warm``: compile every problem's kernels once, after installing."""

from __future__ import annotations

import importlib
from pathlib import Path

from shardopt.models.discover import problem_ids
from shardopt.solvers.jit import compiled


def main() -> None:
    """Compile (or load from the cache) the kernels of every problem that has any."""
    for problem in problem_ids():
        package = importlib.import_module(f"shardopt.solvers.{problem.replace('-', '_')}")
        for path in sorted(Path(package.__path__[0]).glob("*kernels.py")):
            _, seconds = compiled(f"{package.__name__.rpartition('.')[2]}.{path.stem}")
            print(f"{problem}: {path.stem} ready in {seconds:.1f} s")


if __name__ == "__main__":
    main()
