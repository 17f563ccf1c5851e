"""`maild token …`."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from maild.faces.cli.context import of
from maild.faces.cli.group import group
from maild.faces.cli.options import WrongUsageError
from maild.faces.cli.output import fields, table
from maild.faces.documents import made_token
from maild.model.scope import Scope

app = group("Secrets by which programs act in a person's name: at the API, and as mail programs.")


@app.command("create")
def create(
    ctx: typer.Context,
    email: Annotated[
        str | None, typer.Argument(metavar="EMAIL", help="In whose name it acts.")
    ] = None,
    *,
    name: Annotated[str, typer.Option(metavar="NAME", help="What it is for, as phone or backup.")],
    days: Annotated[
        int | None, typer.Option(metavar="N", min=1, max=36500, help="How long it lives.")
    ] = None,
    scope: Annotated[
        Scope, typer.Option("--scope", help="read: it asks, and changes nothing.")
    ] = Scope.WRITE,
    operator: Annotated[
        bool, typer.Option("--operator", help="It opens the whole installation.")
    ] = False,
) -> None:
    """Make a token; its secret is shown this once.  With --account it opens that account alone.

    A person's token for all accounts that may write is also taken as the password when a mail program signs in (SMTP AUTH).
    """
    from maild.core.tokens import make_token

    cli = of(ctx)
    if operator == (email is not None):
        raise WrongUsageError("Say in whose name it acts: EMAIL, or --operator.")
    lives = None if days is None else timedelta(days=days)
    made = make_token(
        cli.app, email, name, account=cli.account_slug, lives=lives, scope=scope, by=cli.by
    )
    cli.emit(made_token(made), made.secret)
    cli.say(f"The token {made.token.id}. It is not shown again; whoever has it acts as it does.")


@app.command("list")
def list_(
    ctx: typer.Context,
    email: Annotated[
        str | None, typer.Argument(metavar="EMAIL", help="Whose; everybody's if left out.")
    ] = None,
) -> None:
    """List tokens, without their secrets: a person's, the ended ones too, or everybody's living ones."""
    from maild.core.tokens import list_tokens

    cli = of(ctx)
    tokens = list_tokens(cli.app, email, by=cli.by)
    rows = [
        (
            row.id,
            row.email or "(operator)",
            row.name,
            row.account or "(all)",
            row.scope,
            row.last_used_at,
            row.expires_at,
            "active" if row.active else "ended",
        )
        for row in tokens
    ]
    header = ("ID", "OF", "NAME", "ACCOUNT", "SCOPE", "LAST USED", "UNTIL", "")
    cli.emit(tokens, table(header, rows))


@app.command("revoke")
def revoke(
    ctx: typer.Context, token_id: Annotated[str, typer.Argument(metavar="ID", help="Its id.")]
) -> None:
    """End a token for good, and all that it made."""
    from maild.core.tokens import revoke_token

    cli = of(ctx)
    token = revoke_token(cli.app, token_id, by=cli.by)
    cli.emit(token, fields((("token", token.name), ("of", token.email), ("active", token.active))))
