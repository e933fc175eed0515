"""`block-placement`: instances and plans as tables and text."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from shardopt.block_placement.layout import Ride, host_nothing, main_rides, rides, rows
from shardopt.block_placement.map_text import legend, map_text
from shardopt.models.block_placement.bounds import chain_bound, too_few_blocks
from shardopt.models.block_placement.check import check
from shardopt.models.block_placement.data import Instance, Server, Solution
from shardopt.models.block_placement.tables import Tables, make_tables
from shardopt.units import aligned, printable, si

_MOST_LINES = 40
"""Servers that the map shows before it puts several on one line."""
_MOST_PATHS = 12
"""Routes that the map shows, at least one of each client."""
_MOST_ROWS = 30
"""Routes, kinds of servers and clients that a table lists before it only counts."""
_MOST_STEPS = 8
"""Servers of a path that a table names."""
_MOST_NAMES = 6


def plan_table(instance: Instance, solution: Solution) -> Table:
    """Return the routes of a plan: how many sessions take each, and what they wait for."""
    found = rides(instance, solution)
    table = Table(
        title=f"routes (times in seconds per {time_unit(instance)})",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("client", overflow="fold")
    for heading in ("sessions", "time", "round trips", "compute"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("path", overflow="fold", min_width=12)
    longest = max(ride.time_s for ride in found)
    shown = main_rides(found, _MOST_ROWS)
    for ride in shown:
        times = (ride.time_s, ride.round_trips_s, ride.compute_s)
        table.add_row(
            printable(ride.client),
            str(ride.sessions),
            *(aligned(seconds, longest, 5) for seconds in times),
            path_text(ride, _MOST_STEPS),
        )
    if len(found) > len(shown):
        rest = sum(ride.sessions for ride in found) - sum(ride.sessions for ride in shown)
        table.add_row(f"{len(found) - len(shown)} more", str(rest))
    return table


def solution_text(instance: Instance, solution: Solution, width: int) -> RenderableType:
    """Return a plan as a placement map made of characters, with its routes beneath."""
    found = rides(instance, solution)
    shown = main_rides(found, _MOST_PATHS)
    parts: list[RenderableType] = [
        Text(f"{printable(instance.name)} ({instance.cost})", style="bold"),
        Text(headline(instance, solution)),
        Text(),
        map_text(rows(instance, solution, _MOST_LINES), shown, instance.block_count, width),
        legend(),
    ]
    parts += [Text(note) for note in notes(instance, solution, found, shown)]
    return Group(*parts)


def headline(instance: Instance, solution: Solution) -> str:
    """Return the objective in words, and a warning if the plan needs more memory than there is."""
    report = check(instance, solution)
    text = f"mean time per {time_unit(instance)} {report.objective:.7g} s"
    if not report.feasible:
        text += f"  NOT FEASIBLE: memory exceeded on {len(report.violations)} server(s)"
    return text


def notes(
    instance: Instance, solution: Solution, found: Sequence[Ride], shown: Sequence[Ride]
) -> list[str]:
    """Return what a picture leaves out, a line each."""
    lines = []
    if len(found) > len(shown):
        rest = sum(ride.sessions for ride in found) - sum(ride.sessions for ride in shown)
        lines.append(f"not shown: {len(found) - len(shown)} more routes with {rest} sessions")
    idle = host_nothing(instance, solution)
    if idle:
        lines.append(f"host nothing: {listed(idle)}")
    return lines


def time_unit(instance: Instance) -> str:
    """Return what a time is counted for."""
    return "token" if instance.cost == "decode" else "session"


def listed(names: Sequence[str]) -> str:
    """Return names one after the other, and where they are many the number of the others."""
    if len(names) <= _MOST_NAMES:
        return ", ".join(names)
    first = ", ".join(names[: _MOST_NAMES - 1])
    return f"{first} and {len(names) - _MOST_NAMES + 1} more"


def path_text(ride: Ride, most: int) -> str:
    """Return the servers of a path with the blocks that each runs, of a long one the ends."""
    steps = [f"{printable(name, 24)} [{start}, {stop})" for name, start, stop in ride.steps]
    if len(steps) > most + 1:
        steps[most - 1 : -1] = [f"{len(steps) - most} more"]
    return " > ".join(steps)


def instance_text(instance: Instance, width: int) -> RenderableType:
    """Return an instance as tables: its servers, its clients, and what fits."""
    tables = make_tables(instance)
    w, c = instance.weight_bytes, instance.cache_bytes_per_session
    return Group(
        Text(f"{printable(instance.name)} ({instance.cost})", style="bold"),
        Text(f"{printable(instance.source)}\n", style="dim"),
        Text(
            f"{instance.block_count} blocks of {si(w, 'B')}, {si(w * instance.block_count, 'B')}"
            f" in all; {si(c, 'B')} of cache for each session on each block that it runs"
        ),
        Text(
            f"{instance.session_count} sessions, {instance.input_tokens} tokens in"
            f" and {instance.output_tokens} out"
        ),
        _servers_table(tables),
        _clients_table(instance),
        Text(_what_fits(tables)),
    )


def server_kinds(instance: Instance) -> list[tuple[int, ...]]:
    """Return the servers, by index, that are equal in all but their name and their distance."""
    kinds: dict[tuple[float | None, ...], list[int]] = {}
    for j, server in enumerate(instance.servers):
        kinds.setdefault(_hardware(server), []).append(j)
    return [tuple(kind) for kind in kinds.values()]


def _hardware(server: Server) -> tuple[float | None, ...]:
    times = (server.decode_s_per_block, server.prefill_s_per_block)
    return server.memory_bytes, *times, server.prefill_slope_s_per_token, server.max_blocks


def _servers_table(tables: Tables) -> Table:
    instance = tables.instance
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("servers", overflow="fold")
    headings = ("", "memory", "decode", "prefill", "round trip", "U", "sessions")
    for heading in headings:
        table.add_column(heading, justify="right")
    kinds = server_kinds(instance)
    for kind in kinds[:_MOST_ROWS]:
        server, most = instance.servers[kind[0]], int(tables.U[kind[0]])
        trips = [client.decode_rtt_s[j] for client in instance.clients for j in kind]
        limited = server.max_blocks is not None and server.max_blocks < instance.block_count
        table.add_row(
            listed([printable(instance.servers[j].name, 24) for j in kind]),
            str(len(kind)),
            si(server.memory_bytes, "B"),
            _milliseconds([server.decode_s_per_block]),
            _milliseconds([server.prefill_s_per_block]),
            _milliseconds(trips),
            f"{most}{' (limit)' if limited and most == server.max_blocks else ''}",
            str(tables.slots[kind[0], most] // most) if most else "-",
        )
    if len(kinds) > _MOST_ROWS:
        others = list(itertools.chain.from_iterable(kinds[_MOST_ROWS:]))
        table.add_row(f"and {len(kinds) - _MOST_ROWS} more kinds", str(len(others)))
    table.caption = (
        "decode and prefill: per block; round trip: per token, nearest to farthest; "
        "U: most blocks that help (each with room for a session); "
        "sessions: that fit on all U blocks"
    )
    table.caption_justify = "left"
    return table


def _clients_table(instance: Instance) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("clients", overflow="fold")
    for heading in ("sessions", "round trip per token", "round trip of the prompt"):
        table.add_column(heading, justify="right")
    for client in instance.clients[:_MOST_ROWS]:
        table.add_row(
            printable(client.name),
            str(client.sessions),
            _milliseconds(client.decode_rtt_s),
            _milliseconds(client.prefill_rtt_s),
        )
    if len(instance.clients) > _MOST_ROWS:
        rest = sum(client.sessions for client in instance.clients[_MOST_ROWS:])
        table.add_row(f"and {len(instance.clients) - _MOST_ROWS} more", str(rest))
    return table


def _what_fits(tables: Tables) -> str:
    total, count = int(tables.U.sum()), tables.block_count
    if too_few_blocks(tables):
        return f"no plan: the servers have room for {total} of the {count} blocks"
    bound = chain_bound(tables)
    return (
        f"the servers together have room for {total} blocks, {total / count:.3g} times the model\n"
        f"no plan is better than {bound:.7g} s per {time_unit(tables.instance)} (chain bound:"
        " each client's best chain, as if no other session took memory)"
    )


def _milliseconds(seconds: Sequence[float]) -> str:
    least, most = (f"{1000 * s:.4g}" for s in (min(seconds), max(seconds)))
    return f"{least} ms" if least == most else f"{least} to {most} ms"
