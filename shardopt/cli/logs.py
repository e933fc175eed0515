"""What the library logs goes to stderr, one line each."""

from __future__ import annotations

import logging

import click


class _ToStderr(logging.Handler):
    """Looks stderr up for every record, so that a live display on it is not torn."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(f"{record.levelname.lower()}: {record.getMessage()}", err=True)


def log_to_stderr() -> None:
    """Send the ``shardopt`` logger to stderr and nowhere else."""
    logger = logging.getLogger("shardopt")
    logger.handlers = [_ToStderr()]
    logger.propagate = False
