"""`maild status …`."""

from __future__ import annotations

from typing import Annotated

import typer

from maild.faces.cli.context import Context, of
from maild.faces.cli.group import group
from maild.faces.cli.output import printable, table

app = group("The account's own list of statuses.")

Name = Annotated[str, typer.Argument(metavar="NAME")]


@app.command("list")
def list_(ctx: typer.Context) -> None:
    """List the statuses in their order; a new mail has the first."""
    from maild.core.statuses import list_statuses

    cli = of(ctx)
    _show(cli, list_statuses(cli.app, account=cli.account_slug, by=cli.by))


@app.command("add")
def add(ctx: typer.Context, name: Name) -> None:
    """Append a status."""
    from maild.core.statuses import add_status

    cli = of(ctx)
    _show(cli, add_status(cli.app, name, account=cli.account_slug, by=cli.by))


@app.command("remove")
def remove(ctx: typer.Context, name: Name) -> None:
    """Remove a status that no mail has."""
    from maild.core.statuses import remove_status

    cli = of(ctx)
    _show(cli, remove_status(cli.app, name, account=cli.account_slug, by=cli.by))


@app.command("set")
def set_(
    ctx: typer.Context,
    name: Name,
    closes: Annotated[
        bool | None,
        typer.Option(
            "--closes/--no-closes",
            help="Work on the mail is done; an answer from the client re-opens it.",
        ),
    ] = None,
    reopens: Annotated[
        bool | None,
        typer.Option("--reopens/--no-reopens", help="It is what a re-opened mail gets."),
    ] = None,
) -> None:
    """Say what a status does: whether it closes a mail, or is what a re-opened one gets."""
    from maild.core.statuses import describe_statuses, set_status_role

    cli = of(ctx)
    if closes is None and reopens is None:
        found = describe_statuses(cli.app, account=cli.account_slug, by=cli.by)
    else:
        found = set_status_role(
            cli.app,
            name,
            closes=closes,
            reopens=reopens,
            account=cli.account_slug,
            by=cli.by,
        )
    marks = {True: "yes", False: ""}
    rows = [(one.name, marks[one.closes], marks[one.reopens]) for one in found]
    cli.emit(found, table(("STATUS", "CLOSES", "RE-OPENS"), rows))


def _show(cli: Context, names: list[str]) -> None:
    cli.emit(names, "\n".join(map(printable, names)))
