"""The cheapest mends: for each the smallest amount with a plan, and the largest without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from shardopt.explain.oracle import FIRST_LIMIT_S, Oracle
from shardopt.explain.parts import Mend, Rung

MendStatus = Literal["mends", "does-not", "undecided", "not-tried"]
RANK: tuple[MendStatus, ...] = ("mends", "undecided", "not-tried", "does-not")


@dataclass(frozen=True)
class Mended:
    """What came of a mend.

    ``rung`` is the smallest amount that was found to have a plan, ``without_plan_at`` the
    largest that was proven to have none (``None`` if none was); ``exact`` if nothing lies
    between the two.
    """

    mend: Mend
    status: MendStatus
    rung: Rung | None
    without_plan_at: float | None
    exact: bool

    def to_json(self) -> dict[str, Any]:
        """Return an entry of ``mends`` in an explanation."""
        rung = self.rung
        return {
            "kind": self.mend.kind,
            "what": self.mend.what,
            "status": self.status,
            "unit": self.mend.unit,
            "amount": None if rung is None else rung.amount,
            "without_plan_at": self.without_plan_at,
            "exact": self.exact,
            "share": None if rung is None else rung.share,
            "words": None if rung is None else rung.words,
        }


@dataclass
class Search:
    """What is known of a mend: a plan for ``high`` and more, none for ``without`` and less."""

    mend: Mend
    without: int | None
    high: int | None = None
    asked: bool = False

    def open(self) -> bool:
        """Return whether something is left to find out."""
        if self.high is None:
            return self.without != self.mend.steps
        return self.high - self.least() > 1

    def least(self) -> int:
        """Return an amount below which there is nothing to look for."""
        return self.without or 0

    def ask(self, n: int, oracle: Oracle, quick: bool) -> bool | None:
        """Ask whether ``n`` is enough, and keep the answer."""
        if oracle.over():
            return None
        self.asked = True
        answer = oracle.feasible(self.mend.at(n).instance, quick=quick)
        if answer:
            self.high = n
        elif answer is False:
            self.without = n
        return answer

    def narrow(self, oracle: Oracle, quick: bool) -> None:
        """Bisect for the least amount with a plan, then for the largest without.

        The second is only needed where something could not be told.
        """
        if self.high is None and not self.ask(self.mend.steps, oracle, quick):
            return
        assert self.high is not None  # has just been found, or before
        low = self.least()
        while self.high - low > 1 and not oracle.over():
            middle = (low + self.high) // 2
            if not self.ask(middle, oracle, quick):
                low = middle
        top = self.high
        while top - self.least() > 1 and not oracle.over():
            middle = (self.least() + top) // 2
            if self.ask(middle, oracle, quick) is not False:
                top = middle

    def result(self) -> Mended:
        """Return what came of it."""
        mend, high, without = self.mend, self.high, self.without
        at = mend.now if without == 0 else None if without is None else mend.at(without).amount
        if high is not None:
            return Mended(mend, "mends", mend.at(high), at, without == high - 1)
        if without == mend.steps:
            return Mended(mend, "does-not", None, at, True)
        return Mended(mend, "undecided" if self.asked else "not-tried", None, at, False)


def try_mends(mends: Sequence[Mend], oracle: Oracle, proven: bool) -> list[Mended]:
    """Find out how much of each mend it takes, the cheapest first.

    What can mend at all is asked of all before amounts are looked for, and what can be told
    quickly before the rest. Each may take its share of the time that is left.

    Parameters
    ----------
    proven
        Whether the instance is known to have no plan as it is.
    """
    searches = [Search(mend, 0 if proven else None) for mend in mends]
    for search in searches:
        search.ask(search.mend.steps, oracle, quick=True)
    for quick in (True, False):
        left = [search for search in searches if search.open()]
        for turn, search in enumerate(left):
            with oracle.within(max(FIRST_LIMIT_S, oracle.left() / (len(left) - turn))):
                search.narrow(oracle, quick)
    found = [search.result() for search in searches]
    return sorted(found, key=lambda m: (RANK.index(m.status), m.rung.share if m.rung else 0.0))
