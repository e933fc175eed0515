"""Plain JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict

from shardopt.export.deployment import Deployment, Holding
from shardopt.export.target import Target

FORMAT = "shardopt-deployment/1"


def as_json(plan: Deployment, model: Target) -> str:
    """Return everything that a deployment says."""
    value = {
        "format": FORMAT,
        "model": model.location,
        "blocks": plan.blocks,
        "holdings": [asdict(holding) for holding in plan.holdings],
        "pipelines": [asdict(pipeline) for pipeline in plan.pipelines],
        "notes": plan.notes,
    }
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"


def as_csv(plan: Deployment, model: Target) -> str:
    """Return a row for each device; without chains the first three columns are empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("pipeline", "role", "rank", "device", "start", "stop", "blocks"))
    for n, pipeline in enumerate(plan.pipelines):
        for rank, stage in enumerate(pipeline.stages):
            writer.writerow((n, pipeline.role or "", rank, *_cells(stage)))
    if not plan.pipelines:
        for holding in plan.holdings:
            writer.writerow(("", "", "", *_cells(holding)))
    return text.getvalue()


def _cells(holding: Holding) -> tuple[str, int, int, int]:
    return holding.device, holding.start, holding.stop, holding.count
