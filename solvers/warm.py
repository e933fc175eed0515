"""``python -m shardopt.solvers.warm``: compile every problem's kernels once, after installing."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

from shardopt.models.discover import problem_ids
from shardopt.solvers.jit import compiled


def load_kernels(problem: str) -> Iterator[tuple[str, float]]:
    """Compile (or load from the cache) a problem's kernels; yield their names and the seconds."""
    package = importlib.import_module(f"shardopt.solvers.{problem.replace('-', '_')}")
    folder = Path(package.__path__[0])
    paths = [*folder.glob("*kernels.py"), *folder.glob("*kernels/[!_]*.py")]
    for path in sorted(path.relative_to(folder).with_suffix("") for path in paths):
        name = ".".join(path.parts)
        _, seconds = compiled(f"{folder.name}.{name}")
        yield name, seconds


def main() -> None:
    """Compile (or load from the cache) the kernels of every problem that has any."""
    for problem in problem_ids():
        for name, seconds in load_kernels(problem):
            print(f"{problem}: {name} ready in {seconds:.1f} s")


if __name__ == "__main__":
    main()
