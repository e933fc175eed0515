"""Measure what the docs quote: ``python benchmarks/run.py [PROBLEM] [--only GROUP] [--fast]``."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from harness import Cases, print_table, protocol
from rich.console import Console

from shardopt.models.discover import problem_ids
from shardopt.solvers.warm import main as compile_kernels


def main() -> None:
    """Run the benchmarks of one problem, or of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("problem", nargs="*", help="default: all problems")
    parser.add_argument("--only", help="one group of rows, e.g. dssr")
    parser.add_argument("--fast", action="store_true", help="fewer seeds")
    parser.add_argument("-o", "--output", type=Path, help="also write the tables to this file")
    arguments = parser.parse_args()
    compile_kernels()
    console = Console(record=True, width=150, soft_wrap=True)
    console.print(protocol(), highlight=False)
    for problem in arguments.problem or problem_ids():
        cases: Cases = importlib.import_module(problem.replace("-", "_")).CASES
        for name, case in cases.items():
            if arguments.only in (None, name):
                print_table(f"{problem}: {name}", case(arguments.fast), console)
    if arguments.output:
        arguments.output.write_text(console.export_text(), encoding="utf-8")


if __name__ == "__main__":
    main()
