"""`maild mail answering`: a sign for colleagues that one is writing an answer (M9)."""

from __future__ import annotations

from typing import Annotated

import typer

from maild.faces.cli.context import of
from maild.faces.cli.mail_shared import Id

commands = typer.Typer()


@commands.command("answering")
def answering(
    ctx: typer.Context,
    mail: Id,
    leave: Annotated[bool, typer.Option("--leave", help="Not any more.")] = False,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Though somebody else is answering.")
    ] = False,
) -> None:
    """Say that you (--by EMAIL) are answering a mail; it is shown for some minutes, and blocks nobody."""
    from maild.core.answering import begin_answering, end_answering

    cli = of(ctx)
    if leave:
        end_answering(cli.app, mail, by=cli.by)
        cli.emit({"id": mail, "answering": None}, "You are answering it no longer.")
        return
    found = begin_answering(cli.app, mail, anyway=anyway, by=cli.by)
    cli.emit({"id": mail, "answering": found}, f"{found.text}, until {found.until:%H:%M} UTC.")
