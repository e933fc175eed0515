"""PETALS: a server for each device, with the blocks it is to hold."""

from __future__ import annotations

from shardopt.export.deployment import Deployment, refusal, require_no_roles
from shardopt.export.script import MODEL, blocks_text, script
from shardopt.export.target import Target

ROUTES = "PETALS' clients find their chains themselves: the routes of the plan are not in here."
ENDS = "The embedding and the output layer are at the client."
FAMILIES = ("bloom", "falcon", "llama", "mixtral")
"""Those that PETALS has a client and servers for."""
PEERS = "the address that the first server prints"


def petals(plan: Deployment, model: Target) -> str:
    """Return a script that starts a PETALS server on each device."""
    require_no_roles(plan, "petals")
    if model.sizes is not None and model.sizes.family not in FAMILIES:
        found = f"a model of the family {model.sizes.family}"
        raise refusal(found, "petals", "one of " + ", ".join(FAMILIES))
    commands = []
    for n, holding in enumerate(plan.holdings):
        words = ["python", "-m", "petals.cli.run_server", MODEL]
        words += ["--block_indices", f"{holding.start}:{holding.stop}"]
        if holding.cache_tokens is not None:
            words += ["--attn_cache_tokens", str(holding.cache_tokens)]
        words += ["--initial_peers", "$PEERS"] if n else ["--new_swarm"]
        commands.append((holding.device, blocks_text(holding), " ".join(words)))
    return script("petals", [*plan.notes, ROUTES, ENDS], model, {"PEERS": PEERS}, commands)
