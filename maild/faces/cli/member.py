"""`maild member …`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from maild.faces.cli.context import Context, of
from maild.faces.cli.files import IMPORT_MAX, content_of
from maild.faces.cli.group import group
from maild.faces.cli.mail_repair import tell_matching_of_user
from maild.faces.cli.output import table
from maild.model.people import Role

if TYPE_CHECKING:
    from maild.core.joining import JoinView, MemberView

app = group("Who is in an account, who was asked to join, and who asks for access.")

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
    tell_unmailed(cli, joined)


def tell_unmailed(cli: Context, joined: JoinView) -> None:
    """Say it where no mail goes to an invited person."""
    if not joined.mailed:
        cli.say(
            "No mail goes to them: there is no relay, or one went today. They see the invitation when they sign in:\n"
            f"  maild member accept {joined.membership.id}"
        )


@app.command("import")
def import_(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="- is stdin.")],
    role: Annotated[Role, typer.Option(help="Where a line names none.")] = Role.MEMBER,
) -> None:
    """Invite up to 500 people.  Columns: email, role.  Each line is asked or refused; the rest goes on.

    Exit 1 when a line was refused.
    """
    from maild.core.inviting import invite_many
    from maild.faces.cli.bulk import (
        INVITATION_COLUMNS,
        invitations_in,
        outcomes_of,
        tell_outcomes,
    )
    from maild.parse.sheet import read_sheet

    cli = of(ctx)
    raw = content_of(file, "The CSV file", IMPORT_MAX)
    sheet = read_sheet(raw, needed=("email",), known=INVITATION_COLUMNS)
    for said in sheet.notes:
        cli.say(f"Warning: {said}")
    lines = invitations_in(sheet, role)
    outcomes = outcomes_of(
        lines, lambda asked: invite_many(cli.app, asked, account=cli.account_slug, by=cli.by)
    )
    tell_outcomes(cli, outcomes, len(lines))


@app.command("list")
def list_(
    ctx: typer.Context,
    own: Annotated[
        bool, typer.Option("--own", help="Those of the person of --by, in every account.")
    ] = False,
) -> None:
    """List memberships with their state: invited, requested, active, refused."""
    from maild.core.joining import list_members, list_own

    cli = of(ctx)
    members = (
        list_own(cli.app, by=cli.by)
        if own
        else list_members(cli.app, account=cli.account_slug, by=cli.by)
    )
    rows = [(one.id, one.account, one.email, one.name, one.role, _state(one)) for one in members]
    cli.emit(members, table(("ID", "ACCOUNT", "EMAIL", "NAME", "ROLE", "STATE"), rows))


def _state(one: MemberView) -> str:
    return f"{one.state.value}, needs own login" if one.needs_own_login else one.state.value


@app.command("accept")
def accept(ctx: typer.Context, id_: Id) -> None:
    """Accept an invitation."""
    from maild.core.joining import answer_invitation

    cli = of(ctx)
    joined = answer_invitation(cli.app, id_, accept=True, by=cli.by)
    _tell(cli, joined)
    if joined.email is not None:
        tell_matching_of_user(cli, joined.email, [joined.email])


@app.command("refuse")
def refuse(ctx: typer.Context, id_: Id) -> None:
    """Refuse an invitation, or somebody's request for access."""
    from maild.core.agency import refuse_membership

    cli = of(ctx)
    _tell(cli, refuse_membership(cli.app, id_, by=cli.by))


@app.command("request")
def request(
    ctx: typer.Context,
    slug: Annotated[str, typer.Argument(metavar="SLUG", help="The account's short name.")],
) -> None:
    """Ask an account's admins for access, as the person of --by."""
    from maild.core.agency import request_access

    cli = of(ctx)
    asked = request_access(cli.app, slug, by=cli.by)
    cli.emit(asked, asked.message)


@app.command("grant")
def grant(
    ctx: typer.Context,
    id_: Id,
    role: Annotated[Role, typer.Option()],
) -> None:
    """Let in somebody who asked for access."""
    from maild.core.agency import grant_access

    cli = of(ctx)
    _tell(cli, grant_access(cli.app, id_, role=role, by=cli.by))


@app.command("remove")
def remove(
    ctx: typer.Context,
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="Any address of the member.")],
) -> None:
    """End a membership, or take back an invitation; refused where mail would have no reader."""
    from maild.core.leaving import remove_member

    cli = of(ctx)
    member = remove_member(cli.app, email, account=cli.account_slug, by=cli.by)
    cli.emit(member, f"{member.email or email} is not in {member.account} any more.")


def _tell(cli: Context, member: MemberView) -> None:
    cli.emit(member, f"The membership of {member.email} in {member.account} is {_state(member)}.")
