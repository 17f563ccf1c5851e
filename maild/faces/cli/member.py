"""`maild member …`."""

from __future__ import annotations

from typing import Annotated

import typer

from maild.faces.cli.context import Context, of
from maild.faces.cli.group import group
from maild.faces.cli.output import table
from maild.model.people import Role

app = group("Who is in an account, and who was asked to join.")

Id = Annotated[str, typer.Argument(metavar="ID", help="As `maild member list` shows it.")]


@app.command("invite")
def invite(
    ctx: typer.Context,
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="The person's primary address.")],
    role: Annotated[Role, typer.Option()],
) -> None:
    """Ask somebody who has a login to join the account."""
    from maild.core.joining import invite as ask

    cli = of(ctx)
    joined = ask(cli.app, email, role=role, account=cli.account_slug, by=cli.by)
    cli.emit(joined, joined.message)


@app.command("list")
def list_(ctx: typer.Context) -> None:
    """List memberships with their state: invited, active, refused."""
    from maild.core.joining import list_members

    cli = of(ctx)
    members = list_members(cli.app, account=cli.account_slug, by=cli.by)
    rows = [(one.id, one.email, one.name, one.role, one.state) for one in members]
    cli.emit(members, table(("ID", "EMAIL", "NAME", "ROLE", "STATE"), rows))


@app.command("accept")
def accept(ctx: typer.Context, id_: Id) -> None:
    """Accept an invitation."""
    _answer(of(ctx), id_, accept=True)


@app.command("refuse")
def refuse(ctx: typer.Context, id_: Id) -> None:
    """Refuse an invitation."""
    _answer(of(ctx), id_, accept=False)


def _answer(cli: Context, id_: str, *, accept: bool) -> None:
    from maild.core.joining import answer_invitation

    member = answer_invitation(cli.app, id_, accept=accept, by=cli.by)
    cli.emit(
        member, f"The membership of {member.email} in {member.account} is {member.state.value}."
    )
