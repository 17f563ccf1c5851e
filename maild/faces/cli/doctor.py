"""`maild doctor`."""

from __future__ import annotations

import sys

import typer

from maild.faces.cli.context import of
from maild.faces.cli.group import plain

app = plain("Check every invariant of the stored data.")


@app.command()
def doctor(ctx: typer.Context) -> None:
    """Check every invariant of the stored data, and the bytes of every body; changes nothing.

    Works beside a running daemon.  Exit 1 when something is broken.
    """
    from rich.console import Console

    from maild.core.doctor import examine
    from maild.faces.cli.output import printable

    cli = of(ctx)
    with Console(stderr=True, quiet=cli.quiet or not sys.stderr.isatty()).status(
        "reading bodies …"
    ) as status:
        report = examine(cli.app, lambda read: status.update(f"reading bodies … {read}"))
    broken = [{"check": finding.check, "subject": finding.subject} for finding in report.broken]
    lines = [
        f"BROKEN  {printable(finding.check)}: {printable(finding.subject)}"
        for finding in report.broken
    ]
    lines.append(
        f"{len(report.checks)} invariants checked, {len(broken)} findings."
        if broken
        else f"{len(report.checks)} invariants checked: all hold."
    )
    cli.emit({"checks": list(report.checks), "broken": broken}, "\n".join(lines))
    cli.exit = 1 if broken else 0
