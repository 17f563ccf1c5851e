"""`maild account …`."""

from __future__ import annotations

from typing import Annotated

import typer

from maild.faces.cli.context import Context, of
from maild.faces.cli.group import changes_of, group
from maild.faces.cli.output import fields, table
from maild.model.plain_text import so_many

app = group("Tenant companies, and what each has settled for itself.")

Slug = Annotated[str, typer.Argument(metavar="SLUG", help="Its short name: a-z, 0-9 and -.")]


@app.command("add")
def add(
    ctx: typer.Context,
    slug: Slug,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The company's name.")],
) -> None:
    """Add an account."""
    from maild.core.accounts import add_account

    cli = of(ctx)
    added = add_account(cli.app, slug=slug, name=name, by=cli.by)
    cli.emit(added, f"Account {added.slug} is there.")


@app.command("list")
def list_(ctx: typer.Context) -> None:
    """List the accounts."""
    from maild.core.accounts import list_accounts

    cli = of(ctx)
    accounts = list_accounts(cli.app, by=cli.by)
    rows = [(account.slug, account.name, account.default_owner) for account in accounts]
    cli.emit(accounts, table(("SLUG", "NAME", "DEFAULT OWNER"), rows))


@app.command("show")
def show(ctx: typer.Context, slug: Slug) -> None:
    """Show an account and its settings."""
    from maild.core.accounts import show_account

    cli = of(ctx)
    account = show_account(cli.app, slug, by=cli.by)
    pairs: list[tuple[str, object]] = [
        ("slug", account.slug),
        ("name", account.name),
        ("default_owner", account.default_owner),
        *account.settings.items(),
    ]
    cli.emit(account, fields(pairs))


@app.command("set")
def set_(
    ctx: typer.Context,
    slug: Slug,
    pairs: Annotated[list[str], typer.Argument(metavar="KEY=VALUE…")],
    *,
    yes: Annotated[
        bool, typer.Option("--yes", help="Let mail go that is older than the retention.")
    ] = False,
) -> None:
    """Change settings: name, default_owner, plus_tag (exact, base-if-unique), employee_is_client,
    unread_on_transfer, all_received, own_login_required, outcome_line (true, false), retention and retention_ignored (off, 90d, 18mo, 3y).
    """
    from maild.core.accounts import set_account

    cli = of(ctx)
    changes = changes_of(pairs)
    if not yes:
        _require_word(cli, slug, changes)
    changed = set_account(cli.app, slug, changes, by=cli.by)
    cli.emit(changed, f"Account {changed.slug} is changed.")


def _require_word(cli: Context, slug: str, changes: dict[str, str]) -> None:
    """Say how many mails a retention takes, and ask for `--yes`."""
    from maild.core.erasing import find_outlived
    from maild.faces.cli.options import WrongUsageError

    for key in ("retention", "retention_ignored"):
        if key in changes:
            found = find_outlived(cli.app, slug, key, changes[key], by=cli.by)
            if found.count:
                raise WrongUsageError(
                    f"{key}={changes[key]} erases {so_many(found.count)} within a day, the oldest of "
                    f"{found.oldest:%Y-%m-%d}. Say --yes to have it so."
                )
