"""The scenario that everyone starts from: a file with comments, beside this one."""

from __future__ import annotations

import re
from pathlib import Path


def template(problem: str | None = None) -> str:
    """Return the text of a first scenario, with the problem that was asked for."""
    text = (Path(__file__).parent / "template.toml").read_text(encoding="utf-8")
    if problem is None:
        return text
    return re.sub(r'^problem = ".*"$', f'problem = "{problem}"', text, flags=re.MULTILINE)
