"""Execute all notebooks: `python notebooks/execute.py [FOLDER]`.

Without a folder each notebook is executed in place, so that its outputs can be read on the web.
With one the executed copies go there and the committed ones stay as they are; CI does that,
with `SHARDOPT_FAST=1` for small settings.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent
CELL_TIMEOUT_S = 1200


def execute(source: Path, target: Path) -> None:
    """Run a notebook from top to bottom and write it with its outputs."""
    began = time.perf_counter()
    notebook = nbformat.read(source, as_version=4)
    NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT_S,
        kernel_name="python3",
        resources={"metadata": {"path": HERE}},
    ).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # when each cell ran: noise in every diff
    nbformat.write(notebook, target)
    print(f"{source.name}: {time.perf_counter() - began:.1f} s")


def main(arguments: list[str]) -> None:
    """Execute every notebook beside this file."""
    folder = Path(arguments[0]) if arguments else HERE
    folder.mkdir(parents=True, exist_ok=True)
    for source in sorted(HERE.glob("*.ipynb")):
        execute(source, folder / source.name)


if __name__ == "__main__":
    main(sys.argv[1:])
