"""The store of a study: a folder with an SQLite file, and a copy of every instance.

One process writes, any number may read meanwhile (write-ahead log). A row is committed when its
run ends, so that a study that is killed at any moment loses no finished run. ``docs/studies.md``
describes the tables.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shardopt.instances.files import instance_to_json
from shardopt.instances.strict import write_json
from shardopt.models.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

FORMAT = "shardopt-study/1"
DATABASE = "study.sqlite"
LOCK = "study.lock"
SCRATCH = ".new.sqlite"
RUN_COLUMNS = (
    "key",
    "instance",
    "solver",
    "parameters",
    "seed",
    "version",
    "role",
    "time_limit_s",
    "threads",
    "status",
    "termination",
    "objective",
    "bound",
    "runtime_s",
    "build_s",
    "compile_s",
    "wall_s",
    "error",
    "faults",
    "trace",
    "solution",
    "extra",
    "host",
    "finished_at",
)
JSON_COLUMNS = frozenset({"parameters", "faults", "trace", "solution", "extra"})
_ROLE_NOW = ",".join("wanted.role AS role" if c == "role" else c for c in RUN_COLUMNS)
_SCHEMA = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE instances (
  sha256 TEXT PRIMARY KEY, problem TEXT NOT NULL, name TEXT NOT NULL, source TEXT NOT NULL,
  file TEXT NOT NULL, size TEXT NOT NULL
);
CREATE TABLE runs (
  key TEXT PRIMARY KEY, instance TEXT NOT NULL REFERENCES instances(sha256),
  solver TEXT NOT NULL, parameters TEXT NOT NULL, seed INTEGER, version TEXT NOT NULL,
  role TEXT NOT NULL, time_limit_s REAL, threads INTEGER NOT NULL,
  status TEXT NOT NULL, termination TEXT, objective REAL, bound REAL,
  runtime_s REAL, build_s REAL, compile_s REAL, wall_s REAL NOT NULL,
  error TEXT, faults TEXT NOT NULL, trace TEXT NOT NULL, solution TEXT, extra TEXT NOT NULL,
  host TEXT NOT NULL, finished_at TEXT NOT NULL
);
CREATE INDEX runs_by_instance ON runs(instance);
-- What the study wants now. Runs that are not wanted were made by other code, or by an earlier
-- command: they are kept, and no report counts them.
-- The role stands here too, because a later command may ask for a reference as a solver.
CREATE TABLE wanted (key TEXT PRIMARY KEY, role TEXT NOT NULL);
CREATE VIEW current_runs AS SELECT {_ROLE_NOW} FROM runs JOIN wanted USING (key);
"""


class Study:
    """An open study: its folder and its database."""

    def __init__(self, folder: Path, database: sqlite3.Connection) -> None:
        self.folder = folder
        self._database = database

    def __enter__(self) -> Study:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database; everything in it has been committed."""
        self._database.close()

    def meta(self, key: str) -> Any:
        """Return a value of the table ``meta``, ``None`` if it is not there."""
        found = self._database.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if found is None else json.loads(found[0])

    def set_meta(self, key: str, value: Any) -> None:
        """Write a value into the table ``meta``."""
        with self._database:
            self._database.execute(
                "INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, _canonical(value))
            )

    def add_instance(
        self, instance: Any, sha256: str, source: str, size: Mapping[str, float]
    ) -> None:
        """Keep a copy of an instance, unless the study has it."""
        file = f"instances/{sha256[:16]}.json.gz"
        path = self.folder / file
        path.parent.mkdir(exist_ok=True)
        if not path.exists():
            # Renamed into place, so that a study that is killed leaves no half of a file.
            scratch = path.with_name(f".{os.getpid()}.json.gz")
            write_json(scratch, instance_to_json(instance))
            scratch.replace(path)
        row = (sha256, instance.problem, instance.name, source, file, _canonical(dict(size)))
        with self._database:
            self._database.execute("INSERT OR IGNORE INTO instances VALUES (?,?,?,?,?,?)", row)

    def instances(self) -> list[dict[str, Any]]:
        """Return the rows of the table ``instances``, by problem and name."""
        rows = self._rows("SELECT * FROM instances ORDER BY problem, name, sha256")
        return [row | {"size": json.loads(row["size"])} for row in rows]

    def set_wanted(self, role_of: Mapping[str, str]) -> None:
        """Say by key which runs the study is made of from now on, and what for."""
        with self._database:
            self._database.execute("DELETE FROM wanted")
            self._database.executemany("INSERT INTO wanted VALUES (?, ?)", role_of.items())

    def add_run(self, row: Mapping[str, Any]) -> None:
        """Write a finished run; a run that is there already stays as it is."""
        values = [
            _canonical(row[name]) if name in JSON_COLUMNS and row[name] is not None else row[name]
            for name in RUN_COLUMNS
        ]
        marks = ",".join("?" * len(RUN_COLUMNS))
        with self._database:
            self._database.execute(
                f"INSERT OR IGNORE INTO runs ({','.join(RUN_COLUMNS)}) VALUES ({marks})", values
            )

    def drop_runs(self, statuses: Iterable[str]) -> int:
        """Forget the current runs with one of these statuses; return how many there were."""
        chosen = tuple(statuses)
        marks = ",".join("?" * len(chosen))
        with self._database:
            return self._database.execute(
                f"DELETE FROM runs WHERE status IN ({marks}) AND key IN (SELECT key FROM wanted)",
                chosen,
            ).rowcount

    def keys(self) -> set[str]:
        """Return the keys of all finished runs, of other versions too."""
        return {row[0] for row in self._database.execute("SELECT key FROM runs")}

    def unfinished(self) -> int:
        """Return how many of the wanted runs are still to be made."""
        query = "SELECT count(*) FROM wanted WHERE key NOT IN (SELECT key FROM runs)"
        (count,) = self._database.execute(query).fetchone()
        return int(count)

    def runs(self, *, columns: Iterable[str] = RUN_COLUMNS) -> list[dict[str, Any]]:
        """Return the finished runs that the study wants, JSON decoded, in a lasting order."""
        chosen = tuple(columns)
        rows = self._rows(
            f"SELECT {','.join(chosen)} FROM current_runs"
            " ORDER BY instance, solver, parameters, seed"
        )
        return [
            {
                name: json.loads(value) if name in JSON_COLUMNS and value is not None else value
                for name, value in row.items()
            }
            for row in rows
        ]

    def solution(self, key: str) -> tuple[Path, Any]:
        """Return the copy of a run's instance, and its plan, ``None`` without one."""
        query = "SELECT file, solution FROM runs JOIN instances ON instance = sha256 WHERE key = ?"
        found = self._database.execute(query, (key,)).fetchone()
        if found is None:
            raise InputError(f"no run {key!r}", "the key of a run", file=str(self.folder))
        return self.folder / found[0], None if found[1] is None else json.loads(found[1])

    def _rows(self, query: str) -> list[dict[str, Any]]:
        cursor = self._database.execute(query)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]


