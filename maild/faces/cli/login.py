"""`maild login …`: what an operator does for a person who cannot sign in, or should not any more."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from maild.faces.cli.context import Context, of
from maild.faces.cli.files import first_line
from maild.faces.cli.group import group
from maild.faces.cli.options import WrongUsageError
from maild.faces.cli.output import fields, table

if TYPE_CHECKING:
    from maild.core.logins import LoginView

app = group("How people sign in: sessions, second steps, links for a password.")

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="Any address of the person.")]


@app.command("show")
def show(ctx: typer.Context, email: Email) -> None:
    """Show a person's logins: the general one, and those that an account has of its own."""
    from maild.core.logins import show_logins

    cli = of(ctx)
    logins = show_logins(cli.app, email, by=cli.by)
    cli.emit(logins, "\n\n".join(map(_shown, logins)))


def _shown(login: LoginView) -> str:
    return fields(
        (
            ("user name", login.username),
            ("opens", login.account or "every account of the person"),
            ("password", login.has_password),
            ("second step", login.second_step),
            ("suspended", login.suspended),
            ("terms", login.terms_version),
            ("accepted", login.terms_at),
            ("identities", [f"{one.subject} at {one.issuer}" for one in login.identities]),
        )
    )


@app.command("sessions")
def sessions(ctx: typer.Context, email: Email) -> None:
    """List where a person is signed in."""
    from maild.core.sessions import list_sessions

    cli = of(ctx)
    found = list_sessions(cli.app, email, by=cli.by)
    rows = [
        (row.id, row.peer, row.agent, row.created_at, row.seen_at, row.expires_at) for row in found
    ]
    cli.emit(found, table(("ID", "FROM", "WITH", "SINCE", "LAST SEEN", "UNTIL"), rows))


@app.command("end")
def end(
    ctx: typer.Context,
    email: Email,
    session_id: Annotated[
        str | None, typer.Argument(metavar="ID", help="One session; all if left out.")
    ] = None,
) -> None:
    """Sign a person out, everywhere or in one place."""
    from maild.core.sessions import end_sessions

    cli = of(ctx)
    ended = end_sessions(cli.app, email, session_id, by=cli.by)
    cli.emit(ended, f"{len(ended)} ended.")


@app.command("reset")
def reset(ctx: typer.Context, email: Email) -> None:
    """Mail a person the link for a new password; or for signing up, where there is none yet."""
    from maild.core.resets import send_link

    cli = of(ctx)
    sent = send_link(cli.app, email, by=cli.by)
    cli.emit(sent, f"A link is on its way to {sent.to}.")


@app.command("totp")
def totp(
    ctx: typer.Context,
    email: Email,
    off: Annotated[
        bool, typer.Option("--off", help="Switch it off; the person is told by mail.")
    ] = False,
) -> None:
    """Switch a person's second step off, as when the phone is lost; with --account that account's own login's."""
    from maild.core.second_step import end_second_step

    cli = of(ctx)
    if not off:
        raise WrongUsageError(
            "Only --off: a second step is set up by the person who has the phone. `maild login show EMAIL` shows it."
        )
    login = end_second_step(cli.app, email, account=cli.account_slug, by=cli.by)
    _tell(cli, login, f"{login.username} signs in without a second step.")


@app.command("add")
def add(
    ctx: typer.Context,
    email: Email,
    *,
    username: Annotated[str, typer.Option(metavar="U", help="The second user name.")],
    password_file: Annotated[
        Path, typer.Option(metavar="F", help="Its first line is the password; - is stdin.")
    ],
) -> None:
    """Give a person a login of their own for --account, which asks for that (own_login_required)."""
    from maild.core.logins import add_own_login

    cli = of(ctx)
    if cli.account_slug is None:
        raise WrongUsageError("Say for which account: --account SLUG.")
    login = add_own_login(
        cli.app, email, username, first_line(password_file), account=cli.account_slug, by=cli.by
    )
    _tell(cli, login, f"{login.username} opens {login.account}.")


@app.command("detach")
def detach(
    ctx: typer.Context,
    email: Email,
    *,
    issuer: Annotated[str, typer.Option(metavar="URL", help="The provider, as `show` tells it.")],
    subject: Annotated[str, typer.Option(metavar="S", help="Who the person is there.")],
) -> None:
    """Take from a login who its person is to a provider; the sessions end."""
    from maild.core.identities import detach_identity

    cli = of(ctx)
    login = detach_identity(cli.app, email, issuer, subject, by=cli.by)
    _tell(cli, login, f"{subject} at {issuer} signs nobody in any more.")


def _tell(cli: Context, login: LoginView, text: str) -> None:
    cli.emit(login, text)
