"""Just-in-time compiled modules: imported when needed, their first compilation measured."""

from __future__ import annotations

import importlib
import logging
import sys
import threading
import time
from pathlib import Path
from types import ModuleType

_log = logging.getLogger("shardopt")
_NOTICE_AFTER_S = 1.5


def compiled(module: str) -> tuple[ModuleType, float]:
    """Import a module of kernels with explicit signatures.

    Parameters
    ----------
    module
        Its name below ``shardopt.solvers``, e.g. ``cold_start.kernels``.

    Returns
    -------
    The module, and the seconds that importing it took: compilation on the first run on a
    machine, loading from numba's cache later, 0 when it was imported before. This time belongs
    to no solve.
    """
    name = f"shardopt.solvers.{module}"
    if name in sys.modules:
        return sys.modules[name], 0.0
    began = time.perf_counter()
    notice = threading.Timer(
        _NOTICE_AFTER_S, _log.warning, ["compiling %s: once on this machine, then cached", module]
    )
    notice.start()
    try:
        loaded = importlib.import_module(name)
    finally:
        notice.cancel()
    return loaded, time.perf_counter() - began


def forget_outdated(folder: str) -> None:
    """Delete what numba has cached of a folder's kernels if any of its files is newer.

    A cached kernel has those that it calls inside, and numba looks only at the file that the
    kernel itself is in. To be called by the package's ``__init__.py``.
    """
    changed = max(path.stat().st_mtime for path in Path(folder).glob("*.py"))
    cached = list(Path(folder, "__pycache__").glob("*.nbi"))
    if any(path.stat().st_mtime <= changed for path in cached):
        for path in cached:
            path.unlink(missing_ok=True)
