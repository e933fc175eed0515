"""The smallest sets of constraints that conflict.

A *conflict* is a set of groups that no plan keeps together, while every part of it can be kept.
A *correction* is the reverse: giving up all its groups makes a plan possible, giving up fewer
does not. Every conflict meets every correction, so the smallest set that meets all corrections
known so far is either a smallest conflict or shows a new correction (Reiter 1987; Ignatiev,
Previti, Liffiton and Marques-Silva 2015). So conflicts come in the order of their size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

Groups = frozenset[int]
Ask = Callable[[Groups], bool | None]
"""Whether there is a plan that keeps these groups; ``None`` if that cannot be told."""


@dataclass(frozen=True)
class Conflict:
    """Groups that cannot be kept together; ``minimal`` if every part is known to have a plan."""

    groups: Groups
    minimal: bool


@dataclass(frozen=True)
class Conflicts:
    """What was found, the smallest first; ``complete`` if that is all and nothing was left open."""

    conflicts: tuple[Conflict, ...]
    corrections: tuple[Groups, ...]
    complete: bool


class Answers:
    """Remembers answers: what holds for a set of groups decides for its parts or its supersets."""

    def __init__(self, ask: Ask) -> None:
        self.doubt = False
        self._ask = ask
        self._kept: list[Groups] = []
        self._broken: list[Groups] = []

    def __call__(self, groups: Groups) -> bool | None:
        """Return whether there is a plan that keeps these groups."""
        if any(groups <= kept for kept in self._kept):
            return True
        if any(broken <= groups for broken in self._broken):
            return False
        answer = self._ask(groups)
        if answer is None:
            self.doubt = True
        else:
            (self._kept if answer else self._broken).append(groups)
        return answer


def find_conflicts(count: int, ask: Ask, most: int, over: Callable[[], bool]) -> Conflicts:
    """Find the conflicts among ``count`` groups that cannot all be kept.

    Parameters
    ----------
    most
        Stop when there are more conflicts than this.
    over
        Whether to stop now.
    """
    everything = frozenset(range(count))
    answers = Answers(ask)
    corrections = [
        frozenset({g}) for g in everything if not over() and answers(everything - {g}) is True
    ]
    found: list[Conflict] = []
    complete = False
    while not over():
        chosen = smallest_hitting_set(corrections, [c.groups for c in found], count)
        if chosen is None:
            complete = not answers.doubt
            break
        if answers(chosen) is not False:
            corrections.append(everything - _grown(chosen, everything, answers))
        elif len(found) < most:
            found.append(_conflict(chosen, answers))
        else:
            break
    minimal = () if answers.doubt else tuple(sorted(corrections, key=lambda c: (len(c), sorted(c))))
    return Conflicts(tuple(found), minimal, complete)


def _conflict(chosen: Groups, answers: Answers) -> Conflict:
    """Leave out what is not needed (nothing, unless answers are missing), and check the rest."""
    for g in sorted(chosen):
        if answers(chosen - {g}) is False:
            chosen -= {g}
    return Conflict(chosen, all(answers(chosen - {g}) is True for g in chosen))


def _grown(chosen: Groups, everything: Groups, answers: Answers) -> Groups:
    """Add groups as long as there is a plan that keeps them all."""
    for g in sorted(everything - chosen):
        if answers(chosen | {g}) is True:
            chosen |= {g}
    return chosen


def smallest_hitting_set(
    targets: Sequence[Groups], avoid: Sequence[Groups], count: int
) -> Groups | None:
    """Return a smallest set that meets every target and contains none of ``avoid``."""
    forced = frozenset().union(*(target for target in targets if len(target) == 1))
    for more in range(count + 1 - len(forced)):
        found = _hitting_set(forced, targets, avoid, more)
        if found is not None:
            return found
    return None


def _hitting_set(
    chosen: Groups, targets: Sequence[Groups], avoid: Sequence[Groups], left: int
) -> Groups | None:
    if any(sets <= chosen for sets in avoid):
        return None
    missed = [target for target in targets if not target & chosen]
    if not missed:
        return chosen
    if left == 0:
        return None
    shortest = min(missed, key=len)
    for g in sorted(shortest):
        found = _hitting_set(chosen | {g}, targets, avoid, left - 1)
        if found is not None:
            return found
    return None
