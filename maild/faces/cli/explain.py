"""`maild explain ID`: why a mail is as it is, in sentences; with --json in steps (E1)."""

from __future__ import annotations

from typing import Annotated

import typer

from maild.faces.cli.context import of
from maild.faces.cli.mail_words import explain_lines


def explain(
    ctx: typer.Context,
    id_: Annotated[str, typer.Argument(metavar="ID", help="As `maild mail list` shows it.")],
) -> None:
    """Tell why a mail is as it is: doors, identity, filing, the winner, and what can be done."""
    from maild.core.views import explain_mail

    cli = of(ctx)
    found = explain_mail(cli.app, id_, by=cli.by)
    cli.emit(found, "\n".join(explain_lines(found)))
