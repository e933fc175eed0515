"""An explanation as a person reads it in the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from shardopt.explain.changing import Changed
from shardopt.explain.conflicts import Conflicts
from shardopt.explain.explanation import Explanation
from shardopt.explain.mending import Mended
from shardopt.models.discover import part
from shardopt.models.result import Result
from shardopt.units import printable, si

_MOST_BINDINGS = 12
_MOST_CORRECTIONS = 6
_MOST_LISTED = 12
_STOPPED = {"time-limit": "the time was up", "interrupted": "interrupted"}


def explanation_text(found: Explanation) -> RenderableType:
    """Return all that was found out, the most important first."""
    parts = {"infeasible": _infeasible, "feasible": _feasible, "unknown": _unknown}
    lines = list(parts[found.status](found))
    if found.cut:
        lines.append(Text("There are more of these, which were not looked at."))
    note = f"\n{found.solves} solves in {found.runtime_s:.3g} s"
    if found.termination in _STOPPED:
        note += f"; {_STOPPED[found.termination]}: what is missing above was not found out"
    return Group(*lines, Text(note, style="dim"))


def _head(found: Explanation, verdict: str) -> Text:
    return Text(f"{printable(found.instance)} ({found.problem}): {verdict}", style="bold")


def _unknown(found: Explanation) -> Iterator[RenderableType]:
    yield _head(found, "neither a plan was found nor proven that there is none")
    yield from (Text(f"  {printable(fact)}") for fact in found.facts)
    yield from _ways_out(found)


def _infeasible(found: Explanation) -> Iterator[RenderableType]:
    yield _head(found, f"there is no plan (proven by {found.proven_by})")
    yield from (Text(f"  {printable(fact)}") for fact in found.facts)
    if found.conflicts is not None:
        yield from _conflicts(found, found.conflicts)
    yield from _ways_out(found)


def _ways_out(found: Explanation) -> Iterator[RenderableType]:
    mending = [m for m in found.mends if m.status == "mends"]
    if mending:
        yield _title("With which there is a plan, each alone, the least change first")
        yield _mends(mending)
    else:
        yield _title("No single change was found with which there is a plan")
    for status, words in (
        ("does-not", "Not enough alone"),
        ("undecided", "Could not be decided"),
        ("not-tried", "Not tried in time"),
    ):
        yield from _line(words, [m.mend.what for m in found.mends if m.status == status])


def _line(head: str, items: Sequence[str]) -> Iterator[Text]:
    """Yield one line with the first of many things, if there are any."""
    if items:
        more = f"; and {len(items) - _MOST_LISTED} more" if len(items) > _MOST_LISTED else ""
        yield Text(printable(f"{head}: {'; '.join(items[:_MOST_LISTED])}{more}"))


def _conflicts(found: Explanation, conflicts: Conflicts) -> Iterator[RenderableType]:
    if not conflicts.conflicts:
        yield _title("Which constraints conflict was not found out in time")
        return
    yield _title(
        "What conflicts: no plan keeps all of a set, and without any one of it there is a plan"
    )
    for number, conflict in enumerate(conflicts.conflicts, start=1):
        names = together(found.names(conflict.groups)) or "what every plan must keep"
        doubt = "" if conflict.minimal else " (whether all of it is needed was not found out)"
        yield Text(f"  {number}. {printable(names)}{doubt}")
    if not conflicts.complete:
        yield Text("  There may be more conflicts; the search for them was stopped.")
    if len(conflicts.conflicts) > 1 and conflicts.corrections:
        yield _title("Giving up one of these sets would be enough")
        for groups in conflicts.corrections[:_MOST_CORRECTIONS]:
            yield Text(f"  - {printable(together(found.names(groups)))}")


def together(names: Iterable[str]) -> str:
    """Return names in one line, those of a kind under one head: ``memory of a, b and c``."""
    kinds: dict[str, list[str]] = {}
    for name in names:
        kind, _, rest = name.partition(" of ")
        kinds.setdefault(kind, []).append(rest)
    return "; ".join(
        kind if rests == [""] else f"{kind} of {', '.join(rests)}" for kind, rests in kinds.items()
    )


def _mends(mending: Iterable[Mended]) -> Table:
    table = _table("change", "the least that does", "proven too little", "of the whole")
    for m in mending:
        assert m.rung is not None  # what mends has an amount
        words = (m.mend.what, m.rung.words, _too_little(m))
        table.add_row(*map(printable, words), f"{100 * m.rung.share:.3g} %")
    return table


def _too_little(mended: Mended) -> str:
    at = mended.without_plan_at
    if at is None:
        return "nothing"
    words = "as it is" if at == mended.mend.now else _amount(at, mended.mend.unit)
    return words if mended.exact else f"{words}, more is open"


def _amount(amount: float, unit: str) -> str:
    if unit == "bytes":
        return si(amount, "B")
    one = amount == 1 and "/" not in unit
    return f"{amount:.4g} {unit.removesuffix('s') if one else unit}"


def _feasible(found: Explanation) -> Iterator[RenderableType]:
    result = found.result
    assert result is not None  # what is feasible has a plan
    data = part(found.problem, "models", "data")
    proof = "proven optimal"
    if result.status != "optimal":
        proof = "no bound is proven" if result.bound is None else f"bound {result.bound:.6g}"
    verdict = f"{data.OBJECTIVE_NAME} {result.objective:.7g} {data.OBJECTIVE_UNIT}, {proof}"
    yield _head(found, verdict)
    for kind, words in (("time", "What it consists of"), ("limit", "What is used up")):
        chosen = [b for b in found.bindings if b.kind == kind][:_MOST_BINDINGS]
        if chosen:
            yield _title(words)
        for binding in chosen:
            yield Text(f"  {100 * binding.share:5.1f} %  {printable(binding.words)}")
    left = [c for c in found.changes if c.change.kind == "without"]
    more = [c for c in found.changes if c.change.kind != "without"]
    yield from _changes(more, result, "saves", "What each change would bring, the best first")
    yield from _changes(
        left, result, "costs", "What it would be like without, the least missed first"
    )


def _changes(
    changes: Sequence[Changed], base: Result, gains: Literal["saves", "costs"], title: str
) -> Iterator[RenderableType]:
    """Yield a row for each change, and in one line each all that change nothing or are open."""
    unit, sign = part(base.problem, "models", "data").OBJECTIVE_UNIT, 1 if gains == "saves" else -1
    table = _table("change", f"then, {unit}", gains, "")
    nothing, not_tried = [], []
    for c in changes:
        if c.status == "not-tried":
            not_tried.append(c.change.words)
        elif c.status == "optimal" and c.gain == (0.0, 0.0):
            nothing.append(c.change.words)
        else:
            value = "" if c.objective is None else f"{c.objective:.6g}"
            gain = _gain(c, base.objective or 0.0, sign)
            table.add_row(printable(c.change.words), value, gain, _verdict(c))
    if changes:
        yield _title(title)
    if table.row_count:
        yield table
    yield from _line("Changes nothing", nothing)
    yield from _line("Not tried in time", not_tried)


def _gain(changed: Changed, before: float, sign: int) -> str:
    """Return the gain (with ``sign`` -1 the loss) in per cent, as an interval if it is open."""
    if changed.status in ("infeasible", "unknown") or not before:
        return ""
    gains = changed.gain if sign > 0 else changed.gain[::-1]
    ends = ["?" if g is None else f"{100 * sign * g / abs(before) + 0:.3g}" for g in gains]
    return f"{ends[0]} %" if ends[0] == ends[1] else f"{ends[0]} to {ends[1]} %"


def _verdict(changed: Changed) -> str:
    if changed.status == "infeasible":
        return "no plan without it" if changed.change.kind == "without" else "no plan"
    open_ends = {"feasible": "not proven", "unknown": "not found out"}
    return open_ends.get(changed.status, "")


def _title(words: str) -> Text:
    return Text(f"\n{words}", style="bold")


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for n, heading in enumerate(headings):
        justify: Literal["left", "right"] = "right" if n and heading else "left"
        table.add_column(heading, justify=justify, overflow="fold")
    return table
