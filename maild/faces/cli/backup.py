"""`maild backup` and `maild restore`: the operator's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from maild.faces.cli.context import of
from maild.faces.cli.output import printable


def backup(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that is not there yet.")],
) -> None:
    """Write a backup, beside a running daemon or without one.  The key file is not in it: keep it elsewhere."""
    from maild.core.backup import back_up
    from maild.core.standing import require_operator

    cli = of(ctx)
    require_operator(cli.by)
    made = back_up(cli.app, folder)
    cli.emit(made, f"The backup is in {printable(str(folder))}: {made.bodies} files of bodies.")
    cli.say("The key that seals secrets is not in it: keep it, and keep it elsewhere.")


def restore(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A backup.")],
) -> None:
    """Put a backup where the configuration says that the database is, where there is none, and check all of it."""
    from maild.core.backup import restore as put_back
    from maild.core.standing import require_operator

    cli = of(ctx)
    if cli.options.by is not None:
        require_operator(cli.by)
    report = put_back(cli.settings, folder)
    for one in report.broken:
        cli.say(printable(f"BROKEN  {one.check}: {one.subject}"))
    broken = len(report.broken)
    verdict = "all hold" if not broken else f"{broken} findings"
    cli.emit(
        {"restored": str(folder), "checks": len(report.checks), "broken": report.broken},
        f"Restored. {len(report.checks)} invariants checked: {verdict}.",
    )
    if broken:
        cli.exit = 1
