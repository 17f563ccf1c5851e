#!/usr/bin/env python3
"""Write the pages that are made from the code: config/maild.toml, docs/states.md, docs/reasons.md, docs/openapi.json.

`make docs` runs it.
"""

from __future__ import annotations

import json
from pathlib import Path

from maild.config.sample import sample
from maild.faces.api.application import openapi
from maild.model.reason import Reason
from maild.model.states import MOVES, Move, State

ROOT = Path(__file__).resolve().parents[1]
NOTE = "<!-- Written by `make docs`; edit the code that it comes from. -->\n"


def states() -> str:
    """Return docs/states.md."""
    lines = ["# The states of a delivery", "", NOTE]
    lines.append("| from | " + " | ".join(Move) + " |")
    lines.append("|---" * (len(Move) + 1) + "|")
    for state in State:
        reached = (MOVES[state].get(move, "") for move in Move)
        lines.append(f"| {state} | " + " | ".join(reached) + " |")
    return "\n".join(lines) + "\n"


def reasons() -> str:
    """Return docs/reasons.md."""
    lines = ["# Reasons", "", "Codes are stable; sentences may change.", "", NOTE]
    lines.append(
        "| code | sentence | mail peers hear | exit | HTTP | stands in | what can be done |"
    )
    lines.append("|---" * 7 + "|")
    for reason in Reason:
        row = reason.value
        peers = f"{row.smtp} {row.enhanced}" if row.smtp else ""
        stands = ", ".join(row.states)
        lines.append(
            f"| `{reason.code}` | {row.sentence} | {peers} | {row.exit} | {row.http} | {stands} | {row.repair} |"
        )
    return "\n".join(lines) + "\n"


def api() -> str:
    """Return docs/openapi.json."""
    return json.dumps(openapi(), indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write every page."""
    (ROOT / "config/maild.toml").write_text(sample(), encoding="utf-8")
    (ROOT / "docs/states.md").write_text(states(), encoding="utf-8")
    (ROOT / "docs/reasons.md").write_text(reasons(), encoding="utf-8")
    (ROOT / "docs/openapi.json").write_text(api(), encoding="utf-8")


if __name__ == "__main__":
    main()