def create(folder: str | Path, protocol: Mapping[str, Any]) -> Study:
    """Make a new study in a folder that is empty or not there."""
    folder = Path(folder)
    _require_empty(folder)
    scratch = folder / SCRATCH
    folder.mkdir(parents=True, exist_ok=True)
    scratch.unlink(missing_ok=True)
    made = Study(folder, sqlite3.connect(scratch))
    with made:
        made._database.executescript(_SCHEMA)
        made.set_meta("format", FORMAT)
        made.set_meta("protocol", protocol)
    scratch.replace(folder / DATABASE)  # whole, or not there
    study = open_study(folder)
    study._database.execute("PRAGMA journal_mode = WAL")
    return study


def is_study(folder: str | Path) -> bool:
    """Return whether there is a study in the folder."""
    return (Path(folder) / DATABASE).is_file()


def open_study(folder: str | Path) -> Study:
    """Open a study that is there, to read it or to go on with it.

    Raises
    ------
    InputError
        No study, or one that this version cannot read.
    """
    folder = Path(folder)
    if not is_study(folder):
        raise InputError("no study there", f"a folder with {DATABASE}", file=str(folder))
    study = Study(folder, sqlite3.connect(folder / DATABASE, timeout=30.0))
    try:
        # A finished run survives a power cut, too.
        study._database.execute("PRAGMA synchronous = FULL")
        found = study.meta("format")
    except sqlite3.DatabaseError as error:
        study.close()
        raise InputError(str(error), "a study", file=str(folder / DATABASE)) from None
    if found != FORMAT:
        study.close()
        raise InputError(f"the format {found!r}", FORMAT, file=str(folder / DATABASE))
    return study


@dataclass(frozen=True)
class Tables:
    """A study as it is now: ``meta``, and two tables as they stand in the store, JSON as text."""

    meta: dict[str, Any]
    instances: pd.DataFrame
    runs: pd.DataFrame


def read_study(folder: str | Path) -> Tables:
    """Read all that a study wants and has; it may be running meanwhile."""
    import pandas as pd

    with open_study(folder) as study:
        meta = {
            key: json.loads(value)
            for key, value in study._database.execute("SELECT key, value FROM meta")
        }
        tables = [
            pd.read_sql_query(f"SELECT * FROM {name}", study._database)
            for name in ("instances", "current_runs")
        ]
    return Tables(meta, *tables)


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Keep other processes from writing to a study, or a new one, until the block ends."""
    if not is_study(folder):
        _require_empty(folder)
    folder.mkdir(parents=True, exist_ok=True)
    lock = folder / LOCK
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(
                "another process that works on this study", "one at a time", file=str(folder)
            ) from None
        try:
            yield
        finally:
            if not is_study(folder):  # nothing came of it
                lock.unlink()
                with contextlib.suppress(OSError):
                    folder.rmdir()


def _require_empty(folder: Path) -> None:
    """Raise `InputError` where a new study would hide among other files."""
    # What a study that was killed in its first moment leaves behind is no hindrance.
    leftovers = {LOCK, SCRATCH, f"{SCRATCH}-journal"}
    if folder.exists() and (
        not folder.is_dir() or {path.name for path in folder.iterdir()} - leftovers
    ):
        raise InputError("something else there", "a study, or an empty place", file=str(folder))


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
