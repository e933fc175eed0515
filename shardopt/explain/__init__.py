"""Why there is no plan and what would mend that; what binds the best plan and what would help.

The engine knows no problem. Each problem's package in ``shardopt`` has a module ``explain`` with
the same names everywhere:

``FIRST``
    Solvers that are asked first whether there is a plan, and for how many seconds each.
``probe(instance)``
    An instance that has a plan exactly where this one has, and is the easiest of that kind.
``facts(instance)``
    What an engineer would count first where there is no plan, a sentence each.
``groups(instance)``
    Its constraints in groups that have a name, and how to do without each (`parts.Group`).
``mends(instance)``
    What could be changed until there is a plan (`parts.Mend`).
``changes(instance)``
    What could be tried where there is a plan (`parts.Change`).
``bindings(instance, solution)``
    What a plan uses up, and what its time is spent on (`parts.Binding`).
"""

from __future__ import annotations

from shardopt.explain.engine import explain
from shardopt.explain.explanation import Explanation

__all__ = ["Explanation", "explain"]
