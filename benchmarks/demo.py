"""Compare result files of one instance: `python benchmarks/demo.py RESULT...`, best bound first."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from shardopt.models.result import relative_gap


def main(paths: list[str]) -> None:
    """Print objective, bound and gap to the best proven bound of each result."""
    results: list[dict[str, Any]] = [json.loads(Path(path).read_text()) for path in paths]
    best_bound = max(r["bound"] for r in results if r["bound"] is not None)
    table = Table(title=f"{results[0]['problem']}: {results[0]['instance']}")
    for column in ("solver", "status", "objective", "bound", "gap to best bound", "runtime"):
        table.add_column(column, justify="left" if column in {"solver", "status"} else "right")
    for r in results:
        objective, bound = r["objective"], r["bound"]
        table.add_row(
            r["solver"],
            r["status"],
            "-" if objective is None else f"{objective:.6f} s",
            "-" if bound is None else f"{bound:.6f} s",
            "-" if objective is None else f"{relative_gap(objective, best_bound):.2%}",
            f"{r['runtime_s']:.3f} s",
        )
    Console(width=100).print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
