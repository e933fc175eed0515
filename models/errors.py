"""Errors that reach a user as one line: what was wrong, where, and what was expected."""

from __future__ import annotations


class ShardoptError(Exception):
    """Base of every error that shardopt raises on purpose."""


class InputError(ShardoptError, ValueError):
    """A file or an argument is wrong (exit code 2).

    Parameters
    ----------
    found
        What stands there, in words or as quoted text.
    expected
        What should stand there.
    path
        Place inside the file, e.g. ``data.devices[2].memory_bytes``; empty for the file as a whole.
    file
        Name of the file, if there is one.
    """

    def __init__(self, found: str, expected: str, path: str = "", file: str = "") -> None:
        self.found = found
        self.expected = expected
        self.path = path
        self.file = file
        place = ": ".join(part for part in (file, path) if part)
        text = f"found {found}, expected {expected}"
        super().__init__(f"{place}: {text}" if place else text)

    def in_file(self, file: str) -> InputError:
        """Return the same error, naming the file it was found in."""
        return InputError(self.found, self.expected, self.path, file)


class UnavailableError(ShardoptError):
    """A solver needs an optional package that is not installed (exit code 2)."""


class NoPlanError(ShardoptError):
    """There is no plan to work with: proven (exit code 3), or none was found (4)."""

    def __init__(self, what: str, proven: bool) -> None:
        self.proven = proven
        super().__init__(f"{what}: there is none" if proven else f"{what}: none was found")
