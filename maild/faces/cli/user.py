"""`maild user …`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from maild.faces.cli import user_absence, user_changes
from maild.faces.cli.context import Context, of
from maild.faces.cli.files import IMPORT_MAX, content_of, first_line
from maild.faces.cli.group import changes_of, group
from maild.faces.cli.options import WrongUsageError
from maild.faces.cli.output import fields, table
from maild.model.people import Role

if TYPE_CHECKING:
    from maild.core.joining import JoinView
    from maild.core.people import UserAdded
    from maild.core.people_views import UserView

app = group("People, their logins, and communal users.")
user_changes.add_to(app)
user_absence.add_to(app)

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="Any address of the user.")]
PasswordFile = Annotated[
    Path | None,
    typer.Option(metavar="F", help="Its first line is the password; - is stdin."),
]


@app.command("add")
def add(
    ctx: typer.Context,
    *,
    name: Annotated[str, typer.Option(metavar="NAME")],
    email: Annotated[str | None, typer.Option(metavar="ADDR")] = None,
    username: Annotated[
        str | None, typer.Option(metavar="U", help="To sign in with; the address if left out.")
    ] = None,
    role: Annotated[Role, typer.Option()] = Role.MEMBER,
    password_file: PasswordFile = None,
    communal: Annotated[
        bool, typer.Option("--communal", help="A user without a person, for a shared inbox.")
    ] = False,
    inbox: Annotated[str | None, typer.Option(metavar="ADDR", help="The communal inbox.")] = None,
) -> None:
    """Add a person, who can sign in; or invite one who has a login; or add a communal user.

    By adding a person you vouch for the address: it counts as verified.
    """
    from maild.core.people import NewUser, add_communal_user, add_user

    cli = of(ctx)
    if communal:
        if inbox is None or email is not None or username is not None or password_file is not None:
            raise WrongUsageError(
                "A communal user has an inbox and nothing else: --communal --inbox ADDR --name NAME."
            )
        added = add_communal_user(
            cli.app, inbox=inbox, name=name, account=cli.account_slug, by=cli.by
        )
        tell_added(cli, added)
        return
    if email is None or inbox is not None:
        raise WrongUsageError("Say the address of the person: --email ADDR --name NAME.")
    password = None if password_file is None else first_line(password_file)
    new = NewUser(email=email, name=name, role=role, username=username, password=password)
    tell_added(cli, add_user(cli.app, new, account=cli.account_slug, by=cli.by))


def tell_added(cli: Context, added: UserAdded | JoinView) -> None:
    """Say what became of a new user: the user and beside it what was warned of or is to be asked."""
    from maild.core.joining import JoinView
    from maild.faces.cli.member import tell_unmailed
    from maild.faces.documents import added_user

    if isinstance(added, JoinView):
        cli.emit(added, added.message)
        tell_unmailed(cli, added)
        return
    cli.emit(added_user(added), f"{added.user.name} ({added.user.email}) is there.")
    tell_warnings(cli, added.warnings)
    if added.question is not None:
        cli.say(f"{added.question.text}\n  Yes: {added.question.action}")


def tell_warnings(cli: Context, warnings: tuple[str, ...]) -> None:
    """Say warnings, on stderr."""
    for warning in warnings:
        cli.say(f"Warning: {warning}")


@app.command("list")
def list_(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 1000,
    after: Annotated[str | None, typer.Option(metavar="CURSOR")] = None,
) -> None:
    """List the users of an account."""
    from maild.core.people_views import list_users

    cli = of(ctx)
    page = list_users(cli.app, account=cli.account_slug, after=after, limit=limit, by=cli.by)
    rows = [
        (
            user.email,
            user.name,
            user.kind if user.kind == "communal" else user.role,
            user.username,
            "active" if user.active else "disabled",
        )
        for user in page.users
    ]
    cli.emit(page.users, table(("EMAIL", "NAME", "ROLE", "USER NAME", ""), rows))
    if page.next:
        cli.say(f"There are more: --after {page.next}")


@app.command("show")
def show(ctx: typer.Context, email: Email) -> None:
    """Show a user with all addresses and accounts."""
    from maild.core.people_views import show_user

    cli = of(ctx)
    tell_user(cli, show_user(cli.app, email, by=cli.by))


def tell_user(cli: Context, user: UserView) -> None:
    """Print a user."""
    addresses = [
        f"{row.address} ({row.kind.value}{'' if row.verified else ', not confirmed'})"
        for row in user.addresses
    ]
    accounts = [f"{row.account} ({row.role.value}, {row.state.value})" for row in user.memberships]
    pairs: list[tuple[str, object]] = [
        ("name", user.name),
        ("email", user.email),
        ("id", user.id),
        ("kind", user.kind),
        ("user name", user.username),
        ("password", "set" if user.has_password else "none"),
        (
            "active",
            user.active
            if user.disabled_at is None
            else f"no, since {user.disabled_at:%F %H:%M} UTC",
        ),
        ("addresses", addresses),
        ("accounts", accounts),
    ]
    cli.emit(user, fields(pairs))


@app.command("set")
def set_(
    ctx: typer.Context,
    email: Email,
    pairs: Annotated[list[str], typer.Argument(metavar="KEY=VALUE…")],
) -> None:
    """Change a user: name, role (member, distributor, admin), username, digest, notices, outcome_line (on, off)."""
    from maild.core.people import set_user

    cli = of(ctx)
    changes = changes_of(pairs)
    user = set_user(cli.app, email, changes, account=cli.account_slug, by=cli.by)
    cli.emit(user, f"{user.name} is changed.")


@app.command("password")
def password(
    ctx: typer.Context,
    email: Email,
    password_file: Annotated[
        Path, typer.Option(metavar="F", help="Its first line is the password; - is stdin.")
    ],
) -> None:
    """Set a user's password."""
    from maild.core.people import set_password

    cli = of(ctx)
    user = set_password(cli.app, email, first_line(password_file), by=cli.by)
    cli.emit(user, f"The password of {user.name} is set.")


@app.command("disable")
def disable(ctx: typer.Context, email: Email) -> None:
    """Make a user inactive; the addresses stay theirs."""
    _set_active(of(ctx), email, active=False)


@app.command("enable")
def enable(ctx: typer.Context, email: Email) -> None:
    """Make a disabled user active again."""
    _set_active(of(ctx), email, active=True)


def _set_active(cli: Context, email: str, *, active: bool) -> None:
    from maild.core.people import set_active

    user = set_active(cli.app, email, active=active, by=cli.by)
    cli.emit(user, f"{user.name} is {'active' if active else 'disabled'}.")


@app.command("import")
def import_(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="- is stdin.")],
) -> None:
    """Add many users.  Columns: email, name, username, role.  Each line is added or refused; the rest goes on.

    Exit 1 when a line was refused.
    """
    from maild.core.importing import import_users
    from maild.faces.cli.bulk import USER_COLUMNS, tell_outcomes, users_in
    from maild.parse.sheet import read_sheet

    cli = of(ctx)
    raw = content_of(file, "The CSV file", IMPORT_MAX)
    sheet = read_sheet(raw, needed=("email", "name"), known=USER_COLUMNS)
    tell_warnings(cli, sheet.notes)
    lines = users_in(sheet)
    outcomes = import_users(cli.app, lines, account=cli.account_slug, by=cli.by)
    tell_outcomes(cli, outcomes, len(lines))
