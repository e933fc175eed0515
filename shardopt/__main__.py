"""``python -m shardopt``: the command line."""

from __future__ import annotations

from shardopt.cli import main

if __name__ == "__main__":
    main()
